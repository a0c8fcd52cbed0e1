//! Transfers: checked in full, then booked among the rows that the transaction has pending (known.rs), which are
//! written conditionally. A refusal leaves no trace.
//!
//! Absent: which accounts a member may name (services).

use rusqlite::{OptionalExtension, Row, ToSql, params};
use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::id::{CallId, Sequence, SessionId, Slot};
use switchboard_commands::bank::{AccountId, AccountKind, Memo, Refusal, TransferId, TransferKind};
use switchboard_commands::money::{Amount, Money};

use super::account::{Account, unopened_system_account};
use super::checksum::{Checksum, sequence_number};
use crate::{Snapshot, StoreError, Tx};

/// A movement of money to be booked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTransfer<'a> {
    /// The account that gives.
    pub debit: AccountId,
    /// The account that receives.
    pub credit: AccountId,
    /// How much; its currency is checked against both accounts.
    pub money: Money,
    /// Why.
    pub kind: TransferKind,
    /// What a person wrote beside it.
    pub memo: Option<&'a Memo>,
    /// The call that books it.
    pub call: CallId,
    /// Which transfer of that call this is, counted from 0. Tells two transfers of one execution from two
    /// executions of one call.
    pub part: u16,
    /// The transaction's time, microseconds since 1970.
    pub at_us: i64,
}

/// What a booked transfer left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posted {
    /// Its number.
    pub transfer: TransferId,
    /// Balance of the account that gave.
    pub debit_balance: Money,
    /// Balance of the account that received.
    pub credit_balance: Money,
}

/// One side of a transfer, as found.
pub(super) struct Side {
    pub(super) account: Account,
    pub(super) balance_after: Amount,
    is_open: bool,
}

impl Tx<'_> {
    /// Books a transfer. Cash and suspense accounts that are not there yet are made.
    ///
    /// Everything is decided before the first write. The rows are read in order of their numbers, the order
    /// in which every transaction locks; what is written later names what was found on the account, so that
    /// on no engine can an account move between the two.
    ///
    /// # Errors
    /// Outer: the store failed, the transaction must be thrown away. Inner: nothing was written, because
    /// the amount is not positive or too large, an account is missing, holds another currency, would fall
    /// below its floor or overflow, or both are the same.
    pub fn post(&mut self, new: &NewTransfer<'_>) -> Result<Result<Posted, Refusal>, StoreError> {
        let (debit, credit) = match self.check(new)? {
            Ok(sides) => sides,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for side in [&debit, &credit] {
            if !side.is_open {
                self.open_system_account(&side.account, new.call, new.at_us)?;
            }
        }
        let transfer = self.append(new, &debit, &credit)?;
        let moved = |side: &Side| Account {
            balance: side.balance_after,
            last_transfer: Some(transfer),
            ..side.account
        };
        let mut known = self.known();
        known.change_account(moved(&debit))?;
        let downwards = new.credit.is_member() && new.credit < new.debit;
        if !(planted(Flaw::OneSideBooked) && downwards) {
            known.change_account(moved(&credit))?;
        }
        let currency = new.money.currency;
        Ok(Ok(Posted {
            transfer,
            debit_balance: debit.balance_after.of(currency),
            credit_balance: credit.balance_after.of(currency),
        }))
    }

    fn check(&self, new: &NewTransfer<'_>) -> Result<Result<(Side, Side), Refusal>, StoreError> {
        if let Err(refusal) = check_amount(new) {
            return Ok(Err(refusal));
        }
        let (lower, upper) = (new.debit.min(new.credit), new.debit.max(new.credit));
        let (lower, upper) = (self.account_or_unopened(lower)?, self.account_or_unopened(upper)?);
        let (debit, credit) = if new.debit < new.credit { (lower, upper) } else { (upper, lower) };
        Ok(debit_side(new, debit).and_then(|debit| Ok((debit, credit_side(new, credit)?))))
    }

    /// The account and whether it has a row.
    pub(super) fn account_or_unopened(&self, id: AccountId) -> Result<Option<(Account, bool)>, StoreError> {
        let found = self.account(id)?.map(|account| (account, true));
        Ok(found.or_else(|| unopened_system_account(id).map(|account| (account, false))))
    }

    /// Numbers a transfer and puts it behind all others.
    fn append(
        &mut self,
        new: &NewTransfer<'_>,
        debit: &Side,
        credit: &Side,
    ) -> Result<TransferId, StoreError> {
        let newest = self.newest_transfer()?;
        let id = newest.checked_add(1).and_then(TransferId::from_number);
        let id = id.ok_or_else(|| StoreError::Impossible(format!("no transfer can follow {newest}")))?;
        self.known().append_transfer(TransferRow::of(new, debit, credit).pending(id.number()));
        Ok(id)
    }

    pub(super) fn newest_transfer(&self) -> Result<i64, StoreError> {
        if let Some(number) = self.known().newest_transfer() {
            return Ok(number);
        }
        let newest: Option<i64> =
            self.statement("SELECT MAX(id) FROM transfer")?.query_row([], |row| row.get(0))?;
        let number = newest.unwrap_or(0);
        self.known().learn_newest_transfer(number);
        Ok(number)
    }
}

