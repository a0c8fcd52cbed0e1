//! The dialogue with a server as a machine (RFC 5321, RFC 3207, RFC 4954, RFC 2920, RFC 1870): bytes and times go in, bytes and waits come
//! out, and at any moment [`Smtp::report`] says what is known.
//!
//! ```text
//!  connect ─▶ greeting ─▶ EHLO (HELO) ─▶ STARTTLS ─▶ TLS ─▶ EHLO ─▶ AUTH ─▶ MAIL ─▶ RCPT... ─▶ DATA ─▶ body ─▶ . ─▶ QUIT
//!                                                                                                        ▲
//!                                          lost before: not sent            lost after the whole dot left: in doubt
//! ```
//!
//! The order of use: one `handle_*`, then [`Smtp::poll_output`] until it says [`Output::Wait`], [`Output::Secure`] or [`Output::Close`].
//! What is to be sent may be collected and written in one piece; [`Smtp::handle_written`] says how much of it still waits, because only what
//! the network took can have been read by the server.
//!
//! *Promises* that a recipient is called accepted only after the server's yes to the final dot, not sent only when no complete message left,
//! and in doubt exactly in between; that nothing in a message can become a command; that nothing read before TLS counts after it.
//! *Absent:* sockets, TLS itself, clocks, files, the making of messages; trying again.

mod dialogue;
mod dots;
mod envelope;
mod extensions;
mod login;
mod options;
mod report;
mod transcript;

use std::collections::VecDeque;
use std::net::IpAddr;

pub use extensions::Extensions;
pub use options::{Envelope, Options, Security};
pub use report::{Cause, Fate, Phase, RecipientFate, Report};
pub use transcript::Line;

use crate::auth::{Channel, Exchange};
use crate::limits::{DATA_BLOCK_MS_MAX, GREETING_MS_MAX, HANDSHAKE_MS_MAX};
use crate::reply::ReplyReader;
use dots::Dots;
use envelope::Awaited;

/// What the driver does next. Times are monotonic milliseconds of the driver's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes, after all that were given before.
    Send(Vec<u8>),
    /// Run a TLS handshake, then call [`Smtp::handle_secured`].
    Secure,
    /// Give the message to [`Smtp::handle_body`] piece by piece, then call [`Smtp::handle_body_end`]. Said once.
    Body,
    /// Nothing to do until something comes or the time is reached.
    Wait {
        /// When [`Smtp::handle_timer`] has to be called.
        until_ms: u64,
    },
    /// It is over: close the connection at once. What still waits must not be sent: it would complete what is reported as incomplete.
    Close,
}

/// One connection that submits one message.
pub struct Smtp {
    options: Options,
    step: Step,
    reader: ReplyReader,
    outgoing: Vec<u8>,
    /// Whether the network took everything that was said so far.
    flushed: bool,
    /// Whether bytes came before the command that they pretend to answer was out.
    early: bool,
    wants: Option<Output>,
    deadline_ms: u64,
    allowed_ms: u64,
    channel: Channel,
    hello_name: String,
    extensions: Extensions,
    awaited: VecDeque<Awaited>,
    unasked: usize,
    mail_refused: bool,
    dots: Dots,
    fates: Vec<Option<Fate>>,
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
    Envelope,
    Data,
    Body,
    Final,
    Quit,
    Over,
}

#[derive(Clone, Copy)]
enum AfterHandshake {
    Greeting,
    Ehlo,
}

