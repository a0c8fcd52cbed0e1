//! Frames of both directions, and the inbox that cuts a stream into them.
//!
//! Held: what decodes is encoded to one canonical form that decodes to the same; nothing decoded is over its limit;
//! a stream means the same however it is cut; no error repeats the payload.

use switchboard_call::frame::{
    ClientFrame, FrameError, Goodbye, HEADER_BYTES, Inbox, Kind, RawFrame, ServerFrame,
};
use switchboard_call::limits::{
    CREDENTIAL_BYTES_MAX, HELLO_SESSIONS_MAX, SERVICE_NAME_BYTES_MAX, TEXT_BYTES_MAX, WELCOME_SERVICES_MAX,
};

use crate::input::Input;
use crate::secrecy;
use crate::wire::framed;

/// A limit that inputs can pass.
const FRAME_BYTES_MAX: usize = 512;

/// First byte even: kind, flags, payload. Odd: pieces of a stream.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    if input.byte().is_multiple_of(2) { one(&mut input) } else { stream(&mut input) }
}

fn one(input: &mut Input<'_>) {
    let (kind, flags) = (input.byte(), input.byte());
    let payload = input.rest();
    let Some(kind) = Kind::from_byte(kind) else { return };
    let raw = RawFrame { kind, flags, payload };
    match ClientFrame::decode(raw) {
        Ok(frame) => check_client(&frame, payload),
        Err(error) => secrecy::check(&error, payload),
    }
    match ServerFrame::decode(raw) {
        Ok(frame) => check_server(&frame, payload),
        Err(error) => secrecy::check(&error, payload),
    }
}

fn check_client(frame: &ClientFrame, payload: &[u8]) {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    let mut inbox = Inbox::new(payload.len());
    inbox.push(&bytes);
    let raw = inbox.next_frame().expect("what is encoded is a frame no longer than what was decoded");
    let again = ClientFrame::decode(raw.expect("and it is whole")).expect("what is encoded decodes");
    assert_eq!(&again, frame);
    let mut canonical = Vec::new();
    again.encode(&mut canonical);
    assert_eq!(canonical, bytes);
    client_bounds(frame);
}

fn client_bounds(frame: &ClientFrame) {
    match frame {
        ClientFrame::Hello(hello) => {
            assert!(hello.sessions.len() <= HELLO_SESSIONS_MAX && hello.agent.len() <= TEXT_BYTES_MAX);
            assert!(hello.credential.as_ref().is_none_or(|bytes| bytes.len() <= CREDENTIAL_BYTES_MAX));
        }
        ClientFrame::Call(call) => assert!(call.service.len() <= SERVICE_NAME_BYTES_MAX),
        ClientFrame::Read(read) => assert!(read.service.len() <= SERVICE_NAME_BYTES_MAX),
        ClientFrame::Goodbye(goodbye) => goodbye_bounds(goodbye),
        ClientFrame::Cancel(_) | ClientFrame::Outcome(_) | ClientFrame::Ping(_) | ClientFrame::Pong(_) => {}
    }
}

fn check_server(frame: &ServerFrame, payload: &[u8]) {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    let mut inbox = Inbox::new(payload.len());
    inbox.push(&bytes);
    let raw = inbox.next_frame().expect("what is encoded is a frame no longer than what was decoded");
    let again = ServerFrame::decode(raw.expect("and it is whole")).expect("what is encoded decodes");
    assert_eq!(&again, frame);
    let mut canonical = Vec::new();
    again.encode(&mut canonical);
    assert_eq!(canonical, bytes);
    match frame {
        ServerFrame::Welcome(welcome) => {
            assert!(welcome.services.len() <= WELCOME_SERVICES_MAX);
            assert!(welcome.greeting.len() <= TEXT_BYTES_MAX && welcome.principal.len() <= TEXT_BYTES_MAX);
            assert!(welcome.services.iter().all(|limits| limits.service.len() <= payload.len()));
        }
        ServerFrame::Goodbye(goodbye) => goodbye_bounds(goodbye),
        ServerFrame::Reply(_) | ServerFrame::Outcome(_) | ServerFrame::Ping(_) | ServerFrame::Pong(_) => {}
    }
}

fn goodbye_bounds(goodbye: &Goodbye) {
    assert!(goodbye.text.len() <= TEXT_BYTES_MAX);
}

/// Pieces, raw or framed, joined to a stream; read whole, byte by byte, and in the pieces.
fn stream(input: &mut Input<'_>) {
    let mut pieces = Vec::new();
    while let Some(how) = input.next() {
        pieces.push(match how % 4 {
            0 => input.piece().to_vec(),
            1 => framed(input.byte(), 0, input.piece()),
            2 => framed(input.byte() % 16, input.byte() % 2, input.piece()),
            _ => damaged(framed(input.byte() % 16, 0, input.piece()), how),
        });
    }
    let whole = pieces.concat();
    let expected = read([&whole[..]]);
    assert_eq!(read(whole.chunks(1)), expected, "byte by byte");
    assert_eq!(read(pieces.iter().map(Vec::as_slice)), expected, "in pieces");
    let frames_bytes: usize =
        expected.frames.iter().map(|(_, _, payload)| payload.len() + HEADER_BYTES).sum();
    assert!(frames_bytes <= whole.len(), "more came out than went in");
}

fn damaged(mut frame: Vec<u8>, how: u8) -> Vec<u8> {
    let at = usize::from(how) % frame.len();
    frame[at] ^= 1 << (how % 8);
    frame
}

#[derive(PartialEq, Eq, Debug)]
struct Seen {
    frames: Vec<(Kind, u8, Vec<u8>)>,
    error: Option<String>,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    let mut seen = Seen { frames: Vec::new(), error: None };
    for piece in pieces {
        inbox.push(piece);
        loop {
            match inbox.next_frame() {
                Ok(Some(raw)) => {
                    assert!(raw.payload.len() <= FRAME_BYTES_MAX);
                    seen.frames.push((raw.kind, raw.flags, raw.payload.to_vec()));
                }
                Ok(None) => break,
                Err(error) => return Seen { error: Some(name(&error)), ..seen },
            }
        }
        assert!(inbox.pending_bytes() < FRAME_BYTES_MAX + HEADER_BYTES, "a whole frame was left waiting");
        inbox.shrink();
    }
    seen
}

fn name(error: &FrameError) -> String {
    secrecy::check(error, &[]);
    error.to_string()
}
