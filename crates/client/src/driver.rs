//! The one task that owns a client's socket, machine and journal file, and does what the machine says: thin on purpose.
//! Here, and nowhere else in the client, a clock is read.
//!
//! ```text
//!   handles --wishes--> [ machine ] --outputs--> journal file, link, waiters, events
//!                            ^ bytes, time, flushed positions |
//!                            +--------------------------------+
//! ```
//!
//! The journal is flushed in this task, not on a thread of its own: handing over to a thread and back costs about as much as
//! the flush. What was begun meanwhile waits in the queue and shares the next flush.
//!
//! Absent: every decision about a call.

mod connecting;
mod link;
mod recovered;
#[cfg(test)]
mod tests;
mod waiters;
mod wishes;
mod writing;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use switchboard_call::client::{Machine, NewCall, NewRead, Output, Settled, StopReason};
use switchboard_call::id::CallId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::address::Nodes;
use crate::connect::Connector;
use crate::error::ConnectError;
use crate::journal_file::JournalFile;
use crate::limits::UNSENT_BYTES_MAX;
use crate::options::{Credential, Event, EventSink};
use link::{Link, Progress};
pub use recovered::Recovered;
use recovered::Unclaimed;
pub(crate) use waiters::{AnswerSender, OutcomeSender, ReadSender};
use waiters::{Waiters, hand};

/// What handles want of the driver.
pub(crate) enum Wish {
    Call {
        call: NewCall,
        deadline: Option<Duration>,
        begun: oneshot::Sender<CallId>,
        answer: AnswerSender,
    },
    Read {
        read: NewRead,
        deadline: Option<Duration>,
        answer: ReadSender,
    },
    /// How a call ends that was begun by whomever.
    Await {
        id: CallId,
        nudge: Nudge,
        answer: AnswerSender,
    },
    Abandon {
        id: CallId,
        done: oneshot::Sender<bool>,
    },
    Outcome {
        id: CallId,
        answer: OutcomeSender,
    },
    Acknowledge {
        id: CallId,
        done: oneshot::Sender<()>,
    },
    Recovered {
        answer: oneshot::Sender<Recovered>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// What is done about a call besides waiting for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nudge {
    Nothing,
    SendAgain,
    Cancel,
}

/// How the client stands to its servers.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// No answer from a node so far, or the connection was lost.
    Connecting,
    /// Every node was tried once since, and failed; still trying.
    Failing(Arc<ConnectError>),
    Connected,
    /// The machine stopped.
    Stopped(StopReason),
}

/// What a driver is made from.
pub(crate) struct Parts {
    pub(crate) machine: Machine,
    pub(crate) journal: Option<JournalFile>,
    pub(crate) wishes: mpsc::Receiver<Wish>,
    pub(crate) nodes: Nodes,
    pub(crate) connector: Connector,
    pub(crate) credential: Option<Credential>,
    pub(crate) on_event: EventSink,
    pub(crate) standing: watch::Sender<Standing>,
}

pub(crate) struct Driver {
    parts: Parts,
    started: Instant,
    link: Link,
    /// Which node the link belongs to.
    node: usize,
    greeted: bool,
    /// The last alarm since the link came up: why a server ended it.
    last_words: Option<String>,
    /// What a server said that ended the link in order.
    farewell_words: Option<String>,
    /// The first bytes that came on the link, at most as many as tell a stranger.
    first_bytes: Vec<u8>,
    /// Nodes that failed since the last connection, and those of them that waiting does not mend.
    failed: BTreeSet<usize>,
    hopeless: BTreeSet<usize>,
    last_failure: Option<Arc<ConnectError>>,
    waiters: Waiters,
    unclaimed: Unclaimed,
    /// Position up to which the machine waits for a flush.
    flush_to: Option<u64>,
    /// Bytes the machine wants kept for answers, behind the end of the journal.
    kept_bytes: u64,
    closing: Option<oneshot::Sender<()>>,
    /// The last bytes of the connection that we ended.
    farewell: Option<JoinHandle<()>>,
}

