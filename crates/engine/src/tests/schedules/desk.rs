//! A role with the smallest duty that can show a mistake: a ledger of what ran, kept by the tool, and a list of
//! who was told what. What is only watched is kept in plain atomics and locks, which add no schedules. A rule that
//! is broken within a batch is written down: the role survives the panics of a batch.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Plain};

use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use super::in_hand::{Attached, InHand};
use super::prepare::Pool;
use super::role::{self, Bounds, Duty, Role, Weighed};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Call,
    /// Ends this call if it has not run.
    Cancel(u32),
    Panics,
    Fatal,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Done,
    Cancelled,
    Fault,
}

/// Who waits: the thread that handed in, and which of its jobs.
pub(super) type Waiter = (u32, u32);

pub(super) struct Job {
    call: u32,
    kind: Kind,
    waiter: Waiter,
    in_hand: bool,
}

/// All weigh one.
impl Weighed for Job {
    fn bytes(&self) -> usize {
        1
    }
}

/// The store: what each call came to, for good.
#[derive(Default)]
pub(super) struct Ledger {
    ended: BTreeMap<u32, Answer>,
    last_of_thread: BTreeMap<u32, u32>,
}

pub(super) struct Desk {
    role: Role<Job, Ledger>,
    in_hand: InHand<u32, u32, Waiter>,
    told: Mutex<Vec<(Waiter, Answer)>>,
    changed: Condvar,
    accepted: Plain<Vec<Waiter>>,
    runs: Plain<BTreeMap<u32, usize>>,
    given_back: AtomicUsize,
    held: AtomicBool,
    drained: AtomicBool,
    ends: AtomicUsize,
    broken: Plain<Option<String>>,
}

/// Jobs in a batch, whichever bound ends it.
pub(super) const BATCH_JOBS_MAX: usize = 2;

/// Small enough that three jobs are two batches and the second is the relief thread's.
pub(super) fn bounds() -> Bounds {
    let (jobs_max, urgent_max) = (64, 64);
    Bounds {
        jobs_max,
        urgent_max,
        bytes_max: 64,
        batch_jobs_max: BATCH_JOBS_MAX,
        batch_bytes_max: 64,
        tenure_batches_max: 1,
    }
}

impl Desk {
    pub(super) fn new(relief_threads: usize, bounds: Bounds) -> Arc<Self> {
        let relief = Pool::start("relief", relief_threads).unwrap();
        Arc::new(Self {
            role: Role::new(Ledger::default(), bounds, relief),
            in_hand: InHand::new(8),
            told: Mutex::default(),
            changed: Condvar::new(),
            accepted: Plain::default(),
            runs: Plain::default(),
            given_back: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            drained: AtomicBool::new(false),
            ends: AtomicUsize::new(0),
            broken: Plain::default(),
        })
    }

    pub(super) fn with_relief() -> Arc<Self> {
        Self::new(1, bounds())
    }

    pub(super) fn inline() -> Arc<Self> {
        Self::new(0, bounds())
    }

    pub(super) fn spawn(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let desk = Arc::clone(self);
        thread::spawn(move || work(&desk))
    }

    /// Hands in jobs one after another, as a connection does.
    pub(super) fn hand_in(self: &Arc<Self>, thread: u32, jobs: u32, kind: Kind) {
        for number in 1..=jobs {
            let call = 100 * (thread + 1) + number;
            self.queue(Job { call, kind, waiter: (thread, number), in_hand: false });
        }
    }

    /// Hands in one of several copies of a call, as the door does.
    pub(super) fn hand_in_copy(self: &Arc<Self>, call: u32, thread: u32) {
        let waiter = (thread, 1);
        match self.in_hand.attach(call, 0, &waiter) {
            Attached::Copy => {}
            Attached::Original => self.queue(Job { call, kind: Kind::Call, waiter, in_hand: true }),
            Attached::TooMany | Attached::Stranger => panic!("a copy was taken for another call"),
        }
    }

    fn queue(self: &Arc<Self>, job: Job) {
        let waiter = job.waiter;
        let given_back = match job.kind {
            Kind::Cancel(_) => self.role.push_urgent(job),
            Kind::Call | Kind::Panics | Kind::Fatal => self.role.push(job),
        };
        if given_back.is_some() {
            self.given_back.fetch_add(1, Ordering::SeqCst);
        } else {
            self.accepted.lock().unwrap().push(waiter);
        }
        self.drive();
    }

    pub(super) fn drive(self: &Arc<Self>) {
        role::drive(self);
    }

    /// The tool is used for something else than jobs.
    pub(super) fn keep_house(self: &Arc<Self>) {
        self.keep_house_with(thread::yield_now);
    }

    /// The same, and `meanwhile` happens.
    pub(super) fn keep_house_with(self: &Arc<Self>, meanwhile: impl FnOnce()) {
        let kept = self.use_tool(|| {
            meanwhile();
            Ok(())
        });
        assert_eq!(kept, Some(Ok(())));
    }

    /// The use of the tool shows that it cannot be trusted any more; false when there was none.
    pub(super) fn spoil_tool(self: &Arc<Self>) -> bool {
        self.use_tool(|| Err(())).is_some()
    }