pub(super) fn check_amount(new: &NewTransfer<'_>) -> Result<(), Refusal> {
    let money = new.money;
    if money.amount <= Amount::ZERO {
        return Err(Refusal::AmountNotPositive { money });
    }
    if !money.amount.in_bounds() {
        return Err(Refusal::AmountTooLarge { money });
    }
    if new.debit == new.credit {
        return Err(Refusal::SameAccount { account: new.debit });
    }
    Ok(())
}

pub(super) fn debit_side(new: &NewTransfer<'_>, found: Option<(Account, bool)>) -> Result<Side, Refusal> {
    let (account, is_open) = in_currency(new.debit, new.money, found)?;
    let balance_after = account.balance.checked_sub(new.money.amount);
    match balance_after.filter(|_| new.money.amount <= account.available().amount) {
        Some(balance_after) => Ok(Side { account, balance_after, is_open }),
        None => Err(too_little(&account, new.money)),
    }
}

pub(super) fn credit_side(new: &NewTransfer<'_>, found: Option<(Account, bool)>) -> Result<Side, Refusal> {
    let (account, is_open) = in_currency(new.credit, new.money, found)?;
    match account.balance.checked_add(new.money.amount) {
        Some(balance_after) => Ok(Side { account, balance_after, is_open }),
        None => Err(Refusal::Overflow { account: account.id, money: new.money }),
    }
}

fn in_currency(
    id: AccountId,
    money: Money,
    found: Option<(Account, bool)>,
) -> Result<(Account, bool), Refusal> {
    let (account, is_open) = found.ok_or(Refusal::UnknownAccount { account: id })?;
    if account.currency != money.currency {
        return Err(Refusal::WrongCurrency { account: id, holds: account.currency, named: money.currency });
    }
    Ok((account, is_open))
}

fn too_little(account: &Account, wanted: Money) -> Refusal {
    let available = account.available();
    match account.id.kind() {
        AccountKind::Cash(_) => Refusal::Overflow { account: account.id, money: wanted },
        AccountKind::Member | AccountKind::Suspense(_) if account.floor < Amount::ZERO => {
            let floor = account.floor.of(account.currency);
            Refusal::BelowFloor { account: account.id, floor, available, wanted }
        }
        AccountKind::Member | AccountKind::Suspense(_) => {
            Refusal::NotEnoughMoney { account: account.id, available, wanted }
        }
    }
}

/// All columns of a transfer but its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TransferRow<'a> {
    pub(super) debit: AccountId,
    pub(super) credit: AccountId,
    pub(super) amount: Amount,
    pub(super) debit_previous: Option<TransferId>,
    pub(super) credit_previous: Option<TransferId>,
    pub(super) debit_balance: Amount,
    pub(super) credit_balance: Amount,
    pub(super) call: CallId,
    pub(super) part: u16,
    pub(super) kind: TransferKind,
    pub(super) memo: Option<&'a str>,
    pub(super) at_us: i64,
}

