//! The dialogue with a server as a machine (RFC 5321, 3207, 4954, 2920, 1870, 3030, 6152, 6531, 3461): bytes and times go in, bytes and
//! waits come out, and for each message, in the order in which they were given, [`Smtp::poll_report`] says what is known.
//!
//! ```text
//!  connect ─▶ greeting ─▶ EHLO (HELO) ─▶ STARTTLS ─▶ TLS ─▶ EHLO ─▶ AUTH ─┐
//!    ┌────────────────────────────────────────────────────────────────────┘
//!    ├▶ MAIL ─▶ RCPT... ─▶ DATA ─▶ message ─▶ .                 ─┬▶ (RSET) next message, or QUIT
//!    └▶ MAIL ─▶ RCPT... ─▶ BDAT ... ─▶ BDAT n LAST, BDAT 0 LAST ─┘
//!                                                             ▲
//!               lost before: not sent            lost after the whole end left: in doubt
//! ```
//!
//! What may be said before the answers to what was said is said at once: with PIPELINING a message takes one round trip with DATA, since
//! the next sender, recipients and DATA leave with the dot before them, and with BDAT none at all. A message of more than one chunk is
//! committed in a step of its own, `BDAT 0 LAST`, when all its chunks are answered.
//!
//! The order of use: one `handle_*`, then [`Smtp::poll_output`] until it says [`Output::Wait`], [`Output::Secure`] or [`Output::Close`].
//! What is to be sent may be collected and written in one piece; [`Smtp::handle_written`] says how much of it still waits, because only what
//! the network took can have been read by the server.
//!
//! *Promises* that a recipient is called accepted only after the server's yes to the end of the message, not sent only when no complete
//! message left, and in doubt exactly in between; that nothing in a message can become a command; that nothing read before TLS counts
//! after it. *Absent:* sockets, TLS itself, clocks, files, the making of messages; trying again.

mod answers;
mod body;
mod dialogue;
mod dots;
pub mod dsn;
mod envelope;
mod extensions;
mod login;
mod options;
mod report;
mod transaction;
mod transcript;

use std::collections::VecDeque;
use std::net::IpAddr;

pub use extensions::{Extensions, SizeLimit};
pub use options::{Avoidable, ClientCertificate, Envelope, Options, Security, Submission};
pub use report::{Cause, Fate, Phase, RecipientFate, Report};
pub use transcript::Line;

use crate::auth::{Channel, Exchange};
use crate::limits::{GREETING_MS_MAX, HANDSHAKE_MS_MAX};
use crate::reply::ReplyReader;
use body::Chunk;
use dots::Dots;
use envelope::{Ask, Awaited, Command};
use transaction::Transaction;

/// What the driver does next. Times are monotonic milliseconds of the driver's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes, after all that were given before.
    Send(Vec<u8>),
    /// Run a TLS handshake, then call [`Smtp::handle_secured`].
    Secure,
    /// Another message can begin: call [`Smtp::handle_message`] or [`Smtp::handle_no_more`], now or when the network has room, as for
    /// [`Output::Body`].
    Next {
        /// When [`Smtp::handle_timer`] has to be called.
        until_ms: u64,
    },
    /// Give the next piece of the message that was given last to [`Smtp::handle_body`], or call [`Smtp::handle_body_end`]. A driver whose
    /// network takes no more may wait before it does, as for [`Output::Wait`].
    Body {
        /// When [`Smtp::handle_timer`] has to be called.
        until_ms: u64,
    },
    /// Nothing to do until something comes or the time is reached.
    Wait {
        /// When [`Smtp::handle_timer`] has to be called.
        until_ms: u64,
    },
    /// It is over: close the connection at once. What still waits must not be sent: it would complete what is reported as incomplete.
    Close,
}

