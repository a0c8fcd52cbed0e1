//! A role is held by one thread at a time: who finds it free takes it, runs everything that is queued (its own
//! job included) batch by batch, and goes on until the queue is empty. Under load that is group commit; alone
//! it is a job without a thread hand-over. A thread with other duties holds it for a few batches only and
//! leaves sustained load to the relief thread.
//!
//! Every job that was taken is run once and answered once, also when its batch panics; no job waits while the
//! role is free. Only synchronisation is here: what a job is and what a batch does is a [`Duty`].

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, TryLockError};

use super::prepare::Pool;
use super::sync::{Mutex, MutexGuard};

/// The role, its queue, and the thread that relieves its holder.
pub(crate) struct Role<J, T> {
    bounds: Bounds,
    queue: Mutex<Queue<J>>,
    /// What the holder works with. None once it cannot be trusted: nobody may use it any more.
    tool: Mutex<Option<T>>,
    relief: Pool,
}

/// Bounds of a role.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Jobs that may wait.
    pub(crate) jobs_max: usize,
    /// Jobs that may wait on top of them, before them.
    pub(crate) urgent_max: usize,
    /// Bytes after which no further job is queued.
    pub(crate) bytes_max: usize,
    /// Jobs in one batch.
    pub(crate) batch_jobs_max: usize,
    /// Bytes after which a batch takes no further job.
    pub(crate) batch_bytes_max: usize,
    /// Batches that a thread with other duties runs in one go.
    pub(crate) tenure_batches_max: u32,
}

/// A job with a weight.
pub(crate) trait Weighed {
    /// What it weighs in a queue and a batch, in bytes.
    fn bytes(&self) -> usize;
}

/// What the holder of a role does.
pub(crate) trait Duty: Send + Sync + 'static {
    /// Something to be done, with who waits for its answer.
    type Job: Weighed + Send + 'static;
    /// What a job comes to.
    type Answer;
    /// What only the holder may use.
    type Tool: Send + 'static;
    /// Why the tool cannot be trusted any more.
    type Fatal;

    /// The role.
    fn role(&self) -> &Role<Self::Job, Self::Tool>;

    /// Runs the jobs in order; one answer each.
    fn execute(&self, tool: &mut Self::Tool, jobs: &[Self::Job]) -> Result<Vec<Self::Answer>, Self::Fatal>;

    /// The answer to a job whose batch panicked.
    fn fault(&self, job: &Self::Job) -> Self::Answer;

    /// Hands an answer out. Must not panic.
    fn deliver(&self, job: Self::Job, answer: Self::Answer);

    /// Between two batches, after the answers have left.
    fn tidy(&self, tool: &mut Self::Tool) -> Result<(), Self::Fatal>;

    /// The tool was given up.
    fn end(&self, fatal: &Self::Fatal);
}

/// What a holder of the role left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    /// Nothing, or what another holder takes care of.
    Nothing,
    /// A queue that wants another holder: its tenure is over.
    Waiting,
}

/// Two lines, each in order of arrival.
struct Queue<J> {
    /// Run before any job that has not begun.
    urgent: VecDeque<J>,
    jobs: VecDeque<J>,
    /// What `jobs` weigh together.
    bytes: usize,
    /// No job will be run any more.
    closed: bool,
}

impl<J: Weighed, T> Role<J, T> {
    /// A role that nobody holds; without a relief thread (an inline pool) every holder stays to the end.
    pub(crate) fn new(tool: T, bounds: Bounds, relief: Pool) -> Self {
        let queue = Queue { urgent: VecDeque::new(), jobs: VecDeque::new(), bytes: 0, closed: false };
        Self { bounds, queue: Mutex::new(queue), tool: Mutex::new(Some(tool)), relief }
    }

    /// Queues a job; gives it back when the queue is full or closed. [`drive`] must follow.
    #[must_use = "a job that is given back wants an answer"]
    pub(crate) fn push(&self, job: J) -> Option<J> {
        let mut queue = self.queue();
        let full = queue.jobs.len() >= self.bounds.jobs_max || queue.bytes > self.bounds.bytes_max;
        if queue.closed || full {
            return Some(job);
        }
        queue.bytes += job.bytes();
        queue.jobs.push_back(job);
        None
    }

    /// Queues a job before all others that are not urgent; gives it back when even its queue is full, or
    /// closed. [`drive`] must follow.
    #[must_use = "a job that is given back wants an answer"]
    pub(crate) fn push_urgent(&self, job: J) -> Option<J> {
        let mut queue = self.queue();
        if queue.closed || queue.urgent.len() >= self.bounds.urgent_max {
            return Some(job);
        }
        queue.urgent.push_back(job);
        None
    }

