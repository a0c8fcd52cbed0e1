//! One connection of a load: its session, its slots, its calls in flight.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use switchboard_call::answer::Answer;
use switchboard_call::frame::{Call, ClientFrame, Hello, Inbox, Read, Reference, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_call::limits::FRAME_BYTES_MAX;
use switchboard_commands::bank;

use super::Load;
use super::pace::Paced;
use super::wire::Wire;
use super::work::Source;

/// One connection.
#[derive(Debug)]
pub(super) struct Caller {
    wire: Wire,
    inbox: Inbox,
    source: Source,
    session: SessionId,
    slots: Vec<Line>,
    free: Vec<u16>,
    /// Closed loop: calls that may still go.
    allowed: u64,
    /// Open loop: when the calls were due that have not gone.
    owed: VecDeque<Instant>,
    sending: Vec<u8>,
    body: Vec<u8>,
    scratch: Vec<u8>,
}

/// One slot.
#[derive(Clone, Copy, Debug)]
struct Line {
    sequence: Sequence,
    previous: ReplyHash,
    /// When the call in flight was due or sent.
    since: Instant,
}

impl Caller {
    /// Connects and is greeted. Blocks.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    pub(super) fn connect(load: &Load, number: usize) -> Result<Self> {
        let mut random = [0; 10];
        getrandom::fill(&mut random)?;
        let mut wire = Wire::connect(&load.target)?;
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        let mint_time_ms = greet(&mut wire, &mut inbox, load)?;
        let (number, count) = (u64::try_from(number)?, u64::try_from(load.connections)?);
        let line = Line { sequence: Sequence::FIRST, previous: ReplyHash::NONE, since: Instant::now() };
        wire.socket().set_nonblocking(true)?;
        Ok(Self {
            wire,
            inbox,
            source: Source::new(load.work, load.seed, number, count),
            session: SessionId::mint(mint_time_ms, random),
            slots: vec![line; usize::from(load.depth)],
            free: (0..load.depth).rev().collect(),
            allowed: 0,
            owed: VecDeque::new(),
            sending: Vec::new(),
            body: Vec::new(),
            scratch: Vec::new(),
        })
    }

    pub(super) fn socket(&self) -> &std::net::TcpStream {
        self.wire.socket()
    }

    /// A run begins.
    pub(super) fn begin(&mut self) {
        self.allowed = 0;
        self.owed.clear();
    }

    /// Closed loop: so many calls may go, as soon as there is room.
    pub(super) fn allow(&mut self, calls: u64, now: Instant) -> Result<()> {
        self.allowed = calls;
        self.fill(now)?;
        self.flush()
    }

    /// Open loop: one call was due at `due`.
    pub(super) fn owe(&mut self, due: Instant, now: Instant) -> Result<()> {
        self.owed.push_back(due);
        self.fill(now)?;
        self.flush()
    }

    /// No more calls.
    pub(super) fn stop(&mut self) {
        self.allowed = 0;
    }

    /// Nothing in flight and nothing to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len() && self.allowed == 0 && self.owed.is_empty()
    }

    /// Reads what came, sends what that makes room for. Returns the calls that were answered.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    pub(super) fn turn(&mut self, pace: &Paced, latency_us: &mut Histogram<u64>) -> Result<u64> {
        let mut answered = 0;
        let now = loop {
            let inbox = &mut self.inbox;
            let more = self.wire.receive(&mut self.scratch, |bytes| inbox.push(bytes))?;
            // Not the time at which the kernel told of many connections at once: this one's turn came later.
            let now = Instant::now();
            while let Some(raw) = self.inbox.next_frame()? {
                match ServerFrame::decode(raw)? {
                    ServerFrame::Reply(reply) => {
                        let line = settle(&mut self.slots, &mut self.free, reply.reference, &reply.answer)?;
                        let us = u64::try_from(now.saturating_duration_since(line).as_micros())?;
                        latency_us.saturating_record(us);
                        answered += 1;
                    }
                    ServerFrame::Ping(word) => ClientFrame::Pong(word).encode(&mut self.sending),
                    ServerFrame::Pong(_) => {}
                    ServerFrame::Goodbye(goodbye) => bail!("the server says goodbye: {}", goodbye.text),
                    other @ (ServerFrame::Welcome(_) | ServerFrame::Outcome(_)) => {
                        bail!("the server sends {other:?} unasked")
                    }
                }
            }
            if !more {
                break now;
            }
        };
        if !pace.is_over() || !self.owed.is_empty() || self.allowed > 0 {
            self.fill(now)?;
        }
        self.flush()?;
        Ok(answered)
    }

    /// Writes a call into every free slot that may be used.
    fn fill(&mut self, now: Instant) -> Result<()> {
        while !self.free.is_empty() && (self.allowed > 0 || !self.owed.is_empty()) {
            let since = self.owed.pop_front().unwrap_or_else(|| {
                self.allowed -= 1;
                now
            });
            let slot = self.free.pop().context("a slot is free")?;
            self.slots[usize::from(slot)].since = since;
            self.write(slot)?;
        }
        Ok(())
    }

    fn write(&mut self, slot: u16) -> Result<()> {
        let command = self.source.next();
        self.body.clear();
        minicbor::encode(&command, &mut self.body)?;
        let (service, version, body) = (bank::SERVICE.to_owned(), bank::VERSION, self.body.clone());
        let frame = if self.source.is_read() {
            ClientFrame::Read(Read { tag: u64::from(slot), service, version, body })
        } else {
            let line = self.slots[usize::from(slot)];
            let (high, low) = (self.source.random().to_be_bytes(), self.source.random().to_be_bytes());
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&high);
            nonce[8..].copy_from_slice(&low);
            ClientFrame::Call(Call {
                service,
                id: CallId { session: self.session, slot: Slot(slot), sequence: line.sequence },
                nonce: Nonce(nonce),
                previous: line.previous,
                version,
                not_after_us: None,
                attempt: 1,
                body,
            })
        };
        frame.encode(&mut self.sending);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.wire.send(&mut self.sending)?)
    }
}

