//! The writer is a role, not a place: who finds it free takes it, runs everything that is queued (its own
//! call included) in one transaction after another, hands out the answers, and goes on until the queue is
//! empty. Under load that is group commit; alone it is a call without a thread hand-over. A connection's
//! thread holds it for a few batches only and leaves sustained load to the relief thread (door.rs): it
//! has other connections to serve.
//!
//! The role is never held across an await, and given back when a batch fails.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use switchboard_store::{Class, StoreError, Writer};

use crate::batch::{Job, Verdict, chain, execute};
use crate::limits::{BATCH_CALLS_MAX, QUEUED_CALLS_MAX, QUEUED_CANCELS_MAX};

/// The role, its queue, and whoever waits in it.
pub(crate) struct WriterRole<W> {
    queue: Mutex<Queue<W>>,
    /// None once the disk has lost written bytes: nobody may commit any more.
    writer: Mutex<Option<Writer>>,
}

/// A job and who waits for its verdict.
pub(crate) struct Queued<W> {
    pub(crate) job: Job,
    pub(crate) waiter: W,
}

/// What a holder of the role left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// Nothing, or what another holder takes care of.
    Nothing,
    /// A queue that wants another holder: its tenure is over.
    Waiting,
}

struct Queue<W> {
    /// Run before any call that has not begun, so that a cancelled call is found cancelled.
    cancels: VecDeque<Queued<W>>,
    calls: VecDeque<Queued<W>>,
}

impl<W> WriterRole<W> {
    pub(crate) fn new(writer: Writer) -> Self {
        let queue = Queue { cancels: VecDeque::new(), calls: VecDeque::new() };
        Self { queue: Mutex::new(queue), writer: Mutex::new(Some(writer)) }
    }

    /// Queues a call; gives it back when the queue is full. [`WriterRole::drive`] must follow.
    #[must_use = "a call that is given back wants an answer"]
    pub(crate) fn push_call(&self, queued: Queued<W>) -> Option<Queued<W>> {
        push(&mut self.queue().calls, queued, QUEUED_CALLS_MAX)
    }

    /// Queues a cancel before all calls; gives it back when even its queue is full.
    #[must_use = "a cancel that is given back wants an answer"]
    pub(crate) fn push_cancel(&self, queued: Queued<W>) -> Option<Queued<W>> {
        push(&mut self.queue().cancels, queued, QUEUED_CANCELS_MAX)
    }

    /// Takes the role if it is free and keeps it until the queue is empty or `tenure` batches have run.
    /// `deliver` is called for each verdict after its COMMIT.
    ///
    /// # Errors
    /// Only when the process must end.
    pub(crate) fn drive(
        &self,
        mut tenure: u32,
        now_us: &dyn Fn() -> u64,
        deliver: &dyn Fn(Queued<W>, Verdict),
    ) -> Result<Left, StoreError> {
        // After the role is given back the queue is looked at once more: who queued while we held it may
        // have gone away trusting us.
        while !self.queue().is_empty() {
            if tenure == 0 {
                return Ok(Left::Waiting);
            }
            let mut role = match self.writer.try_lock() {
                Ok(role) => role,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(Left::Nothing),
            };
            let Some(writer) = role.as_mut() else { return Ok(Left::Nothing) };
            match self.run_queue(writer, tenure, now_us, deliver) {
                Ok(left) => tenure = left,
                Err(fatal) => {
                    // Still under the guard: the next holder finds no writer.
                    *role = None;
                    return Err(fatal);
                }
            }
        }
        Ok(Left::Nothing)
    }

    /// Waits for the role and uses the writer for something else than calls. `None` when there is no writer
    /// any more.
    pub(crate) fn with_writer<T>(
        &self,
        use_it: impl FnOnce(&mut Writer) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let mut role = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let used = use_it(role.as_mut()?);
        if matches!(&used, Err(error) if error.class() == Class::Fatal) {
            *role = None;
        }
        Some(used)
    }

    /// Runs at most `tenure` batches; returns how many are left of it.
    fn run_queue(
        &self,
        writer: &mut Writer,
        mut tenure: u32,
        now_us: &dyn Fn() -> u64,
        deliver: &dyn Fn(Queued<W>, Verdict),
    ) -> Result<u32, StoreError> {
        while tenure > 0 {
            let batch = self.queue().take(BATCH_CALLS_MAX);
            if batch.is_empty() {
                break;
            }
            tenure -= 1;
            let jobs: Vec<&Job> = batch.iter().map(|queued| &queued.job).collect();
            let verdicts = execute(writer, &jobs, now_us())?;
            for (queued, verdict) in batch.into_iter().zip(verdicts) {
                deliver(queued, verdict);
            }
            fold_log(writer)?;
        }
        Ok(tenure)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Queue<W> {
    fn is_empty(&self) -> bool {
        self.cancels.is_empty() && self.calls.is_empty()
    }

    fn take(&mut self, jobs_max: usize) -> Vec<Queued<W>> {
        let cancels = self.cancels.len().min(jobs_max);
        let calls = self.calls.len().min(jobs_max - cancels);
        self.cancels.drain(..cancels).chain(self.calls.drain(..calls)).collect()
    }
}

/// A log that cannot be folded now is folded later, unless the disk has lost bytes.
fn fold_log(writer: &mut Writer) -> Result<(), StoreError> {
    match writer.fold_log_if_long() {
        Err(error) if error.class() == Class::Fatal => Err(error),
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                "the write-ahead log could not be folded into the database"
            );
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn push<W>(line: &mut VecDeque<Queued<W>>, queued: Queued<W>, limit: usize) -> Option<Queued<W>> {
    if line.len() >= limit {
        return Some(queued);
    }
    line.push_back(queued);
    None
}
