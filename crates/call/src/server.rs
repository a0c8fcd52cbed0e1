//! The server side of one connection: bytes and time in, requests and bytes out.
//!
//! ```text
//!   bytes --> Inbox --> AwaitHello --Greet--> (driver: accept | refuse) --> Open --Requests--> engine
//!                           |                         |                      |  ^                |
//!                           v                         v                      v  +---- reply -----+
//!                        Closing <---------------- Draining (in flight answered, then goodbye)
//! ```
//!
//! Promises: nothing is handed out before the hello was accepted; at most `in_flight_max` requests are
//! unanswered; every end that the peer can still hear about is told in a goodbye that says what was wrong.
//!
//! Over `in_flight_max`, or with [`limits::UNSENT_PAUSE_BYTES`] unsent, the machine stops reading instead of
//! refusing. A door refusal is final for its call, so the client would have to cancel and mint a new id,
//! whereas a full socket buffer slows the sender down and loses nothing.
//!
//! Polling order of the driver: any one `handle_*` or command, then [`Connection::poll_output`] until
//! `None`, then [`Connection::transmit`], then [`Connection::poll_timeout`].
//!
//! Absent: sockets, clocks, who a principal is, and any knowledge of a command.

pub mod limits;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

use crate::frame::{
    Call, Cancel, ClientFrame, FrameError, Goodbye, GoodbyeReason, Hello, Inbox, Kind, OutcomeQuery,
    PROTOCOL_VERSION, Read, ServerFrame, ServiceLimits, Welcome,
};
use crate::id::{Generation, StoreId};
use crate::limits::FRAME_BYTES_MAX;

use limits::{GOODBYE_MS_MAX, HELLO_FRAME_BYTES_MAX, IDLE_BUFFER_BYTES_MAX, UNSENT_PAUSE_BYTES};

/// What a connection is held to.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The store behind this node; a hello that names another one is turned away.
    pub store: StoreId,
    /// Most requests without an answer.
    pub in_flight_max: u32,
    /// From the start to a whole hello, in milliseconds.
    pub handshake_ms_max: u64,
    /// Without a whole frame from the peer, in milliseconds; a ping is sent at half of it. Whole frames count,
    /// not bytes: a peer that sends a byte now and then is silent.
    pub idle_ms_max: u32,
    /// With unsent bytes of which the peer takes none, in milliseconds.
    pub stall_ms_max: u64,
    /// Wait for answers in flight before the goodbye, in milliseconds.
    pub drain_ms_max: u64,
    /// Most unsent bytes; beyond it the peer is too slow and the connection ends.
    pub unsent_bytes_max: usize,
}

/// What an engine has to answer, exactly once each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// A command.
    Call(Call),
    /// A question without effect.
    Read(Read),
    /// End this call unexecuted.
    Cancel(Cancel),
    /// What became of this call?
    Outcome(OutcomeQuery),
}

/// What the driver has to do.
#[derive(PartialEq, Eq, Debug)]
pub enum Output {
    /// Decide who this is, then [`Connection::accept`] or [`Connection::refuse`]. Nothing else comes before.
    Greet(Box<Hello>),
    /// Have these answered. In order of arrival, never empty.
    Requests(Vec<Request>),
    /// Close the transport; everything that can be sent was sent. Comes once, last.
    Close(Ending),
}

/// Why a connection ended, for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// This side said goodbye.
    Told(Goodbye),
    /// The peer said goodbye.
    Left(Goodbye),
    /// The peer's bytes ended without a goodbye.
    Ended {
        /// Bytes of a frame that never became whole.
        cut_bytes: usize,
    },
    /// The peer did not take what was sent to it.
    TooSlow {
        /// Bytes thrown away.
        unsent_bytes: usize,
    },
}

/// What the driver knows and the welcome tells.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// How often the store was restored.
    pub generation: Generation,
    /// The server's clock, microseconds since 1970.
    pub server_time_us: u64,
    /// The label for sessions minted now, milliseconds since 1970.
    pub mint_time_ms: u64,
    /// Slots a session may use.
    pub slots_max: u16,
    /// Limits of each service.
    pub services: Vec<ServiceLimits>,
    /// A line for a person.
    pub greeting: String,
    /// Whom the server takes the client for.
    pub principal: String,
}

