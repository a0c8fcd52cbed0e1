//! The driver: connects, runs the machine over TCP and TLS, reads the clock and the messages' files. Decides nothing.
//!
//! One thread, one socket that never blocks: the server is listened to while a message is sent, so that a no in the middle of a large
//! message ends it there. What the machine says at once goes out in one write, the end of a message together with the begin of the next.
//! *Absent:* which server a domain has, trying again.

mod handshake;
mod wire;

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use switchboard_tls::{ClientTls, Identity, ServerAddress, ShownCertificate, Trust};

use crate::MailError;
use crate::limits::{CONNECT_MS_MAX, SEND_BUFFER_BYTES_MAX};
use crate::mime::{Message, More};
use crate::smtp::{Cause, Extensions, Line, Options, Output, Phase, Report, Security, Smtp, Submission};
use wire::Wire;

/// Where messages are submitted.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whom to believe; without TLS nobody is asked.
    pub trust: Trust,
}

/// A message and whom it is to.
#[derive(Debug)]
pub struct Mail {
    /// Under what it is sent.
    pub submission: Submission,
    /// It.
    pub message: Message,
}

/// What happens while messages are sent.
#[derive(Debug)]
pub enum Event<'a> {
    /// A line of the dialogue was said.
    Line(&'a Line),
    /// What is known about the next message: as many come as messages were taken, in their order.
    Report(Report),
    /// The network took more; of all that is to be sent it has taken so many bytes so far.
    Taken(u64),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What ended it before its time.
    pub trouble: Option<(Phase, Cause)>,
    /// What the server said that it can do.
    pub extensions: Extensions,
    /// How the connection was secured, where it was.
    pub secured: Option<Secured>,
    /// The certificate that was not believed. Anybody can show it: that the server holds its key was not asked.
    pub refused: Option<ShownCertificate>,
}

/// What is known of a connection under TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secured {
    /// The version of TLS, such as `TLSv1.3`.
    pub version: String,
    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// The server's certificate; `None` when it cannot be read.
    pub certificate: Option<ShownCertificate>,
}

/// Submits one message and says what is known for each recipient. Each line of the dialogue is given to `show` when it is said.
///
/// # Errors
/// When trust in the server cannot be set up; nothing was sent then. Whatever happens later is in the report.
pub fn deliver(
    server: &Server,
    options: Options,
    mail: Mail,
    show: &mut dyn FnMut(&Line),
) -> Result<Report, MailError> {
    let (mut only, mut reported) = (Some(mail), None);
    let mut on = |event: Event<'_>| match event {
        Event::Line(line) => show(line),
        Event::Report(report) => reported = Some(report),
        Event::Taken(_) => {}
    };
    deliver_all(server, options, &mut || only.take(), &mut on)?;
    Ok(reported.expect("every message that was taken is reported"))
}

/// Submits what `next` gives until it gives nothing, on one connection. A message is taken when it can begin, the first before the connection
/// is made; what is not taken when the connection ends before its time stays with the caller. Without any message the server is greeted,
/// the login tried, and that is all.
///
/// # Errors
/// When trust in the server cannot be set up; no message was taken then. Whatever happens later is in reports and ending.
pub fn deliver_all(
    server: &Server,
    options: Options,
    next: &mut dyn FnMut() -> Option<Mail>,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<Ending, MailError> {
    let tls = match options.security {
        Security::Off => None,
        Security::StartTls | Security::Implicit => {
            let address = ServerAddress::new(&server.host, server.port)?;
            let tls = switchboard_tls::client_config(&server.trust, &address, &[])?;
            Some(match &options.certificate {
                Some(own) => tls.showing(&Identity::from_files(&own.chain, &own.key)?),
                None => tls,
            })
        }
    };
    let peer = format!("{}:{}", server.host, server.port);
    let mut smtp = Smtp::new(options);
    let mut source = Source { next, message: None };
    source.give(&mut smtp, 0);
    let mut secured = None;
    match connect(server) {
        Ok(socket) => {
            let (wire, clock) = (Wire::new(socket), Clock::start());
            let secured = &mut secured;
            let tls = tls.as_ref();
            Session { smtp: &mut smtp, wire, source, on, tls, clock, peer, taken: 0, secured }.run();
        }
        Err(error) => {
            smtp.handle_trouble(Cause::Unreachable(format!("{peer}: {error}")));
            tell(&mut smtp, on);
        }
    }
    let refused = tls.as_ref().and_then(ClientTls::refused);
    Ok(Ending { trouble: smtp.trouble().cloned(), extensions: smtp.extensions().clone(), secured, refused })
}

/// Where messages come from, and the one under way.
struct Source<'a> {
    next: &'a mut dyn FnMut() -> Option<Mail>,
    message: Option<Message>,
}

impl Source<'_> {
    fn give(&mut self, smtp: &mut Smtp, now_ms: u64) {
        match (self.next)() {
            Some(mail) => {
                self.message = Some(mail.message);
                smtp.handle_message(now_ms, mail.submission);
            }
            None => {
                self.message = None;
                smtp.handle_no_more(now_ms);
            }
        }
    }
}

