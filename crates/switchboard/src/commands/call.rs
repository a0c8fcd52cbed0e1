//! `switchboard call status|retry|resolve|cancel`: the calls that earlier commands left in their journals, and what a server
//! knows of any call id. Absent: a new try under a new id; that is for the person, once a call is known never to take effect.

mod settled;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use switchboard_call::id::CallId;
use switchboard_client::{CallError, Client, JournalError, ListedJournal, Settled, list_journals};
use tokio::task::JoinSet;

use super::Invocation;
use crate::caller::{self, Caller};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Side, table};

/// What can be done about calls.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Lists the calls that earlier commands left open, or asks the server what became of one
    #[command(
        after_help = "Examples:\n  switchboard call status\n  switchboard call status 0190a2c4-.../0/7"
    )]
    Status(Which),
    /// Sends open calls again, each with its own bytes and under its own id, and shows their answers
    #[command(
        after_help = "Sending again cannot do anything twice.\n\nExamples:\n  switchboard call retry\n  switchboard call retry 0190a2c4-.../0/7"
    )]
    Retry(Which),
    /// Finds out what became of calls without sending them again
    #[command(
        after_help = "A call that the server has never seen stays open: retry or cancel it.\n\nExample:\n  switchboard call resolve"
    )]
    Resolve(Which),
    /// Cancels open calls: what was not executed never will be; what was is reported
    #[command(after_help = "Example:\n  switchboard call cancel 0190a2c4-.../0/7")]
    Cancel(Which),
    /// Takes a call off the list, because a person found out what became of it
    #[command(
        after_help = "Not a cancel: a copy under way may still be executed. For calls that the server no longer knows, \
        once the ledger was looked at.\n\nExample:\n  switchboard call abandon 0190a2c4-.../0/7"
    )]
    Abandon(One),
}

/// Which call.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The call's id, SESSION/SLOT/SEQUENCE; without it, all that are open
    #[arg(value_name = "CALL")]
    pub call: Option<CallId>,
}

/// A call that has to be named.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The call's id, SESSION/SLOT/SEQUENCE
    #[arg(value_name = "CALL")]
    pub call: CallId,
}

/// Runs the action.
///
/// # Errors
/// When no server answers, or a journal cannot be used. That a call stays open is an exit code.
pub fn run(on: &Invocation, action: Action) -> Result<Exit, Failure> {
    on.block_on(async {
        match action {
            Action::Status(Which { call: None }) => list(on),
            Action::Status(Which { call: Some(id) }) => ask(on, &[id]).await,
            Action::Resolve(Which { call: Some(id) }) => ask(on, &[id]).await,
            Action::Resolve(Which { call: None }) => {
                let open: Vec<CallId> = held(on, None)?.into_iter().flat_map(|held| held.open).collect();
                if open.is_empty() {
                    nothing_open(on)?;
                    return Ok(Exit::Done);
                }
                ask(on, &open).await
            }
            Action::Retry(Which { call }) => settle(on, call, Means::SendAgain).await,
            Action::Cancel(Which { call }) => settle(on, call, Means::Cancel).await,
            Action::Abandon(One { call }) => settle(on, Some(call), Means::Abandon).await,
        }
    })
}

/// The unsettled calls of one journal.
struct Held {
    journal: PathBuf,
    open: Vec<CallId>,
    answered: usize,
}

/// How an open call is settled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    SendAgain,
    Cancel,
    Abandon,
}

fn list(on: &Invocation) -> Result<Exit, Failure> {
    let journals = list_journals(&caller::journals(on))?;
    for (journal, error) in journals.iter().filter_map(|journal| Some((journal, journal.refused.as_ref()?))) {
        on.screen.notice(&format!("{}: {}", journal.path.display(), told(error)));
    }
    let rows: Vec<[String; 4]> = journals.iter().flat_map(rows).collect();
    let as_json = || {
        let call = |[id, what, state, journal]: &[String; 4]| json!({ "call": id, "what": what, "state": state, "journal": journal });
        json!({ "calls": rows.iter().map(call).collect::<Vec<_>>() })
    };
    let as_text = || match rows.is_empty() {
        true => "no call is open, and every answer was seen".to_owned(),
        false => table(["call", "what", "state", "journal"].map(|heading| (heading, Side::Left)), &rows),
    };
    let damaged = journals.into_iter().find_map(|journal| journal.sound().err());
    match damaged {
        // Nothing is known to be open, which is not the same as nothing being open.
        Some(damage) if rows.is_empty() => Err(damage.into()),
        found => {
            on.screen.answer(as_json, as_text)?;
            Ok(if found.is_some() { Exit::Input } else { Exit::Done })
        }
    }
}

fn rows(journal: &ListedJournal) -> Vec<[String; 4]> {
    let path = journal.path.display().to_string();
    let open = journal.open.iter().map(|call| {
        let what = settled::described(&call.service, &call.label, call.body.as_deref());
        [call.id.to_string(), what, "open".to_owned(), path.clone()]
    });
    let answered = journal.answered.iter().map(|call| {
        let what = settled::described(&call.service, &call.label, None);
        [call.id.to_string(), what, "answered, not seen".to_owned(), path.clone()]
    });
    open.chain(answered).collect()
}