impl Smtp {
    /// A dialogue that has not begun.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let fates = vec![None; options.envelope.recipients().len()];
        Self {
            options,
            step: Step::Connecting,
            reader: ReplyReader::default(),
            outgoing: Vec::new(),
            flushed: true,
            early: false,
            wants: None,
            deadline_ms: u64::MAX,
            allowed_ms: 0,
            channel: Channel::Clear,
            hello_name: String::new(),
            extensions: Extensions::default(),
            awaited: VecDeque::new(),
            unasked: 0,
            mail_refused: false,
            dots: Dots::default(),
            fates,
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
            AfterHandshake::Ehlo => self.say_ehlo(now_ms),
        }
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
        if self.outgoing.is_empty() && waiting == 0 {
            self.flushed = true;
        }
        if matches!(self.step, Step::Body) {
            self.deadline_ms = now_ms + DATA_BLOCK_MS_MAX;
        }
    }

    /// The next piece of the message, lines ended by CRLF. Asked for by [`Output::Body`].
    pub fn handle_body(&mut self, bytes: &[u8]) {
        if !matches!(self.step, Step::Body) {
            return;
        }
        if self.dots.stuff(bytes, &mut self.outgoing).is_err() {
            self.outgoing.clear();
            return self.fail(Cause::Message("it has a bare CR or LF, or a NUL".to_owned()));
        }
        self.flushed &= bytes.is_empty();
    }

    /// The connection, the handshake, or the reading of the message failed: `cause` is [`Cause::Lost`], [`Cause::Network`],
    /// [`Cause::Untrusted`] or [`Cause::Message`].
    pub fn handle_trouble(&mut self, cause: Cause) {
        match self.step {
            Step::Over => {}
            Step::Quit => self.close(),
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
            | Step::Envelope
            | Step::Data
            | Step::Body
            | Step::Final => self.fail(cause),
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
            return Output::Send(std::mem::take(&mut self.outgoing));
        }
        if let Some(wanted) = self.wants.take() {
            return wanted;
        }
        match self.step {
            Step::Over => Output::Close,
            Step::Connecting
            | Step::Handshake(_)
            | Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Auth { .. }
            | Step::Cancelled(_)
            | Step::Envelope
            | Step::Data
            | Step::Body
            | Step::Final
            | Step::Quit => Output::Wait { until_ms: self.deadline_ms },
        }
    }

    /// The next line of the transcript, secrets hidden.
    pub fn poll_line(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    /// What is known about each recipient now.
    #[must_use]
    pub fn report(&self) -> Report {
        let recipients = self.options.envelope.recipients().iter().zip(&self.fates);
        let recipients = recipients.map(|(address, fate)| RecipientFate {
            address: address.clone(),
            fate: fate.clone().unwrap_or_else(|| self.fate_of_loss(Cause::Unfinished)),
        });
        Report { recipients: recipients.collect(), trouble: self.trouble.clone() }
    }

    /// Where the dialogue is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.step {
            Step::Connecting => Phase::Connect,
            Step::Handshake(_) => Phase::Tls,
            Step::Greeting => Phase::Greeting,
            Step::Ehlo | Step::Helo => Phase::Hello,
            Step::StartTls => Phase::StartTls,
            Step::Auth { .. } | Step::Cancelled(_) => Phase::Auth,
            Step::Envelope => match self.awaited.front() {
                Some(Awaited::Recipient(_)) => Phase::Rcpt,
                Some(Awaited::Mail) | None => Phase::Mail,
            },
            Step::Data => Phase::Data,
            Step::Body => Phase::Body,
            Step::Final => Phase::Final,
            Step::Quit | Step::Over => Phase::Quit,
        }
    }

    /// What a loss of the connection means now for those whose fate is open.
    fn fate_of_loss(&self, cause: Cause) -> Fate {
        match self.step {
            // Whatever of the dot still waits here, the server has not seen a complete message.
            Step::Final if self.flushed => Fate::InDoubt { cause },
            Step::Final
            | Step::Connecting
            | Step::Handshake(_)
            | Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Auth { .. }
            | Step::Cancelled(_)
            | Step::Envelope
            | Step::Data
            | Step::Body
            | Step::Quit
            | Step::Over => Fate::NotSent { phase: self.phase(), cause },
        }
    }

    /// Ends at once: what is open is lost.
    fn fail(&mut self, cause: Cause) {
        let fate = self.fate_of_loss(cause.clone());
        self.settle(&fate);
        self.trouble = Some((self.phase(), cause));
        self.close();
    }

    /// Gives `fate` to every recipient whose fate is open.
    fn settle(&mut self, fate: &Fate) {
        for open in self.fates.iter_mut().filter(|open| open.is_none()) {
            *open = Some(fate.clone());
        }
    }

    fn close(&mut self) {
        // What was not given out would complete what the result says is incomplete.
        self.outgoing.clear();
        self.wants = None;
        self.step = Step::Over;
    }

    fn expect(&mut self, now_ms: u64, step: Step, allowed_ms: u64) {
        self.step = step;
        self.allowed_ms = allowed_ms;
        self.deadline_ms = now_ms.saturating_add(allowed_ms);
    }

    fn secure(&mut self, now_ms: u64, after: AfterHandshake) {
        self.expect(now_ms, Step::Handshake(after), HANDSHAKE_MS_MAX);
        self.wants = Some(Output::Secure);
    }
}