/// The server side of one connection.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    inbox: Inbox,
    /// Read and counted, not yet handed out.
    requests: Vec<Request>,
    in_flight: u32,
    /// Encoded, not yet given to the driver.
    out: Vec<u8>,
    /// `out` and what the driver has not written yet.
    unsent_bytes: usize,
    /// When the last whole frame came, or reading was taken up again.
    heard_ms: u64,
    /// A ping went out since.
    pinged: bool,
    /// When the peer last took bytes, or bytes began to wait.
    progress_ms: u64,
}

#[derive(Debug)]
enum State {
    AwaitHello {
        deadline_ms: u64,
    },
    /// The driver decides; the hello until it is polled.
    Greeting {
        deadline_ms: u64,
        hello: Option<Box<Hello>>,
    },
    Open,
    /// Takes no more requests, waits for the answers in flight.
    Draining {
        deadline_ms: u64,
        farewell: Box<(Goodbye, Ending)>,
    },
    /// The last bytes are leaving.
    Closing {
        deadline_ms: u64,
        ending: Box<Ending>,
    },
    Closed,
}

impl Connection {
    /// A connection that began at `now_ms` (monotonic milliseconds of the driver's choice).
    #[must_use]
    pub fn new(config: Config, now_ms: u64) -> Self {
        Self {
            config,
            state: State::AwaitHello { deadline_ms: now_ms.saturating_add(config.handshake_ms_max) },
            inbox: Inbox::new(HELLO_FRAME_BYTES_MAX),
            requests: Vec::new(),
            in_flight: 0,
            out: Vec::new(),
            unsent_bytes: 0,
            heard_ms: now_ms,
            pinged: false,
            progress_ms: now_ms,
        }
    }

