//! Frames as bytes: the golden vectors of `vectors/frames.txt`, and properties of every frame there is.
//! A vector changes only with the protocol version; new ones are written with `UPDATE_EXPECT=1`.

use proptest::prelude::*;

use super::*;
use crate::answer::{Answer, DoorCause, Outcome, TransientCause};
use crate::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot, StoreId};
use crate::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX};

/// Either direction.
#[derive(Clone, PartialEq, Debug)]
enum Either {
    Client(ClientFrame),
    Server(ServerFrame),
}

impl Either {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Client(frame) => frame.encode(&mut out),
            Self::Server(frame) => frame.encode(&mut out),
        }
        out
    }

    /// Reads the bytes as a frame of the same direction.
    fn read_like(&self, raw: RawFrame<'_>) -> Result<Self, FrameError> {
        match self {
            Self::Client(_) => ClientFrame::decode(raw).map(Self::Client),
            Self::Server(_) => ServerFrame::decode(raw).map(Self::Server),
        }
    }
}

/// One line of the vectors.
struct Vector {
    name: String,
    frame: Either,
    meaning: &'static str,
}

fn id() -> CallId {
    let random = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa];
    let session = SessionId::mint(1_800_000_000_000, random);
    CallId { session, slot: Slot(3), sequence: Sequence::new(2).unwrap() }
}

fn client_vectors() -> Vec<Vector> {
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        store: Some(StoreId([0xa5; 16])),
        sessions: vec![id().session],
        credential: Some(vec![1, 2, 3].into()),
        agent: "vectors 1".to_owned(),
    };
    let first = Hello { store: None, sessions: vec![], credential: None, ..hello.clone() };
    let call = Call {
        service: "bank".to_owned(),
        id: id(),
        nonce: Nonce([0xc7; 16]),
        previous: ReplyHash([1, 2, 3, 4, 5, 6, 7, 8]),
        version: 1,
        not_after_us: Some(1_800_000_060_000_000),
        attempt: 1,
        body: vec![0x81, 0x00],
    };
    let copy = Call { not_after_us: None, attempt: 2, ..call.clone() };
    let read = Read { tag: 9, service: "bank".to_owned(), version: 1, body: vec![0x81, 0x04] };
    let vector =
        |name: &str, frame, meaning| Vector { name: name.to_owned(), frame: Either::Client(frame), meaning };
    vec![
        vector("hello", ClientFrame::Hello(hello), "a client with one session and a credential"),
        vector("hello-first", ClientFrame::Hello(first), "a client that was never here, anonymous"),
        vector("call", ClientFrame::Call(call), "call 2 of slot 3, first copy, not after a time"),
        vector("call-copy", ClientFrame::Call(copy), "the same without that time, second copy"),
        vector("read", ClientFrame::Read(read), "a question with tag 9"),
        vector(
            "cancel",
            ClientFrame::Cancel(Cancel {
                id: id(),
                previous: Some(ReplyHash([1, 2, 3, 4, 5, 6, 7, 8])),
                nonce: Some(Nonce([0xc7; 16])),
            }),
            "end call 2 of slot 3 unexecuted",
        ),
        vector(
            "cancel-operator",
            ClientFrame::Cancel(Cancel { id: id(), previous: None, nonce: None }),
            "the same from an operator, who does not know the hash",
        ),
        vector(
            "outcome-query",
            ClientFrame::Outcome(OutcomeQuery { id: id(), nonce: Some(Nonce([0xc7; 16])) }),
            "what became of that call?",
        ),
        vector("ping", ClientFrame::Ping([0, 0, 0, 0, 0, 0, 0, 1]), "are you there?"),
        vector("pong", ClientFrame::Pong([0, 0, 0, 0, 0, 0, 0, 1]), "yes"),
        vector("goodbye", ClientFrame::Goodbye(Goodbye::new(GoodbyeReason::Done, "")), "nothing more to say"),
    ]
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        store: StoreId([0xa5; 16]),
        generation: 1,
        server_time_us: 1_800_000_000_000_000,
        mint_time_ms: 1_800_000_000_000,
        slots_max: 64,
        frame_bytes_max: 1_048_576,
        in_flight_max: 1024,
        idle_ms_max: 60_000,
        services: vec![ServiceLimits {
            service: "bank".to_owned(),
            version_min: 1,
            version_max: 1,
            body_bytes_max: 65_536,
            reply_bytes_max: 65_536,
        }],
        greeting: "Switchboard".to_owned(),
        principal: "operator".to_owned(),
    }
}

