//! A till: draws one withdrawal after the other with the client machine that every Switchboard client has, on a link that it
//! is told to be lossy. A machine itself: time comes in, what to do comes out; so it is the same on a simulated link and on
//! sockets. It measures what a withdrawal took from the wish to the answer, and counts the copies. Absent: clocks, sockets.

use std::collections::VecDeque;

use switchboard_call::client::{
    Alarm, CallKey, Config, End, LinkKind, Machine, NewCall, Output, Random, Settled,
};
use switchboard_call::frame::Kind;
use switchboard_call::id::CallId;
use switchboard_commands::bank::{self, AccountId};
use switchboard_commands::money::Money;

use super::frames;
use super::statistics::Sample;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::verdict::Note;

/// What the till wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// A connection to the server.
    Connect,
    /// Whole frames to be sent.
    Send(Vec<u8>),
    /// The connection is to end.
    Disconnect,
}

/// A withdrawal that has its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Drawn {
    /// Its name for ever.
    pub(super) id: CallId,
    /// What the server said.
    pub(super) note: Note,
    /// What it took.
    pub(super) sample: Sample,
}

/// A till.
pub(super) struct Till {
    machine: Machine,
    body: Vec<u8>,
    wanted: VecDeque<Wanted>,
    /// Received bytes that are no whole frame so far.
    received: Vec<u8>,
    open: Option<Open>,
    drawn: Option<Drawn>,
    connected: bool,
    trouble: Option<String>,
}

/// The withdrawal under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    key: CallKey,
    since_us: u64,
    copies: u32,
}

impl Till {
    /// A till that draws `money` from `account` each time.
    pub(super) fn new(account: AccountId, money: Money, random: Random) -> Self {
        let agent = concat!("switchboard-lab/", env!("CARGO_PKG_VERSION"));
        let config = Config { link: LinkKind::Lossy, ..Config::volatile(agent) };
        let withdraw = bank::Command::Withdraw { account, money, memo: None };
        Self {
            machine: Machine::new(config, random),
            body: minicbor::to_vec(withdraw).expect("encoding into a Vec cannot fail"),
            wanted: VecDeque::new(),
            received: Vec::new(),
            open: None,
            drawn: None,
            connected: false,
            trouble: None,
        }
    }

    /// Whether the server has greeted.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// Begins a withdrawal.
    pub(super) fn begin(&mut self, now_us: u64) -> Result<(), Failure> {
        let call = NewCall {
            service: bank::SERVICE.to_owned(),
            version: bank::VERSION,
            body: self.body.clone(),
            not_after: None,
            deadline_ms: None,
            secret: false,
            label: String::new(),
        };
        let begun = self.machine.begin(now_us / 1000, call);
        let key = begun.map_err(|error| Failure::from_error(Exit::Internal, error))?;
        self.open = Some(Open { key, since_us: now_us, copies: 0 });
        self.drain(now_us, None);
        Ok(())
    }

    /// Time has passed.
    pub(super) fn handle_timer(&mut self, now_us: u64) {
        self.machine.handle_timer(now_us / 1000);
        self.drain(now_us, None);
    }

    /// The connection stands.
    pub(super) fn handle_connected(&mut self, now_us: u64) {
        self.received.clear();
        self.machine.handle_connected(now_us / 1000, None);
        self.drain(now_us, None);
    }

    /// The connection broke, or was not made.
    pub(super) fn handle_disconnected(&mut self, now_us: u64) {
        self.connected = false;
        self.machine.handle_disconnected(now_us / 1000);
        self.drain(now_us, None);
    }

    /// Bytes came. The machine is given one frame at a time, so that it is known which one ended the withdrawal.
    pub(super) fn handle_bytes(&mut self, now_us: u64, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        while let Some(frame) = frames::first(&self.received).map(<[u8]>::to_vec) {
            self.received.drain(..frame.len());
            self.machine.handle_bytes(now_us / 1000, &frame);
            self.drain(now_us, Some(&frame));
        }
    }

