//! How calls ended, in words and as JSON: those of a journal and those that a server was asked about. Absent: asking.

use serde_json::{Value, json};
use switchboard_call::answer::Answer;
use switchboard_call::id::CallId;
use switchboard_client::{CallError, End, Outcome, Settled, answered_by};
use switchboard_commands::Commands as _;
use switchboard_commands::bank::{Bank, Command, Refusal, Reply};

use crate::commands::bank::show;

/// What is known of a call.
pub(super) struct Shown {
    /// The state in one word.
    pub(super) state: &'static str,
    /// For a person.
    pub(super) text: String,
    /// The reply or refusal, where this program knows the service.
    pub(super) detail: Option<Value>,
    /// Whether it has ended, or certainly never takes effect.
    pub(super) is_known: bool,
}

impl Shown {
    fn known(state: &'static str, text: impl Into<String>) -> Self {
        Self { state, text: text.into(), detail: None, is_known: true }
    }

    fn unknown(state: &'static str, text: impl Into<String>) -> Self {
        Self { is_known: false, ..Self::known(state, text) }
    }

    pub(super) fn to_json(&self, id: CallId) -> Value {
        json!({ "call": id.to_string(), "state": self.state, "text": self.text, "detail": self.detail })
    }
}

/// A call of a journal that has ended.
pub(super) fn settled(settled: Settled) -> Shown {
    let (service, seen) = (settled.service.clone(), settled.maybe_seen);
    let mut shown = match &settled.end {
        End::Done(_) | End::Refused(_) if service == Bank::SERVICE => match answered_by::<Bank>(settled) {
            Ok(answered) => of_bank(answered.result),
            Err(error) => unreadable(&error),
        },
        End::Done(_) => Shown::known(
            "done",
            format!("executed by service {service}, whose replies this program cannot show"),
        ),
        End::Refused(_) => Shown::known("refused", format!("refused by service {service}, for good")),
        End::Cancelled => Shown::known("cancelled", "cancelled: never executed, never will be"),
        End::TooLate => Shown::known("too_late", "came too late: never executed, never will be"),
        End::Expired => Shown::known("expired", "its session was too old: never executed, never will be"),
        End::TurnedAway(door) => {
            Shown::known("turned_away", format!("never executed, turned away: {}", door.explanation))
        }
    };
    if seen {
        shown.text.push_str(" (perhaps shown before)");
    }
    shown
}

/// What the server says of a call id.
pub(super) fn outcome(id: CallId, outcome: &Outcome) -> Shown {
    match outcome {
        Outcome::Done(answer) => recorded(answer),
        Outcome::Cancelled => Shown::known("cancelled", "cancelled: never executed, never will be"),
        Outcome::Expired => Shown::known("expired", "never executed, never will be: its session is too old"),
        Outcome::NotYet => Shown::unknown(
            "not_yet",
            format!(
                "not executed so far; `switchboard call retry {id}` sends it again, `switchboard call cancel {id}` ends it"
            ),
        ),
        Outcome::Superseded => Shown::unknown(
            "superseded",
            format!(
                "a later call took its place, so it was perhaps executed; look for it with `switchboard bank statement ACCOUNT --json`, then `switchboard call abandon {id}`"
            ),
        ),
        Outcome::Forgotten => Shown::unknown(
            "forgotten",
            format!(
                "so old that the server forgot it; look for it with `switchboard bank statement ACCOUNT --json`, then `switchboard call abandon {id}`"
            ),
        ),
        Outcome::CopiedJournal => Shown::known(
            "copied_journal",
            "never executed under this id: its journal was copied, and it may have gone on under another id. Find the copy and remove it",
        ),
        Outcome::NotYours => {
            Shown::unknown("not_yours", "it belongs to somebody else; ask as that user or as the operator")
        }
        Outcome::Unavailable { retry_after_ms } => Shown::unknown(
            "unavailable",
            format!("the store cannot answer now; ask again in {retry_after_ms} ms"),
        ),
    }
}

/// An answer's bytes do not name their service: the bank's are tried, being the only service with commands here.
fn recorded(answer: &[u8]) -> Shown {
    match Answer::from_bytes(answer) {
        Ok(Answer::Done(reply)) => match minicbor::decode::<Reply>(&reply) {
            Ok(reply) => of_bank(Ok(reply)),
            Err(_) => Shown::known("done", "executed"),
        },
        Ok(Answer::Refused(refusal)) => match minicbor::decode::<Refusal>(&refusal) {
            Ok(refusal) => of_bank(Err(refusal)),
            Err(_) => Shown::known("refused", "refused by the rules, for good"),
        },
        Ok(Answer::TooLate) => Shown::known("too_late", "came too late: never executed, never will be"),
        Ok(other) => Shown::known("done", format!("ended with answer {}", other.code())),
        Err(error) => {
            Shown::known("done", format!("ended, with an answer that this program cannot read: {error}"))
        }
    }
}

fn of_bank(result: Result<Reply, Refusal>) -> Shown {
    match result {
        Ok(reply) => {
            let detail = Some(show::as_json(None, &reply));
            Shown { detail, ..Shown::known("done", show::as_text(&reply)) }
        }
        Err(refusal) => {
            let detail = serde_json::to_value(&refusal).ok();
            Shown { detail, ..Shown::known("refused", format!("refused: {refusal}")) }
        }
    }
}

fn unreadable(error: &CallError) -> Shown {
    Shown::known("done", error.to_string())
}

/// What an open call asks for: its command in words where its bytes are there and known.
pub(super) fn described(service: &str, label: &str, body: Option<&[u8]>) -> String {
    let command =
        body.filter(|_| service == Bank::SERVICE).and_then(|body| minicbor::decode::<Command>(body).ok());
    match command {
        Some(Command::Deposit { account, money, .. }) => format!("deposit {money} to account {account}"),
        Some(Command::Withdraw { account, money, .. }) => format!("withdraw {money} from account {account}"),
        Some(Command::Transfer { from, to, money, .. }) => {
            format!("transfer {money} from account {from} to {to}")
        }
        Some(Command::OpenAccount { owner, floor }) => {
            format!("open an account for {owner} in {}", floor.currency)
        }
        Some(Command::Settle { deposit, account, .. }) => {
            format!("settle deposit {deposit} to account {account}")
        }
        Some(Command::TransferMany { currency, transfers }) => {
            format!("transfer {currency} in {} movements, all or none", transfers.len())
        }
        Some(
            Command::Balance { .. }
            | Command::Statement { .. }
            | Command::Accounts { .. }
            | Command::Suspended { .. }
            | Command::Audit,
        )
        | None => format!("{service} {label}"),
    }
}
