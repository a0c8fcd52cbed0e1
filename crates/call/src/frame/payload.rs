//! The meaning of each frame, one type per kind, and its CBOR. Two enums, one per direction, so that a
//! frame from the wrong side cannot be represented.

use minicbor::bytes::ByteVec;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::Encoder;

use super::{FLAG_REPLAYED, FrameError, Kind, RawFrame, append};
use crate::answer::Outcome;
use crate::id::{CallId, Generation, Nonce, ReplyHash, SessionId, StoreId};
use crate::limits::{
    CREDENTIAL_BYTES_MAX, HELLO_SESSIONS_MAX, SERVICE_NAME_BYTES_MAX, TEXT_BYTES_MAX, WELCOME_SERVICES_MAX,
};

/// What a client sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFrame {
    /// First frame of a connection.
    Hello(Hello),
    /// A command.
    Call(Call),
    /// A question without effect.
    Read(Read),
    /// End this call unexecuted.
    Cancel(Cancel),
    /// What became of this call?
    Outcome(OutcomeQuery),
    /// Are you there?
    Ping([u8; 8]),
    /// Yes.
    Pong([u8; 8]),
    /// Last frame.
    Goodbye(Goodbye),
}

/// What a server sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerFrame {
    /// Answer to hello.
    Welcome(Welcome),
    /// Answer to a call, a cancel or a read.
    Reply(Reply),
    /// Answer to an outcome query.
    Outcome(OutcomeReply),
    /// Are you there?
    Ping([u8; 8]),
    /// Yes.
    Pong([u8; 8]),
    /// Last frame.
    Goodbye(Goodbye),
}

/// Opens a connection. CBOR: a map with these keys; unknown keys are ignored, so that it can grow.
#[derive(Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Hello {
    /// Lowest protocol version that the client speaks.
    #[n(0)]
    pub version_min: u16,
    /// Highest protocol version that the client speaks.
    #[n(1)]
    pub version_max: u16,
    /// The store that the sessions belong to; absent on a client's first contact.
    #[n(2)]
    pub store: Option<StoreId>,
    /// Sessions that this client will use.
    #[n(3)]
    pub sessions: Vec<SessionId>,
    /// Opens a principal; absent for an anonymous client or where the transport says who it is.
    #[n(4)]
    pub credential: Option<ByteVec>,
    /// Name and version of the client program, for the server's log.
    #[n(5)]
    pub agent: String,
}

/// A credential is a secret: it is not printed.
impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("version_min", &self.version_min)
            .field("version_max", &self.version_max)
            .field("store", &self.store)
            .field("sessions", &self.sessions)
            .field("credential", &self.credential.as_ref().map(|_| ".."))
            .field("agent", &self.agent)
            .finish()
    }
}

/// Greets a client. CBOR: a map with these keys; unknown keys are ignored.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The protocol version of this connection.
    #[n(0)]
    pub version: u16,
    /// The store behind this node.
    #[n(1)]
    pub store: StoreId,
    /// How often that store was restored.
    #[n(2)]
    pub generation: u64,
    /// The server's clock, microseconds since 1970.
    #[n(3)]
    pub server_time_us: u64,
    /// The label for sessions minted now, milliseconds since 1970.
    #[n(4)]
    pub mint_time_ms: u64,
    /// Slots a session may use: 0 .. this.
    #[n(5)]
    pub slots_max: u16,
    /// Longest payload the server takes, in bytes.
    #[n(6)]
    pub frame_bytes_max: u32,
    /// Most calls, reads, cancels and queries that may await their answer on this connection.
    #[n(7)]
    pub in_flight_max: u32,
    /// Silence after which the server ends the connection, in milliseconds.
    #[n(8)]
    pub idle_ms_max: u32,
    /// Limits of each service.
    #[n(9)]
    pub services: Vec<ServiceLimits>,
    /// A line for a person.
    #[n(10)]
    pub greeting: String,
    /// Whom the server takes the client for, as `docs permissions` names it.
    #[n(11)]
    pub principal: String,
}

impl Welcome {
    /// How often the store was restored, typed.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(self.generation)
    }
}

/// What one service takes. CBOR: an array.
#[derive(Clone, PartialEq, Eq, Debug, minicbor::Encode, minicbor::Decode)]
pub struct ServiceLimits {
    /// Its name.
    #[n(0)]
    pub service: String,
    /// Lowest version of its encoding that is understood.
    #[n(1)]
    pub version_min: u16,
    /// Highest version of its encoding that is understood.
    #[n(2)]
    pub version_max: u16,
    /// Longest command body, in bytes.
    #[n(3)]
    pub body_bytes_max: u32,
    /// Longest reply body, in bytes.
    #[n(4)]
    pub reply_bytes_max: u32,
}

