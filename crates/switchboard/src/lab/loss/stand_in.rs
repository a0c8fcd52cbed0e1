//! What stands for engine, store and bank in virtual time: one account and the slot rows of one client, in memory, with the
//! claim of docs/exactly-once.md: new, recorded, beyond, gap. It counts executions, so that one too many is seen. Absent:
//! transactions, durability, other commands; the experiment on sockets has the real ones.

use std::collections::BTreeMap;

use switchboard_call::answer::Answer;
use switchboard_call::frame::{Call, Reference, Reply, ServerFrame};
use switchboard_call::id::{CallId, ReplyHash, Sequence, SessionId, Slot};
use switchboard_commands::bank::{self, AccountId, TransferId};
use switchboard_commands::money::{Amount, Currency, Money};

/// The last call of a slot.
struct Row {
    sequence: Sequence,
    answer: Vec<u8>,
}

/// The books of one account.
pub(super) struct StandIn {
    account: AccountId,
    balance: Money,
    rows: BTreeMap<(SessionId, Slot), Row>,
    /// Withdrawals executed.
    pub(super) executed: u64,
}

impl StandIn {
    /// Books with `balance_minor` on the account.
    pub(super) fn new(account: AccountId, currency: Currency, balance_minor: i64) -> Self {
        let balance = Amount::from_minor(balance_minor).of(currency);
        Self { account, balance, rows: BTreeMap::new(), executed: 0 }
    }

    /// What is left, in minor units.
    pub(super) fn balance_minor(&self) -> i64 {
        self.balance.amount.minor()
    }

    /// Answers one copy of a call.
    pub(super) fn answer(&mut self, call: &Call) -> ServerFrame {
        let (answer, replayed) = self.claim(call);
        ServerFrame::Reply(Reply {
            reference: Reference::Call(call.id),
            attempt: call.attempt,
            replayed,
            answer,
        })
    }

    fn claim(&mut self, call: &Call) -> (Vec<u8>, bool) {
        let id = call.id;
        let row = self.rows.get(&(id.session, id.slot));
        if let Some(row) = row.filter(|row| row.sequence == id.sequence) {
            return (row.answer.clone(), true);
        }
        if row.is_some_and(|row| row.sequence > id.sequence) {
            return (Answer::Superseded.to_bytes(), false);
        }
        let (last, hash) = match row {
            Some(row) => {
                let of = CallId { sequence: row.sequence, ..id };
                (Some(row.sequence), ReplyHash::of(of, &row.answer))
            }
            None => (None, ReplyHash::NONE),
        };
        if id.sequence.previous() != last || call.previous != hash {
            return (Answer::Gap.to_bytes(), false);
        }
        let answer = self.withdraw(&call.body).to_bytes();
        self.rows.insert((id.session, id.slot), Row { sequence: id.sequence, answer: answer.clone() });
        (answer, false)
    }

    fn withdraw(&mut self, body: &[u8]) -> Answer {
        let Ok(bank::Command::Withdraw { money, .. }) = minicbor::decode(body) else {
            return Answer::door(
                switchboard_call::answer::DoorCause::Malformed,
                "only withdrawals are taken here",
            );
        };
        let left = self.balance.amount.checked_sub(money.amount).expect("the account is opened with enough");
        self.balance = left.of(money.currency);
        self.executed += 1;
        let transfer = i64::try_from(self.executed).expect("fewer withdrawals than 2^63");
        let transfer = TransferId::from_number(transfer).expect("transfers are counted from 1");
        let reply = bank::Reply::Withdrawn { transfer, account: self.account, balance: self.balance };
        Answer::Done(minicbor::to_vec(reply).expect("encoding into a Vec cannot fail"))
    }
}