    /// When [`Self::handle_timer`] is to be called, in microseconds.
    pub(super) fn poll_timeout_us(&self) -> Option<u64> {
        self.machine.poll_timeout().map(|ms| ms.saturating_mul(1000))
    }

    /// The next thing to do.
    pub(super) fn poll_wanted(&mut self) -> Option<Wanted> {
        self.wanted.pop_front()
    }

    /// The withdrawal that has ended.
    ///
    /// # Errors
    /// When the machine says what it never should on a sound server: the experiment is not to go on.
    pub(super) fn take_drawn(&mut self) -> Result<Option<Drawn>, Failure> {
        match self.trouble.take() {
            None => Ok(self.drawn.take()),
            Some(what) => Err(Failure::new(Exit::Internal, format!("a withdrawal went wrong: {what}"))
                .advise("report it with the seed and the point")),
        }
    }

    fn drain(&mut self, now_us: u64, frame: Option<&[u8]>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(bytes) => self.send(bytes),
                Output::Connect { .. } => self.wanted.push_back(Wanted::Connect),
                Output::Disconnect => {
                    self.connected = false;
                    self.wanted.push_back(Wanted::Disconnect);
                }
                Output::Welcomed { .. } => self.connected = true,
                Output::Answer(settled) => self.answered(now_us, settled, frame),
                Output::NeverSent { reason, .. } => self.trouble = Some(reason.to_string()),
                Output::Unresolved { why, .. } => self.trouble = Some(why.to_string()),
                Output::Alarm(alarm) => self.alarm(&alarm),
                // A till keeps no journal and asks no questions; a connection that ends in order is made again.
                Output::Begun { .. }
                | Output::Journal { .. }
                | Output::RewriteJournal { .. }
                | Output::Goodbye { .. }
                | Output::ReadAnswer { .. }
                | Output::ReadFailed { .. }
                | Output::OutcomeKnown { .. }
                | Output::Closed => {}
            }
        }
    }

    fn alarm(&mut self, alarm: &Alarm) {
        self.trouble.get_or_insert_with(|| alarm.to_string());
    }

    fn send(&mut self, bytes: Vec<u8>) {
        let calls = frames::each(&bytes).filter(|frame| frames::kind(frame) == Some(Kind::Call)).count();
        if let Some(open) = &mut self.open {
            open.copies = open.copies.saturating_add(u32::try_from(calls).unwrap_or(u32::MAX));
        }
        self.wanted.push_back(Wanted::Send(bytes));
    }

    fn answered(&mut self, now_us: u64, settled: Settled, frame: Option<&[u8]>) {
        let Some(open) = self.open.take_if(|open| open.key == settled.key) else { return };
        let attempts = frame.and_then(frames::answered_attempt).unwrap_or(open.copies);
        let sample = Sample { us: now_us.saturating_sub(open.since_us), attempts, copies: open.copies };
        self.drawn = Some(Drawn { id: settled.id, note: noted(settled.end), sample });
    }
}

fn noted(end: End) -> Note {
    match end {
        End::Done(reply) => match minicbor::decode(&reply) {
            Ok(bank::Reply::Withdrawn { transfer, .. }) => Note::Drawn { transfer: transfer.number() },
            Ok(other) => Note::Other(format!("answered {other:?}")),
            Err(error) => Note::Other(format!("answered what is no reply of the bank: {error}")),
        },
        End::Refused(refusal) => match minicbor::decode::<bank::Refusal>(&refusal) {
            Ok(refusal) => Note::Other(format!("refused: {refusal}")),
            Err(error) => Note::Other(format!("refused with what is no refusal of the bank: {error}")),
        },
        End::Cancelled | End::TooLate | End::Expired | End::TurnedAway(_) => Note::Other(format!("{end:?}")),
    }
}