fn told(error: &JournalError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Asks the server what it knows; sends nothing again.
async fn ask(on: &Invocation, calls: &[CallId]) -> Result<Exit, Failure> {
    let caller = Caller::volatile(on).await?;
    let ended = ask_with(on, &caller, calls).await;
    caller.close().await?;
    ended
}

async fn ask_with(on: &Invocation, caller: &Caller, calls: &[CallId]) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for id in calls {
        let outcome = caller.client().outcome(*id).await?;
        let shown = settled::outcome(*id, &outcome);
        on.screen.answer(|| shown.to_json(*id), || format!("{id}: {}", shown.text))?;
        if !shown.is_known {
            exit = Exit::Unresolved;
        }
    }
    Ok(exit)
}

/// Opens each journal that holds such calls, settles them, shows how they ended, and lets the journal forget them.
async fn settle(on: &Invocation, call: Option<CallId>, means: Means) -> Result<Exit, Failure> {
    let held = held(on, call)?;
    if held.is_empty() {
        return match call {
            None => nothing_open(on).map(|()| Exit::Done),
            Some(id) => {
                Err(Failure::new(Exit::Input, format!("no journal of this data folder holds call {id} open"))
                    .advise(format!("`switchboard call status {id}` asks the server what became of it")))
            }
        };
    }
    let mut exit = Exit::Done;
    for held in held {
        match settle_journal(on, &held, means).await {
            Ok(Exit::Done) => {}
            Ok(other) => exit = other,
            Err(failure) if failure.exit() == Exit::Unavailable && held.is_in_use() => {
                on.screen.notice(&failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(exit)
}

fn nothing_open(on: &Invocation) -> Result<(), Failure> {
    on.screen.answer(|| json!({ "calls": [] }), || "no call is open, and every answer was seen".to_owned())
}

fn held(on: &Invocation, call: Option<CallId>) -> Result<Vec<Held>, Failure> {
    let journals = list_journals(&caller::journals(on))?;
    let journals = journals.into_iter().map(ListedJournal::sound).collect::<Result<Vec<_>, _>>()?;
    let wanted = |id: &CallId| call.is_none_or(|call| call == *id);
    let held = journals.iter().map(|journal| Held {
        journal: journal.path.clone(),
        open: journal.open.iter().map(|open| open.id).filter(wanted).collect(),
        answered: journal.answered.iter().filter(|answered| wanted(&answered.id)).count(),
    });
    Ok(held.filter(|held| held.answered > 0 || !held.open.is_empty()).collect())
}

impl Held {
    /// A journal that a running command holds is that command's business.
    fn is_in_use(&self) -> bool {
        std::fs::File::open(&self.journal)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
    }
}

async fn settle_journal(on: &Invocation, held: &Held, means: Means) -> Result<Exit, Failure> {
    let caller = Caller::of_journal(on, &held.journal).await?;
    let ended = settle_with(on, &caller, held, means).await;
    caller.close().await?;
    ended
}

async fn settle_with(on: &Invocation, caller: &Caller, held: &Held, means: Means) -> Result<Exit, Failure> {
    let client = caller.client();
    if means == Means::Abandon {
        for id in &held.open {
            client.abandon(*id).await?;
            let text = format!("{id}: no longer on the list");
            on.screen.answer(|| json!({ "call": id.to_string(), "state": "abandoned" }), || text)?;
        }
        return Ok(Exit::Done);
    }
    // Begun before a connection is up, so that a call that is to be cancelled is not sent again first.
    let mut ends = JoinSet::new();
    for id in held.open.iter().copied() {
        let client = client.clone();
        ends.spawn(async move { (id, end_of(&client, id, means).await) });
    }
    // What ends meanwhile is shown by whoever waits for it.
    let earlier = client.recovered().await?.answered.into_iter();
    for settled in earlier.filter(|settled| !held.open.contains(&settled.id)) {
        show(on, client, settled).await?;
    }
    caller.reached().await?;
    let mut exit = Exit::Done;
    while let Some(ended) = ends.join_next().await {
        let (id, ended) = ended.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()));
        match ended {
            Ok(settled) => show(on, client, settled).await?,
            Err(error) => {
                exit = Exit::Unresolved;
                let failure = Failure::from(error).about_call(id);
                on.screen.answer(|| failure.to_json(), || format!("{id}: {failure}"))?;
            }
        }
    }
    Ok(exit)
}

async fn end_of(client: &Client, id: CallId, means: Means) -> Result<Settled, CallError> {
    match means {
        Means::Cancel => client.cancel(id).await,
        Means::SendAgain | Means::Abandon => client.retry(id).await,
    }
}

async fn show(on: &Invocation, client: &Client, settled: Settled) -> Result<(), Failure> {
    let (id, label) = (settled.id, settled.label.clone());
    let shown = settled::settled(settled);
    on.screen.answer(|| shown.to_json(id), || format!("{id} ({label}): {}", shown.text))?;
    Ok(client.acknowledge(id).await?)
}
