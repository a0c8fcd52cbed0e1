//! The client process: an ordinary durable client under an application that keeps notes. After a restart it first takes over
//! what the journal holds, then begins what it intended and the journal never got; it ends when its standard input does.
//! Absent: knowledge of who kills whom.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use minicbor::Encode;
use switchboard_client::{
    Answered, CallError, CallId, CallView, Client, Credential, Event, JournalPlace, Nodes, Options, Pending,
    Plaintext, Settled, Trust, Unresolved,
};
use switchboard_commands::Commands;
use switchboard_commands::bank::{self, AccountId, Bank};
use switchboard_commands::money::{Amount, Currency};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::errand::Errand;
use crate::notes::{Ending, Noted, Notes, Told};
use crate::seats;
use crate::task::{Haste, Task, beneficiary};
use crate::wire::Seats;

/// Calls under way at a time.
const IN_FLIGHT: usize = 16;
/// The driver flushes within its task, and so do the notes.
const THREADS: usize = 3;
/// Deadline of a hasty call: about as long as an undisturbed call takes.
const HASTE: Duration = Duration::from_millis(4);

/// Runs the client to its end.
pub(crate) fn run(errand: &Errand) {
    let death = rustix::process::Signal::KILL;
    rustix::process::set_parent_process_death_signal(Some(death)).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
    runtime.block_on(async {
        let (notes, noted) = Notes::open(errand);
        let notes = Arc::new(notes);
        let client = Client::open(options(errand, &notes)).unwrap();
        let teller = Teller {
            client,
            notes,
            next: AtomicU64::new(noted.intentions.keys().last().map_or(0, |label| label + 1)),
            errand: errand.clone(),
        };
        Arc::new(teller).work(noted).await;
    });
    // A thread that waits for standard input is left behind.
    runtime.shutdown_background();
}

fn options(errand: &Errand, notes: &Arc<Notes>) -> Options {
    let nodes = Nodes::new(vec![errand.address.parse().unwrap()], Plaintext::LoopbackOnly).unwrap();
    let trust = errand.pin.as_ref().map_or(Trust::SystemRoots, |pin| Trust::Pin(pin.parse().unwrap()));
    let notes = Arc::clone(notes);
    Options {
        credential: errand.operator_key.as_ref().map(|path| Credential::new(&std::fs::read(path).unwrap())),
        on_event: Arc::new(move |event: Event| {
            // To the log of this process; without it the test goes on.
            let _unheard = writeln!(std::io::stderr(), "{event}");
            if event.is_alarm() {
                notes.fault(&format!("alarm: {event}"));
            }
        }),
        ..Options::durable(nodes, trust, JournalPlace::File(errand.journal.clone()))
    }
}

struct Teller {
    client: Client,
    notes: Arc<Notes>,
    /// The next label.
    next: AtomicU64,
    errand: Errand,
}

impl Teller {
    async fn work(self: Arc<Self>, noted: Noted) {
        let mut work = JoinSet::new();
        let in_journal = self.take_over(&mut work).await;
        for (label, intention) in noted.intentions {
            // What is neither in the journal nor noted as ended was never begun.
            if intention.told.is_empty() && !in_journal.contains(&label) {
                let begun_at_last = Arc::clone(&self).perform(label, intention.haste, intention.task);
                work.spawn(async {
                    let _done_or_not = begun_at_last.await;
                });
            }
        }
        let stop = until_stdin_ends();
        for _ in 0..IN_FLIGHT {
            work.spawn(Arc::clone(&self).go_on(stop.clone()));
        }
        while let Some(ended) = work.join_next().await {
            ended.unwrap();
        }
        self.client.clone().close().await;
    }

    /// Takes over what the process before this one left in the journal; returns the labels.
    async fn take_over(self: &Arc<Self>, work: &mut JoinSet<()>) -> BTreeSet<u64> {
        let recovered = self.client.recovered().await.unwrap();
        self.notes.started(recovered.answered.len(), recovered.open.len());
        let mut labels = BTreeSet::new();
        for settled in recovered.answered {
            let label = settled.label.parse().unwrap();
            labels.insert(label);
            self.notes.begun(label, settled.id);
            self.settled(label, settled).await;
        }
        for call in recovered.open {
            labels.insert(call.label.parse().unwrap());
            work.spawn(Arc::clone(self).wait_for(call));
        }
        labels
    }

    async fn wait_for(self: Arc<Self>, call: CallView) {
        let (label, id) = (call.label.parse().unwrap(), call.id.unwrap());
        self.notes.begun(label, id);
        self.until_settled(label, id).await;
    }

