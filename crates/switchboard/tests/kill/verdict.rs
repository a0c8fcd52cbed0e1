//! The clients' notes held against the store: a pure function of both, so that a planted error must make it fail. Absent:
//! reading either.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_client::CallId;
use switchboard_commands::bank::Reply;

use crate::ledger::{Entry, Facts};
use crate::notes::{Ending, Intention, Noted, Told};
use crate::seats::Holder;
use crate::task::{Haste, Task, beneficiary};
use crate::wire::Held;

/// The accounts, each with what was on it, in minor units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) rich: (i64, i64),
    pub(crate) poor: (i64, i64),
}

/// What a test amounted to, in words; or everything that does not hold.
pub(crate) fn judge(opening: Opening, noted: &[Noted], facts: &Facts) -> Result<String, Vec<String>> {
    let mut judge = Judge::new(opening, noted, facts);
    for (client, noted) in (0..).zip(noted) {
        judge.violations.extend(noted.faults.iter().map(|fault| format!("client {client}: {fault}")));
        for (label, intention) in &noted.intentions {
            judge.intention(&beneficiary(client, *label), intention);
        }
    }
    judge.entries();
    judge.balances();
    judge.seats();
    if judge.violations.is_empty() { Ok(judge.summary(noted)) } else { Err(judge.violations) }
}