    fn take_batch(&self) -> Vec<J> {
        let mut queue = self.queue();
        let urgent = queue.urgent.len().min(self.bounds.batch_jobs_max);
        let mut batch: Vec<J> = queue.urgent.drain(..urgent).collect();
        let mut batch_bytes = 0;
        while batch.len() < self.bounds.batch_jobs_max && batch_bytes < self.bounds.batch_bytes_max {
            let Some(job) = queue.jobs.pop_front() else { break };
            queue.bytes -= job.bytes();
            batch_bytes += job.bytes();
            batch.push(job);
        }
        batch
    }

    /// Closes the queue if nothing waits in it.
    fn close_if_empty(&self) -> bool {
        let mut queue = self.queue();
        queue.closed |= queue.is_empty();
        queue.closed
    }

    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tool(&self) -> MutexGuard<'_, Option<T>> {
        self.tool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Queue<J> {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.jobs.is_empty()
    }
}

/// Runs what is queued, or leaves it to who is running already.
pub(crate) fn drive<D: Duty>(duty: &Arc<D>) {
    let role = duty.role();
    let tenure = if role.relief.is_inline() { u32::MAX } else { role.bounds.tenure_batches_max };
    if drive_for(&**duty, tenure) == Left::Waiting {
        let relieved = Arc::clone(duty);
        let relief = Box::new(move || {
            drive_for(&*relieved, u32::MAX);
        });
        if role.relief.submit(relief).is_err() {
            drive_for(&**duty, u32::MAX);
        }
    }
}

/// Waits for the role and uses the tool for something else than jobs, then runs what was queued meanwhile.
/// `None` when there is no tool any more; an error that is [fatal](Duty::end) for the tool is told by `is_fatal`.
pub(crate) fn with_tool<D: Duty, R>(
    duty: &Arc<D>,
    use_it: impl FnOnce(&mut D::Tool) -> Result<R, D::Fatal>,
    is_fatal: impl Fn(&D::Fatal) -> bool,
) -> Option<Result<R, D::Fatal>> {
    let used = {
        let mut tool = duty.role().tool();
        let used = use_it(tool.as_mut()?);
        if used.as_ref().is_err_and(&is_fatal) {
            *tool = None;
        }
        used
    };
    match &used {
        Err(fatal) if is_fatal(fatal) => duty.end(fatal),
        // Who queued meanwhile found the role taken and went away.
        Ok(_) | Err(_) => drive(duty),
    }
    Some(used)
}

/// Ends the relief thread, runs what is queued, and closes the queue: when this returns, every job that was
/// ever taken is answered and none will run.
pub(crate) fn drain<D: Duty>(duty: &D) {
    let role = duty.role();
    role.relief.close();
    // Waits for the holder: its last batch is out of the queue and not yet answered.
    let mut tool = role.tool();
    while !role.close_if_empty() {
        if let Err(given_up) = hold(duty, &mut tool, u32::MAX) {
            drop(tool);
            return end(duty, given_up);
        }
    }
}

fn drive_for<D: Duty>(duty: &D, mut tenure: u32) -> Left {
    let role = duty.role();
    // After the role is given back the queue is looked at once more: who queued while we held it may have gone
    // away trusting us.
    while !role.queue().is_empty() {
        if tenure == 0 {
            return Left::Waiting;
        }
        let mut tool = match role.tool.try_lock() {
            Ok(tool) => tool,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Left::Nothing,
        };
        match hold(duty, &mut tool, tenure) {
            Ok(left) => tenure = left,
            Err(given_up) => {
                drop(tool);
                end(duty, given_up);
                return Left::Nothing;
            }
        }
    }
    Left::Nothing
}

/// There is no tool any more: who gave it up says why.
struct GivenUp<F>(Option<F>);

fn end<D: Duty>(duty: &D, given_up: GivenUp<D::Fatal>) {
    if let Some(fatal) = given_up.0 {
        duty.end(&fatal);
    }
}

/// Runs at most `tenure` batches; returns how many are left of it.
fn hold<D: Duty>(duty: &D, held: &mut Option<D::Tool>, mut tenure: u32) -> Result<u32, GivenUp<D::Fatal>> {
    let tool = held.as_mut().ok_or(GivenUp(None))?;
    while tenure > 0 {
        let batch = duty.role().take_batch();
        if batch.is_empty() {
            break;
        }
        tenure -= 1;
        if let Err(fatal) = run_batch(duty, tool, batch) {
            // Still under the guard: the next holder finds no tool.
            *held = None;
            return Err(GivenUp(Some(fatal)));
        }
    }
    Ok(tenure)
}

fn run_batch<D: Duty>(duty: &D, tool: &mut D::Tool, batch: Vec<D::Job>) -> Result<(), D::Fatal> {
    let executed = catch_unwind(AssertUnwindSafe(|| duty.execute(tool, &batch)));
    let answers = match executed {
        Ok(executed) => executed?,
        // Whether it took effect is unknown, and who waits has to hear that.
        Err(_panic) => batch.iter().map(|job| duty.fault(job)).collect(),
    };
    for (job, answer) in batch.into_iter().zip(answers) {
        duty.deliver(job, answer);
    }
    duty.tidy(tool)
}