/// One connection that submits messages.
pub struct Smtp {
    options: Options,
    step: Step,
    turn: Turn,
    reader: ReplyReader,
    outgoing: Vec<u8>,
    /// How many bytes were given out.
    given: u64,
    /// How many of them the network took.
    taken: u64,
    /// Whether bytes came before the command that they pretend to answer was out.
    early: bool,
    /// Whether [`Output::Secure`] is due.
    securing: bool,
    /// Whether the server said that it closes.
    shut: bool,
    /// Whether no message is to come.
    no_more: bool,
    /// Whether the server will have no open transaction when it reads what is said next.
    clean: bool,
    deadline_ms: u64,
    allowed_ms: u64,
    channel: Channel,
    hello_name: String,
    extensions: Extensions,
    awaited: VecDeque<Awaited>,
    transactions: VecDeque<Transaction>,
    /// How many messages were reported: the number of the first of `transactions`.
    reported: u64,
    trouble: Option<(Phase, Cause)>,
    lines: VecDeque<Line>,
}

/// Where the dialogue is: what was said last.
enum Step {
    /// Nothing, the connection is not there yet.
    Connecting,
    /// A handshake runs; what comes after it.
    Handshake(AfterHandshake),
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth {
        exchange: Exchange,
        rounds: u32,
    },
    Cancelled(Cause),
    /// Messages are submitted; [`Turn`] says what is being said, `awaited` which answers are to come.
    Submitting,
    /// Goodbye, before any message could be submitted.
    Quit,
    Over,
}

#[derive(Clone, Copy)]
enum AfterHandshake {
    Greeting,
    Ehlo,
}

/// What this side is saying, independent of which answers have come.
enum Turn {
    /// Nothing; the next message may begin.
    Between,
    /// A message was given and has not begun.
    Given,
    /// The envelope; what comes next of it.
    Envelope(Ask),
    /// DATA was said, its answer is awaited.
    Data,
    /// The message, until a dot.
    Text(Dots),
    /// The message, in chunks.
    Chunks(Chunk),
    /// The rest of the message, said as the last chunk when all before it are answered.
    Commit(Vec<u8>),
    /// QUIT was said.
    Quit,
}