/// A command under a call id. CBOR: an array of eight:
/// `[service, [session, slot, sequence], nonce, previous, version, not_after / null, attempt, body]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The service that knows the command.
    pub service: String,
    /// The call's name for ever.
    pub id: CallId,
    /// Tells a copy of this call from another call under its id.
    pub nonce: Nonce,
    /// Hash of the slot's previous reply.
    pub previous: ReplyHash,
    /// Version of the body's encoding.
    pub version: u16,
    /// Server time after which it must not be executed, microseconds since 1970. The same in every copy.
    pub not_after_us: Option<u64>,
    /// 1 for the first copy; echoed in the reply. Not part of the digest.
    pub attempt: u32,
    /// The encoded command, byte-equal in every copy.
    pub body: Vec<u8>,
}

/// A question. CBOR: `[tag, service, version, body]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Chosen by the client to match the reply; unique among those open on this connection.
    pub tag: u64,
    /// The service that knows the question.
    pub service: String,
    /// Version of the body's encoding.
    pub version: u16,
    /// The encoded question.
    pub body: Vec<u8>,
}

/// A wish that a call end unexecuted. CBOR: `[[session, slot, sequence], previous / null, nonce / null]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancel {
    /// The call.
    pub id: CallId,
    /// Hash of the slot's previous reply; only an operator may leave it out.
    pub previous: Option<ReplyHash>,
    /// The call's nonce, so that the answer to another call under a copied id is not taken for this one's;
    /// absent when someone else's call is cancelled.
    pub nonce: Option<Nonce>,
}

/// A question after a call. CBOR: `[[session, slot, sequence], nonce / null]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutcomeQuery {
    /// The call.
    pub id: CallId,
    /// As in [`Cancel`].
    pub nonce: Option<Nonce>,
}

/// What a reply answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reference {
    /// A call or its cancel. CBOR: the call id.
    Call(CallId),
    /// A read. CBOR: its tag.
    Read(u64),
}

/// An answer. CBOR: `[reference, attempt, answer bytes]`; flag [`FLAG_REPLAYED`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// What it answers.
    pub reference: Reference,
    /// The attempt number of the copy it answers; 0 for a cancel or a read.
    pub attempt: u32,
    /// It was recorded earlier.
    pub replayed: bool,
    /// The bytes of an [`Answer`](crate::answer::Answer), exactly as recorded.
    pub answer: Vec<u8>,
}

/// The answer to an outcome query. CBOR: `[[session, slot, sequence], outcome]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutcomeReply {
    /// The call asked about.
    pub id: CallId,
    /// What is known.
    pub outcome: Outcome,
}

/// The last frame. CBOR: `[reason, text, retry_after_ms]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Goodbye {
    /// Why.
    pub reason: GoodbyeReason,
    /// For a person; at most [`TEXT_BYTES_MAX`] bytes.
    pub text: String,
    /// When to come back, milliseconds from now; 0 for "as you like".
    pub retry_after_ms: u32,
}

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GoodbyeReason {
    /// Nothing more to say. 0.
    Done,
    /// The peer broke the protocol. 1.
    ProtocolError,
    /// No common protocol version. 2.
    UnsupportedVersion,
    /// The server stops; another node or a later attempt. 3.
    ShuttingDown,
    /// Too many connections. 4.
    Overloaded,
    /// The peer was too slow or silent. 5.
    TimedOut,
    /// The client's sessions belong to another store. 6.
    WrongStore,
    /// The credential opens nothing. 7.
    BadCredential,
}

impl GoodbyeReason {
    const ALL: [Self; 8] = [
        Self::Done,
        Self::ProtocolError,
        Self::UnsupportedVersion,
        Self::ShuttingDown,
        Self::Overloaded,
        Self::TimedOut,
        Self::WrongStore,
        Self::BadCredential,
    ];
}

