//! Many calls in one transaction. Plain and synchronous: what the simulation calls is what a server runs.
//!
//! After any store error that is not a rule's own refusal the whole batch and its answers are thrown away
//! and its calls run singly; a call whose rule panicked is answered transiently. No answer leaves this file
//! before its COMMIT succeeded; an error from COMMIT means unknown, and the calls start again at the claim.

use std::panic::{AssertUnwindSafe, catch_unwind};

use switchboard_call::answer::{Answer, TransientCause};
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::id::{CallId, ReplyHash};
use switchboard_store::{Claimed, Class, StoreError, Tx, Writer};

use crate::claim::{Claim, Claimant, Purpose, claim};
use crate::digest::Digests;
use crate::limits::{FAULT_RETRY_MS, STORE_FAILURES_MAX, STORE_RETRY_MS};
use crate::principal::Principal;
use crate::service::{CallContext, Work};

/// One claim to be made, with what it is for.
pub(crate) struct Job {
    pub(crate) id: CallId,
    pub(crate) principal: Principal,
    pub(crate) task: Task,
}

pub(crate) enum Task {
    /// Execute the call.
    Call { previous: ReplyHash, digests: Digests, not_after_us: Option<u64>, work: Work },
    /// End it unexecuted.
    Cancel { previous: Option<ReplyHash>, nonce_tag: Option<i64> },
}

/// What the batch found for one job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    /// An answer's bytes.
    pub(crate) answer: Vec<u8>,
    /// Whether the slot's row holds it now, for good.
    pub(crate) recorded: bool,
    /// It had been recorded before.
    pub(crate) replayed: bool,
}

/// Executes the jobs in order; one verdict each.
///
/// # Errors
/// Only when the process must end: nothing is known about what is on the disk.
pub(crate) fn execute(writer: &mut Writer, jobs: &[&Job], now_us: u64) -> Result<Vec<Verdict>, StoreError> {
    match attempt(writer, jobs, now_us) {
        Ok(verdicts) => Ok(verdicts),
        Err(spoilt) if spoilt.is_fatal() => Err(spoilt.error()),
        Err(spoilt) if jobs.len() == 1 => Ok(vec![spoilt.verdict(jobs[0].id)]),
        Err(_) => execute_singly(writer, jobs, now_us),
    }
}

fn execute_singly(writer: &mut Writer, jobs: &[&Job], now_us: u64) -> Result<Vec<Verdict>, StoreError> {
    let mut failures_in_a_row = 0;
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        if failures_in_a_row >= STORE_FAILURES_MAX {
            verdicts.push(Verdict::transient(TransientCause::StoreUnavailable, STORE_RETRY_MS));
            continue;
        }
        match attempt(writer, std::slice::from_ref(job), now_us) {
            Ok(mut verdict) => {
                failures_in_a_row = 0;
                verdicts.append(&mut verdict);
            }
            Err(spoilt) if spoilt.is_fatal() => return Err(spoilt.error()),
            Err(spoilt) => {
                failures_in_a_row = if spoilt.is_stores_fault() { failures_in_a_row + 1 } else { 0 };
                verdicts.push(spoilt.verdict(job.id));
            }
        }
    }
    Ok(verdicts)
}

/// Why a transaction was thrown away.
enum Spoilt {
    Store(StoreError),
    Panicked,
}

impl From<StoreError> for Spoilt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Spoilt {
    fn is_fatal(&self) -> bool {
        matches!(self, Self::Store(error) if error.class() == Class::Fatal)
    }

    fn is_stores_fault(&self) -> bool {
        matches!(self, Self::Store(error) if error.class() == Class::Transient)
    }

    fn error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Panicked => StoreError::Impossible("a rule panicked".to_owned()),
        }
    }

    /// The transient answer to the one call that spoilt its own transaction.
    fn verdict(self, id: CallId) -> Verdict {
        match self {
            Self::Store(error) if error.class() == Class::Transient => {
                tracing::warn!(call = %id, error = chain(&error), "the store failed; the call was not executed");
                Verdict::transient(TransientCause::StoreUnavailable, STORE_RETRY_MS)
            }
            Self::Store(error) => {
                tracing::error!(call = %id, error = chain(&error), "a rule failed; the call was not executed");
                Verdict::transient(TransientCause::Fault, FAULT_RETRY_MS)
            }
            Self::Panicked => {
                tracing::error!(call = %id, "a rule panicked; the call was not executed");
                Verdict::transient(TransientCause::Fault, FAULT_RETRY_MS)
            }
        }
    }
}

/// All jobs in one transaction, or nothing; once more when the disk was full and room could be made.
fn attempt(writer: &mut Writer, jobs: &[&Job], now_us: u64) -> Result<Vec<Verdict>, Spoilt> {
    match transact(writer, jobs, now_us) {
        Err(Spoilt::Store(full @ StoreError::Full(_))) => match writer.make_room() {
            Ok(true) => transact(writer, jobs, now_us).inspect(|_| {
                tracing::warn!(error = chain(&full), "the last room is used; make room soon");
            }),
            Err(fatal) if fatal.class() == Class::Fatal => Err(fatal.into()),
            Ok(false) | Err(_) => Err(full.into()),
        },
        done => done,
    }
}