/// What woke the driver.
enum Woken {
    Wish(Option<Wish>),
    Link(Progress),
    Time,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let unclaimed = Unclaimed::new(&parts.machine, parts.journal.is_some());
        Self {
            parts,
            started: Instant::now(),
            link: Link::Down,
            node: 0,
            greeted: false,
            last_words: None,
            farewell_words: None,
            first_bytes: Vec::new(),
            failed: BTreeSet::new(),
            hopeless: BTreeSet::new(),
            last_failure: None,
            waiters: Waiters::default(),
            unclaimed,
            flush_to: None,
            kept_bytes: 0,
            closing: None,
            farewell: None,
        }
    }

    /// Runs until the client is closed, or every handle is gone: then everything stays as a crash would leave it, and
    /// the journal's next client goes on from there.
    pub(crate) async fn run(mut self) {
        self.parts.machine.handle_timer(self.now_ms());
        while self.carry_out().is_continue() {
            match self.woken().await {
                Woken::Wish(Some(wish)) => self.wishes(wish),
                Woken::Wish(None) => return,
                Woken::Link(progress) => self.progress(progress),
                Woken::Time => self.parts.machine.handle_timer(self.now_ms()),
            }
        }
        self.leave().await;
    }

    /// Waits for whatever comes first. Dropping the future loses nothing.
    async fn woken(&mut self) -> Woken {
        let deadline = self.parts.machine.poll_timeout().map(|ms| self.started + Duration::from_millis(ms));
        let has_room = self.link.unsent_bytes() < UNSENT_BYTES_MAX && self.closing.is_none();
        tokio::select! {
            progress = self.link.progress() => Woken::Link(progress),
            wish = self.parts.wishes.recv(), if has_room => Woken::Wish(wish),
            () = sleep_until(deadline) => Woken::Time,
        }
    }

    /// Does everything that the machine wants done, flushing the journal once for all of it.
    fn carry_out(&mut self) -> ControlFlow<()> {
        loop {
            while let Some(output) = self.parts.machine.poll_output() {
                self.output(output)?;
            }
            match self.flush_to.take() {
                Some(position) => self.flush(position),
                None => break,
            }
        }
        if let Some(reason) = self.parts.machine.stop_reason() {
            self.stopped(reason);
        }
        ControlFlow::Continue(())
    }

    fn output(&mut self, output: Output) -> ControlFlow<()> {
        match output {
            Output::Journal { position, bytes, must_sync, reserve_bytes } => {
                self.append(&bytes, reserve_bytes);
                if must_sync {
                    self.flush_to = Some(position);
                }
            }
            Output::RewriteJournal { position, bytes } => self.rewrite(position, &bytes),
            Output::Send(bytes) => self.link.send(&bytes),
            Output::Connect { node } => self.connect(node),
            Output::Disconnect => self.disconnect(),
            Output::Welcomed { node, greeting, principal } => self.welcomed(node, greeting, principal),
            Output::Begun { key, id } => self.waiters.begun(key, id),
            Output::Answer(settled) => self.answered(settled),
            Output::NeverSent { key, reason } => {
                self.waiters.never_sent(key, reason, self.last_failure.clone());
            }
            Output::Unresolved { key, id, why } => self.waiters.unresolved(key, id, &why),
            Output::ReadAnswer { key, answer } => self.waiters.read_answered(key, answer),
            Output::ReadFailed { key, reason } => {
                self.waiters.read_failed(key, reason, self.last_failure.clone());
            }
            Output::OutcomeKnown { id, outcome } => self.waiters.outcome_known(id, &outcome),
            Output::Goodbye { text } => self.farewell_words = Some(text),
            Output::Alarm(alarm) => {
                self.last_words = Some(alarm.to_string());
                self.tell(Event::Alarm(alarm));
            }
            Output::Closed => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn stopped(&mut self, reason: StopReason) {
        self.waiters.stopped(reason);
        self.parts.standing.send_if_modified(|standing| {
            let is_news = !matches!(standing, Standing::Stopped(_));
            *standing = Standing::Stopped(reason);
            is_news
        });
    }

    fn answered(&mut self, settled: Settled) {
        if self.unclaimed.wants(settled.key) {
            self.unclaimed.keep(settled.clone());
        }
        if let Some(nobodys) = self.waiters.answered(settled) {
            self.unclaimed.keep(nobodys);
        }
    }

    fn tell(&self, event: Event) {
        (self.parts.on_event)(event);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).expect("a process runs less than 584 million years")
    }

    /// Ends the connection in order, then lets the client's `close` return.
    async fn leave(mut self) {
        self.stopped(StopReason::Closed);
        if let Some(mut journal) = self.parts.journal {
            // Only gives back room that was reserved; the mark of the clean end is flushed already.
            let _stays_reserved = journal.cut(journal.length());
        }
        if let Some(farewell) = self.farewell {
            let _ended = farewell.await;
        }
        if let Some(done) = self.closing {
            hand(done, ());
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
