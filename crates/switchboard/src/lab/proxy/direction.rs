//! One direction of one connection: each frame is judged once, then leaves at once, later, twice or never. Frames that
//! still wait when the connection ends never leave, and stay counted as withheld.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::framing::{self, WholeFrame};
use super::{Direction, Event, Fault, Faults, Shared};
use crate::lab::chance::Chance;

/// Frames read ahead of the one that is judged.
const READ_AHEAD_FRAMES_MAX: usize = 16;
/// Frames that may wait; beyond that nothing is held back.
const WAITING_FRAMES_MAX: usize = 256;
/// A frame held back for its follower goes out alone after this many milliseconds.
const HOLD_BACK_MS_MAX: u64 = 50;

/// What was done in one direction: `arrived + doubled = forwarded + lost + withheld` at any moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Frames with a call or an answer that came.
    pub arrived: u64,
    /// Frames that went out, copies included.
    pub forwarded: u64,
    /// Frames that vanished.
    pub lost: u64,
    /// Copies made.
    pub doubled: u64,
    /// Frames that waited.
    pub delayed: u64,
    /// Frames held back for their follower.
    pub held_back: u64,
    /// Frames that wait, or that waited or could not be written when their connection ended.
    pub withheld: u64,
    /// Answers among the arrived that the server marked as recorded earlier.
    pub replayed: u64,
}

/// The counts of both directions, over all connections.
#[derive(Debug, Default)]
pub struct Tally {
    requests: Counters,
    replies: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    arrived: AtomicU64,
    forwarded: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    delayed: AtomicU64,
    held_back: AtomicU64,
    withheld: AtomicU64,
    replayed: AtomicU64,
}

impl Tally {
    pub(super) fn counts(&self, direction: Direction) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let c = self.counters(direction);
        Counts {
            arrived: of(&c.arrived),
            forwarded: of(&c.forwarded),
            lost: of(&c.lost),
            doubled: of(&c.doubled),
            delayed: of(&c.delayed),
            held_back: of(&c.held_back),
            withheld: of(&c.withheld),
            replayed: of(&c.replayed),
        }
    }

    fn counters(&self, direction: Direction) -> &Counters {
        match direction {
            Direction::Request => &self.requests,
            Direction::Reply => &self.replies,
        }
    }
}

/// Carries the frames of one direction.
pub(super) struct Carrier {
    direction: Direction,
    faults: Faults,
    chance: Chance,
    shared: Shared,
    waiting: Waiting,
}

impl Carrier {
    pub(super) fn new(direction: Direction, faults: Faults, chance: Chance, shared: Shared) -> Self {
        Self { direction, faults, chance, shared, waiting: Waiting::default() }
    }

    /// Carries until either end is closed; what came before the end of the stream is still sent.
    pub(super) async fn carry(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let (ahead, mut arrivals) = mpsc::channel(READ_AHEAD_FRAMES_MAX);
        let reading = async move {
            while let Ok(Some(frame)) = framing::read(&mut from).await {
                if ahead.send(frame).await.is_err() {
                    break;
                }
            }
            drop(ahead);
            std::future::pending::<()>().await;
        };
        let shaping = async {
            loop {
                tokio::select! {
                    arrived = arrivals.recv() => match arrived {
                        Some(frame) => self.judge(frame, &mut to).await?,
                        None => return self.release_all(&mut to).await,
                    },
                    () = self.waiting.due() => self.release_due(&mut to).await?,
                }
            }
        };
        // A closed or broken end is how a direction ends; there is nobody to tell.
        tokio::select! {
            () = reading => {}
            _ended = shaping => {}
        }
    }

    async fn judge(&mut self, frame: WholeFrame, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if !frame.carries_a_call() {
            return send(to, &frame).await;
        }
        self.count(|counters| &counters.arrived);
        if frame.is_replayed() {
            self.count(|counters| &counters.replayed);
        }
        let verdict = self.verdict();
        let call = if verdict.is_empty() { None } else { frame.call(self.direction) };
        for fault in &verdict {
            self.record(*fault, call);
        }
        if verdict.contains(&Fault::Lost) {
            return Ok(());
        }
        let copies = if verdict.contains(&Fault::Doubled) { 2 } else { 1 };
        self.counters().withheld.fetch_add(copies, Ordering::Relaxed);
        let overtaken = self.waiting.take_held_back();
        if verdict.contains(&Fault::Delayed) {
            let delay_ms = self.chance.between(1..=self.faults.delay_ms_max.max(1));
            self.waiting.add(frame, copies, Duration::from_millis(delay_ms), false);
        } else if verdict.contains(&Fault::HeldBack) {
            self.waiting.add(frame, copies, Duration::from_millis(HOLD_BACK_MS_MAX), true);
        } else {
            self.forward(Held { frame, copies }, to).await?;
        }
        for held in overtaken {
            self.forward(held, to).await?;
        }
        Ok(())
    }

