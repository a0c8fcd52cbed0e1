//! The whole errand: attempts, redirects, what an answer means for the file, and what is left when it breaks off. Absent:
//! sockets (`connect`), files (`part`), the command line.

use std::path::Path;
use std::time::Instant;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes};
use hyper::header::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Method;
use super::connect::authority;
use super::continuation::{Continuation, continuation, going_on};
use super::decode::{Arriving, Coding};
use super::dialogue::Dialogue;
use super::error::GetError;
use super::exchange::{Answer, exchange};
use super::limits::PIECES_WAITING_MAX;
use super::part::{self, Note, Part};
use super::rate::Rate;
use super::redirect;
use super::retry;
use super::sink::{Sink, Taker, TextOnly, print};
use super::wish::{Begun, Compression, Fetched, Head, Place, Wish};

/// The state that attempts share.
struct Errand<'a> {
    wish: &'a Wish,
    dialogue: &'a Dialogue,
    /// Where the file is to stand, when it goes to one.
    target: Option<part::Target>,
    begun: Begun,
    /// Whether standard output has got something that cannot be taken back.
    is_shown: bool,
    is_last_attempt: bool,
}

/// Fetches it.
///
/// # Errors
/// When there is no whole answer, or none that is a success.
pub async fn fetch(wish: &Wish, dialogue: &Dialogue) -> Result<Fetched, GetError> {
    let target = match &wish.place {
        Place::File(path) => Some(part::target(path)?),
        Place::Nowhere | Place::Terminal | Place::Output => None,
    };
    let mut errand =
        Errand { wish, dialogue, target, begun: wish.begun, is_shown: false, is_last_attempt: false };
    let mut number = 0;
    loop {
        errand.is_last_attempt = number == wish.retries;
        let error = match errand.attempt().await {
            Ok(fetched) => return Ok(fetched),
            Err(error) => error,
        };
        number += 1;
        let pause = retry::pause(wish.first_pause, number, error.asked_pause());
        let Some(pause) = pause.filter(|_| number <= wish.retries && error.may_pass() && !errand.is_shown)
        else {
            return Err(error);
        };
        let told = format!(
            "{error}; again in {} s, attempt {} of {}",
            pause.as_secs_f64(),
            number + 1,
            wish.retries + 1
        );
        dialogue.tell(&told);
        tokio::time::sleep(pause).await;
        // What has arrived meanwhile is of use.
        errand.begun = Begun::GoneOnWith;
    }
}

/// How many bytes of a fetch that did not end well can be gone on with.
#[must_use]
pub fn left_behind(wish: &Wish) -> Option<u64> {
    let Place::File(path) = &wish.place else { return None };
    match part::target(path) {
        Ok(part::Target::File(target)) => part::left_behind(&target, &wish.url),
        Ok(part::Target::Device(_)) | Err(_) => None,
    }
}