/// Columns of a transfer.
pub(crate) const TRANSFER_COLUMNS: usize = 16;

/// A transfer's columns as they will be written.
#[derive(Debug)]
pub(crate) struct PendingTransfer {
    pub(crate) id: i64,
    debit: i64,
    credit: i64,
    amount: i64,
    debit_previous: i64,
    credit_previous: i64,
    debit_balance: i64,
    credit_balance: i64,
    session: [u8; 16],
    slot: u16,
    sequence: i64,
    part: u16,
    kind: i64,
    memo: Option<String>,
    at_us: i64,
    checksum: i64,
}

impl PendingTransfer {
    /// In the order of the table.
    pub(crate) fn columns(&self) -> [&dyn ToSql; TRANSFER_COLUMNS] {
        [
            &self.id,
            &self.debit,
            &self.credit,
            &self.amount,
            &self.debit_previous,
            &self.credit_previous,
            &self.debit_balance,
            &self.credit_balance,
            &self.session,
            &self.slot,
            &self.sequence,
            &self.part,
            &self.kind,
            &self.memo,
            &self.at_us,
            &self.checksum,
        ]
    }
}

/// The columns in the order that [`TransferRow::read`] expects.
macro_rules! transfer_columns {
    () => {
        "id, debit, credit, amount, debit_previous, credit_previous, debit_balance, credit_balance, \
         session, slot, sequence, part, kind, memo, at_us, checksum"
    };
}
pub(super) use transfer_columns;

impl<'a> TransferRow<'a> {
    /// The row of a transfer whose sides were found to be these.
    pub(super) fn of(new: &NewTransfer<'a>, debit: &Side, credit: &Side) -> Self {
        Self {
            debit: new.debit,
            credit: new.credit,
            amount: new.money.amount,
            debit_previous: debit.account.last_transfer,
            credit_previous: credit.account.last_transfer,
            debit_balance: debit.balance_after,
            credit_balance: credit.balance_after,
            call: new.call,
            part: new.part,
            kind: new.kind,
            memo: new.memo.map(Memo::as_str),
            at_us: new.at_us,
        }
    }

    /// The row's meaning; `Impossible` names the column that has none.
    pub(super) fn read(row: &'a Row<'_>) -> Result<Self, StoreError> {
        let number = |at: usize| -> Result<i64, StoreError> { Ok(row.get(at)?) };
        let amount = |at: usize| number(at).map(Amount::from_minor);
        Ok(Self {
            debit: AccountId::from_number(number(1)?).ok_or_else(|| no_meaning("debit"))?,
            credit: AccountId::from_number(number(2)?).ok_or_else(|| no_meaning("credit"))?,
            amount: amount(3)?,
            debit_previous: id_or_0(number(4)?).ok_or_else(|| no_meaning("debit_previous"))?,
            credit_previous: id_or_0(number(5)?).ok_or_else(|| no_meaning("credit_previous"))?,
            debit_balance: amount(6)?,
            credit_balance: amount(7)?,
            call: call_id(row, 8)?,
            part: u16::try_from(number(11)?).map_err(|_| no_meaning("part"))?,
            kind: kind_from_number(number(12)?).ok_or_else(|| no_meaning("kind"))?,
            memo: row.get_ref(13)?.as_str_or_null().map_err(|_| no_meaning("memo"))?,
            at_us: number(14)?,
        })
    }

    /// Ready to be written under the number `id`.
    pub(super) fn pending(&self, id: i64) -> PendingTransfer {
        PendingTransfer {
            id,
            debit: self.debit.number(),
            credit: self.credit.number(),
            amount: self.amount.minor(),
            debit_previous: number_or_0(self.debit_previous),
            credit_previous: number_or_0(self.credit_previous),
            debit_balance: self.debit_balance.minor(),
            credit_balance: self.credit_balance.minor(),
            session: *self.call.session.as_bytes(),
            slot: self.call.slot.0,
            sequence: sequence_number(self.call),
            part: self.part,
            kind: kind_number(self.kind),
            memo: self.memo.map(str::to_owned),
            at_us: self.at_us,
            checksum: self.checksum(),
        }
    }

