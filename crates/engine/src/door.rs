//! The door: what is refused before the transaction (server rule 0), where copies of a call in hand
//! attach to it, and the way of each request to its room.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_call::answer::{Answer, DoorCause, Outcome, TransientCause};
use switchboard_call::frame::{
    Call, Cancel, OutcomeQuery, OutcomeReply, Read, Reference, Reply, ServerFrame, ServiceLimits,
};
use switchboard_call::id::{CallId, Generation, Sequence, StoreId};
use switchboard_call::limits::{HORIZON_LAG_MS, SLOTS_MAX_CEILING};
use switchboard_call::server::Request;
use switchboard_store::{Digest, Meta, Snapshot, Store, StoreError, Writer};

use crate::batch::{Job, Task, Verdict, chain};
use crate::digest::{DigestKeys, nonce_tag};
use crate::housekeeping::{Kept, keep_house};
use crate::in_hand::{Attached, InHand};
use crate::limits::{
    COLLECT_BATCHES_MAX, COPIES_PER_CALL_MAX, FAULT_RETRY_MS, OVERLOADED_RETRY_MS, SHUTDOWN_RETRY_MS,
    STORE_RETRY_MS,
};
use crate::mint_rate::MintRate;
use crate::outcome::outcome;
use crate::prepare::Pool;
use crate::principal::{Principal, permit};
use crate::role::{self, Duty, Role};
use crate::service::{CommandSpec, Effect, Prepare, ReadContext, Registry, Work};
use crate::writer::{self, Queued, WriterRole};

/// Microseconds since 1970; the driver's clock.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Where answers go: a connection's outbox, an embedded client, the simulation.
pub trait Replies: Send + Sync {
    /// Takes one frame for the peer. Never blocks; called from any thread, also within
    /// [`Engine::hand_in`].
    fn deliver(&self, frame: ServerFrame);
}

/// What an engine is made of.
pub struct Config {
    /// The reading side of the store.
    pub store: Store,
    /// Its writing side.
    pub writer: Writer,
    /// The services.
    pub registry: Registry,
    /// Keys of the call digest.
    pub keys: DigestKeys,
    /// The driver's clock.
    pub clock: Clock,
    /// Slots a session may use.
    pub slots_max: u16,
    /// Preparing threads; 0 prepares where the call is handed in, and starts no thread at all.
    pub prepare_threads: usize,
    /// Called once when the process must end because the disk lost written bytes.
    pub on_fatal: Box<dyn Fn(&StoreError) + Send + Sync>,
}

/// What a welcome tells about the store behind this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreFacts {
    /// Its id.
    pub store: StoreId,
    /// How often it was restored.
    pub generation: Generation,
    /// The driver's clock, microseconds since 1970.
    pub server_time_us: u64,
    /// The label for sessions minted now, milliseconds since 1970.
    pub mint_time_ms: u64,
    /// Slots a session may use.
    pub slots_max: u16,
    /// Limits of each service.
    pub services: Vec<ServiceLimits>,
}

/// The one door to the transaction. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    role: WriterRole<Waiter>,
    registry: Registry,
    keys: DigestKeys,
    clock: Clock,
    slots_max: u16,
    pool: Pool,
    on_fatal: Box<dyn Fn(&StoreError) + Send + Sync>,
    mint_rate: MintRate,
    /// Calls on this node between the door and their answer.
    in_hand: InHand<CallId, (Principal, Digest), Waiter>,
    closing: AtomicBool,
}

/// Who waits for an answer.
#[derive(Clone)]
struct Waiter {
    replies: Arc<dyn Replies>,
    attempt: u32,
    /// The job's call stands in `in_hand`, with the copies that attached to it.
    in_hand: bool,
}

