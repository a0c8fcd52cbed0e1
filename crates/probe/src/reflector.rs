//! The Session-Reflector: a packet and the circumstances of its arrival in, at most one reply out, in the same buffer.
//!
//! A reply is never longer than its request (a sender of TWAMP Light that was allowed by name excepted), so nobody gains by
//! a forged address. What is not a request, comes too fast, or may be the start of a loop between two reflectors gets no
//! answer. Memory does not grow with the number of senders. Absent: sockets, clocks, and the moment of sending: the driver
//! calls [`Reflector::seal`] right before it.

mod extensions;
pub mod faulty;
pub mod gate;
pub mod network;
mod table;

use std::hash::RandomState;
use std::net::{IpAddr, SocketAddr};

pub use faulty::{Departure, FaultCounts, Faulty};
pub use gate::Silence;
pub use network::Network;

use crate::limits::{SESSION_IDLE_S, SESSIONS_MAX, TLVS_MAX};
use crate::stamp::packet::TWAMP_LIGHT_BYTES;
use crate::stamp::{ErrorEstimate, Format, Keys, Mode, Reply, Request, WireTime};
use crate::text;
use crate::time::{Moment, Timestamp};
use extensions::{Circumstances, Place};
use gate::Gate;
use table::Table;

/// How a reflector behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it answers.
    pub protocol: Protocol,
    /// Whether it counts the replies of each session itself (RFC 8762 §4), so that a sender can tell on which way packets
    /// are lost.
    pub counting: Counting,
    /// Keys by session. When there is one, only authenticated requests are answered.
    pub keys: Keys,
    /// Senders of TWAMP Light that may send requests shorter than the replies.
    pub twamp_light: Vec<Network>,
    /// Packets per second from one address that are answered; `None` without a limit.
    pub address_rate: Option<u32>,
    /// Packets per second from one network that are answered; `None` without a limit.
    pub network_rate: Option<u32>,
    /// The format of stamps.
    pub format: Format,
    /// Ports that reflectors listen on: nothing is answered that comes from one of them.
    pub reflector_ports: Vec<u16>,
}

/// What a reflector answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// Test packets of STAMP.
    #[default]
    Stamp,
    /// Any datagram, with its letters in upper case.
    Text,
}

/// Whether a reflector counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Counting {
    /// Replies of each session are counted.
    #[default]
    Stateful,
    /// A reply carries the sequence of its request.
    Stateless,
}

/// The circumstances in which a packet came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Who sent it, as far as one can know.
    pub source: SocketAddr,
    /// The address it was sent to, where the driver knows.
    pub destination: Option<IpAddr>,
    /// The port it was sent to.
    pub port: u16,
    /// T2: when it came, by the wall clock.
    pub received: Timestamp,
    /// When it came, by the clock that only rises.
    pub at: Moment,
    /// Its TTL or hop limit, where the driver knows.
    pub ttl: Option<u8>,
    /// DSCP and ECN: the traffic class octet, where the driver knows.
    pub traffic_class: Option<u8>,
}

/// A reply that waits for its time of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its octets at the start of the buffer.
    pub length: usize,
    /// With which DSCP the sender wants it, where it said so.
    pub dscp: Option<u8>,
    form: AnswerForm,
    follow_up: Option<FollowUp>,
}

/// Whose previous reply it will be when the next one tells when it left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FollowUp {
    source: SocketAddr,
    session: u16,
    sequence: u32,
    at: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AnswerForm {
    Stamp { mode: Mode, session: u16 },
    Text,
}

impl Answer {
    /// The mode of a STAMP packet.
    pub(crate) fn mode(&self) -> Option<Mode> {
        match self.form {
            AnswerForm::Stamp { mode, .. } => Some(mode),
            AnswerForm::Text => None,
        }
    }
}

/// What a stateful reflector knows of a session.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    received: u32,
    replied: u32,
    /// The number of the newest reply of which it is known when it left, and when.
    departed: Option<(u32, WireTime)>,
}

/// What became of the packets so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that were answered.
    pub answered: u64,
    silent: [u64; Silence::ALL.len()],
}

