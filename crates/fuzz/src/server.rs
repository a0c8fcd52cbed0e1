//! The server side of a connection, fed bytes and frames in any pieces, times, answers and orders.
//!
//! Held: nothing is handed out before the hello was accepted; requests in flight and unsent bytes stay in their bounds;
//! what is sent are frames, a welcome first and a goodbye last; it ends once, and always; no credential is sent back.

use switchboard_call::answer::{Answer, Outcome};
use switchboard_call::frame::{
    Call, Cancel, ClientFrame, Goodbye, GoodbyeReason, Hello, Inbox, OutcomeQuery, OutcomeReply, Read,
    Reference, Reply, ServerFrame,
};
use switchboard_call::id::{Generation, Nonce, ReplyHash};
use switchboard_call::limits::FRAME_BYTES_MAX;
use switchboard_call::server::{Config, Connection, Introduction, Output, Request};

use crate::input::Input;
use crate::wire::{STORE, call_id, framed};

const CREDENTIAL: &[u8] = b"a-credential-of-somebody";

const CONFIG: Config = Config {
    store: STORE,
    in_flight_max: 4,
    handshake_ms_max: 1_000,
    idle_ms_max: 10_000,
    stall_ms_max: 3_000,
    drain_ms_max: 5_000,
    unsent_bytes_max: 20_000,
};

/// Timers until a connection that nobody serves any more has ended.
const TIMERS_TO_END_MAX: usize = 16;

/// A list of steps: what, and its arguments.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut driver = Driver::new();
    while let Some(what) = input.next() {
        driver.step(what, &mut input);
        driver.drain();
    }
    driver.starve();
}

/// Does what the server's driver does, and watches.
struct Driver {
    connection: Connection,
    now_ms: u64,
    greeting: bool,
    accepted: bool,
    outstanding: Vec<Request>,
    /// Given by the machine, not yet taken by the transport.
    unsent: Vec<u8>,
    sent: Inbox,
    welcomed: bool,
    said_goodbye: bool,
    closed: bool,
}

impl Driver {
    fn new() -> Self {
        Self {
            connection: Connection::new(CONFIG, 0),
            now_ms: 0,
            greeting: false,
            accepted: false,
            outstanding: Vec::new(),
            unsent: Vec::new(),
            sent: Inbox::new(FRAME_BYTES_MAX),
            welcomed: false,
            said_goodbye: false,
            closed: false,
        }
    }

    fn step(&mut self, what: u8, input: &mut Input<'_>) {
        match what % 16 {
            0 => self.receive(input.piece()),
            1 => {
                let frame = framed(input.byte() % 16, input.byte() % 2, input.piece());
                self.receive(&frame);
            }
            2 => self.receive_frame(&ClientFrame::Hello(hello(input.byte()))),
            3..=6 => {
                let frame = request(what, input.byte(), input.piece());
                self.receive_frame(&frame);
            }
            7 => self.receive_frame(&ClientFrame::Pong([0; 8])),
            8 => self.pass(u64::from(input.byte()) * 64),
            9 => self.write(usize::from(input.byte()) * 64),
            10 | 11 => self.answer(usize::from(input.byte()), usize::from(input.byte()) * 32),
            12 => self.greet(input.byte()),
            13 => self.connection.release_buffers(),
            14 => self.receive_frame(&ClientFrame::Goodbye(Goodbye::new(GoodbyeReason::Done, "bye"))),
            _ if input.byte().is_multiple_of(2) => self.connection.handle_end(self.now_ms),
            _ => self.connection.shut_down(self.now_ms, 1),
        }
    }