impl Engine {
    /// Starts the engine.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(config: Config) -> std::io::Result<Self> {
        let relief = Pool::start("writer", config.prepare_threads.min(1))?;
        let inner = Inner {
            store: config.store,
            role: WriterRole::new(config.writer, writer::BOUNDS, relief),
            registry: config.registry,
            keys: config.keys,
            clock: config.clock,
            slots_max: config.slots_max,
            pool: Pool::start("prepare", config.prepare_threads)?,
            on_fatal: config.on_fatal,
            mint_rate: MintRate::default(),
            in_hand: InHand::new(COPIES_PER_CALL_MAX),
            closing: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes what one connection has received, and runs it. Synchronous: this thread may run the writer role
    /// before it returns. Every request gets exactly one answer through `replies`, now or later.
    pub fn hand_in(&self, principal: Principal, requests: Vec<Request>, replies: &Arc<dyn Replies>) {
        self.take_in(principal, requests, replies);
        self.run_queued();
    }

    /// Takes what one connection has received, and answers what needs no transaction. [`Self::run_queued`] must
    /// follow; what other connections hand in between the two shares the transaction.
    pub fn take_in(&self, principal: Principal, requests: Vec<Request>, replies: &Arc<dyn Replies>) {
        let mut questions = Vec::new();
        for request in requests {
            match request {
                Request::Call(call) => self.admit_call(principal, call, replies),
                Request::Cancel(cancel) => self.inner.admit_cancel(principal, cancel, replies),
                Request::Read(read) => {
                    if let Some(work) = self.inner.admit_read(principal, &read, replies) {
                        questions.push(Question::Read(read.tag, work));
                    }
                }
                Request::Outcome(query) => questions.push(Question::Outcome(query)),
            }
        }
        self.answer_questions(principal, questions, replies);
    }

    /// Runs what is queued on this thread, unless another one is running it.
    pub fn run_queued(&self) {
        role::drive(&self.inner);
    }

    /// What a welcome tells.
    ///
    /// # Errors
    /// When the store fails.
    pub fn facts(&self) -> Result<StoreFacts, StoreError> {
        let Meta { store, generation, horizon_ms } = self.inner.store.meta()?;
        let server_time_us = (self.inner.clock)();
        Ok(StoreFacts {
            store,
            generation,
            server_time_us,
            mint_time_ms: (server_time_us / 1000).max(horizon_ms.saturating_add(HORIZON_LAG_MS)),
            slots_max: self.inner.slots_max,
            services: self.inner.registry.limits(),
        })
    }

    /// The services of this engine.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Raises the horizon and deletes old rows in small transactions, between which calls are run; to be called
    /// about once a minute with the time since the last call. Returns rows deleted.
    ///
    /// # Errors
    /// When the store fails; the next call tries again.
    pub fn keep_house(&self, uptime_ms: u64) -> Result<usize, StoreError> {
        let now_us = (self.inner.clock)();
        let mut deleted = 0;
        for uptime_ms in std::iter::once(uptime_ms).chain(std::iter::repeat(0)).take(COLLECT_BATCHES_MAX) {
            let closing = &self.inner.closing;
            let kept = self.inner.with_writer(|writer| match closing.load(Ordering::SeqCst) {
                // Nothing is written any more once the log was folded.
                true => Ok(Kept::default()),
                false => keep_house(writer, now_us, uptime_ms),
            })?;
            deleted += kept.deleted;
            if !kept.more {
                break;
            }
        }
        Ok(deleted)
    }

    /// Takes no new calls from now on, finishes those in hand, and folds the write-ahead log into the
    /// database.
    ///
    /// # Errors
    /// When the store fails; everything answered is durable all the same.
    pub fn drain(&self) -> Result<(), StoreError> {
        self.inner.closing.store(true, Ordering::SeqCst);
        self.inner.pool.close();
        role::drain(&*self.inner);
        self.inner.with_writer(Writer::checkpoint)
    }

    fn admit_call(&self, principal: Principal, call: Call, replies: &Arc<dyn Replies>) {
        let mut waiter = Waiter { replies: Arc::clone(replies), attempt: call.attempt, in_hand: false };
        let id = call.id;
        let work = match self.inner.check_call(principal, &call) {
            Ok(work) => work,
            Err(answer) => return waiter.answer(id, answer.to_bytes(), false),
        };
        let digests = self.inner.keys.digests(&call);
        // A call that only shares the id goes its own way: the row will say what it is.
        match self.inner.in_hand.attach(id, (principal, digests.current), &waiter) {
            Attached::Copy => return,
            Attached::TooMany => return waiter.answer(id, overloaded().answer, false),
            Attached::Original => waiter.in_hand = true,
            Attached::Stranger => {}
        }
        let (prepare, bytes) = (work.spec().prepare, call.body.len());
        let task = Task::Call { previous: call.previous, digests, not_after_us: call.not_after_us, work };
        let queued = Queued { job: Job { id, principal, task }, waiter, bytes };
        match prepare {
            Prepare::None => self.inner.queue(queued),
            Prepare::Pool => self.prepare(queued),
        }
    }

    fn prepare(&self, queued: Queued<Waiter>) {
        let refused = queued.waiter.clone();
        let id = queued.job.id;
        let inner = Arc::clone(&self.inner);
        let task = Box::new(move || {
            inner.prepare_and_queue(queued);
            role::drive(&inner);
        });
        if self.inner.pool.submit(task).is_err() {
            self.inner.finish(id, refused, overloaded());
        }
    }

    fn answer_questions(&self, principal: Principal, questions: Vec<Question>, replies: &Arc<dyn Replies>) {
        let (slow, quick): (Vec<_>, Vec<_>) = questions.into_iter().partition(Question::is_slow);
        if !quick.is_empty() {
            self.inner.answer(principal, quick, replies);
        }
        for question in slow {
            let (inner, to) = (Arc::clone(&self.inner), Arc::clone(replies));
            let reference = question.reference();
            let task = Box::new(move || inner.answer(principal, vec![question], &to));
            if self.inner.pool.submit(task).is_err() {
                deliver(replies, reply(reference, 0, overloaded().answer, false));
            }
        }
    }
}

/// Something that is answered over a snapshot.
enum Question {
    Read(u64, Work),
    Outcome(OutcomeQuery),
}

impl Question {
    fn is_slow(&self) -> bool {
        matches!(self, Self::Read(_, work) if work.spec().prepare == Prepare::Pool)
    }

