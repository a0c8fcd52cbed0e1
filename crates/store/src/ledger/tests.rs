//! Promises of the ledger: it equals a simple model, a refusal leaves no trace, pages join up, and the
//! audit finds what was planted.

mod batches;
mod corruption;
mod many;
mod model;
mod pages;

use switchboard_call::id::{CallId, Sequence, SessionId, Slot};
use switchboard_commands::bank::{AccountId, Refusal, TransferId, TransferKind};
use switchboard_commands::money::{Amount, Currency, Money};
use tempfile::TempDir;

use crate::{Durability, NewAccount, NewTransfer, Options, Posted, Store, Tx, Writer};

struct Bench {
    store: Store,
    writer: Writer,
    next_call: u64,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Unsafe, ..Options::default() };
        let (store, writer) = Store::open_file(&folder.path().join("ledger.db"), None, &options, 1).unwrap();
        Self { store, writer, next_call: 1, _folder: folder }
    }

    /// Another call of one session and slot.
    fn call(&mut self) -> CallId {
        self.next_call += 1;
        call(self.next_call)
    }

    fn open(&mut self, currency: &str, floor: i64) -> AccountId {
        let (owner, call) = ("Ada".parse().unwrap(), self.call());
        let mut tx = self.writer.begin().unwrap();
        let floor = money(floor, currency);
        let id = tx.open_account(&NewAccount { owner: &owner, floor, call, at_us: 7 }).unwrap();
        tx.commit().unwrap();
        id
    }

    fn post(
        &mut self,
        kind: TransferKind,
        from: AccountId,
        to: AccountId,
        money: Money,
    ) -> Result<Posted, Refusal> {
        let call = self.call();
        let mut tx = self.writer.begin().unwrap();
        let posted = post(&mut tx, call, kind, (from, to), money);
        tx.commit().unwrap();
        posted
    }

    fn deposit(&mut self, account: AccountId, money: Money) -> Result<Posted, Refusal> {
        self.post(TransferKind::Deposit, AccountId::cash(money.currency), account, money)
    }

    fn withdraw(&mut self, account: AccountId, money: Money) -> Result<Posted, Refusal> {
        self.post(TransferKind::Withdrawal, account, AccountId::cash(money.currency), money)
    }

    fn transfer(&mut self, from: AccountId, to: AccountId, money: Money) -> Result<Posted, Refusal> {
        self.post(TransferKind::Transfer, from, to, money)
    }

    /// Books a deposit for an unknown account in suspense.
    fn suspend(&mut self, money: Money) -> TransferId {
        let (cash, suspense) = (AccountId::cash(money.currency), AccountId::suspense(money.currency));
        let call = self.call();
        let mut tx = self.writer.begin().unwrap();
        let posted = post(&mut tx, call, TransferKind::SuspendedDeposit, (cash, suspense), money).unwrap();
        let intended = AccountId::from_number(404).unwrap();
        let reason = switchboard_commands::bank::SuspenseReason::UnknownAccount;
        tx.list_suspended(posted.transfer, intended, reason).unwrap();
        tx.commit().unwrap();
        posted.transfer
    }

    fn settle(&mut self, deposit: TransferId, account: AccountId) -> Result<Posted, Refusal> {
        let call = self.call();
        let mut tx = self.writer.begin().unwrap();
        let money = tx.suspense_item(deposit).unwrap().unwrap().money;
        let suspense = AccountId::suspense(money.currency);
        let posted = post(&mut tx, call, TransferKind::Settlement, (suspense, account), money)?;
        tx.mark_settled(deposit, posted.transfer).unwrap();
        tx.commit().unwrap();
        Ok(posted)
    }
}

fn post(
    tx: &mut Tx<'_>,
    call: CallId,
    kind: TransferKind,
    (debit, credit): (AccountId, AccountId),
    money: Money,
) -> Result<Posted, Refusal> {
    let at_us = i64::try_from(call.sequence.number()).unwrap();
    let memo = Some("lunch".parse().unwrap());
    let new = NewTransfer { debit, credit, money, kind, memo: memo.as_ref(), call, part: 0, at_us };
    tx.post(&new).unwrap()
}

fn call(sequence: u64) -> CallId {
    let session = SessionId::mint(1_700_000_000_000, [7; 10]);
    CallId { session, slot: Slot(3), sequence: Sequence::new(sequence).unwrap() }
}

fn money(minor: i64, currency: &str) -> Money {
    Amount::from_minor(minor).of(currency.parse::<Currency>().unwrap())
}

fn id(number: i64) -> AccountId {
    AccountId::from_number(number).unwrap()
}
