//! The writer is a role, not a place ([`crate::role`]): who holds it runs the queued calls and cancels, many in
//! one transaction, and hands out the answers after its COMMIT. Here is what a batch of that role is; who waits
//! for an answer is the door's affair.
//!
//! The role is never held across an await, and given back when a batch fails.

use switchboard_call::answer::TransientCause;
use switchboard_store::{Class, StoreError, Writer};

use crate::batch::{Job, Verdict, chain, execute};
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_CALLS_MAX, FAULT_RETRY_MS, QUEUED_BYTES_MAX, QUEUED_CALLS_MAX, QUEUED_CANCELS_MAX,
    TENURE_BATCHES_MAX,
};
use crate::role::{Bounds, Role, Weighed};

/// The role whose tool is the writing side of the store; the tool is given up once the disk has lost written
/// bytes. Cancels are its urgent jobs: run before any call that has not begun, so that a cancelled call is
/// found cancelled.
pub(crate) type WriterRole<W> = Role<Queued<W>, Writer>;

/// A job and who waits for its verdict.
pub(crate) struct Queued<W> {
    pub(crate) job: Job,
    pub(crate) waiter: W,
    /// Of its body.
    pub(crate) bytes: usize,
}

impl<W> Weighed for Queued<W> {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

pub(crate) const BOUNDS: Bounds = Bounds {
    jobs_max: QUEUED_CALLS_MAX,
    bytes_max: QUEUED_BYTES_MAX,
    urgent_max: QUEUED_CANCELS_MAX,
    batch_jobs_max: BATCH_CALLS_MAX,
    batch_bytes_max: BATCH_BYTES_MAX,
    tenure_batches_max: TENURE_BATCHES_MAX,
};

/// Runs what one tenure took out of the queue; one verdict each.
///
/// # Errors
/// Only when the process must end.
pub(crate) fn execute_queued<W>(
    writer: &mut Writer,
    queued: &[Queued<W>],
    now_us: u64,
) -> Result<Vec<Verdict>, StoreError> {
    let jobs: Vec<&Job> = queued.iter().map(|queued| &queued.job).collect();
    execute(writer, &jobs, now_us)
}

/// For a call whose batch panicked outside its rules: perhaps it was executed, and a copy of it will learn that.
pub(crate) fn fault(job: &Job) -> Verdict {
    tracing::error!(call = %job.id, "the engine panicked; whether the call was executed is not known");
    Verdict::transient(TransientCause::Fault, FAULT_RETRY_MS)
}

/// A log that cannot be folded now is folded later, unless the disk has lost bytes.
///
/// # Errors
/// Only when the process must end.
pub(crate) fn fold_log(writer: &mut Writer) -> Result<(), StoreError> {
    match writer.fold_log_if_long() {
        Err(error) if is_fatal(&error) => Err(error),
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

/// Whether the disk has lost written bytes.
pub(crate) fn is_fatal(error: &StoreError) -> bool {
    error.class() == Class::Fatal
}