    fn reference(&self) -> Reference {
        match self {
            Self::Read(tag, _) => Reference::Read(*tag),
            Self::Outcome(query) => Reference::Call(query.id),
        }
    }

    fn answer(
        self,
        snapshot: &Snapshot<'_>,
        principal: Principal,
        now_us: u64,
    ) -> Result<ServerFrame, StoreError> {
        match self {
            Self::Outcome(query) => outcome(snapshot, principal, query)
                .map(|outcome| ServerFrame::Outcome(OutcomeReply { id: query.id, outcome })),
            Self::Read(tag, mut work) => {
                if !work.is_prepared() {
                    work.prepare(snapshot)?;
                }
                let answer = match work.read(snapshot, &ReadContext { principal, now_us })? {
                    Ok(reply) => Answer::Done(reply),
                    Err(refusal) => Answer::Refused(refusal),
                };
                Ok(reply(Reference::Read(tag), 0, answer.to_bytes(), false))
            }
        }
    }
}

impl Inner {
    /// Server rule 0, for a call.
    fn check_call(&self, principal: Principal, call: &Call) -> Result<Work, Answer> {
        let work = self.registry.parse(&call.service, call.version, &call.body)?;
        let spec = work.spec();
        check_effect(spec, Effect::Command)?;
        check_permission(principal, spec)?;
        self.check_slot(call.id)?;
        self.check_mint_rate(principal, call.id)?;
        if self.closing.load(Ordering::SeqCst) {
            return Err(Answer::transient(TransientCause::ShuttingDown, SHUTDOWN_RETRY_MS));
        }
        Ok(work)
    }

    /// Server rule 0, for a cancel.
    fn check_cancel(&self, principal: Principal, cancel: &Cancel) -> Result<(), Answer> {
        if !self.registry.has_commands_for(principal) {
            let text = format!("{principal} may send no command here, so there is nothing to cancel");
            return Err(Answer::door(DoorCause::NotPermitted, text));
        }
        if cancel.previous.is_none() && !principal.is_operator() {
            let text = "only an operator may cancel without the hash of the previous reply";
            return Err(Answer::door(DoorCause::NotPermitted, text));
        }
        if cancel.id.slot.0 >= SLOTS_MAX_CEILING {
            let text =
                format!("slot {} is over the {SLOTS_MAX_CEILING} that any server grants", cancel.id.slot.0);
            return Err(Answer::door(DoorCause::OverLimit, text));
        }
        self.check_mint_rate(principal, cancel.id)
    }

