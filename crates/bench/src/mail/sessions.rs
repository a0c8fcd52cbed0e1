//! Many messages by Switchboard's mail library: sessions in threads, each composing every message anew, with an id of its own, and
//! submitting it on its one connection. Absent: a process; that is measured with one message.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};
use switchboard_mail::deliver::{Event, Mail, Server, deliver_all};
use switchboard_mail::mime::{Draft, Stamp};
use switchboard_mail::smtp::{Avoidable, Envelope, Options, Security, Submission};
use switchboard_tls::Trust;

use super::tools::{FROM, TO, text};

/// How messages are submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// With all that the server offers.
    Together,
    /// Each message after the answer to the one before.
    OneByOne,
    /// By DATA, whatever the server offers.
    Data,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sessions {
    pub(super) address: SocketAddr,
    pub(super) sessions: u16,
    /// Over all sessions, at least one each.
    pub(super) messages: u64,
    /// Of the text of each.
    pub(super) bytes: usize,
    pub(super) way: Way,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Done {
    pub(super) messages: u64,
    /// Of the messages, their headers included.
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
    pub(super) cpu: Duration,
}

impl Sessions {
    /// Sends them; each has to be accepted.
    #[expect(clippy::disallowed_methods, reason = "the time is what is measured")]
    pub(super) fn run(&self) -> Result<Done> {
        let each = self.messages.div_ceil(u64::from(self.sessions));
        let begun = Instant::now();
        let ended: Vec<Result<Done>> = thread::scope(|scope| {
            let sessions: Vec<_> = (0..self.sessions).map(|_| scope.spawn(|| self.one(each))).collect();
            let joined = sessions.into_iter().map(|session| session.join());
            joined.map(|ended| ended.map_err(|_| anyhow!("a session ended by a fault"))?).collect()
        });
        let mut all = Done { elapsed: begun.elapsed(), ..Done::default() };
        for done in ended {
            let done = done?;
            all.messages += done.messages;
            all.bytes += done.bytes;
            all.cpu += done.cpu;
        }
        Ok(all)
    }

    fn one(&self, messages: u64) -> Result<Done> {
        let cpu_before = thread_cpu()?;
        let server = Server {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            trust: Trust::SystemRoots,
        };
        let letters = Letters::new(self.bytes)?;
        let (mut bytes, mut left, mut failed, mut accepted) = (0, messages, None, 0);
        let mut next = || {
            left = left.checked_sub(1)?;
            match letters.next() {
                Ok(mail) => {
                    bytes += mail.message.bytes();
                    Some(mail)
                }
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        };
        let mut on = |event: Event<'_>| match event {
            Event::Report(report) => accepted += u64::from(report.all_accepted()),
            Event::Line(_) | Event::Taken(_) => {}
        };
        let ending = deliver_all(&server, self.options()?, &mut next, &mut on)?;
        if let Some(error) = failed {
            return Err(error);
        }
        ensure!(
            accepted == messages,
            "{accepted} of {messages} messages were accepted: {:?}",
            ending.trouble
        );
        let cpu = thread_cpu()?.saturating_sub(cpu_before);
        Ok(Done { messages, bytes, elapsed: Duration::ZERO, cpu })
    }

    fn options(&self) -> Result<Options> {
        let mut nonce = [0; 18];
        getrandom::fill(&mut nonce)?;
        let mut options = Options::new(Security::Off, nonce);
        match self.way {
            Way::Together => {}
            Way::OneByOne => options.unanswered_max = 1,
            Way::Data => options.avoided = vec![Avoidable::Chunking],
        }
        Ok(options)
    }
}

/// Messages that differ by their ids.
struct Letters {
    draft: Draft,
    envelope: Envelope,
    date: jiff::Zoned,
}

impl Letters {
    #[expect(clippy::disallowed_methods, reason = "a message bears its date")]
    fn new(bytes: usize) -> Result<Self> {
        let draft = Draft {
            from: FROM.parse()?,
            to: vec![TO.parse()?],
            cc: Vec::new(),
            subject: "bench".to_owned(),
            text: Some(text(bytes)),
            html: None,
            inline: Vec::new(),
            attachments: Vec::new(),
        };
        let recipients = draft.to.iter().map(|mailbox| mailbox.address().clone()).collect();
        let envelope = Envelope::new(draft.from.address().clone(), recipients)?;
        let date = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        Ok(Self { draft, envelope, date })
    }

    fn next(&self) -> Result<Mail> {
        let mut stamp = Stamp { date: self.date.clone(), random: [0; 16] };
        getrandom::fill(&mut stamp.random)?;
        let message = self.draft.compose(&stamp)?;
        Ok(Mail { submission: Submission::new(self.envelope.clone(), &message), message })
    }
}

/// CPU time of this thread so far.
fn thread_cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).context("a time is not negative")?;
    Ok(Duration::new(seconds, u32::try_from(time.tv_nsec)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::Stop;
    use crate::mail::line::Line;
    use crate::mail::sink::ChunkingSink;

    #[test]
    fn messages_take_as_many_round_trips_as_their_way_allows() {
        let trips = |way, messages: u64| {
            let sink = ChunkingSink::start().unwrap();
            let line = Line::to(sink.address(), Duration::from_millis(2)).unwrap();
            let address = line.address();
            let done =
                Sessions { address, sessions: 2, messages: 2 * messages, bytes: 1000, way }.run().unwrap();
            sink.verify(&Stop::default(), 2 * messages, Some(done.bytes)).unwrap();
            line.round_trips().unwrap()
        };
        // The connection, greeting, EHLO; then one for each message, and QUIT.
        assert_eq!(trips(Way::OneByOne, 5), [3 + 5 + 1, 3 + 5 + 1]);
        // Nothing is waited for but once.
        assert_eq!(trips(Way::Together, 5), [3 + 1, 3 + 1]);
        // The next DATA leaves with the dot before it.
        assert_eq!(trips(Way::Data, 5), [3 + 1 + 5, 3 + 1 + 5]);
    }
}