impl Counts {
    /// Packets that got no answer for this reason.
    #[must_use]
    pub fn silent(&self, reason: Silence) -> u64 {
        self.silent[reason.index()]
    }

    /// Packets in all.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.answered + self.silent.iter().sum::<u64>()
    }
}

/// The machine.
#[derive(Debug)]
pub struct Reflector {
    options: Options,
    error: ErrorEstimate,
    gate: Gate,
    sessions: Table<(SocketAddr, u16), Session>,
    counts: Counts,
    /// Room for the places of the TLVs of one packet.
    places: Vec<Place>,
}

impl Reflector {
    /// A reflector; `hashing` scatters addresses over its tables, so that nobody can choose addresses that share a place.
    #[must_use]
    pub fn new(options: Options, hashing: &RandomState) -> Self {
        Self {
            error: ErrorEstimate::unknown(options.format),
            gate: Gate::new(&options, hashing),
            sessions: Table::new(SESSIONS_MAX, SESSION_IDLE_S * 1_000_000_000, hashing.clone()),
            counts: Counts::default(),
            places: Vec::with_capacity(TLVS_MAX),
            options,
        }
    }

    /// Tells how good the clock of the stamps is, from now on.
    pub fn set_error(&mut self, error: ErrorEstimate) {
        self.error = ErrorEstimate { format: self.options.format, ..error };
    }