struct Judge<'a> {
    opening: Opening,
    facts: &'a Facts,
    booked: BTreeMap<CallId, &'a Entry>,
    /// Every call id that a client began.
    begun: BTreeSet<CallId>,
    /// Executed withdrawals.
    withdrawn: BTreeSet<CallId>,
    /// By seat: who was told to have got it, and who to have given it back.
    granted: BTreeMap<u32, Vec<String>>,
    given_back: BTreeMap<u32, Vec<String>>,
    /// Endings by kind, for the summary.
    counts: BTreeMap<&'static str, u64>,
    poor_was_refused: bool,
    violations: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(opening: Opening, noted: &[Noted], facts: &'a Facts) -> Self {
        let intentions = noted.iter().flat_map(|noted| noted.intentions.values());
        Self {
            opening,
            facts,
            booked: facts.entries.iter().map(|entry| (entry.call, entry)).collect(),
            begun: intentions.flat_map(|intention| intention.begun.iter().copied()).collect(),
            withdrawn: BTreeSet::new(),
            granted: BTreeMap::new(),
            given_back: BTreeMap::new(),
            counts: BTreeMap::new(),
            poor_was_refused: false,
            violations: Vec::new(),
        }
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    fn intention(&mut self, who: &str, intention: &Intention) {
        let Intention { begun, told, haste, task } = intention;
        let Some(first) = told.first() else {
            return self.violations.push(format!("{who}: nobody was told how it ended"));
        };
        let ids: BTreeSet<_> = begun.iter().chain(told.iter().filter_map(|told| told.id.as_ref())).collect();
        self.check(ids.len() <= 1, || format!("{who}: begun under several ids: {ids:?}"));
        self.check(first.id.is_none_or(|id| begun.contains(&id)), || {
            format!("{who}: ended, but never began")
        });
        for again in &told[1..] {
            let same = (again.id, &again.ending) == (first.id, &first.ending);
            self.check(same, || format!("{who}: told {first:?}, then {again:?}"));
            self.check(again.maybe_seen, || format!("{who}: handed over again without a mark: {again:?}"));
        }
        let fits = fits(*haste, &first.ending);
        self.check(fits, || format!("{who}: {haste} and yet {:?}", first.ending));
        match task {
            Task::Withdraw { account, minor } => self.withdrawal(who, (*account, *minor), first),
            Task::Reserve { seat } => self.reservation(who, *seat, &first.ending),
            Task::Release { seat, holder } => self.release(who, (*seat, holder), &first.ending),
        }
        *self.counts.entry(kind(&first.ending)).or_default() += 1;
    }

    fn withdrawal(&mut self, who: &str, (account, minor): (i64, i64), told: &Told) {
        let entry = told.id.and_then(|id| self.booked.get(&id).copied());
        let Ending::Done(reply) = &told.ending else {
            let refused = matches!(told.ending, Ending::Refused(_));
            self.poor_was_refused |= refused;
            self.check(!refused || account == self.opening.poor.0, || {
                format!("{who}: refused without a reason")
            });
            return self
                .check(entry.is_none(), || format!("{who}: {:?}, but booked: {entry:?}", told.ending));
        };
        let Ok(Reply::Withdrawn { transfer, account: of, balance }) = minicbor::decode(reply) else {
            return self.violations.push(format!("{who}: an answer to something else: {reply:?}"));
        };
        self.withdrawn.extend(told.id);
        let expected = told.id.map(|call| Entry {
            call,
            account,
            minor,
            transfer: transfer.number(),
            balance: balance.amount.minor(),
            memo: who.to_owned(),
        });
        let same = entry == expected.as_ref() && of.number() == account;
        self.check(same, || format!("{who}: told {expected:?}, booked {entry:?}"));
    }

    fn reservation(&mut self, who: &str, seat: u32, ending: &Ending) {
        match ending {
            Ending::Done(reply) => {
                let expected = Holder(Some(who.to_owned()));
                let same = minicbor::decode::<Holder>(reply).is_ok_and(|holder| holder == expected);
                self.check(same, || format!("{who}: seat {seat} went to somebody else: {reply:?}"));
                self.granted.entry(seat).or_default().push(who.to_owned());
            }
            Ending::Refused(refusal) => {
                let held = minicbor::decode::<Held>(refusal);
                let other = held.is_ok_and(|held| held.0.0.is_some_and(|holder| holder != who));
                self.check(other, || format!("{who}: seat {seat} was refused without a holder: {refusal:?}"));
            }
            Ending::Cancelled | Ending::TooLate | Ending::NeverSent => {}
        }
    }

    fn release(&mut self, who: &str, (seat, holder): (u32, &str), ending: &Ending) {
        // Only the holder gives it back, and only once: a refusal means that it happened twice.
        self.check(matches!(ending, Ending::Done(_)), || format!("{who}: {holder} did not have seat {seat}"));
        self.given_back.entry(seat).or_default().push(holder.to_owned());
    }

    fn entries(&mut self) {
        let entries = self.facts.entries.len();
        let calls = self.booked.len();
        self.check(entries == calls, || {
            format!("{entries} entries of {calls} calls: something is booked twice")
        });
        for entry in &self.facts.entries {
            let (begun, told) = (self.begun.contains(&entry.call), self.withdrawn.contains(&entry.call));
            self.check(begun, || format!("nobody began the call of {entry:?}"));
            self.check(told, || format!("nobody was told of {entry:?}"));
        }
    }

    fn balances(&mut self) {
        for (account, opening) in [self.opening.rich, self.opening.poor] {
            let of_account = self.facts.entries.iter().filter(|entry| entry.account == account);
            let drawn: i64 = of_account.map(|entry| entry.minor).sum();
            let balance = self.facts.balances.get(&account).copied();
            let holds = balance == Some(opening - drawn) && opening >= drawn;
            self.check(holds, || format!("account {account}: {opening} - {drawn} is not {balance:?}"));
            let refused_for_nothing =
                account == self.opening.poor.0 && self.poor_was_refused && balance >= Some(7);
            self.check(!refused_for_nothing, || format!("account {account} refused with {balance:?} on it"));
        }
    }

    fn seats(&mut self) {
        let named: BTreeSet<u32> = self.granted.keys().chain(self.facts.seats.keys()).copied().collect();
        for seat in named {
            let mut left = self.granted.get(&seat).cloned().unwrap_or_default();
            for holder in self.given_back.get(&seat).into_iter().flatten() {
                left.retain(|granted| granted != holder);
            }
            let stored = self.facts.seats.get(&seat).cloned();
            let same = left == Vec::from_iter(stored.clone());
            self.check(same, || format!("seat {seat}: told to have it: {left:?}; has it: {stored:?}"));
        }
    }

    fn summary(&self, noted: &[Noted]) -> String {
        let counts: Vec<_> = self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let sum = |of: fn(&Noted) -> u64| noted.iter().map(of).sum::<u64>();
        let intentions = sum(|noted| noted.intentions.len() as u64);
        let (handed_over, sent_again) = (sum(|noted| noted.handed_over), sum(|noted| noted.sent_again));
        let all = noted.iter().flat_map(|noted| noted.intentions.values());
        let twice = all.filter(|intention| intention.told.len() > 1).count();
        format!(
            "{intentions} intentions: {}; after restarts {handed_over} answers handed over ({twice} seen before), {sent_again} calls sent again; {} seats held",
            counts.join(", "),
            self.facts.seats.len(),
        )
    }
}

/// Whether a call in such haste may end so.
fn fits(haste: Haste, ending: &Ending) -> bool {
    match ending {
        Ending::Done(_) | Ending::Refused(_) => true,
        Ending::Cancelled => haste != Haste::Patient,
        Ending::TooLate => haste == Haste::NotAfter,
        Ending::NeverSent => haste == Haste::Deadline,
    }
}

fn kind(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done(_) => "done",
        Ending::Refused(_) => "refused",
        Ending::Cancelled => "cancelled",
        Ending::TooLate => "too late",
        Ending::NeverSent => "never sent",
    }
}