    fn use_tool(self: &Arc<Self>, use_it: impl FnOnce() -> Result<(), ()>) -> Option<Result<(), ()>> {
        let hold = |_: &mut Ledger| {
            self.take_hold();
            let used = use_it();
            self.let_go();
            used
        };
        role::with_tool(self, hold, |()| true)
    }

    pub(super) fn drain(self: &Arc<Self>) {
        self.drain_by(|desk| {
            role::drain(&**desk);
            desk.drained.store(true, Ordering::SeqCst);
        });
    }

    pub(super) fn drain_by(self: &Arc<Self>, drain: fn(&Arc<Self>)) {
        let before = self.accepted.lock().unwrap().clone();
        drain(self);
        self.check_rules();
        if self.ends() == 0 {
            let told = self.answers();
            for waiter in before {
                assert!(told.iter().any(|(who, _)| *who == waiter), "{waiter:?} not answered when drained");
            }
        }
    }

    /// Waits until so many answers were given: for ever, when one is lost.
    pub(super) fn await_answers(&self, count: usize) {
        let mut told = self.told.lock().unwrap();
        while told.len() < count {
            told = self.changed.wait(told).unwrap();
        }
    }

    pub(super) fn answers(&self) -> Vec<(Waiter, Answer)> {
        self.told.lock().unwrap().clone()
    }

    pub(super) fn check_answered_once(&self, count: usize) {
        self.check_rules();
        let mut waiters: Vec<_> = self.answers().into_iter().map(|(waiter, _)| waiter).collect();
        waiters.sort_unstable();
        waiters.dedup();
        assert_eq!((waiters.len(), self.answers().len()), (count, count), "answered twice or not at all");
    }

    pub(super) fn check_each_once(&self, count: usize) {
        self.check_answered_once(count);
        let runs = self.runs.lock().unwrap();
        assert_eq!(runs.len(), count);
        assert!(runs.values().all(|times| *times == 1), "run more than once: {runs:?}");
    }

    pub(super) fn check_rules(&self) {
        assert_eq!(*self.broken.lock().unwrap(), None);
    }

    pub(super) fn runs(&self, call: u32) -> usize {
        self.runs.lock().unwrap().get(&call).copied().unwrap_or(0)
    }

    pub(super) fn given_back(&self) -> usize {
        self.given_back.load(Ordering::SeqCst)
    }

    pub(super) fn ends(&self) -> usize {
        self.ends.load(Ordering::SeqCst)
    }

    fn take_hold(&self) {
        self.rule(!self.held.swap(true, Ordering::SeqCst), || "two threads hold the role".to_owned());
        self.rule(!self.drained.load(Ordering::SeqCst), || "something ran after the drain".to_owned());
        self.rule(self.ends() == 0, || "a tool that was given up is used".to_owned());
    }

    fn rule(&self, kept: bool, broken: impl FnOnce() -> String) {
        if !kept {
            self.broken.lock().unwrap().get_or_insert_with(broken);
        }
    }

    fn let_go(&self) {
        self.held.store(false, Ordering::SeqCst);
    }

    fn run(&self, ledger: &mut Ledger, job: &Job) -> Answer {
        let (thread, number) = job.waiter;
        let last = ledger.last_of_thread.insert(thread, number).unwrap_or(0);
        self.rule(last < number, || format!("thread {thread}: job {number} ran after job {last}"));
        let (call, fresh) = match job.kind {
            Kind::Cancel(call) => (call, Answer::Cancelled),
            Kind::Call | Kind::Panics | Kind::Fatal => (job.call, Answer::Done),
        };
        let answer = *ledger.ended.entry(call).or_insert_with(|| {
            if fresh == Answer::Done {
                *self.runs.lock().unwrap().entry(call).or_insert(0) += 1;
            }
            fresh
        });
        thread::yield_now();
        answer
    }
}

impl Duty for Desk {
    type Job = Job;
    type Answer = Answer;
    type Tool = Ledger;
    type Fatal = ();

    fn role(&self) -> &Role<Job, Ledger> {
        &self.role
    }

    fn execute(&self, ledger: &mut Ledger, jobs: &[Job]) -> Result<Vec<Answer>, ()> {
        self.take_hold();
        self.rule(jobs.len() <= BATCH_JOBS_MAX, || format!("a batch of {}", jobs.len()));
        if jobs.iter().any(|job| job.kind == Kind::Fatal) {
            self.let_go();
            return Err(());
        }
        if jobs.iter().any(|job| job.kind == Kind::Panics) {
            self.let_go();
            // Without the panic hook, which would report a failing schedule.
            resume_unwind(Box::new("a batch panics"));
        }
        let answers = jobs.iter().map(|job| self.run(ledger, job)).collect();
        self.let_go();
        Ok(answers)
    }

    fn fault(&self, _: &Job) -> Answer {
        Answer::Fault
    }

    fn deliver(&self, job: Job, answer: Answer) {
        let copies = if job.in_hand { self.in_hand.release(&job.call) } else { Vec::new() };
        let mut told = self.told.lock().unwrap();
        told.extend(copies.into_iter().chain([job.waiter]).map(|waiter| (waiter, answer)));
        self.changed.notify_all();
    }

    fn tidy(&self, _: &mut Ledger) -> Result<(), ()> {
        Ok(())
    }

    fn end(&self, (): &()) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }
}
