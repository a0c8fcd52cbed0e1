//! The client's notes held against the ledger: each withdrawal that was asked for is booked, each that is booked was asked for,
//! each once. A pure function of both, so that a planted error must make it fail. Absent: reading either.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_call::id::CallId;
use switchboard_commands::money::{Amount, Money};

use super::ledger::Facts;
use super::proxy::Counts;

/// What became of a call, as its client was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Note {
    /// Booked as this transfer.
    Drawn {
        /// The ledger's number.
        transfer: i64,
    },
    /// Anything else, in words.
    Other(String),
}

/// What was to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intended {
    /// Withdrawals.
    pub(crate) calls: u64,
    /// Each.
    pub(crate) amount: Money,
    /// On the account before.
    pub(crate) opening: Money,
}

/// One check with its result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) holds: bool,
    /// Both sides, in numbers.
    pub(crate) detail: String,
}

/// Every check; the verdict is that all of them hold.
pub(crate) fn judge(
    intended: &Intended,
    notes: &BTreeMap<CallId, Note>,
    facts: &Facts,
    proxy: [Counts; 2],
) -> Vec<Check> {
    let booked: BTreeMap<CallId, i64> =
        facts.withdrawals.iter().filter_map(|entry| Some((entry.call?, entry.transfer))).collect();
    vec![
        every_answer(intended, notes),
        each_once(intended, facts, &booked),
        same_calls(notes, &booked),
        same_transfers(notes, &booked),
        balance(intended, facts),
        books(facts),
        accounting(proxy),
    ]
}

fn every_answer(intended: &Intended, notes: &BTreeMap<CallId, Note>) -> Check {
    let drawn = count(notes.values().filter(|note| matches!(note, Note::Drawn { .. })).count());
    let strange = notes.values().find_map(|note| match note {
        Note::Other(text) => Some(format!("; one ended otherwise: {text}")),
        Note::Drawn { .. } => None,
    });
    Check {
        name: "every withdrawal has its answer",
        // A run without a withdrawal shows nothing.
        holds: drawn == intended.calls && drawn > 0 && strange.is_none(),
        detail: format!("{} asked, {drawn} answered{}", intended.calls, strange.unwrap_or_default()),
    }
}

fn each_once(intended: &Intended, facts: &Facts, booked: &BTreeMap<CallId, i64>) -> Check {
    let entries = count(facts.withdrawals.len());
    Check {
        name: "each is booked exactly once",
        holds: entries == intended.calls && count(booked.len()) == entries,
        detail: format!("{entries} entries of {} different calls", booked.len()),
    }
}

fn same_calls(notes: &BTreeMap<CallId, Note>, booked: &BTreeMap<CallId, i64>) -> Check {
    let (noted, booked): (BTreeSet<_>, BTreeSet<_>) = (notes.keys().collect(), booked.keys().collect());
    let (lost, foreign) = (noted.difference(&booked).count(), booked.difference(&noted).count());
    Check {
        name: "the ledger has the calls of the client, and no other",
        holds: lost == 0 && foreign == 0,
        detail: format!("{lost} missing, {foreign} that nobody asked for"),
    }
}

fn same_transfers(notes: &BTreeMap<CallId, Note>, booked: &BTreeMap<CallId, i64>) -> Check {
    let told = |id: &CallId| match notes.get(id) {
        Some(Note::Drawn { transfer }) => Some(*transfer),
        Some(Note::Other(_)) | None => None,
    };
    let differ = booked.iter().filter(|(id, transfer)| told(id) != Some(**transfer)).count();
    Check {
        name: "every answer is that of the one execution",
        holds: differ == 0,
        detail: format!("{differ} answers name another entry than the ledger"),
    }
}

fn balance(intended: &Intended, facts: &Facts) -> Check {
    let Intended { calls, amount, opening } = intended;
    let drawn = i64::try_from(*calls).ok().and_then(|calls| calls.checked_mul(amount.amount.minor()));
    let expected = drawn.and_then(|drawn| opening.amount.checked_sub(Amount::from_minor(drawn)));
    let minus = Amount::from_minor(-amount.amount.minor()).of(amount.currency);
    let others = facts.withdrawals.iter().filter(|entry| entry.amount != minus).count();
    Check {
        name: "the money is where it should be",
        holds: Some(facts.balance.amount) == expected && others == 0,
        detail: format!("{opening} - {calls} x {amount} = {}", facts.balance),
    }
}

fn books(facts: &Facts) -> Check {
    let report = &facts.audit;
    let first = report.findings.first().map(|finding| format!(", first: {finding}")).unwrap_or_default();
    Check {
        name: "bank audit: the books hold",
        holds: report.sound,
        detail: format!(
            "{} accounts, {} transfers, {} findings{first}",
            report.accounts, report.transfers, report.findings_total
        ),
    }
}

fn accounting(directions: [Counts; 2]) -> Check {
    let balanced =
        |counts: &Counts| counts.arrived + counts.doubled == counts.forwarded + counts.lost + counts.withheld;
    let [requests, replies] = directions;
    Check {
        name: "the proxy can account for every message",
        holds: directions.iter().all(balanced),
        detail: format!(
            "{} of {} requests and {} of {} replies lost",
            requests.lost, requests.arrived, replies.lost, replies.arrived
        ),
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
