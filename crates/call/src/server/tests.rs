//! The server machine by promise. Each test feeds frames and time, and looks at what comes out.

use proptest::prelude::*;

use super::*;
use crate::answer::{Answer, Outcome};
use crate::frame::{OutcomeReply, Reference, Reply};
use crate::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};

const STORE: StoreId = StoreId([7; 16]);

const CONFIG: Config = Config {
    store: STORE,
    in_flight_max: 4,
    handshake_ms_max: 1_000,
    idle_ms_max: 10_000,
    stall_ms_max: 3_000,
    drain_ms_max: 5_000,
    unsent_bytes_max: 4 * UNSENT_PAUSE_BYTES,
};

fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        store: None,
        sessions: Vec::new(),
        credential: None,
        agent: "test".to_owned(),
    }
}

fn introduction() -> Introduction {
    Introduction {
        generation: Generation(0),
        server_time_us: 5,
        mint_time_ms: 6,
        slots_max: 64,
        services: Vec::new(),
        greeting: "hello".to_owned(),
        principal: "anonymous".to_owned(),
    }
}

fn call_id(slot: u16) -> CallId {
    CallId { session: SessionId::mint(1, [1; 10]), slot: Slot(slot), sequence: Sequence::FIRST }
}

fn call(slot: u16) -> ClientFrame {
    ClientFrame::Call(Call {
        service: "echo".to_owned(),
        id: call_id(slot),
        nonce: Nonce([1; 16]),
        previous: ReplyHash::NONE,
        version: 1,
        not_after_us: None,
        attempt: 1,
        body: vec![slot.to_be_bytes()[1]; 20],
    })
}

fn reply_of(slot: u16, body_bytes: usize) -> ServerFrame {
    let answer = Answer::Done(vec![0; body_bytes]).to_bytes();
    ServerFrame::Reply(Reply {
        reference: Reference::Call(call_id(slot)),
        attempt: 1,
        replayed: false,
        answer,
    })
}