impl Errand<'_> {
    async fn attempt(&mut self) -> Result<Fetched, GetError> {
        let mut part = match (&self.target, self.wish.method) {
            (Some(part::Target::File(target)), Method::Get) => Some(Part::open(target)?),
            (Some(_) | None, _) => None,
        };
        let begun = match (self.begun, self.wish.compression) {
            (Begun::GoneOnWith, Compression::Declined) => {
                part.as_ref().and_then(|part| part.begun(&self.wish.url))
            }
            (Begun::GoneOnWith | Begun::Dropped, _) => None,
        };
        let Some((length, note)) = begun else {
            let answer = self.ask(&HeaderMap::new()).await?;
            return self.receive(answer, part).await;
        };
        let answer = self.ask(&going_on(length, &note)).await?;
        match continuation(&answer, length, &note) {
            Continuation::Whole => self.receive(answer, part).await,
            Continuation::Rest { end } => {
                self.dialogue.note(&format!("going on behind byte {length}"));
                let part = part.take().expect("only a part is gone on with");
                self.append(answer, part, length, end).await
            }
            Continuation::Nothing => {
                let mut part = part.take().expect("only a part is gone on with");
                let hash = part.go_on()?;
                self.done(answer, Sink::new(Taker::Part(part), hash, length, None))
            }
            Continuation::Other => {
                self.dialogue.note("the part is of another version; beginning anew");
                drop(answer);
                let answer = self.ask(&HeaderMap::new()).await?;
                self.receive(answer, part).await
            }
        }
    }

    /// Follows redirects to an answer.
    async fn ask(&self, range: &HeaderMap) -> Result<Answer, GetError> {
        let mut url = self.wish.url.clone();
        let mut followed = 0;
        loop {
            let answer = exchange(self.wish, &url, range, self.dialogue).await?;
            if self.wish.redirects_max == 0 || !redirect::is_redirect(answer.status) {
                return Ok(answer);
            }
            url = redirect::destination(&url, &answer.fields, self.wish.downgrade)?;
            if followed == self.wish.redirects_max {
                return Err(GetError::RedirectsTooMany { count: followed, to: url.to_string() });
            }
            followed += 1;
        }
    }

    /// Takes an answer that is meant as a whole.
    async fn receive(&mut self, answer: Answer, part: Option<Part>) -> Result<Fetched, GetError> {
        // A class that does not exist is as good as 5xx (RFC 9110 section 15).
        if answer.status.as_u16() >= 400 {
            return Err(self.refused(answer).await);
        }
        if answer.status == StatusCode::PARTIAL_CONTENT {
            return Err(contradiction(&answer, "a part of the file"));
        }
        self.show_head(&answer)?;
        if self.is_unasked(answer.status) {
            return Err(GetError::Unasked { host: authority(&answer.url), status: answer.status });
        }
        let is_file = answer.status.is_success()
            && ![StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&answer.status);
        let taker = match (&self.target, part) {
            (Some(_), part) if !is_file || self.wish.method == Method::Head => {
                part.into_iter().for_each(Part::leave);
                Taker::Nobody
            }
            (Some(part::Target::Device(path)), _) => Taker::Device(device(path)?, path.clone()),
            (Some(part::Target::File(_)), Some(mut part)) => {
                let note = match self.wish.compression {
                    Compression::Declined => {
                        Note::of(&self.wish.url, &answer.fields, answer.body.size_hint().exact())
                    }
                    Compression::Asked => None,
                };
                part.begin(note.as_ref())?;
                Taker::Part(part)
            }
            (Some(part::Target::File(_)) | None, _) => self.output(),
        };
        let sink = Sink::new(taker, Sha256::new(), 0, self.wish.bytes_max);
        self.pour(answer, sink, None).await
    }

    /// Whether it is a status that this request cannot have: no switch of protocols, no comparison and no choice was asked for.
    fn is_unasked(&self, status: StatusCode) -> bool {
        match status {
            StatusCode::NOT_MODIFIED => !self.wish.fields.ask_for_changes(),
            _ => status.is_informational() || (status.is_redirection() && self.wish.redirects_max > 0),
        }
    }

    /// Takes an answer that is the rest of a part.
    async fn append(
        &mut self,
        answer: Answer,
        mut part: Part,
        length: u64,
        end: u64,
    ) -> Result<Fetched, GetError> {
        self.show_head(&answer)?;
        let hash = part.go_on()?;
        let sink = Sink::new(Taker::Part(part), hash, length, self.wish.bytes_max);
        self.pour(answer, sink, Some(end)).await
    }

    fn output(&self) -> Taker {
        match self.wish.place {
            Place::Nowhere | Place::File(_) => Taker::Nobody,
            Place::Terminal => Taker::Terminal(TextOnly::default()),
            Place::Output => Taker::Output,
        }
    }

    /// The error that an answer is; shown with its body where the person wants to see what the server says.
    async fn refused(&mut self, answer: Answer) -> GetError {
        let asked_pause = retry::asked_pause(&answer.fields, now());
        let error = GetError::Status { url: answer.url.to_string(), status: answer.status, asked_pause };
        let will_retry = error.may_pass() && !self.is_last_attempt;
        if self.wish.head == Head::Hidden || will_retry {
            return error;
        }
        let sink = Sink::new(self.output(), Sha256::new(), 0, self.wish.bytes_max);
        let shown = match self.show_head(&answer) {
            Ok(()) => self.pour(answer, sink, None).await.err(),
            Err(failed) => Some(failed),
        };
        shown.unwrap_or(error)
    }

    fn show_head(&mut self, answer: &Answer) -> Result<(), GetError> {
        if self.wish.head == Head::Hidden {
            return Ok(());
        }
        let mut text = format!("{}\n", answer.first_line);
        for (name, value) in &answer.fields {
            let value = String::from_utf8_lossy(value.as_bytes());
            text.push_str(&format!("{name}: {}\n", crate::screen::harmless(&value)));
        }
        text.push('\n');
        self.is_shown = true;
        print(text.as_bytes()).map(|_left| ())
    }

    /// Brings the body to the sink, on a thread that may wait for disks and readers. `end` is how long the whole is, where
    /// the answer has told it apart from its framing.
    async fn pour(
        &mut self,
        mut answer: Answer,
        mut sink: Sink,
        end: Option<u64>,
    ) -> Result<Fetched, GetError> {
        let expected = answer.body.size_hint().exact();
        let coding = match self.wish.compression {
            // The head alone may name the coding of a body that was not asked for.
            Compression::Asked if expected != Some(0) => Coding::of(&answer.fields)?,
            Compression::Asked | Compression::Declined => Coding::Identity,
        };
        if let (Coding::Identity, Some(expected)) = (coding, expected) {
            sink.expect(expected)?;
        }
        self.dialogue.begin(sink.written(), expected);
        let held = sink.written();
        let (pieces, arriving) = mpsc::channel(PIECES_WAITING_MAX);
        let taking = tokio::task::spawn_blocking(move || {
            let taken = sink.take_all(coding.decoder(Arriving::new(arriving)), coding.name());
            (sink, taken)
        });
        let poured = self.pieces(&mut answer, expected, pieces).await;
        let (sink, taken) = taking.await.expect("whoever takes the body neither panics nor is ended");
        let is_kept = matches!(sink.taker, Taker::Nobody | Taker::Part(_));
        self.is_shown |= !is_kept && sink.written() > held;
        // Of both failures the network's explains the decoder's; where the sink failed, it ended the network's work.
        poured?;
        taken?;
        if end.is_some_and(|end| end != sink.written()) {
            return Err(contradiction(&answer, "another range than its Content-Range names"));
        }
        self.done(answer, sink)
    }

    async fn pieces(
        &self,
        answer: &mut Answer,
        expected: Option<u64>,
        pieces: mpsc::Sender<Bytes>,
    ) -> Result<(), GetError> {
        let mut received = 0;
        let mut rate = Rate::new(self.wish.bytes_per_second_min, self.wish.stall_timeout);
        loop {
            let begun = instant();
            let next = tokio::time::timeout(self.wish.stall_timeout, answer.body.frame()).await;
            let frame = match next {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    frame.map_err(|source| GetError::CutShort { received, expected, source })?
                }
                Err(_elapsed) => {
                    let what = format!("no further byte came from {}", authority(&answer.url));
                    let seconds = self.wish.stall_timeout;
                    return Err(GetError::TimedOut { what, seconds, flag: "--stall-timeout" });
                }
            };
            let Ok(piece) = frame.into_data() else { continue };
            let count = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            received += count;
            self.dialogue.came(count);
            if let Some((bytes, seconds)) = rate.came(count, begun.elapsed()) {
                let (host, bytes_per_second_min) = (authority(&answer.url), self.wish.bytes_per_second_min);
                return Err(GetError::TooSlow { host, bytes, seconds, bytes_per_second_min });
            }
            if pieces.send(piece).await.is_err() {
                // Nobody takes it any more, and says why.
                return Ok(());
            }
        }
    }

    fn done(&self, answer: Answer, sink: Sink) -> Result<Fetched, GetError> {
        let (bytes, sha256) = (sink.written(), sink.digest());
        if sink.is_left() {
            self.dialogue.note("nobody reads on");
        }
        let is_file = matches!(sink.taker, Taker::Part(_) | Taker::Device(..));
        if let Taker::Part(part) = sink.taker {
            part.finish()?;
        }
        let file = match &self.wish.place {
            Place::File(path) => is_file.then(|| path.clone()),
            Place::Nowhere | Place::Terminal | Place::Output => None,
        };
        Ok(Fetched { url: answer.url, status: answer.status, fields: answer.fields, bytes, sha256, file })
    }
}

fn contradiction(answer: &Answer, why: &str) -> GetError {
    GetError::Contradiction { host: authority(&answer.url), why: why.to_owned() }
}

fn device(path: &Path) -> Result<std::fs::File, GetError> {
    let failed = |source| GetError::File { action: "open", path: path.into(), source };
    std::fs::OpenOptions::new().write(true).open(path).map_err(failed)
}

#[expect(clippy::disallowed_methods, reason = "a date in Retry-After is held against the time of day")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "tells how long the next bytes were waited for")]
fn instant() -> Instant {
    Instant::now()
}
