//! Two endpoints, a link with faults between them, a journal file that keeps what was synced, virtual
//! time, and `drive`.

use std::collections::BTreeMap;

use super::super::*;
use super::server::ModelServer;
use crate::frame::{HEADER_BYTES, Inbox, RawFrame, ServerFrame};
use crate::journal::{self, Binding};
use crate::limits::FRAME_BYTES_MAX;

/// SplitMix64: every schedule follows from its seed.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Chances in percent.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) lose: u64,
    pub(super) double: u64,
    /// Largest delay of a frame, in milliseconds.
    pub(super) delay_ms_max: u64,
    pub(super) break_connection: u64,
    pub(super) refuse_connection: u64,
    pub(super) overload: u64,
}

enum Event {
    Connected { connection: u64, refused: bool },
    ToServer { connection: u64, frame: Vec<u8> },
    ToClient { connection: u64, frame: Vec<u8> },
    Broken { connection: u64 },
    Synced { position: u64, bytes: usize, file: u64 },
}

/// A file that loses what was not synced.
#[derive(Default)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) synced: usize,
    /// Counts replacements.
    number: u64,
    pub(super) rewrites: u32,
    pub(super) refuses_rewrites: bool,
    pub(super) refused_rewrites: u32,
}

pub(super) struct Pair {
    pub(super) client: Machine,
    pub(super) server: ModelServer,
    pub(super) config: Config,
    pub(super) file: File,
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    pub(super) now_ms: u64,
    /// Everything that the machine said to its application, in order.
    pub(super) said: Vec<Output>,
    events: BTreeMap<(u64, u64), Event>,
    event_count: u64,
    connection: u64,
    connected: bool,
    /// Nothing overtakes on a stream: earliest arrival at the server and at the client.
    not_before_ms: [u64; 2],
}

pub(super) fn binding() -> Binding {
    Binding::new("machine-1", "operator")
}

impl Pair {
    pub(super) fn new(config: Config, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let client = Machine::new(config.clone(), random(&mut dice));
        Self {
            client,
            server: ModelServer::new(),
            config,
            file: File::default(),
            dice,
            faults: Faults::default(),
            now_ms: 0,
            said: Vec::new(),
            events: BTreeMap::new(),
            event_count: 0,
            connection: 0,
            connected: false,
            not_before_ms: [0; 2],
        }
    }

    pub(super) fn volatile() -> Self {
        Self::new(Config::volatile("test"), 1)
    }

    pub(super) fn durable() -> Self {
        Self::new(Config::durable("test", binding()), 1)
    }

    pub(super) fn begin(&mut self, label: &str) -> CallKey {
        self.begin_with(super::command(label))
    }

    pub(super) fn begin_with(&mut self, command: NewCall) -> CallKey {
        self.client.begin(self.now_ms, command).unwrap()
    }

    /// Until nothing happens before `until_ms`.
    pub(super) fn drive(&mut self, until_ms: u64) {
        self.client.handle_timer(self.now_ms);
        while self.step(until_ms) {}
        self.now_ms = until_ms;
    }