    /// A server may be started again with fewer slots, or stand beside one that grants more: a call whose slot has
    /// a row already is judged by that row, and its cancel always is.
    fn check_slot(&self, id: CallId) -> Result<(), Answer> {
        if id.slot.0 < self.slots_max {
            return Ok(());
        }
        match self.store.snapshot(|view| view.slot_row(id.session, id.slot)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                let text =
                    format!("slot {} is over the {} that this server grants", id.slot.0, self.slots_max);
                Err(Answer::door(DoorCause::OverLimit, text))
            }
            Err(error) => {
                if writer::is_fatal(&error) {
                    self.end_process(&error);
                }
                tracing::warn!(call = %id, error = chain(&error), "a slot could not be looked up");
                Err(Answer::transient(TransientCause::StoreUnavailable, STORE_RETRY_MS))
            }
        }
    }

    /// With the slots, what bounds the rows that a principal can make.
    fn check_mint_rate(&self, principal: Principal, id: CallId) -> Result<(), Answer> {
        if id.sequence == Sequence::FIRST && !self.mint_rate.take(principal, (self.clock)()) {
            return Err(Answer::transient(TransientCause::SessionsTooFast, OVERLOADED_RETRY_MS));
        }
        Ok(())
    }

    fn admit_read(&self, principal: Principal, read: &Read, replies: &Arc<dyn Replies>) -> Option<Work> {
        let parsed = self.registry.parse(&read.service, read.version, &read.body).and_then(|work| {
            check_effect(work.spec(), Effect::Read)?;
            check_permission(principal, work.spec())?;
            Ok(work)
        });
        match parsed {
            Ok(work) => Some(work),
            Err(answer) => {
                deliver(replies, reply(Reference::Read(read.tag), 0, answer.to_bytes(), false));
                None
            }
        }
    }

    fn admit_cancel(&self, principal: Principal, cancel: Cancel, replies: &Arc<dyn Replies>) {
        let waiter = Waiter { replies: Arc::clone(replies), attempt: 0, in_hand: false };
        if let Err(answer) = self.check_cancel(principal, &cancel) {
            return waiter.answer(cancel.id, answer.to_bytes(), false);
        }
        let task = Task::Cancel { previous: cancel.previous, nonce_tag: cancel.nonce.map(nonce_tag) };
        let queued = Queued { job: Job { id: cancel.id, principal, task }, waiter, bytes: 0 };
        if let Some(refused) = self.role.push_urgent(queued) {
            refused.waiter.answer(cancel.id, self.turned_away().answer, false);
        }
    }

    fn prepare_and_queue(&self, mut queued: Queued<Waiter>) {
        let Task::Call { work, .. } = &mut queued.job.task else {
            return self.queue(queued);
        };
        let prepared = catch_unwind(AssertUnwindSafe(|| self.store.snapshot(|view| work.prepare(view))));
        let failure = match prepared {
            Ok(Ok(())) => return self.queue(queued),
            Ok(Err(error)) => {
                tracing::warn!(call = %queued.job.id, error = chain(&error), "preparing a call failed");
                Verdict::transient(TransientCause::StoreUnavailable, STORE_RETRY_MS)
            }
            Err(_panic) => {
                tracing::error!(call = %queued.job.id, "preparing a call panicked");
                Verdict::transient(TransientCause::Fault, FAULT_RETRY_MS)
            }
        };
        self.finish(queued.job.id, queued.waiter, failure);
    }

    fn queue(&self, queued: Queued<Waiter>) {
        if let Some(refused) = self.role.push(queued) {
            self.finish(refused.job.id, refused.waiter, self.turned_away());
        }
    }

    /// Why the queue took nothing more.
    fn turned_away(&self) -> Verdict {
        if self.closing.load(Ordering::SeqCst) {
            return Verdict::transient(TransientCause::ShuttingDown, SHUTDOWN_RETRY_MS);
        }
        overloaded()
    }

    /// Uses the writer for something else than calls. Nothing is done once the store cannot be trusted.
    fn with_writer<T: Default>(
        self: &Arc<Self>,
        use_it: impl FnOnce(&mut Writer) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        role::with_tool(self, use_it, writer::is_fatal).unwrap_or_else(|| Ok(T::default()))
    }

    fn end_process(&self, error: &StoreError) {
        tracing::error!(error = chain(error), "the store cannot be trusted any more");
        self.closing.store(true, Ordering::SeqCst);
        (self.on_fatal)(error);
    }