fn bytes_of(frames: &[ClientFrame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    bytes
}

/// Takes what the machine sends, as a peer that reads everything at once.
fn sent(machine: &mut Connection, now_ms: u64) -> Vec<ServerFrame> {
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    let mut frames = Vec::new();
    loop {
        let mut bytes = Vec::new();
        machine.transmit(&mut bytes);
        if bytes.is_empty() {
            return frames;
        }
        inbox.push(&bytes);
        while let Some(raw) = inbox.next_frame().unwrap() {
            frames.push(ServerFrame::decode(raw).unwrap());
        }
        machine.handle_written(now_ms, bytes.len());
    }
}

fn goodbye_in(frames: &[ServerFrame]) -> &Goodbye {
    match frames.last() {
        Some(ServerFrame::Goodbye(goodbye)) => goodbye,
        other => panic!("no goodbye at the end but {other:?}"),
    }
}

fn slots(output: Option<Output>) -> Vec<u16> {
    let Some(Output::Requests(requests)) = output else { panic!("no requests but {output:?}") };
    let slot = |request: &Request| match request {
        Request::Call(call) => call.id.slot.0,
        Request::Read(_) | Request::Cancel(_) | Request::Outcome(_) => panic!("not a call: {request:?}"),
    };
    requests.iter().map(slot).collect()
}

/// A connection past its welcome.
fn open(config: Config) -> Connection {
    let mut machine = Connection::new(config, 0);
    machine.handle_bytes(0, &bytes_of(&[ClientFrame::Hello(hello())]));
    assert!(matches!(machine.poll_output(), Some(Output::Greet(_))));
    machine.accept(0, introduction());
    assert!(matches!(sent(&mut machine, 0)[..], [ServerFrame::Welcome(_)]));
    machine
}

/// Feeds `bytes` to a new connection and returns the goodbye that ends it.
fn refused(bytes: &[u8]) -> Goodbye {
    let mut machine = Connection::new(CONFIG, 0);
    machine.handle_bytes(0, bytes);
    assert_eq!(machine.poll_output(), None, "nothing is handed out and the goodbye leaves first");
    let goodbye = goodbye_in(&sent(&mut machine, 0)).clone();
    assert_eq!(machine.poll_output(), Some(Output::Close(Ending::Told(goodbye.clone()))));
    goodbye
}

#[test]
fn nothing_is_handed_out_before_the_hello_was_accepted() {
    let mut machine = Connection::new(CONFIG, 0);
    machine.handle_bytes(0, &bytes_of(&[ClientFrame::Hello(hello()), call(0), call(1)]));
    let Some(Output::Greet(seen)) = machine.poll_output() else { panic!("no greeting") };
    assert_eq!(*seen, hello());
    assert_eq!(machine.poll_output(), None);
    assert!(!machine.wants_read());
    machine.accept(0, introduction());
    assert_eq!(slots(machine.poll_output()), [0, 1]);
    let frames = sent(&mut machine, 0);
    let [ServerFrame::Welcome(welcome)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((welcome.store, welcome.in_flight_max, welcome.idle_ms_max), (STORE, 4, 10_000));
}

#[test]
fn a_refused_client_is_told_why_and_its_calls_are_dropped() {
    let mut machine = Connection::new(CONFIG, 0);
    machine.handle_bytes(0, &bytes_of(&[ClientFrame::Hello(hello()), call(0)]));
    assert!(matches!(machine.poll_output(), Some(Output::Greet(_))));
    machine.refuse(0, Goodbye::new(GoodbyeReason::BadCredential, "no"));
    assert_eq!(machine.poll_output(), None);
    assert_eq!(goodbye_in(&sent(&mut machine, 0)).reason, GoodbyeReason::BadCredential);
    assert!(matches!(machine.poll_output(), Some(Output::Close(Ending::Told(_)))));
    assert_eq!(machine.poll_output(), None);
    assert_eq!(machine.poll_timeout(), None);
}

#[test]
fn strangers_are_told_what_they_look_like() {
    let cases: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP request"),
        (&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc], "look like TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "look like SSH"),
        (&[0xff; 64], "not Switchboard frames"),
        (&[0, 1, 0, 0, 1, 0, b'S', b'B', 0, 0, 0, 0], "over the limit of 4096 bytes"),
    ];
    for (bytes, expected) in cases {
        let goodbye = refused(bytes);
        assert_eq!(goodbye.reason, GoodbyeReason::ProtocolError);
        assert!(goodbye.text.contains(expected), "{}", goodbye.text);
    }
}

#[test]
fn other_versions_stores_and_first_frames_are_turned_away() {
    let newer = Hello { version_min: 2, version_max: 9, ..hello() };
    let goodbye = refused(&bytes_of(&[ClientFrame::Hello(newer)]));
    assert_eq!(goodbye.reason, GoodbyeReason::UnsupportedVersion);
    assert!(goodbye.text.contains("2 to 9") && goodbye.text.contains("version 1"), "{}", goodbye.text);

    let foreign = Hello { store: Some(StoreId([9; 16])), ..hello() };
    let goodbye = refused(&bytes_of(&[ClientFrame::Hello(foreign)]));
    assert_eq!(goodbye.reason, GoodbyeReason::WrongStore);
    assert!(goodbye.text.contains(&STORE.to_string()), "{}", goodbye.text);

    let goodbye = refused(&bytes_of(&[call(0)]));
    assert_eq!(goodbye.reason, GoodbyeReason::ProtocolError);
    assert!(goodbye.text.contains("must be a Hello, not a Call"), "{}", goodbye.text);
}

#[test]
fn the_longest_hello_fits_before_the_welcome() {
    let longest = Hello {
        store: Some(STORE),
        sessions: vec![SessionId::mint(1, [1; 10]); crate::limits::HELLO_SESSIONS_MAX],
        credential: Some(vec![0; crate::limits::CREDENTIAL_BYTES_MAX].into()),
        agent: "x".repeat(crate::limits::TEXT_BYTES_MAX),
        ..hello()
    };
    let mut machine = Connection::new(CONFIG, 0);
    machine.handle_bytes(0, &bytes_of(&[ClientFrame::Hello(longest)]));
    assert!(matches!(machine.poll_output(), Some(Output::Greet(_))));
}

#[test]
fn no_more_than_the_limit_is_in_flight_and_none_is_lost() {
    let mut machine = open(CONFIG);
    machine.handle_bytes(0, &bytes_of(&(0..10).map(call).collect::<Vec<_>>()));
    assert_eq!(slots(machine.poll_output()), [0, 1, 2, 3]);
    assert_eq!(machine.poll_output(), None);
    assert!(!machine.wants_read());
    assert_eq!(machine.poll_timeout(), None, "who is not read cannot be silent");
    machine.reply(0, &reply_of(1, 3));
    machine.reply(0, &reply_of(0, 3));
    assert_eq!(slots(machine.poll_output()), [4, 5]);
    for slot in 2..10 {
        machine.reply(0, &reply_of(slot, 3));
        while machine.poll_output().is_some() {}
    }
    assert_eq!((machine.in_flight(), sent(&mut machine, 0).len()), (0, 10));
    assert!(machine.wants_read() && machine.is_idle());
}

#[test]
fn unsent_bytes_hold_back_reading_until_they_are_written() {
    let mut machine = open(Config { in_flight_max: 100, ..CONFIG });
    machine.handle_bytes(0, &bytes_of(&[call(0)]));
    assert_eq!(slots(machine.poll_output()), [0]);
    machine.reply(0, &reply_of(0, UNSENT_PAUSE_BYTES));
    assert!(!machine.wants_read());
    machine.handle_bytes(0, &bytes_of(&[call(1)]));
    assert_eq!(machine.poll_output(), None);
    let mut bytes = Vec::new();
    machine.transmit(&mut bytes);
    machine.handle_written(1, bytes.len());
    assert_eq!(slots(machine.poll_output()), [1]);
}

#[test]
fn who_takes_nothing_or_too_little_is_cut() {
    let mut stalled = open(CONFIG);
    stalled.handle_bytes(0, &bytes_of(&[call(0)]));
    assert_eq!(slots(stalled.poll_output()), [0]);
    stalled.reply(100, &reply_of(0, 1000));
    assert_eq!(stalled.poll_timeout(), Some(100 + CONFIG.stall_ms_max));
    stalled.handle_written(200, 10);
    stalled.handle_timer(200 + CONFIG.stall_ms_max - 1);
    assert_eq!(stalled.poll_output(), None, "progress counts");
    stalled.handle_timer(200 + CONFIG.stall_ms_max);
    assert!(matches!(stalled.poll_output(), Some(Output::Close(Ending::TooSlow { .. }))));

    let mut flooded = open(CONFIG);
    flooded.handle_bytes(0, &bytes_of(&[call(0), call(1), call(2), call(3)]));
    assert_eq!(slots(flooded.poll_output()), [0, 1, 2, 3]);
    for slot in 0..4 {
        flooded.reply(0, &reply_of(slot, UNSENT_PAUSE_BYTES));
    }
    assert!(matches!(flooded.poll_output(), Some(Output::Close(Ending::TooSlow { .. }))));
    let mut bytes = Vec::new();
    flooded.transmit(&mut bytes);
    assert!(bytes.is_empty(), "what was thrown away does not leave");
}

#[test]
fn a_hello_must_come_whole_and_in_time() {
    let whole = bytes_of(&[ClientFrame::Hello(hello())]);
    let mut machine = Connection::new(CONFIG, 0);
    for (now_ms, byte) in (0..).zip(&whole[..whole.len() - 1]) {
        machine.handle_bytes(now_ms, std::slice::from_ref(byte));
    }
    assert_eq!(machine.poll_timeout(), Some(CONFIG.handshake_ms_max));
    machine.handle_timer(CONFIG.handshake_ms_max);
    assert_eq!(goodbye_in(&sent(&mut machine, 1_000)).reason, GoodbyeReason::TimedOut);
    assert!(matches!(machine.poll_output(), Some(Output::Close(_))));
}

#[test]
fn silence_is_asked_and_then_ended_and_a_dribble_is_silence() {
    let mut machine = open(CONFIG);
    assert_eq!(machine.poll_timeout(), Some(5_000));
    machine.handle_timer(5_000);
    let frames = sent(&mut machine, 5_000);
    let [ServerFrame::Ping(token)] = frames[..] else { panic!("{frames:?}") };
    machine.handle_bytes(6_000, &bytes_of(&[ClientFrame::Pong(token)]));
    assert_eq!(machine.poll_timeout(), Some(11_000));
    machine.handle_timer(11_000);
    assert!(matches!(sent(&mut machine, 11_000)[..], [ServerFrame::Ping(_)]));
    let whole = bytes_of(&[call(0)]);
    machine.handle_bytes(12_000, &whole[..whole.len() - 1]);
    assert_eq!(machine.poll_timeout(), Some(16_000));
    machine.handle_timer(16_000);
    assert_eq!(goodbye_in(&sent(&mut machine, 16_000)).reason, GoodbyeReason::TimedOut);
}

#[test]
fn a_ping_is_answered_with_its_own_bytes() {
    let mut machine = open(CONFIG);
    machine.handle_bytes(0, &bytes_of(&[ClientFrame::Ping(*b"abcdefgh")]));
    assert_eq!(sent(&mut machine, 0), [ServerFrame::Pong(*b"abcdefgh")]);
}

#[test]
fn what_is_in_flight_is_answered_before_the_goodbye() {
    type End = fn(&mut Connection);
    let ends: [(End, GoodbyeReason); 4] = [
        (|machine| machine.handle_end(0), GoodbyeReason::Done),
        (|machine| machine.shut_down(0, 700), GoodbyeReason::ShuttingDown),
        (
            |machine| {
                let leave = ClientFrame::Goodbye(Goodbye::new(GoodbyeReason::Done, "bye"));
                machine.handle_bytes(0, &bytes_of(&[leave, call(1)]));
            },
            GoodbyeReason::Done,
        ),
        (|machine| machine.handle_bytes(0, &[0xff; 16]), GoodbyeReason::ProtocolError),
    ];
    for (end, reason) in ends {
        let mut machine = open(CONFIG);
        let query = ClientFrame::Outcome(OutcomeQuery { id: call_id(3), nonce: None });
        machine.handle_bytes(0, &bytes_of(&[query]));
        assert!(matches!(machine.poll_output(), Some(Output::Requests(_))));
        end(&mut machine);
        assert_eq!(machine.poll_output(), None);
        assert!(!machine.wants_read() && sent(&mut machine, 0).is_empty());
        machine.reply(1, &ServerFrame::Outcome(OutcomeReply { id: call_id(3), outcome: Outcome::NotYet }));
        let frames = sent(&mut machine, 1);
        assert!(matches!(frames[..], [ServerFrame::Outcome(_), ServerFrame::Goodbye(_)]), "{frames:?}");
        assert_eq!(goodbye_in(&frames).reason, reason);
        assert!(matches!(machine.poll_output(), Some(Output::Close(_))));
    }
}

#[test]
fn an_answer_that_never_comes_does_not_hold_up_the_end() {
    let mut machine = open(CONFIG);
    machine.handle_bytes(0, &bytes_of(&[call(0)]));
    assert_eq!(slots(machine.poll_output()), [0]);
    machine.shut_down(100, 0);
    assert_eq!(machine.poll_timeout(), Some(100 + CONFIG.drain_ms_max));
    machine.handle_timer(100 + CONFIG.drain_ms_max);
    assert_eq!(goodbye_in(&sent(&mut machine, 6_000)).reason, GoodbyeReason::ShuttingDown);
    assert!(matches!(machine.poll_output(), Some(Output::Close(_))));
    machine.reply(6_000, &reply_of(0, 1));
    assert_eq!((sent(&mut machine, 6_000), machine.poll_output()), (Vec::new(), None));
}

#[test]
fn a_goodbye_that_cannot_leave_does_not_hold_up_the_end_either() {
    let mut machine = open(Config { stall_ms_max: 1_000_000, ..CONFIG });
    machine.shut_down(0, 0);
    assert_eq!(machine.poll_output(), None);
    assert_eq!(machine.poll_timeout(), Some(GOODBYE_MS_MAX));
    machine.handle_timer(GOODBYE_MS_MAX);
    assert!(matches!(machine.poll_output(), Some(Output::Close(_))));
}

#[test]
fn a_peer_that_just_closes_is_just_closed() {
    let mut machine = Connection::new(CONFIG, 0);
    machine.handle_bytes(0, &[0, 0]);
    machine.handle_end(0);
    assert!(sent(&mut machine, 0).is_empty());
    assert_eq!(machine.poll_output(), Some(Output::Close(Ending::Ended { cut_bytes: 2 })));
}

proptest! {
    /// Cutting the stream anywhere changes nothing.
    #[test]
    fn frames_mean_the_same_however_they_arrive(cuts in proptest::collection::vec(1_usize..40, 1..40)) {
        let mut machine = open(Config { in_flight_max: 100, ..CONFIG });
        let bytes = bytes_of(&(0..20).map(call).collect::<Vec<_>>());
        let mut seen = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            machine.handle_bytes(0, now);
            while let Some(output) = machine.poll_output() {
                seen.extend(slots(Some(output)));
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, (0..20).collect::<Vec<u16>>());
    }

    /// Whatever a stranger sends, the machine neither panics nor runs on: it waits, asks, or ends.
    #[test]
    fn hostile_bytes_only_end_the_connection(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flip in any::<(usize, u8)>(),
    ) {
        let mut damaged = bytes_of(&[ClientFrame::Hello(hello()), call(0), call(1)]);
        let at = flip.0 % damaged.len();
        damaged[at] ^= flip.1;
        for input in [bytes, damaged] {
            let mut machine = Connection::new(CONFIG, 0);
            machine.handle_bytes(0, &input);
            if matches!(machine.poll_output(), Some(Output::Greet(_))) {
                machine.accept(0, introduction());
            }
            while machine.poll_output().is_some() {}
            sent(&mut machine, 0);
            prop_assert!(machine.in_flight() <= 2);
        }
    }
}