impl ClientFrame {
    /// Appends the frame's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => append(out, Kind::Hello, 0, |out| derived(out, hello)),
            Self::Call(call) => append(out, Kind::Call, 0, |out| call.write(out)),
            Self::Read(read) => append(out, Kind::Read, 0, |out| read.write(out)),
            Self::Cancel(cancel) => {
                append(out, Kind::Cancel, 0, |out| derived(out, (cancel.id, cancel.previous, cancel.nonce)))
            }
            Self::Outcome(query) => {
                append(out, Kind::Outcome, 0, |out| derived(out, (query.id, query.nonce)))
            }
            Self::Ping(token) => append(out, Kind::Ping, 0, |out| eight(out, token)),
            Self::Pong(token) => append(out, Kind::Pong, 0, |out| eight(out, token)),
            Self::Goodbye(goodbye) => append(out, Kind::Goodbye, 0, |out| goodbye.write(out)),
        }
    }

    /// Reads a frame that came from a client.
    ///
    /// # Errors
    /// When the payload is malformed, the kind reserved, or only a server may send it.
    pub fn decode(raw: RawFrame<'_>) -> Result<Self, FrameError> {
        let frame = match raw.kind {
            Kind::Hello => whole(raw.payload, |d| d.decode::<Hello>()?.checked(d)).map(Self::Hello),
            Kind::Call => whole(raw.payload, Call::parse).map(Self::Call),
            Kind::Read => whole(raw.payload, Read::parse).map(Self::Read),
            Kind::Cancel => whole(raw.payload, Cancel::parse).map(Self::Cancel),
            Kind::Outcome => whole(raw.payload, OutcomeQuery::parse).map(Self::Outcome),
            Kind::Ping => whole(raw.payload, read_eight).map(Self::Ping),
            Kind::Pong => whole(raw.payload, read_eight).map(Self::Pong),
            Kind::Goodbye => whole(raw.payload, Goodbye::parse).map(Self::Goodbye),
            Kind::Welcome | Kind::Reply => return Err(FrameError::WrongDirection(raw.kind)),
            Kind::Subscribe | Kind::Event | Kind::Credit | Kind::Chunk => {
                return Err(FrameError::UnknownKind(raw.kind as u8));
            }
        };
        frame.map_err(|source| FrameError::Payload { kind: raw.kind, source })
    }
}

impl ServerFrame {
    /// Appends the frame's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome(welcome) => append(out, Kind::Welcome, 0, |out| derived(out, welcome)),
            Self::Reply(reply) => {
                let flags = if reply.replayed { FLAG_REPLAYED } else { 0 };
                append(out, Kind::Reply, flags, |out| reply.write(out));
            }
            Self::Outcome(reply) => {
                append(out, Kind::Outcome, 0, |out| derived(out, (reply.id, &reply.outcome)))
            }
            Self::Ping(token) => append(out, Kind::Ping, 0, |out| eight(out, token)),
            Self::Pong(token) => append(out, Kind::Pong, 0, |out| eight(out, token)),
            Self::Goodbye(goodbye) => append(out, Kind::Goodbye, 0, |out| goodbye.write(out)),
        }
    }

    /// Reads a frame that came from a server.
    ///
    /// # Errors
    /// When the payload is malformed, the kind reserved, or only a client may send it.
    pub fn decode(raw: RawFrame<'_>) -> Result<Self, FrameError> {
        let frame = match raw.kind {
            Kind::Welcome => whole(raw.payload, |d| d.decode::<Welcome>()?.checked(d)).map(Self::Welcome),
            Kind::Reply => {
                whole(raw.payload, |d| Reply::parse(d, raw.flags & FLAG_REPLAYED != 0)).map(Self::Reply)
            }
            Kind::Outcome => whole(raw.payload, |d| d.decode::<(CallId, Outcome)>())
                .map(|(id, outcome)| Self::Outcome(OutcomeReply { id, outcome })),
            Kind::Ping => whole(raw.payload, read_eight).map(Self::Ping),
            Kind::Pong => whole(raw.payload, read_eight).map(Self::Pong),
            Kind::Goodbye => whole(raw.payload, Goodbye::parse).map(Self::Goodbye),
            Kind::Hello | Kind::Call | Kind::Read | Kind::Cancel => {
                return Err(FrameError::WrongDirection(raw.kind));
            }
            Kind::Subscribe | Kind::Event | Kind::Credit | Kind::Chunk => {
                return Err(FrameError::UnknownKind(raw.kind as u8));
            }
        };
        frame.map_err(|source| FrameError::Payload { kind: raw.kind, source })
    }
}

/// Writing into a `Vec` has no error case; this says so once.
const INFALLIBLE: &str = "encoding into a Vec cannot fail";

fn derived(out: &mut Vec<u8>, value: impl minicbor::Encode<()>) {
    minicbor::encode(value, out).expect(INFALLIBLE);
}

fn eight(out: &mut Vec<u8>, token: &[u8; 8]) {
    Encoder::new(out).bytes(token).expect(INFALLIBLE);
}

/// Reads one value that must fill the payload.
fn whole<'b, T>(
    payload: &'b [u8],
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut d = Decoder::new(payload);
    let value = read(&mut d)?;
    demand(d.position() == payload.len(), &d, "bytes after the end")?;
    Ok(value)
}

fn demand(holds: bool, d: &Decoder<'_>, what: &'static str) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::message(what).at(d.position())) }
}

fn array_of(d: &mut Decoder<'_>, parts: u64) -> Result<(), DecodeError> {
    let found = d.array()?;
    demand(found == Some(parts), d, "array of another length")
}