    /// Hands a verdict to the original and to the copies that attached to it.
    fn finish(&self, id: CallId, waiter: Waiter, verdict: Verdict) {
        let copies = if waiter.in_hand { self.in_hand.release(&id) } else { Vec::new() };
        for copy in copies {
            copy.answer(id, verdict.answer.clone(), verdict.recorded);
        }
        waiter.answer(id, verdict.answer, verdict.replayed);
    }

    fn answer(&self, principal: Principal, questions: Vec<Question>, replies: &Arc<dyn Replies>) {
        let now_us = (self.clock)();
        for question in questions {
            let (reference, is_outcome) = (question.reference(), matches!(question, Question::Outcome(_)));
            let answered = catch_unwind(AssertUnwindSafe(|| {
                self.store.snapshot(|view| question.answer(view, principal, now_us))
            }));
            let failure = match answered {
                Ok(Ok(frame)) => {
                    deliver(replies, frame);
                    continue;
                }
                Ok(Err(error)) if writer::is_fatal(&error) => {
                    self.end_process(&error);
                    TransientCause::StoreUnavailable
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = chain(&error), "a read failed");
                    TransientCause::StoreUnavailable
                }
                Err(_panic) => {
                    tracing::error!("a read panicked");
                    TransientCause::Fault
                }
            };
            let frame = match reference {
                Reference::Call(id) if is_outcome => {
                    let outcome = Outcome::Unavailable { retry_after_ms: STORE_RETRY_MS };
                    ServerFrame::Outcome(OutcomeReply { id, outcome })
                }
                Reference::Call(_) | Reference::Read(_) => {
                    reply(reference, 0, Answer::transient(failure, STORE_RETRY_MS).to_bytes(), false)
                }
            };
            deliver(replies, frame);
        }
    }
}

impl Duty for Inner {
    type Job = Queued<Waiter>;
    type Answer = Verdict;
    type Tool = Writer;
    type Fatal = StoreError;

    fn role(&self) -> &Role<Queued<Waiter>, Writer> {
        &self.role
    }

    fn execute(&self, writer: &mut Writer, calls: &[Queued<Waiter>]) -> Result<Vec<Verdict>, StoreError> {
        writer::execute_queued(writer, calls, (self.clock)())
    }

    fn fault(&self, call: &Queued<Waiter>) -> Verdict {
        writer::fault(&call.job)
    }

    fn deliver(&self, call: Queued<Waiter>, verdict: Verdict) {
        self.finish(call.job.id, call.waiter, verdict);
    }

    fn tidy(&self, writer: &mut Writer) -> Result<(), StoreError> {
        writer::fold_log(writer)
    }

    fn end(&self, fatal: &StoreError) {
        self.end_process(fatal);
    }
}

impl Waiter {
    fn answer(&self, id: CallId, answer: Vec<u8>, replayed: bool) {
        deliver(&self.replies, reply(Reference::Call(id), self.attempt, answer, replayed));
    }
}

/// An outbox that panics loses its own frame, and nobody else's.
fn deliver(replies: &Arc<dyn Replies>, frame: ServerFrame) {
    if catch_unwind(AssertUnwindSafe(|| replies.deliver(frame))).is_err() {
        tracing::error!("an outbox panicked; its client asks again");
    }
}

fn check_effect(spec: &CommandSpec, wanted: Effect) -> Result<(), Answer> {
    if spec.effect == wanted {
        return Ok(());
    }
    let text = match spec.effect {
        Effect::Command => format!("{} has an effect: send it as a call with a call id", spec.name),
        Effect::Read => format!("{} has no effect: send it as a read, without a call id", spec.name),
    };
    Err(Answer::door(DoorCause::Malformed, text))
}

fn check_permission(principal: Principal, spec: &CommandSpec) -> Result<(), Answer> {
    if permit(principal, spec) {
        return Ok(());
    }
    let text = format!(
        "{} is not permitted to {principal}; connect through the server's own Unix socket, or with the operator key over tls://",
        spec.name
    );
    Err(Answer::door(DoorCause::NotPermitted, text))
}

fn overloaded() -> Verdict {
    Verdict::transient(TransientCause::Overloaded, OVERLOADED_RETRY_MS)
}

fn reply(reference: Reference, attempt: u32, answer: Vec<u8>, replayed: bool) -> ServerFrame {
    ServerFrame::Reply(Reply { reference, attempt, replayed, answer })
}