    async fn go_on(self: Arc<Self>, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let label = self.next.fetch_add(1, Ordering::SeqCst);
            let (haste, task) = (Haste::choose(&self.errand, label), Task::choose(&self.errand, label));
            self.notes.intend(label, haste, &task);
            let done = Arc::clone(&self).perform(label, haste, task.clone()).await;
            if let (true, Task::Reserve { seat }) = (done && label.is_multiple_of(3), task) {
                self.give_back(seat, beneficiary(self.errand.client, label)).await;
            }
        }
    }

    async fn give_back(self: &Arc<Self>, seat: u32, holder: String) {
        let label = self.next.fetch_add(1, Ordering::SeqCst);
        let task = Task::Release { seat, holder };
        self.notes.intend(label, Haste::Patient, &task);
        Arc::clone(self).perform(label, Haste::Patient, task).await;
    }

    /// Has the task done; true when it was.
    async fn perform(self: Arc<Self>, label: u64, haste: Haste, task: Task) -> bool {
        let who = beneficiary(self.errand.client, label);
        match task {
            Task::Withdraw { account, minor } => {
                let command = bank::Command::Withdraw {
                    account: AccountId::from_number(account).unwrap(),
                    money: Amount::from_minor(minor).of(Currency::from_code(b"EUR").unwrap()),
                    memo: Some(who.parse().unwrap()),
                };
                self.call::<Bank>(label, haste, command).await
            }
            Task::Reserve { seat } => {
                self.call::<Seats>(label, haste, seats::Command::Reserve(seat, who)).await
            }
            Task::Release { seat, holder } => {
                self.call::<Seats>(label, haste, seats::Command::Release(seat, holder)).await
            }
        }
    }

    async fn call<C: Commands>(&self, label: u64, haste: Haste, command: C::Command) -> bool {
        let client = match haste {
            Haste::Patient | Haste::Cancels => self.client.clone(),
            Haste::Deadline => self.client.with_deadline(Some(HASTE)),
            Haste::NotAfter => self.client.with_not_after(Some(HASTE)),
        };
        let begun = client.with_label(&label.to_string()).begin::<C>(command).await;
        let mut pending: Pending<C> = begun.unwrap();
        let Some(id) = pending.id().await else {
            let error = pending.answer().await.err().unwrap();
            assert!(haste == Haste::Deadline && matches!(error, CallError::NotSent { .. }), "{error:?}");
            self.notes.ended(label, &Told { id: None, maybe_seen: false, ending: Ending::NeverSent });
            return false;
        };
        self.notes.begun(label, id);
        let answer = match haste {
            Haste::Cancels => {
                let (answer, cancelled) = tokio::join!(pending.answer(), self.client.cancel(id));
                self.compare(&answer, cancelled);
                answer
            }
            Haste::Patient | Haste::Deadline | Haste::NotAfter => pending.answer().await,
        };
        self.answered(label, id, answer).await
    }

    /// Who cancels and who waits are told the same.
    fn compare<R: Encode<()>, F: Encode<()>>(
        &self,
        answer: &Result<Answered<R, F>, CallError>,
        cancelled: Result<Settled, CallError>,
    ) {
        match cancelled {
            Ok(settled) if Ending::of(&settled.end) != ending(answer) => {
                self.notes.fault(&format!("{settled:?} to who cancelled, another end to who waited"))
            }
            // It had ended before the cancel came, or nobody has answered so far.
            Ok(_)
            | Err(CallError::Unknown { .. } | CallError::Unresolved { why: Unresolved::NoAnswer, .. }) => {}
            Err(error) => self.notes.fault(&format!("a cancel ended so: {error}")),
        }
    }

    async fn answered<R: Encode<()>, F: Encode<()>>(
        &self,
        label: u64,
        id: CallId,
        answer: Result<Answered<R, F>, CallError>,
    ) -> bool {
        let maybe_seen = answer.as_ref().is_ok_and(|answered| answered.maybe_seen);
        match (ending(&answer), answer) {
            (Some(ending), _) => self.told(label, Told { id: Some(id), maybe_seen, ending }).await,
            (None, Err(CallError::Unresolved { why: Unresolved::NoAnswer, .. })) => {
                self.until_settled(label, id).await
            }
            (None, Err(error)) => {
                self.notes.fault(&format!("{id} ended so: {error}"));
                false
            }
            (None, Ok(_)) => unreachable!("an answer is an ending"),
        }
    }

    async fn until_settled(&self, label: u64, id: CallId) -> bool {
        loop {
            match self.client.wait_for(id).await {
                Ok(settled) => return self.settled(label, settled).await,
                Err(CallError::Unresolved { why: Unresolved::NoAnswer, .. }) => {}
                Err(error) => {
                    self.notes.fault(&format!("{id} was waited for in vain: {error}"));
                    return false;
                }
            }
        }
    }

    async fn settled(&self, label: u64, settled: Settled) -> bool {
        match Ending::of(&settled.end) {
            Some(ending) => {
                let told = Told { id: Some(settled.id), maybe_seen: settled.maybe_seen, ending };
                self.told(label, told).await
            }
            None => {
                self.notes.fault(&format!("ended so: {settled:?}"));
                false
            }
        }
    }

    /// Notes the end, then lets the journal forget it.
    async fn told(&self, label: u64, told: Told) -> bool {
        self.notes.ended(label, &told);
        self.client.acknowledge(told.id.unwrap()).await.unwrap();
        matches!(told.ending, Ending::Done(_))
    }
}

/// None when it is not known yet, or one that no test here can lead to.
fn ending<R: Encode<()>, F: Encode<()>>(answer: &Result<Answered<R, F>, CallError>) -> Option<Ending> {
    match answer.as_ref().map(|answered| &answered.result) {
        Ok(Ok(reply)) => Some(Ending::Done(minicbor::to_vec(reply).unwrap())),
        Ok(Err(refusal)) => Some(Ending::Refused(minicbor::to_vec(refusal).unwrap())),
        Err(CallError::Cancelled { .. }) => Some(Ending::Cancelled),
        Err(CallError::TooLate { .. }) => Some(Ending::TooLate),
        Err(_) => None,
    }
}

fn until_stdin_ends() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let _ended = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        let _nobody_left = stop.send(true);
    });
    stopped
}