impl Smtp {
    /// A dialogue that has not begun.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            step: Step::Connecting,
            turn: Turn::Between,
            reader: ReplyReader::default(),
            outgoing: Vec::new(),
            given: 0,
            taken: 0,
            early: false,
            securing: false,
            shut: false,
            no_more: false,
            clean: true,
            deadline_ms: u64::MAX,
            allowed_ms: 0,
            channel: Channel::Clear,
            hello_name: String::new(),
            extensions: Extensions::default(),
            awaited: VecDeque::new(),
            transactions: VecDeque::new(),
            reported: 0,
            trouble: None,
            lines: VecDeque::new(),
        }
    }

    /// The connection stands. `local` is this side's address, by which the client names itself (RFC 5321 section 4.1.3).
    pub fn handle_connected(&mut self, now_ms: u64, local: IpAddr) {
        self.hello_name = match local {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        };
        if self.stops_after(Phase::Connect) {
            return self.fail(Cause::Stopped);
        }
        match self.options.security {
            Security::Implicit => self.secure(now_ms, AfterHandshake::Greeting),
            Security::Off | Security::StartTls => self.expect(now_ms, Step::Greeting, GREETING_MS_MAX),
        }
    }

    /// The TLS handshake is complete and the server is the right one. `exporter` is 32 bytes of keying material for channel binding
    /// (RFC 9266), where the version of TLS has it.
    pub fn handle_secured(&mut self, now_ms: u64, exporter: Option<Vec<u8>>) {
        let Step::Handshake(after) = self.step else { return };
        self.note("TLS");
        self.channel = Channel::Tls { exporter };
        match after {
            AfterHandshake::Greeting => self.expect(now_ms, Step::Greeting, GREETING_MS_MAX),
            AfterHandshake::Ehlo if self.stops_after(Phase::Tls) => self.give_up(now_ms, Cause::Stopped),
            AfterHandshake::Ehlo => self.say_ehlo(now_ms),
        }
    }

    /// A message to submit: the answer to [`Output::Next`]. The first may be given before the connection stands, so that it has a report
    /// whatever happens. Given at any other time it is reported as not sent.
    pub fn handle_message(&mut self, now_ms: u64, submission: Submission) {
        self.transactions.push_back(Transaction::new(submission));
        if matches!(self.turn, Turn::Between) && !matches!(self.step, Step::Over) && !self.no_more {
            self.turn = Turn::Given;
            self.advance(now_ms);
        } else {
            let (phase, cause) = self.trouble.clone().unwrap_or((Phase::Quit, Cause::Unfinished));
            let fate = Fate::NotSent { phase, cause };
            self.current().settle(&fate);
        }
    }

    /// There is no message to come: the other answer to [`Output::Next`].
    pub fn handle_no_more(&mut self, now_ms: u64) {
        self.no_more = true;
        self.advance(now_ms);
    }

    /// Bytes of the server.
    pub fn handle_input(&mut self, now_ms: u64, bytes: &[u8]) {
        if matches!(self.step, Step::Over | Step::Connecting) {
            return;
        }
        if matches!(self.step, Step::Handshake(_)) {
            // From here on the server's bytes are the handshake's; these came before and are not under TLS.
            self.step = Step::StartTls;
            return self.fail(Cause::Injected);
        }
        // In pieces, so that what waits unread is bounded whatever a driver reads at a time.
        for piece in bytes.chunks(crate::limits::REPLY_LINE_BYTES_MAX) {
            self.reader.push(piece);
            self.read_replies(now_ms);
        }
    }

    /// The network took something; of the bytes given out so far `waiting` are left.
    pub fn handle_written(&mut self, now_ms: u64, waiting: usize) {
        self.taken = self.given.saturating_sub(waiting as u64).max(self.taken);
        if matches!(self.turn, Turn::Text(_) | Turn::Chunks(_)) {
            self.be_patient(now_ms);
        }
    }

    /// The connection or the handshake failed: `cause` is [`Cause::Lost`], [`Cause::Network`], [`Cause::Unreachable`] or
    /// [`Cause::Untrusted`].
    pub fn handle_trouble(&mut self, cause: Cause) {
        match self.step {
            Step::Over => {}
            Step::Quit => self.close(),
            // Nothing depends on the answer to QUIT.
            Step::Submitting if matches!(self.turn, Turn::Quit) && !self.has_open() => self.close(),
            Step::Cancelled(ref why) => {
                let why = why.clone();
                self.fail(why);
            }
            Step::Connecting
            | Step::Handshake(_)
            | Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Auth { .. }
            | Step::Submitting => self.fail(cause),
        }
    }

    /// The time has come that [`Output::Wait`] named; earlier calls do nothing.
    pub fn handle_timer(&mut self, now_ms: u64) {
        if now_ms >= self.deadline_ms {
            self.handle_trouble(Cause::TimedOut { waited_ms: self.allowed_ms });
        }
    }

    /// What to do next; to be asked until it says to wait, to secure or to close.
    pub fn poll_output(&mut self) -> Output {
        if !self.outgoing.is_empty() {
            self.given += self.outgoing.len() as u64;
            return Output::Send(std::mem::take(&mut self.outgoing));
        }
        if std::mem::take(&mut self.securing) {
            return Output::Secure;
        }
        let until_ms = self.deadline_ms;
        match self.step {
            Step::Over => Output::Close,
            Step::Submitting if !self.shut => match &self.turn {
                Turn::Between if self.has_room() => Output::Next { until_ms },
                Turn::Text(_) => Output::Body { until_ms },
                Turn::Chunks(chunk) if chunk.has_room(self.options.chunk_bytes_max) => {
                    Output::Body { until_ms }
                }
                Turn::Between
                | Turn::Given
                | Turn::Envelope(_)
                | Turn::Data
                | Turn::Chunks(_)
                | Turn::Commit(_)
                | Turn::Quit => Output::Wait { until_ms },
            },
            Step::Connecting
            | Step::Handshake(_)
            | Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Auth { .. }
            | Step::Cancelled(_)
            | Step::Submitting
            | Step::Quit => Output::Wait { until_ms },
        }
    }

    /// The next line of the transcript, secrets hidden.
    pub fn poll_line(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    /// What is known about the next message, when nothing more can become known: the reports come in the order of the messages, and when it is
    /// over there is one for each.
    pub fn poll_report(&mut self) -> Option<Report> {
        let first = self.transactions.front()?;
        let answered = self
            .awaited
            .front()
            .is_none_or(|awaited| awaited.message > self.reported || matches!(awaited.what, Command::Quit));
        let under_way = self.transactions.len() == 1 && self.is_saying();
        if first.is_open() || !answered || under_way {
            return None;
        }
        self.reported += 1;
        self.transactions.pop_front().map(Transaction::into_report)
    }

    /// What ended the dialogue before its time, and where.
    #[must_use]
    pub fn trouble(&self) -> Option<&(Phase, Cause)> {
        self.trouble.as_ref()
    }

    /// What the server said last that it can do; nothing before it was asked.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Where the dialogue is: with the oldest message that is not settled.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.step {
            Step::Connecting => Phase::Connect,
            Step::Handshake(_) => Phase::Tls,
            Step::Greeting => Phase::Greeting,
            Step::Ehlo | Step::Helo => Phase::Hello,
            Step::StartTls => Phase::StartTls,
            Step::Auth { .. } | Step::Cancelled(_) => Phase::Auth,
            Step::Submitting => match self.transactions.iter().position(Transaction::is_open) {
                Some(open) => self.phase_of(self.reported + open as u64),
                None if matches!(self.turn, Turn::Quit) => Phase::Quit,
                None => Phase::Mail,
            },
            Step::Quit | Step::Over => Phase::Quit,
        }
    }

    /// Ends at once: what is open is lost.
    fn fail(&mut self, cause: Cause) {
        let phase = self.phase();
        if !self.shut {
            self.trouble = Some((phase, cause.clone()));
        }
        // A server that said that it closes has closed; that is why what it did not get was not sent.
        let why = self.trouble.as_ref().map_or(&cause, |(_, why)| why).clone();
        for at in 0..self.transactions.len() {
            let number = self.reported + at as u64;
            let phase = if matches!(self.step, Step::Submitting) { self.phase_of(number) } else { phase };
            let taken = self.taken;
            if let Some(transaction) = self.transactions.get_mut(at) {
                let fate = match transaction.end {
                    Some(end) if end <= taken => Fate::InDoubt { cause: cause.clone() },
                    // Whatever of the end still waits here, the server has not seen a complete message.
                    Some(_) | None => Fate::NotSent { phase, cause: why.clone() },
                };
                if transaction.settle(&fate) {
                    transaction.trouble = Some((phase, cause.clone()));
                }
            }
        }
        self.close();
    }

    /// Gives `fate` to every recipient of every message whose fate is open.
    fn settle_all(&mut self, fate: &Fate, trouble: &(Phase, Cause)) {
        for transaction in &mut self.transactions {
            if transaction.settle(fate) {
                transaction.trouble = Some(trouble.clone());
            }
        }
    }

    /// The message of this number, while it is not reported.
    fn transaction(&mut self, number: u64) -> Option<&mut Transaction> {
        let at = usize::try_from(number.checked_sub(self.reported)?).ok()?;
        self.transactions.get_mut(at)
    }

    fn has_open(&self) -> bool {
        self.transactions.iter().any(Transaction::is_open)
    }

    /// Whether the network took everything that was said.
    fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && self.taken == self.given
    }

    fn close(&mut self) {
        // What was not given out would complete what the result says is incomplete.
        self.outgoing.clear();
        self.awaited.clear();
        self.securing = false;
        self.turn = Turn::Between;
        self.step = Step::Over;
    }

    fn expect(&mut self, now_ms: u64, step: Step, allowed_ms: u64) {
        self.step = step;
        self.allow(now_ms, allowed_ms);
    }

    fn allow(&mut self, now_ms: u64, allowed_ms: u64) {
        self.allowed_ms = allowed_ms;
        self.deadline_ms = now_ms.saturating_add(allowed_ms);
    }

    fn secure(&mut self, now_ms: u64, after: AfterHandshake) {
        self.expect(now_ms, Step::Handshake(after), HANDSHAKE_MS_MAX);
        self.securing = true;
    }
}