/// All jobs in one transaction, or nothing.
fn transact(writer: &mut Writer, jobs: &[&Job], now_us: u64) -> Result<Vec<Verdict>, Spoilt> {
    let mut tx = writer.begin()?;
    let horizon_ms = tx.horizon_ms()?;
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let read_free = planted(Flaw::ClaimByPlainRead) && job.was_free(jobs, &verdicts);
        let run = catch_unwind(AssertUnwindSafe(|| {
            if read_free {
                let claimed = tx.claim_unchecked(job.id, job.principal.bound_to())?;
                return job.run_claimed(&mut tx, claimed, now_us);
            }
            job.run(&mut tx, horizon_ms, now_us)
        }));
        if planted(Flaw::RepliesOfThrownBatchLeave) && !matches!(run, Ok(Ok(_))) && !verdicts.is_empty() {
            verdicts.resize(jobs.len(), Verdict::transient(TransientCause::Fault, FAULT_RETRY_MS));
            return Ok(verdicts);
        }
        verdicts.push(run.map_err(|_panic| Spoilt::Panicked)??);
    }
    match tx.commit() {
        Ok(()) => Ok(verdicts),
        Err(_) if planted(Flaw::ReplyBeforeCommit) => Ok(verdicts),
        Err(_) if planted(Flaw::CommitErrorIsFinal) => {
            Ok(vec![Verdict::unrecorded(&Answer::TooLate); jobs.len()])
        }
        Err(unknown) => Err(unknown.into()),
    }
}

impl Job {
    /// Claim, rule, record.
    fn run(&self, tx: &mut Tx<'_>, horizon_ms: u64, now_us: u64) -> Result<Verdict, StoreError> {
        if planted(Flaw::RefusalNotRecorded) || planted(Flaw::CancelNotRecorded) {
            tx.savepoint()?;
        }
        match claim(tx, horizon_ms, &self.claimant())? {
            Claim::New(claimed) => self.run_claimed(tx, claimed, now_us),
            Claim::Recorded(mut answer) if planted(Flaw::ReplayReencoded) => {
                answer.splice(..1, [0x98, answer[0] & 0x1f]);
                Ok(Verdict { answer, recorded: true, replayed: true })
            }
            Claim::Recorded(answer) => Ok(Verdict { answer, recorded: true, replayed: true }),
            Claim::Verdict(answer) => {
                if matches!(answer, Answer::Gap | Answer::CopiedJournal | Answer::CallIdReused) {
                    tracing::warn!(call = %self.id, code = answer.code(), "alarm: the client and the store disagree about a call");
                }
                Ok(Verdict::unrecorded(&answer))
            }
        }
    }

    /// Whether its call was free when the batch began, and is not any more.
    fn was_free(&self, jobs: &[&Self], verdicts: &[Verdict]) -> bool {
        let ended_here = |verdict: &Verdict| verdict.recorded && !verdict.replayed;
        jobs.iter().zip(verdicts).any(|(earlier, verdict)| earlier.id == self.id && ended_here(verdict))
    }

    fn run_claimed(&self, tx: &mut Tx<'_>, claimed: Claimed, now_us: u64) -> Result<Verdict, StoreError> {
        let (answer, digest) = match &self.task {
            Task::Cancel { .. } => (Answer::Cancelled, None),
            Task::Call { digests, not_after_us, .. }
                if not_after_us.is_some_and(|last| now_us > last) && !planted(Flaw::NotAfterIgnored) =>
            {
                (Answer::TooLate, Some(&digests.current))
            }
            Task::Call { digests, work, .. } => {
                let context = CallContext { id: self.id, principal: self.principal, now_us };
                let answer = match work.run(tx, &context)? {
                    Ok(reply) => Answer::Done(reply),
                    Err(refusal) => Answer::Refused(refusal),
                };
                (answer, Some(&digests.current))
            }
        };
        if planted(Flaw::RefusalNotRecorded) && matches!(answer, Answer::Refused(_))
            || planted(Flaw::CancelNotRecorded) && matches!(answer, Answer::Cancelled)
        {
            tx.back_to_savepoint()?;
            return Ok(Verdict::unrecorded(&answer));
        }
        let answer = answer.to_bytes();
        tx.record(claimed, digest, &answer, i64::try_from(now_us).unwrap_or(i64::MAX))?;
        Ok(Verdict { answer, recorded: true, replayed: false })
    }

    fn claimant(&self) -> Claimant<'_> {
        let purpose = match &self.task {
            Task::Call { previous, digests, .. } => Purpose::Execute { previous: *previous, digests },
            Task::Cancel { previous, nonce_tag } => {
                Purpose::Cancel { previous: *previous, nonce_tag: *nonce_tag }
            }
        };
        Claimant { id: self.id, principal: self.principal, purpose }
    }
}

impl Verdict {
    pub(crate) fn transient(cause: TransientCause, retry_after_ms: u32) -> Self {
        Self::unrecorded(&Answer::transient(cause, retry_after_ms))
    }

    fn unrecorded(answer: &Answer) -> Self {
        Self { answer: answer.to_bytes(), recorded: false, replayed: false }
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
