//! The load: many connections on one thread, each with a session of its own and so many calls in flight. Answers are
//! read, checked and settled as the client library does; what it does for a person (journal, retransmission) is left
//! out, so that the server's share of the machine is as large as it can be.
//!
//! Closed loop: an answer lets the next call go. Open loop: calls are due at fixed times whatever the server does, and
//! latency counts from when a call was due, not from when there was room to send it (no coordinated omission).
//!
//! Absent: deciding what a good figure is; starting the server.

mod caller;
mod pace;
mod wire;
mod work;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use rustix::event::epoll;

pub use pace::Pace;
pub use wire::Target;
pub use work::{ACCOUNTS, Accounts, FILLED_MINOR, Work};

use caller::Caller;
pub(crate) use wire::Wire;

/// Longest wait for the server to say anything, in seconds.
const SILENCE_SECONDS_MAX: u64 = 20;
/// Longest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// What is sent, how, and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the server listens.
    pub target: Target,
    /// Connections, each with its own session.
    pub connections: usize,
    /// Calls or reads in flight on each.
    pub depth: u16,
    /// What each of them asks.
    pub work: Work,
    /// When they are sent.
    pub pace: Pace,
    /// Makes the same load again.
    pub seed: u64,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Calls or reads answered with what they asked for.
    pub calls: u64,
    /// From the first send to the last answer that counts.
    pub elapsed: Duration,
    /// From due (open loop) or sent (closed loop) to answered, in microseconds.
    pub latency_us: Histogram<u64>,
    /// Open loop: from due to taken up by this program, in microseconds: what of the latency is the instrument's own.
    pub late_us: Histogram<u64>,
}

impl Done {
    /// Calls a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let calls = u32::try_from(self.calls).map_or(f64::from(u32::MAX), f64::from);
        calls / self.elapsed.as_secs_f64()
    }
}

/// A load whose connections are made and greeted; nothing has been asked yet.
#[derive(Debug)]
pub struct Ready {
    load: Load,
    callers: Vec<Caller>,
    poll: rustix::fd::OwnedFd,
    answered: u64,
}

impl Load {
    /// Makes the connections and waits until the server has greeted all of them.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn connect(self) -> Result<Ready> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut callers = Vec::with_capacity(self.connections);
        for number in 0..self.connections {
            let caller = Caller::connect(&self, number).context("the server refuses the load")?;
            let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            let key = epoll::EventData::new_u64(u64::try_from(number)?);
            epoll::add(&poll, caller.socket(), key, events)?;
            callers.push(caller);
        }
        Ok(Ready { load: self, callers, poll, answered: 0 })
    }

    /// Connects, runs and disconnects.
    ///
    /// # Errors
    /// As [`Load::connect`] and [`Ready::run`].
    pub fn run(self) -> Result<Done> {
        self.connect()?.run()
    }
}

impl Ready {
    /// Calls or reads answered in all runs so far, one that failed included.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Runs the load to its end: every call that was sent is answered when this returns.
    ///
    /// # Errors
    /// When the server falls silent, breaks a connection, or answers a call with anything but what it asked for.
    #[expect(clippy::disallowed_methods, reason = "the driver of the load reads the clock")]
    pub fn run(&mut self) -> Result<Done> {
        let empty = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        let mut done = Done { calls: 0, elapsed: Duration::ZERO, latency_us: empty.clone(), late_us: empty };
        let begun = Instant::now();
        let mut pace = self.load.pace.start(begun, self.callers.len());
        let (mut events, mut last_answer) = (Vec::with_capacity(self.callers.len()), begun);
        self.callers.iter_mut().for_each(Caller::begin);
        // The kernel may otherwise be 50 microseconds late for every call that is due: prctl(2), PR_SET_TIMERSLACK.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        loop {
            let now = Instant::now();
            pace.tick(now, &mut self.callers, &mut done.late_us)?;
            if pace.is_over() && self.callers.iter().all(Caller::is_idle) {
                break;
            }
            let wait = pace.wait(now, SILENCE_SECONDS_MAX);
            events.clear();
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))?;
            let now = Instant::now();
            for event in &events {
                let number = usize::try_from(event.data.u64())?;
                let answered = self.callers[number].turn(&pace, &mut done.latency_us)?;
                if answered > 0 {
                    done.calls += answered;
                    self.answered += answered;
                    last_answer = now;
                }
            }
            anyhow::ensure!(
                now.duration_since(last_answer) < Duration::from_secs(SILENCE_SECONDS_MAX) || pace.is_slow(),
                "the server has not answered for {SILENCE_SECONDS_MAX} s"
            );
        }
        done.elapsed = last_answer.duration_since(begun);
        Ok(done)
    }
}