    /// Until `done` holds; fails after ten virtual minutes.
    pub(super) fn drive_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit_ms = self.now_ms + 600_000;
        self.client.handle_timer(self.now_ms);
        self.carry_out();
        while !done(self) {
            assert!(self.step(limit_ms), "never: {what}; said {:?}", self.said);
        }
    }

    /// Until a call has said something final.
    pub(super) fn settle_all(&mut self) {
        self.drive_until("all calls end", |pair| pair.client.calls().next().is_none());
    }

    /// Carries out what the machine wants, then the next event or timer; `false` when there is none.
    pub(super) fn step(&mut self, until_ms: u64) -> bool {
        self.carry_out();
        let event_ms = self.events.first_key_value().map(|((at_ms, _), _)| *at_ms);
        let timer_ms = self.client.poll_timeout().map(|at_ms| at_ms.max(self.now_ms));
        let Some(next_ms) = [event_ms, timer_ms].into_iter().flatten().min().filter(|at| *at <= until_ms)
        else {
            return false;
        };
        self.now_ms = self.now_ms.max(next_ms);
        self.server.time_us = super::server::MINT_TIME_MS * 1000 + self.now_ms * 1000;
        if event_ms.is_some_and(|event_ms| event_ms <= next_ms) {
            let (_, event) = self.events.pop_first().unwrap();
            self.happen(event);
        } else {
            self.client.handle_timer(self.now_ms);
        }
        self.carry_out();
        true
    }

    fn happen(&mut self, event: Event) {
        let now_ms = self.now_ms;
        match event {
            Event::Connected { connection, refused } if connection == self.connection => {
                if refused {
                    return self.client.handle_disconnected(now_ms);
                }
                self.connected = true;
                self.client.handle_connected(now_ms, Some(b"key".to_vec()));
            }
            // A copy that left on a broken connection may still arrive.
            Event::ToServer { connection, frame } => self.arrive(connection, &frame),
            Event::ToClient { connection, frame } if connection == self.connection && self.connected => {
                self.client.handle_bytes(now_ms, &frame);
            }
            Event::Broken { connection } if connection == self.connection && self.connected => {
                self.connected = false;
                self.client.handle_disconnected(now_ms);
            }
            Event::Synced { position, bytes, file } if file == self.file.number => {
                self.file.synced = self.file.synced.max(bytes);
                self.client.handle_journalled(position);
            }
            Event::Synced { .. }
            | Event::Connected { .. }
            | Event::ToClient { .. }
            | Event::Broken { .. } => {}
        }
    }

    fn arrive(&mut self, connection: u64, frame: &[u8]) {
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        inbox.push(frame);
        let raw: RawFrame<'_> = inbox.next_frame().unwrap().unwrap();
        let frame = ClientFrame::decode(raw).unwrap();
        let overload = self.dice.happens(self.faults.overload);
        if overload && matches!(frame, ClientFrame::Call(_) | ClientFrame::Cancel(_)) {
            self.server.scripted.push_front(Some(super::server::overloaded()));
        }
        if let Some(answer) = self.server.handle(frame) {
            let mut bytes = Vec::new();
            ServerFrame::encode(&answer, &mut bytes);
            self.travel(1, bytes, connection);
        }
    }

    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Journal { position, bytes, must_sync, .. } => {
                    self.file.bytes.extend_from_slice(&bytes);
                    if must_sync {
                        let after_ms = self.dice.below(3);
                        let (bytes, file) = (self.file.bytes.len(), self.file.number);
                        self.after(after_ms, Event::Synced { position, bytes, file });
                    }
                }
                Output::RewriteJournal { .. } if self.file.refuses_rewrites => {
                    self.file.refused_rewrites += 1;
                    self.client.handle_rewrite_failed();
                }
                Output::RewriteJournal { position, bytes } => {
                    self.file = File {
                        synced: bytes.len(),
                        bytes,
                        number: self.file.number + 1,
                        rewrites: self.file.rewrites + 1,
                        ..File::default()
                    };
                    self.client.handle_journalled(position);
                }
                Output::Send(bytes) => {
                    for frame in frames(&bytes) {
                        self.travel(0, frame, self.connection);
                    }
                }
                Output::Connect { .. } => {
                    self.connection += 1;
                    let (connection, refused) =
                        (self.connection, self.dice.happens(self.faults.refuse_connection));
                    self.after(1, Event::Connected { connection, refused });
                }
                Output::Disconnect => self.connected = false,
                said => self.said.push(said),
            }
        }
    }

    /// Towards the server (0) or the client (1).
    fn travel(&mut self, side: usize, frame: Vec<u8>, connection: u64) {
        let is_lossy = self.config.link == LinkKind::Lossy;
        let mut copies = 1;
        // Losing a greeting only makes the client connect anew, which every broken connection does.
        if is_lossy {
            copies -= u64::from(self.dice.happens(self.faults.lose));
            copies += u64::from(self.dice.happens(self.faults.double));
        } else if self.dice.happens(self.faults.break_connection) {
            // The frame that broke it arrives or not.
            copies -= self.dice.below(2);
            let after_ms = self.dice.below(self.faults.delay_ms_max + 1);
            self.after(after_ms, Event::Broken { connection });
        }
        for _ in 0..copies {
            let mut at_ms = self.now_ms + 1 + self.dice.below(self.faults.delay_ms_max + 1);
            if !is_lossy {
                at_ms = at_ms.max(self.not_before_ms[side]);
                self.not_before_ms[side] = at_ms;
            }
            let frame = frame.clone();
            let event = match side {
                0 => Event::ToServer { connection, frame },
                _ => Event::ToClient { connection, frame },
            };
            self.after(at_ms - self.now_ms, event);
        }
    }

    fn after(&mut self, after_ms: u64, event: Event) {
        self.event_count += 1;
        self.events.insert((self.now_ms + after_ms, self.event_count), event);
    }

    /// The connection breaks; what is on its way to the server still arrives.
    pub(super) fn break_connection(&mut self) {
        self.carry_out();
        if self.connected {
            self.connected = false;
            self.client.handle_disconnected(self.now_ms);
        }
    }

    /// The client's machine dies and starts again with what its journal kept: everything synced, and
    /// any part of the rest, perhaps with a hole in it.
    pub(super) fn crash(&mut self) {
        self.carry_out();
        let unsynced = self.file.bytes.len() - self.file.synced;
        let kept = self.file.synced + usize::try_from(self.dice.below(1 + unsynced as u64)).unwrap();
        self.file.bytes.truncate(kept);
        // The first sector, which marks the file as a journal, is written whole.
        let from = self.file.synced.max(8);
        if kept > from && self.dice.happens(30) {
            let hole = from + usize::try_from(self.dice.next()).unwrap() % (kept - from);
            self.file.bytes[hole] ^= 0x55;
        }
        self.restart();
    }

    /// A new process reads the journal as it is.
    pub(super) fn restart(&mut self) {
        let recovered =
            journal::recover(&self.file.bytes, &binding()).unwrap_or_else(|error| panic!("{error}"));
        self.file.bytes.truncate(usize::try_from(recovered.sound_bytes).unwrap());
        self.file.synced = self.file.bytes.len();
        self.file.number += 1;
        self.connected = false;
        self.connection += 1;
        self.client = Machine::recover(self.config.clone(), recovered, random(&mut self.dice));
        self.client.handle_timer(self.now_ms);
        self.carry_out();
    }

    /// The answers handed over for calls with this label.
    pub(super) fn answers(&self, label: &str) -> Vec<&Settled> {
        let settled = self.said.iter().filter_map(|output| match output {
            Output::Answer(settled) if settled.label == label => Some(settled),
            _ => None,
        });
        settled.collect()
    }

    /// How the one call with this label ended.
    pub(super) fn end(&self, label: &str) -> &End {
        let [settled] = self.answers(label)[..] else {
            panic!("{label} did not end once: {:?}", self.said);
        };
        &settled.end
    }

    pub(super) fn alarms(&self) -> Vec<&Alarm> {
        let alarms = self.said.iter().filter_map(|output| match output {
            Output::Alarm(alarm) => Some(alarm),
            _ => None,
        });
        alarms.collect()
    }

    pub(super) fn unresolved(&self) -> Vec<&Unresolved> {
        let unresolved = self.said.iter().filter_map(|output| match output {
            Output::Unresolved { why, .. } => Some(why),
            _ => None,
        });
        unresolved.collect()
    }

    /// The id of the call with this label that ended.
    pub(super) fn id(&self, label: &str) -> CallId {
        self.answers(label)[0].id
    }

    /// What the server saw of calls with this body.
    pub(super) fn copies(&self, body: &str) -> Vec<&crate::frame::Call> {
        let copies = self.server.received.iter().filter_map(|frame| match frame {
            ClientFrame::Call(call) if call.body == body.as_bytes() => Some(call),
            _ => None,
        });
        copies.collect()
    }

    pub(super) fn cancels_seen(&self) -> usize {
        self.server.received.iter().filter(|frame| matches!(frame, ClientFrame::Cancel(_))).count()
    }
}

fn random(dice: &mut Dice) -> Random {
    let mut dice = Dice::new(dice.next());
    Box::new(move |buffer| buffer.iter_mut().for_each(|byte| *byte = dice.next().to_le_bytes()[0]))
}

fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let (frame, rest) = bytes.split_at(HEADER_BYTES + length);
        frames.push(frame.to_vec());
        bytes = rest;
    }
    frames
}
