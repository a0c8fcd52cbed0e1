//! The driver: connects, runs the machine over TCP and TLS, reads the clock and the message's files. Decides nothing.
//!
//! One thread, one socket that never blocks: the server is listened to while the message is sent, so that a no in the middle of a large
//! message ends it there. What the machine says at once goes out in one write, the last piece of a message together with the dot.
//! *Absent:* which server a domain has, trying again.

mod handshake;
mod wire;

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use switchboard_tls::{ClientTls, ServerAddress, Trust};

use crate::MailError;
use crate::limits::{CONNECT_MS_MAX, SEND_BUFFER_BYTES_MAX};
use crate::mime::{Message, More};
use crate::smtp::{Cause, Line, Options, Output, Report, Security, Smtp};
use wire::Wire;

/// Where a message is submitted.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whom to believe; without TLS nobody is asked.
    pub trust: Trust,
}

/// Submits one message and says what is known for each recipient. Each line of the dialogue is given to `show` when it is said.
///
/// # Errors
/// When trust in the server cannot be set up; nothing was sent then. Whatever happens later is in the report.
pub fn deliver(
    server: &Server,
    options: Options,
    message: &mut Message,
    show: &mut dyn FnMut(&Line),
) -> Result<Report, MailError> {
    let tls = match options.security {
        Security::Off => None,
        Security::StartTls | Security::Implicit => {
            let address = ServerAddress::new(&server.host, server.port)?;
            Some(switchboard_tls::client_config(&server.trust, &address, &[])?)
        }
    };
    let peer = format!("{}:{}", server.host, server.port);
    let mut smtp = Smtp::new(options);
    match connect(server) {
        Ok(socket) => {
            let (wire, clock) = (Wire::new(socket), Clock::start());
            Session { smtp: &mut smtp, wire, message, show, tls, clock, peer }.run();
        }
        Err(error) => smtp.handle_trouble(Cause::Unreachable(format!("{peer}: {error}"))),
    }
    show_lines(&mut smtp, show);
    Ok(smtp.report())
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

fn show_lines(smtp: &mut Smtp, show: &mut dyn FnMut(&Line)) {
    while let Some(line) = smtp.poll_line() {
        show(&line);
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
    message: &'a mut Message,
    show: &'a mut dyn FnMut(&Line),
    tls: Option<ClientTls>,
    clock: Clock,
    peer: String,
}

/// Where the message is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    NotAsked,
    Under,
}

impl Session<'_> {
    fn run(mut self) {
        let local = match self.wire.prepare() {
            Ok(local) => local,
            Err(error) => return self.smtp.handle_trouble(Cause::Network(error.to_string())),
        };
        self.smtp.handle_connected(self.clock.now_ms(), local);
        let mut body = Body::NotAsked;
        loop {
            show_lines(self.smtp, self.show);
            match self.smtp.poll_output() {
                Output::Send(bytes) => self.wire.queue(&bytes),
                Output::Body => body = Body::Under,
                Output::Secure => self.secure(),
                Output::Close => return self.wire.close(),
                Output::Wait { until_ms } => {
                    if body == Body::Under && self.wire.waiting() < SEND_BUFFER_BYTES_MAX {
                        body = self.send_piece();
                    } else {
                        self.exchange(until_ms, body);
                    }
                }
            }
        }
    }

    /// Reads a piece of the message into the machine.
    fn send_piece(&mut self) -> Body {
        let mut piece = Vec::new();
        match self.message.read(&mut piece) {
            Ok(more) => {
                self.smtp.handle_body(&piece);
                if more == More::Follows {
                    return Body::Under;
                }
                self.smtp.handle_body_end(self.clock.now_ms());
            }
            Err(error) => self.smtp.handle_trouble(Cause::Message(told(&error))),
        }
        Body::NotAsked
    }

    /// Sends what waits, waits for the network, reads what came.
    fn exchange(&mut self, until_ms: u64, body: Body) {
        let before = self.wire.waiting();
        if let Err(error) = self.wire.flush() {
            return self.broken(&error);
        }
        // Only progress counts: a network that takes nothing does not put the time off at which it is given up.
        if self.wire.waiting() < before {
            self.smtp.handle_written(self.clock.now_ms(), self.wire.waiting());
        }
        let room = body == Body::Under && self.wire.waiting() < SEND_BUFFER_BYTES_MAX;
        let now_ms = self.clock.now_ms();
        let patience_ms = if room { 0 } else { until_ms.saturating_sub(now_ms) };
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
        let Some(tls) = &self.tls else {
            return self.smtp.handle_trouble(Cause::Untrusted("TLS was not set up".to_owned()));
        };
        let deadline_ms = match self.smtp.poll_output() {
            Output::Wait { until_ms } => until_ms,
            Output::Send(_) | Output::Secure | Output::Body | Output::Close => self.clock.now_ms(),
        };
        match handshake::run(&mut self.wire, tls, &self.peer, self.clock, deadline_ms) {
            Ok(exporter) => self.smtp.handle_secured(self.clock.now_ms(), exporter),
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