/// Says hello and returns the label for sessions minted now.
fn greet(wire: &mut Wire, inbox: &mut Inbox, load: &Load) -> Result<u64> {
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        store: None,
        sessions: Vec::new(),
        credential: load.target.credential().map(|key| key.to_vec().into()),
        agent: "bench".to_owned(),
    };
    let mut bytes = Vec::new();
    ClientFrame::Hello(hello).encode(&mut bytes);
    wire.send(&mut bytes)?;
    let mut scratch = Vec::new();
    loop {
        wire.receive(&mut scratch, |bytes| inbox.push(bytes))?;
        let Some(raw) = inbox.next_frame()? else { continue };
        let frame = ServerFrame::decode(raw)?;
        let ServerFrame::Welcome(welcome) = frame else { bail!("the server answers hello with {frame:?}") };
        anyhow::ensure!(load.depth <= welcome.slots_max, "the server grants {} slots", welcome.slots_max);
        return Ok(welcome.mint_time_ms);
    }
}

/// Takes an answer for the slot it belongs to; returns since when that waited.
fn settle(slots: &mut [Line], free: &mut Vec<u16>, reference: Reference, answer: &[u8]) -> Result<Instant> {
    let told = Answer::from_bytes(answer)?;
    let Answer::Done(_) = told else { bail!("a call was answered {told:?}") };
    let slot = match reference {
        Reference::Call(id) => {
            let line = slots.get_mut(usize::from(id.slot.0)).context("an answer for no slot of ours")?;
            anyhow::ensure!(line.sequence == id.sequence, "an answer for another call of its slot");
            line.previous = ReplyHash::of(id, answer);
            line.sequence = id.sequence.next().context("sequences have ended")?;
            id.slot.0
        }
        Reference::Read(tag) => u16::try_from(tag)?,
    };
    anyhow::ensure!(!free.contains(&slot), "slot {slot} was answered twice");
    free.push(slot);
    Ok(slots[usize::from(slot)].since)
}