    /// Whether bytes should be read now. False is back-pressure: leave them in the transport.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::AwaitHello { .. } => true,
            State::Open => self.has_room(),
            State::Greeting { .. } | State::Draining { .. } | State::Closing { .. } | State::Closed => false,
        }
    }

    /// Whether nothing is in flight, waiting to be sent or half received.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.unsent_bytes == 0 && self.inbox.pending_bytes() == 0
    }

    /// Requests handed out and not yet answered.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Received bytes. After the end they are ignored.
    pub fn handle_bytes(&mut self, now_ms: u64, received: &[u8]) {
        match self.state {
            State::AwaitHello { .. } | State::Greeting { .. } | State::Open => {
                self.inbox.push(received);
                self.advance(now_ms);
            }
            State::Draining { .. } | State::Closing { .. } | State::Closed => {}
        }
    }

    /// The peer will send nothing more, but may still read: requests in flight are answered.
    pub fn handle_end(&mut self, now_ms: u64) {
        let ending = Ending::Ended { cut_bytes: self.inbox.pending_bytes() };
        match self.state {
            State::AwaitHello { .. } | State::Greeting { .. } => self.close(now_ms, ending),
            State::Open => self.end(now_ms, Goodbye::new(GoodbyeReason::Done, ""), ending),
            State::Draining { .. } | State::Closing { .. } | State::Closed => {}
        }
    }

    /// The transport took `written` of the bytes that [`Self::transmit`] gave.
    pub fn handle_written(&mut self, now_ms: u64, written: usize) {
        let had_room = self.has_room();
        self.unsent_bytes = self.unsent_bytes.saturating_sub(written);
        self.progress_ms = now_ms;
        self.resume(now_ms, had_room);
    }

    /// Time has reached `now_ms`.
    pub fn handle_timer(&mut self, now_ms: u64) {
        if self.unsent_bytes > 0 && now_ms >= self.stall_deadline_ms() {
            return self.give_up(now_ms);
        }
        match &self.state {
            State::AwaitHello { deadline_ms } | State::Greeting { deadline_ms, .. } => {
                if now_ms >= *deadline_ms {
                    let ms = self.config.handshake_ms_max;
                    let text = format!("no hello within {ms} ms; connect again and send it at once");
                    self.say_and_end(now_ms, GoodbyeReason::TimedOut, text);
                }
            }
            State::Open => self.mind_silence(now_ms),
            State::Draining { deadline_ms, .. } => {
                if now_ms >= *deadline_ms {
                    self.finish_draining(now_ms);
                }
            }
            State::Closing { deadline_ms, .. } => {
                if now_ms >= *deadline_ms {
                    self.throw_output_away();
                }
            }
            State::Closed => {}
        }
    }

    /// When [`Self::handle_timer`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let stall = (self.unsent_bytes > 0).then(|| self.stall_deadline_ms());
        let own = match &self.state {
            State::AwaitHello { deadline_ms }
            | State::Greeting { deadline_ms, .. }
            | State::Draining { deadline_ms, .. }
            | State::Closing { deadline_ms, .. } => Some(*deadline_ms),
            State::Open => self.has_room().then(|| self.silence_deadline_ms()),
            State::Closed => return None,
        };
        stall.into_iter().chain(own).min()
    }

    /// What the driver has to do next, `None` when there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let State::Greeting { hello, .. } = &mut self.state {
            return hello.take().map(Output::Greet);
        }
        if !self.requests.is_empty() {
            return Some(Output::Requests(std::mem::take(&mut self.requests)));
        }
        if !matches!(self.state, State::Closing { .. }) || self.unsent_bytes > 0 {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closing { ending, .. } => Some(Output::Close(*ending)),
            State::AwaitHello { .. }
            | State::Greeting { .. }
            | State::Open
            | State::Draining { .. }
            | State::Closed => None,
        }
    }

    /// Moves the bytes to send into the empty `buffer`; report them with [`Self::handle_written`].
    pub fn transmit(&mut self, buffer: &mut Vec<u8>) {
        debug_assert!(buffer.is_empty(), "bytes given before must be written first");
        std::mem::swap(&mut self.out, buffer);
    }

    /// Gives buffers back; for a driver about to wait.
    pub fn release_buffers(&mut self) {
        self.inbox.shrink();
        if self.out.is_empty() && self.out.capacity() > IDLE_BUFFER_BYTES_MAX {
            self.out = Vec::new();
        }
    }

    /// Answers [`Output::Greet`]: the client is who the introduction says.
    pub fn accept(&mut self, now_ms: u64, introduction: Introduction) {
        if !matches!(self.state, State::Greeting { .. }) {
            return;
        }
        self.inbox.set_frame_bytes_max(FRAME_BYTES_MAX);
        self.state = State::Open;
        self.heard_ms = now_ms;
        let welcome = self.welcome(introduction);
        self.send(now_ms, &ServerFrame::Welcome(welcome));
        self.advance(now_ms);
    }

    /// Answers [`Output::Greet`]: the client is turned away.
    pub fn refuse(&mut self, now_ms: u64, goodbye: Goodbye) {
        if matches!(self.state, State::Greeting { .. }) {
            self.end(now_ms, goodbye.clone(), Ending::Told(goodbye));
        }
    }

    /// The engine's answer to one request: a reply or an outcome.
    pub fn reply(&mut self, now_ms: u64, frame: &ServerFrame) {
        debug_assert!(
            matches!(frame, ServerFrame::Reply(_) | ServerFrame::Outcome(_)) && self.in_flight > 0,
            "one reply or outcome for each request"
        );
        let had_room = self.has_room();
        self.in_flight = self.in_flight.saturating_sub(1);
        match self.state {
            State::Open => {
                self.send(now_ms, frame);
                self.resume(now_ms, had_room);
            }
            State::Draining { .. } => {
                self.send(now_ms, frame);
                self.finish_drained(now_ms);
            }
            State::AwaitHello { .. } | State::Greeting { .. } | State::Closing { .. } | State::Closed => {}
        }
    }

    /// The server stops: takes no more requests, answers those in flight, says goodbye.
    pub fn shut_down(&mut self, now_ms: u64, retry_after_ms: u32) {
        match self.state {
            State::AwaitHello { .. } | State::Greeting { .. } | State::Open => {
                let text = "this server is shutting down; use another node or come back later, and send what is \
                            open again under the same call ids";
                let goodbye = Goodbye { retry_after_ms, ..Goodbye::new(GoodbyeReason::ShuttingDown, text) };
                self.end(now_ms, goodbye.clone(), Ending::Told(goodbye));
            }
            State::Draining { .. } | State::Closing { .. } | State::Closed => {}
        }
    }

    fn welcome(&self, introduction: Introduction) -> Welcome {
        let Introduction {
            generation,
            server_time_us,
            mint_time_ms,
            slots_max,
            services,
            greeting,
            principal,
        } = introduction;
        Welcome {
            version: PROTOCOL_VERSION,
            store: self.config.store,
            generation: generation.0,
            server_time_us,
            mint_time_ms,
            slots_max,
            frame_bytes_max: u32::try_from(FRAME_BYTES_MAX).expect("1 MiB fits in 32 bits"),
            in_flight_max: self.config.in_flight_max,
            idle_ms_max: self.config.idle_ms_max,
            services,
            greeting,
            principal,
        }
    }

    /// Reads whole frames while there is room for what they ask.
    fn advance(&mut self, now_ms: u64) {
        while self.wants_read() {
            let frame = match self.inbox.next_frame() {
                Ok(None) => return,
                Ok(Some(raw)) => ClientFrame::decode(raw),
                Err(error) => Err(error),
            };
            match frame {
                Ok(frame) => self.take(now_ms, frame),
                Err(error) => self.say_and_end(now_ms, GoodbyeReason::ProtocolError, explain(&error)),
            }
        }
    }

    fn take(&mut self, now_ms: u64, frame: ClientFrame) {
        self.heard_ms = now_ms;
        self.pinged = false;
        let greeted = matches!(self.state, State::Open);
        match frame {
            ClientFrame::Hello(hello) if !greeted => self.take_hello(now_ms, hello),
            ClientFrame::Goodbye(goodbye) => {
                self.end(now_ms, Goodbye::new(GoodbyeReason::Done, ""), Ending::Left(goodbye));
            }
            frame if !greeted => {
                let kind = kind_of(&frame);
                let text = format!("the first frame must be a Hello, not a {kind:?}");
                self.say_and_end(now_ms, GoodbyeReason::ProtocolError, text);
            }
            ClientFrame::Hello(_) => {
                let text = "a second Hello on one connection; open another connection for it";
                self.say_and_end(now_ms, GoodbyeReason::ProtocolError, text.to_owned());
            }
            ClientFrame::Call(call) => self.admit(Request::Call(call)),
            ClientFrame::Read(read) => self.admit(Request::Read(read)),
            ClientFrame::Cancel(cancel) => self.admit(Request::Cancel(cancel)),
            ClientFrame::Outcome(query) => self.admit(Request::Outcome(query)),
            ClientFrame::Ping(token) => self.send(now_ms, &ServerFrame::Pong(token)),
            // Its arrival is all that it says.
            ClientFrame::Pong(_) => {}
        }
    }

    fn take_hello(&mut self, now_ms: u64, hello: Hello) {
        let (min, max) = (hello.version_min, hello.version_max);
        if !(min..=max).contains(&PROTOCOL_VERSION) {
            let text = format!(
                "you speak protocol versions {min} to {max}, this server speaks version {PROTOCOL_VERSION}; \
                 use a client and a server of the same release"
            );
            return self.say_and_end(now_ms, GoodbyeReason::UnsupportedVersion, text);
        }
        let store = self.config.store;
        if let Some(other) = hello.store.filter(|named| *named != store) {
            let text = format!(
                "your sessions belong to store {other}, this server keeps store {store}; connect to a server of \
                 your store, or start a new journal for this one"
            );
            return self.say_and_end(now_ms, GoodbyeReason::WrongStore, text);
        }
        if let State::AwaitHello { deadline_ms } = self.state {
            self.state = State::Greeting { deadline_ms, hello: Some(Box::new(hello)) };
        }
    }

    fn admit(&mut self, request: Request) {
        self.in_flight += 1;
        self.requests.push(request);
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.config.in_flight_max && self.unsent_bytes < UNSENT_PAUSE_BYTES
    }

    /// After answers left or bytes were written: reads what waited for room.
    fn resume(&mut self, now_ms: u64, had_room: bool) {
        if !had_room && self.has_room() && matches!(self.state, State::Open) {
            self.heard_ms = now_ms;
            self.pinged = false;
            self.advance(now_ms);
        }
    }

    fn send(&mut self, now_ms: u64, frame: &ServerFrame) {
        if self.unsent_bytes == 0 {
            self.progress_ms = now_ms;
        }
        let before = self.out.len();
        frame.encode(&mut self.out);
        self.unsent_bytes += self.out.len() - before;
        if self.unsent_bytes > self.config.unsent_bytes_max {
            self.give_up(now_ms);
        }
    }

    fn say_and_end(&mut self, now_ms: u64, reason: GoodbyeReason, text: String) {
        let goodbye = Goodbye::new(reason, text);
        self.end(now_ms, goodbye.clone(), Ending::Told(goodbye));
    }

    /// Answers what is in flight first, then says goodbye and closes.
    fn end(&mut self, now_ms: u64, goodbye: Goodbye, ending: Ending) {
        let deadline_ms = now_ms.saturating_add(self.config.drain_ms_max);
        self.state = State::Draining { deadline_ms, farewell: Box::new((goodbye, ending)) };
        self.finish_drained(now_ms);
    }

    fn finish_drained(&mut self, now_ms: u64) {
        if self.in_flight == 0 {
            self.finish_draining(now_ms);
        }
    }

    fn finish_draining(&mut self, now_ms: u64) {
        if let State::Draining { farewell, .. } = &self.state {
            let (goodbye, ending) = (**farewell).clone();
            self.close(now_ms, ending);
            self.send(now_ms, &ServerFrame::Goodbye(goodbye));
        }
    }

    fn close(&mut self, now_ms: u64, ending: Ending) {
        let deadline_ms = now_ms.saturating_add(GOODBYE_MS_MAX);
        self.state = State::Closing { deadline_ms, ending: Box::new(ending) };
    }

    /// The peer does not take what is sent to it, so that a goodbye would not reach it either.
    fn give_up(&mut self, now_ms: u64) {
        let unsent_bytes = self.unsent_bytes;
        self.throw_output_away();
        self.requests = Vec::new();
        self.close(now_ms, Ending::TooSlow { unsent_bytes });
    }

    fn throw_output_away(&mut self) {
        self.out = Vec::new();
        self.unsent_bytes = 0;
    }

    fn mind_silence(&mut self, now_ms: u64) {
        if !self.has_room() || now_ms < self.silence_deadline_ms() {
            return;
        }
        if self.pinged {
            let ms = self.config.idle_ms_max;
            let text = format!("nothing came from you for {ms} ms, not even a pong; connect again");
            return self.say_and_end(now_ms, GoodbyeReason::TimedOut, text);
        }
        self.pinged = true;
        self.send(now_ms, &ServerFrame::Ping(now_ms.to_be_bytes()));
    }

    fn silence_deadline_ms(&self) -> u64 {
        let idle = u64::from(self.config.idle_ms_max);
        self.heard_ms.saturating_add(if self.pinged { idle } else { idle / 2 })
    }

    fn stall_deadline_ms(&self) -> u64 {
        self.progress_ms.saturating_add(self.config.stall_ms_max)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(goodbye) => write!(f, "said goodbye ({:?}): {}", goodbye.reason, goodbye.text),
            Self::Left(goodbye) => write!(f, "the peer left ({:?}): {:?}", goodbye.reason, goodbye.text),
            Self::Ended { cut_bytes: 0 } => write!(f, "the peer closed without a goodbye"),
            Self::Ended { cut_bytes } => {
                write!(f, "the peer closed in a frame, after {cut_bytes} bytes of it")
            }
            Self::TooSlow { unsent_bytes } => {
                write!(f, "the peer was too slow: {unsent_bytes} bytes for it were thrown away")
            }
        }
    }
}

/// The error with its cause, for a person.
fn explain(error: &FrameError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn kind_of(frame: &ClientFrame) -> Kind {
    match frame {
        ClientFrame::Hello(_) => Kind::Hello,
        ClientFrame::Call(_) => Kind::Call,
        ClientFrame::Read(_) => Kind::Read,
        ClientFrame::Cancel(_) => Kind::Cancel,
        ClientFrame::Outcome(_) => Kind::Outcome,
        ClientFrame::Ping(_) => Kind::Ping,
        ClientFrame::Pong(_) => Kind::Pong,
        ClientFrame::Goodbye(_) => Kind::Goodbye,
    }
}