    pub(super) fn checksum(&self) -> i64 {
        let with_numbers = [
            self.debit.number(),
            self.credit.number(),
            self.amount.minor(),
            number_or_0(self.debit_previous),
            number_or_0(self.credit_previous),
            self.debit_balance.minor(),
            self.credit_balance.minor(),
            i64::from(self.part),
            kind_number(self.kind),
            self.at_us,
        ]
        .into_iter()
        .fold(Checksum::default(), Checksum::number)
        .call(self.call);
        match self.memo {
            Some(memo) => with_numbers.bytes(memo.as_bytes()).finish(),
            None => with_numbers.finish(),
        }
    }

    /// The account's side of it: signed amount, balance after, entry before, the other account. None when
    /// the account is on neither side.
    pub(super) fn seen_from(&self, account: AccountId) -> Option<SeenFrom> {
        if account == self.debit {
            let amount = Amount::from_minor(self.amount.minor().saturating_neg());
            let (balance, previous, other) = (self.debit_balance, self.debit_previous, self.credit);
            return Some(SeenFrom { amount, balance, previous, other });
        }
        let (balance, previous, other) = (self.credit_balance, self.credit_previous, self.debit);
        (account == self.credit).then_some(SeenFrom { amount: self.amount, balance, previous, other })
    }
}

/// One side of a transfer.
pub(super) struct SeenFrom {
    pub(super) amount: Amount,
    pub(super) balance: Amount,
    pub(super) previous: Option<TransferId>,
    pub(super) other: AccountId,
}

impl Snapshot<'_> {
    /// Reads one transfer by its number.
    pub(super) fn transfer<T>(
        &self,
        id: TransferId,
        read: impl FnOnce(TransferRow<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.statement(concat!("SELECT ", transfer_columns!(), " FROM transfer WHERE id = ?1"))?
            .query_row(params![id.number()], |row| Ok(TransferRow::read(row).and_then(read)))
            .optional()?
            .transpose()
    }
}

/// The three columns of a call id from column `at` on.
pub(super) fn call_id(row: &Row<'_>, at: usize) -> Result<CallId, StoreError> {
    let session = <[u8; 16]>::try_from(row.get_ref(at)?.as_blob().unwrap_or_default());
    let session = session.ok().and_then(SessionId::from_bytes).ok_or_else(|| no_meaning("session"))?;
    let slot = Slot(row.get::<_, u16>(at + 1).map_err(|_| no_meaning("slot"))?);
    let number = u64::try_from(row.get::<_, i64>(at + 2)?).ok();
    let sequence = number.and_then(Sequence::new).ok_or_else(|| no_meaning("sequence"))?;
    Ok(CallId { session, slot, sequence })
}

pub(super) fn no_meaning(column: &str) -> StoreError {
    StoreError::Impossible(format!("column {column} has no possible value"))
}

/// The outer none for a number that neither names a transfer nor is 0.
fn id_or_0(number: i64) -> Option<Option<TransferId>> {
    let id = TransferId::from_number(number);
    (id.is_some() || number == 0).then_some(id)
}

pub(super) fn number_or_0(id: Option<TransferId>) -> i64 {
    id.map_or(0, TransferId::number)
}

/// The column `kind`: the same numbers as on the wire.
pub(super) fn kind_number(kind: TransferKind) -> i64 {
    match kind {
        TransferKind::Deposit => 1,
        TransferKind::Withdrawal => 2,
        TransferKind::Transfer => 3,
        TransferKind::SuspendedDeposit => 4,
        TransferKind::Settlement => 5,
    }
}

fn kind_from_number(number: i64) -> Option<TransferKind> {
    [
        TransferKind::Deposit,
        TransferKind::Withdrawal,
        TransferKind::Transfer,
        TransferKind::SuspendedDeposit,
        TransferKind::Settlement,
    ]
    .into_iter()
    .find(|kind| kind_number(*kind) == number)
}