    /// Every kind of chance is drawn for every frame, so that a fault more in the plan does not shift the others.
    fn verdict(&mut self) -> Vec<Fault> {
        let faults = self.faults;
        let drawn = [
            (Fault::Lost, self.chance.happens(faults.lose)),
            (Fault::Doubled, self.chance.happens(faults.double)),
            (Fault::Delayed, self.chance.happens(faults.delay)),
            (Fault::HeldBack, self.chance.happens(faults.reorder)),
        ];
        if self.shared.is_well.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut verdict: Vec<Fault> = drawn.iter().filter(|(_, yes)| *yes).map(|(fault, _)| *fault).collect();
        if verdict.contains(&Fault::Lost) {
            return vec![Fault::Lost];
        }
        let full = self.waiting.frames.len() >= WAITING_FRAMES_MAX;
        let delayed = verdict.contains(&Fault::Delayed);
        verdict.retain(|fault| match fault {
            Fault::Lost | Fault::Doubled => true,
            Fault::Delayed => !full,
            Fault::HeldBack => !full && !delayed,
        });
        verdict
    }

    fn record(&self, fault: Fault, call: Option<switchboard_call::id::CallId>) {
        self.count(|counters| match fault {
            Fault::Lost => &counters.lost,
            Fault::Doubled => &counters.doubled,
            Fault::Delayed => &counters.delayed,
            Fault::HeldBack => &counters.held_back,
        });
        (self.shared.listener)(Event { direction: self.direction, fault, call });
    }

    async fn release_due(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        for held in self.waiting.take_due() {
            self.forward(held, to).await?;
        }
        Ok(())
    }

    async fn release_all(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while let Some((_, waiting)) = self.waiting.frames.pop_first() {
            self.forward(waiting.held, to).await?;
        }
        to.shutdown().await
    }

    async fn forward(&mut self, held: Held, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        for _copy in 0..held.copies {
            send(to, &held.frame).await?;
            self.counters().forwarded.fetch_add(1, Ordering::Relaxed);
            self.counters().withheld.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn counters(&self) -> &Counters {
        self.shared.tally.counters(self.direction)
    }

    fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64) {
        counter(self.counters()).fetch_add(1, Ordering::Relaxed);
    }
}

async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &WholeFrame) -> io::Result<()> {
    to.write_all(&frame.0).await?;
    to.flush().await
}

/// A frame with the number of times it is to go out.
struct Held {
    frame: WholeFrame,
    copies: u64,
}

struct Waits {
    held: Held,
    until_follower: bool,
}

/// Frames that go out later, by time and then by arrival.
#[derive(Default)]
struct Waiting {
    frames: BTreeMap<(Instant, u64), Waits>,
    arrivals: u64,
}

impl Waiting {
    fn add(&mut self, frame: WholeFrame, copies: u64, wait: Duration, until_follower: bool) {
        self.arrivals += 1;
        let key = (Instant::now() + wait, self.arrivals);
        self.frames.insert(key, Waits { held: Held { frame, copies }, until_follower });
    }

    /// Ends when the first frame is due; never while none waits.
    async fn due(&self) {
        match self.frames.first_key_value() {
            Some(((due, _), _)) => tokio::time::sleep_until(*due).await,
            None => std::future::pending().await,
        }
    }

    fn take_due(&mut self) -> Vec<Held> {
        let now = Instant::now();
        let mut due = Vec::new();
        while let Some(first) = self.frames.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove().held);
        }
        due
    }

    fn take_held_back(&mut self) -> Vec<Held> {
        self.frames.extract_if(.., |_, waits| waits.until_follower).map(|(_, waits)| waits.held).collect()
    }
}