    fn receive_frame(&mut self, frame: &ClientFrame) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.receive(&bytes);
    }

    /// A driver leaves bytes in the transport while the machine does not want them.
    fn receive(&mut self, bytes: &[u8]) {
        if self.connection.wants_read() {
            self.connection.handle_bytes(self.now_ms, bytes);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.connection.handle_timer(self.now_ms);
    }

    fn write(&mut self, bytes_max: usize) {
        let written = bytes_max.min(self.unsent.len());
        if written > 0 {
            self.unsent.drain(..written);
            self.connection.handle_written(self.now_ms, written);
        }
    }

    fn greet(&mut self, how: u8) {
        if std::mem::take(&mut self.greeting) {
            if how.is_multiple_of(8) {
                let goodbye = Goodbye::new(GoodbyeReason::BadCredential, "nobody");
                return self.connection.refuse(self.now_ms, goodbye);
            }
            self.accepted = true;
            self.connection.accept(self.now_ms, introduction());
        }
    }

    fn answer(&mut self, which: usize, body_bytes: usize) {
        if self.outstanding.is_empty() {
            return;
        }
        let request = self.outstanding.remove(which % self.outstanding.len());
        self.connection.reply(self.now_ms, &answer_to(&request, body_bytes));
    }

    /// Carries every output out, and takes the bytes when those before have left.
    fn drain(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            assert!(!self.closed, "something after the end: {output:?}");
            match output {
                Output::Greet(_) => {
                    assert!(!self.greeting && !self.accepted, "greeted twice");
                    self.greeting = true;
                }
                Output::Requests(requests) => {
                    assert!(self.accepted && !requests.is_empty(), "requests of a stranger");
                    self.outstanding.extend(requests);
                }
                Output::Close(ending) => {
                    assert!(!ending.to_string().is_empty());
                    self.closed = true;
                }
            }
        }
        assert!(u32::try_from(self.outstanding.len()).is_ok_and(|count| count <= CONFIG.in_flight_max));
        assert!(self.connection.in_flight() <= CONFIG.in_flight_max);
        if self.unsent.is_empty() {
            self.connection.transmit(&mut self.unsent);
            self.look_at_sent();
        }
        if self.closed {
            assert!(!self.connection.wants_read() && self.connection.poll_timeout().is_none());
        }
    }

    fn look_at_sent(&mut self) {
        assert!(self.unsent.len() <= CONFIG.unsent_bytes_max, "{} bytes wait", self.unsent.len());
        let repeated = self.unsent.windows(CREDENTIAL.len()).any(|window| window == CREDENTIAL);
        assert!(!repeated, "a credential was sent back");
        self.sent.push(&self.unsent);
        while let Some(raw) = self.sent.next_frame().expect("a server sends frames") {
            assert!(!self.said_goodbye, "a frame after the goodbye");
            match ServerFrame::decode(raw).expect("a server sends what a client understands") {
                ServerFrame::Welcome(_) => {
                    assert!(!self.welcomed && self.accepted);
                    self.welcomed = true;
                }
                ServerFrame::Goodbye(_) => self.said_goodbye = true,
                ServerFrame::Reply(_)
                | ServerFrame::Outcome(_)
                | ServerFrame::Ping(_)
                | ServerFrame::Pong(_) => assert!(self.welcomed, "an answer before the welcome"),
            }
        }
        assert_eq!(self.sent.pending_bytes(), 0, "frames leave whole");
    }

    /// The engine answers, the peer is gone and time passes: it ends.
    fn starve(&mut self) {
        self.greet(1);
        self.drain();
        for _ in 0..TIMERS_TO_END_MAX {
            while !self.outstanding.is_empty() {
                self.answer(0, 0);
                self.drain();
            }
            let Some(at_ms) = self.connection.poll_timeout() else { break };
            self.now_ms = self.now_ms.max(at_ms);
            self.connection.handle_timer(self.now_ms);
            self.drain();
        }
        assert!(self.closed, "a connection that never ends: {:?}", self.connection);
    }
}

fn hello(what: u8) -> Hello {
    Hello {
        version_min: u16::from(what.is_multiple_of(16)),
        version_max: 1 + u16::from(what % 3),
        store: (what % 5 > 2).then_some(if what % 5 == 3 {
            STORE
        } else {
            switchboard_call::id::StoreId([8; 16])
        }),
        sessions: (0..what % 4).map(|session| call_id(session, 0, 1).session).collect(),
        credential: (!what.is_multiple_of(2)).then(|| CREDENTIAL.to_vec().into()),
        agent: "fuzz".to_owned(),
    }
}

fn introduction() -> Introduction {
    Introduction {
        generation: Generation(1),
        server_time_us: 5,
        mint_time_ms: 6,
        slots_max: 64,
        services: Vec::new(),
        greeting: "hello".to_owned(),
        principal: "anonymous".to_owned(),
    }
}

fn request(what: u8, slot: u8, body: &[u8]) -> ClientFrame {
    let (id, nonce) = (call_id(1, slot, 1), Nonce([slot; 16]));
    match what % 16 {
        3 => ClientFrame::Call(Call {
            service: "bank".to_owned(),
            id,
            nonce,
            previous: ReplyHash::NONE,
            version: 1,
            not_after_us: None,
            attempt: 1,
            body: body.to_vec(),
        }),
        4 => ClientFrame::Read(Read {
            tag: slot.into(),
            service: "bank".to_owned(),
            version: 1,
            body: body.to_vec(),
        }),
        5 => ClientFrame::Cancel(Cancel { id, previous: Some(ReplyHash::NONE), nonce: Some(nonce) }),
        6 if slot.is_multiple_of(2) => ClientFrame::Outcome(OutcomeQuery { id, nonce: Some(nonce) }),
        _ => ClientFrame::Ping([slot; 8]),
    }
}

fn answer_to(request: &Request, body_bytes: usize) -> ServerFrame {
    let answer = Answer::Done(vec![0; body_bytes]).to_bytes();
    let reference = match request {
        Request::Call(call) => Reference::Call(call.id),
        Request::Read(read) => Reference::Read(read.tag),
        Request::Cancel(cancel) => Reference::Call(cancel.id),
        Request::Outcome(query) => {
            let outcome = Outcome::Done(answer);
            return ServerFrame::Outcome(OutcomeReply { id: query.id, outcome });
        }
    };
    ServerFrame::Reply(Reply { reference, attempt: 1, replayed: false, answer })
}