fn answers() -> Vec<(&'static str, Answer, &'static str)> {
    vec![
        ("done", Answer::Done(vec![0x81, 0x01]), "executed; the service's reply"),
        ("refused", Answer::Refused(vec![0x81, 0x02]), "decided against by the service's rules, for ever"),
        ("cancelled", Answer::Cancelled, "cancelled, never executed"),
        ("too-late", Answer::TooLate, "came after its not_after, never executed"),
        ("expired", Answer::Expired, "session older than the horizon, never executed"),
        ("copied-journal", Answer::CopiedJournal, "another call holds the id, this one is not executed"),
        ("call-id-reused", Answer::CallIdReused, "same id and nonce, other bytes"),
        ("superseded", Answer::Superseded, "the slot has moved on"),
        ("forgotten", Answer::Forgotten, "so old that its row was deleted"),
        ("gap", Answer::Gap, "the store does not know the call before it"),
        ("not-yours", Answer::NotYours, "the session belongs to another principal"),
        ("wrong-store", Answer::WrongStore, "the session belongs to another store"),
        ("malformed", Answer::door(DoorCause::Malformed, "no"), "not a command of the service"),
        ("unknown-command", Answer::door(DoorCause::UnknownCommand, "no"), "no such service or version"),
        ("not-permitted", Answer::door(DoorCause::NotPermitted, "no"), "not for this principal"),
        ("over-limit", Answer::door(DoorCause::OverLimit, "no"), "over a limit told in the welcome"),
        (
            "overloaded",
            Answer::transient(TransientCause::Overloaded, 250),
            "a queue is full, again in 250 ms",
        ),
        (
            "store-unavailable",
            Answer::transient(TransientCause::StoreUnavailable, 250),
            "cannot be written now",
        ),
        ("in-progress", Answer::transient(TransientCause::InProgress, 250), "the original is being executed"),
        ("fault", Answer::transient(TransientCause::Fault, 250), "the rule failed"),
        ("shutting-down", Answer::transient(TransientCause::ShuttingDown, 250), "the server goes away"),
        (
            "sessions-too-fast",
            Answer::transient(TransientCause::SessionsTooFast, 250),
            "too many new sessions",
        ),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome, &'static str)> {
    let done = Answer::Done(vec![0x81, 0x01]).to_bytes();
    vec![
        ("done", Outcome::Done(done), "ended with this recorded answer"),
        ("cancelled", Outcome::Cancelled, "was cancelled"),
        ("not-yet", Outcome::NotYet, "not claimed so far"),
        ("superseded", Outcome::Superseded, "the slot has moved on"),
        ("expired", Outcome::Expired, "never executed, never will be"),
        ("forgotten", Outcome::Forgotten, "its row was deleted with age"),
        ("not-yours", Outcome::NotYours, "the session belongs to another principal"),
        ("unavailable", Outcome::Unavailable { retry_after_ms: 250 }, "ask again in 250 ms"),
        ("copied-journal", Outcome::CopiedJournal, "another call holds this id"),
    ]
}

fn server_vectors() -> Vec<Vector> {
    let vector = |name: String, frame, meaning| Vector { name, frame: Either::Server(frame), meaning };
    let reply = |reference, attempt, replayed, answer: &Answer| {
        ServerFrame::Reply(Reply { reference, attempt, replayed, answer: answer.to_bytes() })
    };
    let done = Answer::Done(vec![0x81, 0x01]);
    let mut vectors =
        vec![vector("welcome".to_owned(), ServerFrame::Welcome(welcome()), "a server of one service")];
    for (name, answer, meaning) in answers() {
        vectors.push(vector(
            format!("reply-{name}"),
            reply(Reference::Call(id()), 1, false, &answer),
            meaning,
        ));
    }
    let replayed = reply(Reference::Call(id()), 2, true, &done);
    vectors.push(vector(
        "reply-replayed".to_owned(),
        replayed,
        "reply-done, recorded earlier, to the second copy",
    ));
    let of_cancel = reply(Reference::Call(id()), 0, false, &Answer::Cancelled);
    vectors.push(vector("reply-to-cancel".to_owned(), of_cancel, "the cancel came first"));
    let of_read = reply(Reference::Read(9), 0, false, &done);
    vectors.push(vector("reply-to-read".to_owned(), of_read, "the answer to the question with tag 9"));
    for (name, outcome, meaning) in outcomes() {
        let frame = ServerFrame::Outcome(OutcomeReply { id: id(), outcome });
        vectors.push(vector(format!("outcome-{name}"), frame, meaning));
    }
    for reason in GOODBYES {
        let mut goodbye = Goodbye::new(reason, "text for a person");
        goodbye.retry_after_ms = 1_000;
        let name = format!("server-goodbye-{}", reason as u8);
        vectors.push(vector(name, ServerFrame::Goodbye(goodbye), "the last frame, with its reason"));
    }
    vectors.push(vector("server-ping".to_owned(), ServerFrame::Ping([9; 8]), "are you there?"));
    vectors.push(vector("server-pong".to_owned(), ServerFrame::Pong([9; 8]), "yes"));
    vectors
}

const GOODBYES: [GoodbyeReason; 8] = [
    GoodbyeReason::Done,
    GoodbyeReason::ProtocolError,
    GoodbyeReason::UnsupportedVersion,
    GoodbyeReason::ShuttingDown,
    GoodbyeReason::Overloaded,
    GoodbyeReason::TimedOut,
    GoodbyeReason::WrongStore,
    GoodbyeReason::BadCredential,
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

const EXPLANATION: &str = "\
# Golden vectors of protocol version 1: one line a frame: name, whole frame in hexadecimal, meaning,
# separated by tabs. A foreign client that reads and writes exactly these bytes speaks the protocol.
# The call id in them: session 01a3185c-5000-7122-b344-5566778899aa, slot 3, sequence 2.
";

#[test]
fn every_kind_and_every_code_has_its_golden_bytes() {
    let mut text = EXPLANATION.to_owned();
    for Vector { name, frame, meaning } in client_vectors().into_iter().chain(server_vectors()) {
        text.push_str(&format!("{name}\t{}\t{meaning}\n", hex(&frame.bytes())));
    }
    expect_test::expect_file!["../../vectors/frames.txt"].assert_eq(&text);
    assert!(text.contains(&id().session.to_string()));
}

#[test]
fn the_golden_bytes_mean_what_they_meant() {
    let text = include_str!("../../vectors/frames.txt");
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    for Vector { name, frame, .. } in client_vectors().into_iter().chain(server_vectors()) {
        let mut parts = lines.next().expect("one line per vector").split('\t');
        assert_eq!(parts.next(), Some(name.as_str()));
        let bytes = unhex(parts.next().unwrap());
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        inbox.push(&bytes);
        assert_eq!(frame.read_like(inbox.next_frame().unwrap().unwrap()).unwrap(), frame, "{name}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn an_over_long_frame_is_refused_from_its_header() {
    let body = vec![0; BODY_BYTES_MAX];
    let longest =
        Either::Client(ClientFrame::Read(Read { tag: u64::MAX, service: "x".repeat(64), version: 1, body }));
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    inbox.push(&longest.bytes());
    assert!(inbox.next_frame().unwrap().is_some(), "the longest body fits");

    let mut header = longest.bytes()[..HEADER_BYTES].to_vec();
    header[..4].copy_from_slice(&u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes());
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    inbox.push(&header);
    assert!(matches!(inbox.next_frame(), Err(FrameError::TooLong { .. })));
}

#[test]
fn strangers_are_named_from_their_first_bytes() {
    for (bytes, hint) in [
        (&b"GET / HTTP/1.1\r\n"[..], "HTTP request"),
        (&[0x16, 3, 1, 0, 200, 1, 0, 0][..], "TLS"),
        (&b"SSH-2.0-x"[..], "SSH"),
    ] {
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        inbox.push(bytes);
        let error = inbox.next_frame().unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
    }
}

#[test]
fn frames_of_the_wrong_side_and_reserved_kinds_are_refused() {
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    inbox.push(&client_vectors()[2].frame.bytes());
    let raw = inbox.next_frame().unwrap().unwrap();
    assert!(matches!(ServerFrame::decode(raw), Err(FrameError::WrongDirection(Kind::Call))));
    for kind in [Kind::Subscribe, Kind::Event, Kind::Credit, Kind::Chunk] {
        let raw = RawFrame { kind, flags: 0, payload: &[0x80] };
        assert!(matches!(ClientFrame::decode(raw), Err(FrameError::UnknownKind(_))));
        assert!(matches!(ServerFrame::decode(raw), Err(FrameError::UnknownKind(_))));
    }
}

#[test]
fn keys_of_the_future_in_a_welcome_are_ignored() {
    let mut payload = minicbor::to_vec(welcome()).unwrap();
    assert_eq!(payload[0], 0xac, "a map of twelve");
    payload[0] = 0xad;
    payload.extend([0x18, 99, 0x01]);
    let raw = RawFrame { kind: Kind::Welcome, flags: 0, payload: &payload };
    assert_eq!(ServerFrame::decode(raw).unwrap(), ServerFrame::Welcome(welcome()));
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..max)
}

fn call_id() -> impl Strategy<Value = CallId> {
    (0..1u64 << 48, any::<[u8; 10]>(), any::<u16>(), 1..=i64::MAX.unsigned_abs()).prop_map(
        |(birth_ms, random, slot, number)| CallId {
            session: SessionId::mint(birth_ms, random),
            slot: Slot(slot),
            sequence: Sequence::new(number).unwrap(),
        },
    )
}

fn any_hash() -> impl Strategy<Value = ReplyHash> {
    any::<[u8; 8]>().prop_map(ReplyHash)
}

fn hello() -> impl Strategy<Value = ClientFrame> {
    let sessions = proptest::collection::vec(call_id().prop_map(|id| id.session), 0..5);
    let credential = proptest::option::of(bytes(40));
    let store = proptest::option::of(any::<[u8; 16]>().prop_map(StoreId));
    (any::<u16>(), any::<u16>(), store, sessions, credential, ".{0,20}").prop_map(
        |(version_min, version_max, store, sessions, credential, agent)| {
            let credential = credential.map(Into::into);
            ClientFrame::Hello(Hello { version_min, version_max, store, sessions, credential, agent })
        },
    )
}

fn call() -> impl Strategy<Value = ClientFrame> {
    let head = ("[a-z]{0,20}", call_id(), any::<[u8; 16]>(), any_hash());
    let tail = (any::<u16>(), any::<Option<u64>>(), any::<u32>(), bytes(200));
    (head, tail).prop_map(|((service, id, nonce, previous), (version, not_after_us, attempt, body))| {
        let nonce = Nonce(nonce);
        ClientFrame::Call(Call { service, id, nonce, previous, version, not_after_us, attempt, body })
    })
}

fn goodbye() -> impl Strategy<Value = Goodbye> {
    (0..GOODBYES.len(), ".{0,30}", any::<u32>()).prop_map(|(reason, text, retry_after_ms)| Goodbye {
        reason: GOODBYES[reason],
        text,
        retry_after_ms,
    })
}

fn client_frame() -> impl Strategy<Value = Either> {
    let read = (any::<u64>(), "[a-z]{0,20}", any::<u16>(), bytes(200));
    prop_oneof![
        hello(),
        call(),
        read.prop_map(|(tag, service, version, body)| ClientFrame::Read(Read {
            tag,
            service,
            version,
            body
        })),
        (call_id(), proptest::option::of(any_hash()), any_nonce())
            .prop_map(|(id, previous, nonce)| ClientFrame::Cancel(Cancel { id, previous, nonce })),
        (call_id(), any_nonce()).prop_map(|(id, nonce)| ClientFrame::Outcome(OutcomeQuery { id, nonce })),
        any::<[u8; 8]>().prop_map(ClientFrame::Ping),
        any::<[u8; 8]>().prop_map(ClientFrame::Pong),
        goodbye().prop_map(ClientFrame::Goodbye),
    ]
    .prop_map(Either::Client)
}

fn any_nonce() -> impl Strategy<Value = Option<Nonce>> {
    proptest::option::of(any::<[u8; 16]>().prop_map(Nonce))
}

fn any_welcome() -> impl Strategy<Value = Welcome> {
    let numbers = (any::<u16>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u16>());
    let limits = (any::<u32>(), any::<u32>(), any::<u32>());
    (any::<[u8; 16]>(), numbers, limits, ".{0,30}", ".{0,30}").prop_map(
        |(store, numbers, (frame_bytes_max, in_flight_max, idle_ms_max), greeting, principal)| {
            let (version, generation, server_time_us, mint_time_ms, slots_max) = numbers;
            let store = StoreId(store);
            let told = Welcome { version, store, generation, server_time_us, mint_time_ms, ..welcome() };
            Welcome { slots_max, frame_bytes_max, in_flight_max, idle_ms_max, greeting, principal, ..told }
        },
    )
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let fixed: Vec<Answer> = answers().into_iter().map(|(_, answer, _)| answer).collect();
    prop_oneof![
        bytes(200).prop_map(Answer::Done),
        bytes(200).prop_map(Answer::Refused),
        ".{0,40}".prop_map(|text| Answer::door(DoorCause::Malformed, text)),
        any::<u32>().prop_map(|ms| Answer::transient(TransientCause::Fault, ms)),
        proptest::sample::select(fixed),
    ]
}

fn server_frame() -> impl Strategy<Value = Either> {
    let reference = prop_oneof![call_id().prop_map(Reference::Call), any::<u64>().prop_map(Reference::Read)];
    let fixed: Vec<Outcome> = outcomes().into_iter().map(|(_, outcome, _)| outcome).collect();
    prop_oneof![
        any_welcome().prop_map(ServerFrame::Welcome),
        (reference, any::<u32>(), any::<bool>(), any_answer()).prop_map(
            |(reference, attempt, replayed, answer)| {
                ServerFrame::Reply(Reply { reference, attempt, replayed, answer: answer.to_bytes() })
            }
        ),
        (call_id(), proptest::sample::select(fixed))
            .prop_map(|(id, outcome)| ServerFrame::Outcome(OutcomeReply { id, outcome })),
        any::<[u8; 8]>().prop_map(ServerFrame::Ping),
        any::<[u8; 8]>().prop_map(ServerFrame::Pong),
        goodbye().prop_map(ServerFrame::Goodbye),
    ]
    .prop_map(Either::Server)
}

fn either() -> impl Strategy<Value = Either> {
    prop_oneof![client_frame(), server_frame()]
}

/// Cuts the stream at the given places and reads it as frames of the same directions.
fn read_in_pieces(stream: &[u8], cuts: &[usize], like: &[Either]) -> Vec<Either> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    let mut frames = Vec::new();
    for piece in places.windows(2) {
        inbox.push(&stream[piece[0]..piece[1]]);
        while let Some(raw) = inbox.next_frame().unwrap() {
            frames.push(like[frames.len()].read_like(raw).unwrap());
        }
    }
    assert_eq!(inbox.pending_bytes(), 0);
    frames
}

proptest! {
    #[test]
    fn every_frame_comes_back_however_the_stream_is_cut(
        frames in proptest::collection::vec(either(), 1..6),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(Either::bytes).collect();
        prop_assert_eq!(read_in_pieces(&stream, &cuts, &frames), frames);
    }

    #[test]
    fn every_answer_comes_back(answer in any_answer()) {
        prop_assert_eq!(Answer::from_bytes(&answer.to_bytes()).unwrap(), answer);
    }

    #[test]
    fn a_flipped_bit_never_panics_and_never_passes(frame in either(), at in any::<usize>(), bit in 0u32..8) {
        let mut bytes = frame.bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1u8 << bit;
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        inbox.push(&bytes);
        // A longer length waits for more; everything else is refused.
        prop_assert!(matches!(inbox.next_frame(), Err(_) | Ok(None)));
    }

    #[test]
    fn random_bytes_never_panic(stream in bytes(300)) {
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        inbox.push(&stream);
        let _ = inbox.next_frame();
        let _ = Answer::from_bytes(&stream);
    }

    #[test]
    fn random_payloads_never_panic(kind in 1u8..=14, flags in 0..=1u8, payload in bytes(300)) {
        let raw = RawFrame { kind: Kind::from_byte(kind).unwrap(), flags, payload: &payload };
        let _ = ClientFrame::decode(raw);
        let _ = ServerFrame::decode(raw);
    }

    #[test]
    fn mutated_payloads_never_panic(frame in either(), at in any::<usize>(), with in any::<u8>()) {
        let mut bytes = frame.bytes();
        let at = HEADER_BYTES + at % (bytes.len() - HEADER_BYTES);
        bytes[at] = with;
        let kind = Kind::from_byte(bytes[4]).unwrap();
        let raw = RawFrame { kind, flags: bytes[5], payload: &bytes[HEADER_BYTES..] };
        let _ = frame.read_like(raw);
    }
}