/// The addresses of the host in turn, until one accepts.
fn connect(server: &Server) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in (server.host.as_str(), server.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, Duration::from_millis(CONNECT_MS_MAX)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tell(smtp: &mut Smtp, on: &mut dyn FnMut(Event<'_>)) {
    while let Some(line) = smtp.poll_line() {
        on(Event::Line(&line));
    }
    while let Some(report) = smtp.poll_report() {
        on(Event::Report(report));
    }
}

/// Monotonic milliseconds from the begin of the connection.
#[derive(Debug, Clone, Copy)]
struct Clock {
    begun: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the driver gives the machine its time")]
    fn start() -> Self {
        Self { begun: Instant::now() }
    }

    fn now_ms(self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// One connection.
struct Session<'a> {
    smtp: &'a mut Smtp,
    wire: Wire,
    source: Source<'a>,
    on: &'a mut dyn FnMut(Event<'_>),
    tls: Option<&'a ClientTls>,
    clock: Clock,
    peer: String,
    /// What the network took of what was queued.
    taken: u64,
    secured: &'a mut Option<Secured>,
}

/// What the machine waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Answer,
    /// Room in the network for what is to be sent.
    Room,
}

impl Session<'_> {
    fn run(mut self) {
        match self.wire.prepare() {
            Ok(local) => self.smtp.handle_connected(self.clock.now_ms(), local),
            Err(error) => self.smtp.handle_trouble(Cause::Network(error.to_string())),
        }
        loop {
            tell(self.smtp, self.on);
            match self.smtp.poll_output() {
                Output::Send(bytes) => self.wire.queue(bytes),
                Output::Next { .. } if self.has_room() => self.source.give(self.smtp, self.clock.now_ms()),
                Output::Body { .. } if self.has_room() => self.send_piece(),
                Output::Secure => self.secure(),
                Output::Next { until_ms } | Output::Body { until_ms } => {
                    self.exchange(until_ms, Wanted::Room);
                }
                Output::Wait { until_ms } => self.exchange(until_ms, Wanted::Answer),
                Output::Close => return self.wire.close(),
            }
        }
    }

    /// Whether more may be made ready for the network.
    fn has_room(&self) -> bool {
        self.wire.waiting() < SEND_BUFFER_BYTES_MAX
    }

    /// Reads a piece of the message into the machine.
    fn send_piece(&mut self) {
        let now_ms = self.clock.now_ms();
        let Some(message) = &mut self.source.message else {
            return self.smtp.handle_body_failed(now_ms, "there is no message");
        };
        let mut piece = Vec::new();
        match message.read(&mut piece) {
            Ok(more) => {
                self.smtp.handle_body(now_ms, &piece);
                if more == More::Ended {
                    self.smtp.handle_body_end(now_ms);
                }
            }
            Err(error) => self.smtp.handle_body_failed(now_ms, &told(&error)),
        }
    }

    /// Sends what waits, waits for the network, reads what came.
    fn exchange(&mut self, until_ms: u64, wanted: Wanted) {
        let before = self.wire.waiting();
        if let Err(error) = self.wire.flush() {
            return self.broken(&error);
        }
        // Only progress counts: a network that takes nothing does not put the time off at which it is given up.
        if self.wire.waiting() < before {
            self.smtp.handle_written(self.clock.now_ms(), self.wire.waiting());
            self.taken += (before - self.wire.waiting()) as u64;
            (self.on)(Event::Taken(self.taken));
        }
        let goes_on = wanted == Wanted::Room && self.has_room();
        let patience_ms = if goes_on { 0 } else { until_ms.saturating_sub(self.clock.now_ms()) };
        let readable = match self.wire.wait(patience_ms) {
            Ok(readable) => readable,
            Err(error) => return self.broken(&error),
        };
        if readable {
            match self.wire.read() {
                Ok(Some(bytes)) => self.smtp.handle_input(self.clock.now_ms(), &bytes),
                Ok(None) => self.smtp.handle_trouble(Cause::Lost),
                Err(error) => self.smtp.handle_trouble(broke(&error)),
            }
        }
        self.smtp.handle_timer(self.clock.now_ms());
    }

    /// The network takes no more; what the server said before is still read.
    fn broken(&mut self, error: &io::Error) {
        self.smtp.handle_written(self.clock.now_ms(), self.wire.waiting().max(1));
        while let Ok(Some(bytes)) = self.wire.read()
            && !bytes.is_empty()
        {
            self.smtp.handle_input(self.clock.now_ms(), &bytes);
        }
        self.smtp.handle_trouble(broke(error));
    }

    fn secure(&mut self) {
        let Some(tls) = self.tls else {
            return self.smtp.handle_trouble(Cause::Untrusted("TLS was not set up".to_owned()));
        };
        let deadline_ms = match self.smtp.poll_output() {
            Output::Wait { until_ms } => until_ms,
            Output::Send(_) | Output::Secure | Output::Next { .. } | Output::Body { .. } | Output::Close => {
                self.clock.now_ms()
            }
        };
        match handshake::run(&mut self.wire, tls, &self.peer, self.clock, deadline_ms) {
            Ok(exporter) => {
                *self.secured = self.wire.tls.as_ref().map(handshake::facts);
                self.smtp.handle_secured(self.clock.now_ms(), exporter);
            }
            Err(handshake::Failed::Late) => self.smtp.handle_timer(deadline_ms),
            Err(handshake::Failed::Lost) => self.smtp.handle_trouble(Cause::Lost),
            Err(handshake::Failed::Because(why)) => self.smtp.handle_trouble(Cause::Untrusted(why)),
        }
    }
}

fn broke(error: &io::Error) -> Cause {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    if matches!(error.kind(), ConnectionReset | BrokenPipe | UnexpectedEof) {
        return Cause::Lost;
    }
    Cause::Network(error.to_string())
}

/// An error with its causes in one line.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