    /// What became of the packets so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What it answers.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.options.protocol
    }

    /// Turns the request in the first `length` octets of `buffer` into its reply, all but the time of sending.
    ///
    /// # Errors
    /// With the reason why there is no reply; the buffer may have changed.
    pub fn answer(&mut self, arrival: &Arrival, buffer: &mut [u8], length: usize) -> Result<Answer, Silence> {
        let answer = self.decide(arrival, buffer, length);
        match answer {
            Ok(_) => self.counts.answered += 1,
            Err(reason) => self.counts.silent[reason.index()] += 1,
        }
        answer
    }

    /// Writes T3 into a reply, and makes its HMAC: the last thing before it is sent.
    pub fn seal(&self, answer: &Answer, packet: &mut [u8], now: Timestamp) {
        match answer.form {
            AnswerForm::Text => {}
            AnswerForm::Stamp { mode, session } => {
                Reply::set_sent(mode, packet, WireTime::new(now, self.options.format));
                if mode == Mode::Authenticated
                    && let Some(key) = self.options.keys.of_session(session)
                {
                    key.sign(packet);
                }
            }
        }
    }

    /// Whether the sender wants to be told later when this reply left; then [`Reflector::departed`] is to be called where that
    /// is known, be it after later replies have left.
    #[must_use]
    pub fn is_followed_up(answer: &Answer) -> bool {
        answer.follow_up.is_some()
    }

    /// The reply left at this time, by the kernel's stamp. Without one nothing is known: a time that the program read itself
    /// would pretend that the reply left as soon as T3 was written into it.
    pub fn departed(&mut self, answer: &Answer, at: Timestamp) {
        let Some(FollowUp { source, session, sequence, at: moment }) = answer.follow_up else { return };
        let sent = WireTime::new(at, self.options.format);
        let departed = &mut self.sessions.entry((source, session), moment).departed;
        if departed.is_none_or(|(newest, _)| sequence.wrapping_sub(newest) <= u32::MAX / 2) {
            *departed = Some((sequence, sent));
        }
    }

    /// The session that a packet says to be of, and whether its HMAC shows that it is.
    #[must_use]
    pub fn identify(&self, packet: &[u8]) -> (u16, bool) {
        if self.options.protocol == Protocol::Text {
            return (0, false);
        }
        if self.options.keys.is_empty() {
            return (
                Request::parse(Mode::Unauthenticated, packet).map_or(0, |request| request.session),
                false,
            );
        }
        let Some(request) = Request::parse(Mode::Authenticated, packet) else { return (0, false) };
        let key = self.options.keys.of_session(request.session);
        (request.session, key.is_some_and(|key| key.verify(packet)))
    }

    fn decide(&mut self, arrival: &Arrival, buffer: &mut [u8], length: usize) -> Result<Answer, Silence> {
        let packet = buffer.get(..length).ok_or(Silence::TooShort)?;
        self.gate.check_addresses(arrival)?;
        match self.options.protocol {
            Protocol::Text => {
                if packet.is_empty() {
                    return Err(Silence::TooShort);
                }
                self.gate.check_rate(arrival)?;
                text::capitalize(&mut buffer[..length]);
                Ok(Answer { length, dscp: None, form: AnswerForm::Text, follow_up: None })
            }
            Protocol::Stamp => {
                let (mode, request) = self.parse(arrival, packet)?;
                self.gate.check_rate(arrival)?;
                let session = self.count(arrival, request.session);
                self.reply(arrival, buffer, length, mode, &request, session)
            }
        }
    }

    fn parse(&self, arrival: &Arrival, packet: &[u8]) -> Result<(Mode, Request), Silence> {
        if self.options.keys.is_empty() {
            let request = Request::parse(Mode::Unauthenticated, packet)
                .or_else(|| self.parse_twamp_light(arrival, packet))
                .ok_or(Silence::TooShort)?;
            self.gate.check_not_a_reply(arrival, packet)?;
            return Ok((Mode::Unauthenticated, request));
        }
        let request = Request::parse(Mode::Authenticated, packet).ok_or(Silence::TooShort)?;
        let key = self.options.keys.of_session(request.session).ok_or(Silence::UnknownSession)?;
        if !key.verify(packet) {
            return Err(Silence::BadHmac);
        }
        Ok((Mode::Authenticated, request))
    }

    fn parse_twamp_light(&self, arrival: &Arrival, packet: &[u8]) -> Option<Request> {
        let allowed = self.options.twamp_light.iter().any(|network| network.contains(arrival.source.ip()));
        if allowed && packet.len() >= TWAMP_LIGHT_BYTES { Request::parse_short(packet) } else { None }
    }

    /// Counts the request and the reply it will get; `None` where nothing is counted.
    fn count(&mut self, arrival: &Arrival, session: u16) -> Option<Session> {
        match self.options.counting {
            Counting::Stateless => None,
            Counting::Stateful => {
                let counted = self.sessions.entry((arrival.source, session), arrival.at);
                counted.received = counted.received.wrapping_add(1);
                counted.replied = counted.replied.wrapping_add(1);
                Some(*counted)
            }
        }
    }

    fn reply(
        &mut self,
        arrival: &Arrival,
        buffer: &mut [u8],
        length: usize,
        mode: Mode,
        request: &Request,
        session: Option<Session>,
    ) -> Result<Answer, Silence> {
        let reply = Reply {
            // The first reply of a session has the number zero (RFC 8762 §4.3.1).
            sequence: session.map_or(request.sequence, |session| session.replied.wrapping_sub(1)),
            sent: WireTime::default(),
            error: self.error,
            session: request.session,
            received: WireTime::new(arrival.received, self.options.format),
            request_sequence: request.sequence,
            request_sent: request.sent,
            request_error: request.error,
            request_ttl: arrival.ttl.unwrap_or(u8::MAX),
        };
        let length = length.max(mode.fixed_bytes());
        let packet = buffer.get_mut(..length).ok_or(Silence::TooShort)?;
        if !reply.write(mode, packet) {
            return Err(Silence::TooShort);
        }
        let circumstances = Circumstances {
            arrival,
            request_sequence: request.sequence.to_be_bytes(),
            reply_sequence: reply.sequence.to_be_bytes(),
            synchronized: self.error.synchronized,
            counters: session.map(|session| (session.received, session.replied)),
            previous: session.and_then(|session| session.departed),
            key: self.options.keys.of_session(request.session).filter(|_| mode == Mode::Authenticated),
        };
        let asked = extensions::reflect(&mut packet[mode.fixed_bytes()..], &circumstances, &mut self.places);
        let form = AnswerForm::Stamp { mode, session: request.session };
        let follow_up = FollowUp {
            source: arrival.source,
            session: request.session,
            sequence: reply.sequence,
            at: arrival.at,
        };
        let follow_up = Some(follow_up).filter(|_| asked.follow_up && session.is_some());
        Ok(Answer { length, dscp: asked.dscp, form, follow_up })
    }
}

#[cfg(test)]
mod tests;
