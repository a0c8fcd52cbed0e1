//! The client process of the demonstration: draws cash a given number of times in all, however often it is killed, with an
//! ordinary durable client. Each answer is noted on the disk, then acknowledged; what the journal hands over after a restart is
//! settled first. Absent: knowledge of the faults around it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use serde::{Deserialize, Serialize};
use switchboard_call::id::CallId;
use switchboard_client::{AnsweredBy, CallError, Client, Settled, answered_by};
use switchboard_commands::bank::{AccountId, Bank, Command, Reply};
use switchboard_commands::money::{Amount, Currency, Money};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::notes::Notes;
use crate::caller::Caller;
use crate::commands::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::verdict::Note;
use crate::screen::Screen;

/// Withdrawals under way at a time.
const IN_FLIGHT: usize = 4;

/// What the hidden command takes.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The file of the notes
    #[arg(long)]
    pub notes: PathBuf,
    /// The account
    pub account: String,
    /// How much each time, in EUR
    pub amount: String,
    /// How many times in all
    pub calls: u32,
}

/// What the client tells, one JSON line each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub(super) enum Told {
    /// It runs, and this is what notes and journal held.
    Started {
        /// Answers that are noted.
        noted: usize,
        /// Answers that the journal hands over, perhaps for the second time.
        handed_over: usize,
        /// Of those, answers that were noted before the kill.
        seen_before: usize,
        /// Calls without an answer, sent again.
        open: usize,
    },
    /// One more answer is noted.
    Noted {
        /// The call.
        call: String,
        /// Whether cash was drawn.
        drawn: bool,
    },
}

impl Told {
    pub(super) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    fn tell(&self, screen: &Screen) -> Result<(), Failure> {
        let line = serde_json::to_string(self).map_err(|error| Failure::from_error(Exit::Internal, error))?;
        screen.line(&line)
    }
}

/// Runs the client until everything is drawn, or its standard input is closed.
///
/// # Errors
/// When the journal or the notes cannot be used.
pub fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    crate::parent::end_with_it();
    on.block_on(async {
        std::fs::create_dir_all(&on.data).map_err(|error| of_notes(&error))?;
        let caller = Caller::of_journal(on, &on.data.join("cash.journal")).await?;
        let till = Till::open(on, caller.client().clone(), arguments)?;
        Arc::new(till).draw().await?;
        caller.close().await?;
        Ok(Exit::Done)
    })
}

struct Till {
    client: Client,
    screen: Screen,
    notes: Mutex<Notes>,
    command: Command,
    calls: usize,
}

impl Till {
    fn open(on: &Invocation, client: Client, arguments: &Arguments) -> Result<Self, Failure> {
        let wrong = |error| Failure::from_error(Exit::Usage, error);
        let account: AccountId = arguments.account.parse().map_err(wrong)?;
        let currency: Currency = "EUR".parse().map_err(wrong)?;
        let money: Money = Amount::parse(&arguments.amount, currency).map_err(wrong)?.of(currency);
        Ok(Self {
            client,
            screen: on.screen.clone(),
            notes: Mutex::new(Notes::open(&arguments.notes).map_err(|error| of_notes(&error))?),
            command: Command::Withdraw { account, money, memo: None },
            calls: usize::try_from(arguments.calls).unwrap_or(usize::MAX),
        })
    }

    async fn draw(self: Arc<Self>) -> Result<(), Failure> {
        let recovered = self.client.recovered().await?;
        let open: Vec<CallId> = recovered.open.iter().filter_map(|call| call.id).collect();
        let left = self.left(&recovered.answered, &open)?;
        let mut work = JoinSet::new();
        for settled in recovered.answered {
            self.take_over(settled.id, answered_by::<Bank>(settled)).await?;
        }
        for id in open {
            let till = Arc::clone(&self);
            work.spawn(async move {
                let ended = till.client.wait_for(id).await.and_then(answered_by::<Bank>);
                till.take_over(id, ended).await
            });
        }
        let tickets = Arc::new(Mutex::new(left));
        let stop = until_stdin_closes();
        for _ in 0..IN_FLIGHT {
            work.spawn(Arc::clone(&self).draw_while(Arc::clone(&tickets), stop.clone()));
        }
        while let Some(ended) = work.join_next().await {
            ended.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()))?;
        }
        Ok(())
    }

    /// How many withdrawals are to be made anew: each call that notes or journal know has been asked for already.
    fn left(&self, answered: &[Settled], open: &[CallId]) -> Result<usize, Failure> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let in_journal: BTreeSet<CallId> =
            answered.iter().map(|settled| settled.id).chain(open.iter().copied()).collect();
        let seen_before = in_journal.iter().filter(|id| notes.holds(**id)).count();
        let told = Told::Started {
            noted: notes.count(),
            handed_over: answered.len(),
            seen_before,
            open: open.len(),
        };
        told.tell(&self.screen)?;
        Ok(self.calls.saturating_sub(notes.count() + in_journal.len() - seen_before))
    }

    async fn draw_while(
        self: Arc<Self>,
        tickets: Arc<Mutex<usize>>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        while !*stop.borrow() && take_one(&tickets) {
            let mut pending = self.client.begin::<Bank>(self.command.clone()).await?;
            match pending.id().await {
                Some(id) => self.take_over(id, pending.answer().await).await?,
                // Without an id nothing was sent: the answer says why.
                None => return Err(pending.answer().await.map_or_else(Failure::from, |_| strange())),
            }
        }
        Ok(())
    }

    /// Notes what became of the call, then lets the journal forget it.
    async fn take_over(&self, id: CallId, ended: Result<AnsweredBy<Bank>, CallError>) -> Result<(), Failure> {
        let note = match ended.map(|answered| answered.result) {
            Ok(Ok(Reply::Withdrawn { transfer, .. })) => Note::Drawn { transfer: transfer.number() },
            Ok(Ok(other)) => Note::Other(format!("answered {other:?}")),
            Ok(Err(refusal)) => Note::Other(format!("refused: {refusal}")),
            Err(error) => Note::Other(error.to_string()),
        };
        let drawn = matches!(note, Note::Drawn { .. });
        let news = {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.add(id, note).map_err(|error| of_notes(&error))?
        };
        self.client.acknowledge(id).await?;
        if news {
            Told::Noted { call: id.to_string(), drawn }.tell(&self.screen)?;
        }
        Ok(())
    }
}

fn take_one(tickets: &Mutex<usize>) -> bool {
    let mut left = tickets.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = *left > 0;
    *left = left.saturating_sub(1);
    taken
}

fn until_stdin_closes() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        // Whatever the end looks like, nobody wants more.
        let _ended = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        let _nobody_left = stop.send(true);
    });
    stopped
}

fn strange() -> Failure {
    Failure::new(Exit::Internal, "a call was answered without having an id")
}

fn of_notes(error: &std::io::Error) -> Failure {
    Failure::new(Exit::InputOutput, format!("cannot write the notes of the demonstration: {error}"))
}