fn text(d: &mut Decoder<'_>, bytes_max: usize) -> Result<String, DecodeError> {
    let text = d.str()?;
    demand(text.len() <= bytes_max, d, "text too long")?;
    Ok(text.to_owned())
}

fn read_eight(d: &mut Decoder<'_>) -> Result<[u8; 8], DecodeError> {
    <[u8; 8]>::try_from(d.bytes()?).map_err(|_| DecodeError::message("eight bytes expected").at(d.position()))
}

impl Hello {
    fn checked(self, d: &Decoder<'_>) -> Result<Self, DecodeError> {
        demand(self.sessions.len() <= HELLO_SESSIONS_MAX, d, "too many sessions")?;
        demand(self.agent.len() <= TEXT_BYTES_MAX, d, "agent too long")?;
        let credential_bytes = self.credential.as_ref().map_or(0, |bytes| bytes.len());
        demand(credential_bytes <= CREDENTIAL_BYTES_MAX, d, "credential too long")?;
        Ok(self)
    }
}

impl Welcome {
    fn checked(self, d: &Decoder<'_>) -> Result<Self, DecodeError> {
        demand(self.services.len() <= WELCOME_SERVICES_MAX, d, "too many services")?;
        let texts = [&self.greeting, &self.principal];
        demand(texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX), d, "text too long")?;
        Ok(self)
    }
}

impl Call {
    fn write(&self, out: &mut Vec<u8>) {
        let mut e = Encoder::new(out);
        let written = (|| {
            e.array(8)?.str(&self.service)?.encode(self.id)?.encode(self.nonce)?.encode(self.previous)?;
            e.u16(self.version)?.encode(self.not_after_us)?.u32(self.attempt)?.bytes(&self.body)?.ok()
        })();
        written.expect(INFALLIBLE);
    }

    fn parse(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        array_of(d, 8)?;
        Ok(Self {
            service: text(d, SERVICE_NAME_BYTES_MAX)?,
            id: d.decode()?,
            nonce: d.decode()?,
            previous: d.decode()?,
            version: d.u16()?,
            not_after_us: d.decode()?,
            attempt: d.u32()?,
            body: d.bytes()?.to_vec(),
        })
    }
}

impl Read {
    fn write(&self, out: &mut Vec<u8>) {
        let mut e = Encoder::new(out);
        let written =
            (|| e.array(4)?.u64(self.tag)?.str(&self.service)?.u16(self.version)?.bytes(&self.body)?.ok())();
        written.expect(INFALLIBLE);
    }

    fn parse(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        array_of(d, 4)?;
        Ok(Self {
            tag: d.u64()?,
            service: text(d, SERVICE_NAME_BYTES_MAX)?,
            version: d.u16()?,
            body: d.bytes()?.to_vec(),
        })
    }
}

impl Cancel {
    fn parse(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        array_of(d, 3)?;
        Ok(Self { id: d.decode()?, previous: d.decode()?, nonce: d.decode()? })
    }
}

impl OutcomeQuery {
    fn parse(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        array_of(d, 2)?;
        Ok(Self { id: d.decode()?, nonce: d.decode()? })
    }
}

impl Reply {
    fn write(&self, out: &mut Vec<u8>) {
        let mut e = Encoder::new(out);
        let written = (|| {
            e.array(3)?;
            match self.reference {
                Reference::Call(id) => e.encode(id)?,
                Reference::Read(tag) => e.u64(tag)?,
            };
            e.u32(self.attempt)?.bytes(&self.answer)?.ok()
        })();
        written.expect(INFALLIBLE);
    }

    fn parse(d: &mut Decoder<'_>, replayed: bool) -> Result<Self, DecodeError> {
        array_of(d, 3)?;
        let reference = if d.datatype()? == minicbor::data::Type::Array {
            Reference::Call(d.decode()?)
        } else {
            Reference::Read(d.u64()?)
        };
        Ok(Self { reference, attempt: d.u32()?, replayed, answer: d.bytes()?.to_vec() })
    }
}

impl Goodbye {
    /// A goodbye, its text cut to what the wire allows.
    #[must_use]
    pub fn new(reason: GoodbyeReason, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        Self { reason, text, retry_after_ms: 0 }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let reason = self.reason as u8;
        derived(out, (reason, &self.text, self.retry_after_ms));
    }

    fn parse(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        array_of(d, 3)?;
        let number = d.u8()?;
        let reason = GoodbyeReason::ALL.get(usize::from(number)).copied();
        Ok(Self {
            reason: reason.ok_or_else(|| DecodeError::message("unknown reason").at(d.position()))?,
            text: text(d, TEXT_BYTES_MAX)?,
            retry_after_ms: d.u32()?,
        })
    }
}
