//! The rules of the bank. Each checks first and writes last, so that a refusal leaves no trace; the ledger
//! (store) checks what no rule may break, the rules here say who stands on which side.
//!
//! A deposit is an *advice*: the money has been received, so it is booked whatever is wrong with the
//! account, in suspense where it fits nowhere else.
//!
//! Absent: cards, PINs, holds, limits per day.

mod spec;

use std::ops::RangeInclusive;

use switchboard_commands::bank::{
    self, AccountId, AuditReport, Command, Memo, Movements, Owner, Refusal, Reply, SuspenseReason,
    TransferId, TransferKind,
};
use switchboard_commands::limits::{ACCOUNTS_MAX, STATEMENT_LINES_MAX, SUSPENDED_MAX};
use switchboard_commands::money::{Amount, Currency, Money};
use switchboard_engine::{CallContext, CommandSpec, Flaw, ReadContext, Ruling, Service, planted};
use switchboard_store::{NewAccount, NewTransfer, Posted, PostedAll, RefusedAt, Snapshot, StoreError, Tx};

/// The service of that name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bank;

impl Service for Bank {
    const NAME: &'static str = bank::SERVICE;
    const VERSIONS: RangeInclusive<u16> = bank::VERSION..=bank::VERSION;
    const COMMANDS: &'static [CommandSpec] = spec::COMMANDS;
    type Command = Command;
    type Reply = Reply;
    type Refusal = Refusal;
    /// The report, for an audit.
    type Evidence = Option<AuditReport>;

    fn spec(&self, command: &Command) -> &'static CommandSpec {
        spec::of(command)
    }

    fn prepare(&self, snapshot: &Snapshot<'_>, command: &Command) -> Result<Self::Evidence, StoreError> {
        match command {
            Command::Audit => snapshot.audit().map(Some),
            Command::OpenAccount { .. }
            | Command::Deposit { .. }
            | Command::Withdraw { .. }
            | Command::Transfer { .. }
            | Command::Settle { .. }
            | Command::TransferMany { .. }
            | Command::Balance { .. }
            | Command::Statement { .. }
            | Command::Accounts { .. }
            | Command::Suspended { .. } => Ok(None),
        }
    }

    fn run(
        &self,
        tx: &mut Tx<'_>,
        call: &CallContext,
        command: &Command,
        _: &Self::Evidence,
    ) -> Ruling<Reply, Refusal> {
        match command {
            Command::OpenAccount { owner, floor } => open_account(tx, call, owner, *floor),
            Command::Deposit { account, money, memo } => deposit(tx, call, *account, *money, memo.as_ref()),
            Command::Withdraw { account, money, memo } => withdraw(tx, call, *account, *money, memo.as_ref()),
            Command::Transfer { from, to, money, memo } => {
                transfer(tx, call, (*from, *to), *money, memo.as_ref())
            }
            Command::Settle { deposit, account, memo } => settle(tx, call, *deposit, *account, memo.as_ref()),
            Command::TransferMany { currency, transfers } => transfer_many(tx, call, *currency, transfers),
            Command::Balance { .. }
            | Command::Statement { .. }
            | Command::Accounts { .. }
            | Command::Suspended { .. }
            | Command::Audit => Err(out_of_place(command)),
        }
    }

    fn read(
        &self,
        snapshot: &Snapshot<'_>,
        context: &ReadContext,
        command: &Command,
        evidence: &Self::Evidence,
    ) -> Ruling<Reply, Refusal> {
        match command {
            Command::Balance { account } => balance(snapshot, *account),
            Command::Statement { account, limit, before } => {
                statement(snapshot, context, *account, *limit, *before)
            }
            Command::Accounts { limit, after } => accounts(snapshot, *limit, *after),
            Command::Suspended { limit, after } => suspended(snapshot, *limit, *after),
            Command::Audit => {
                let report = evidence.clone().map_or_else(|| snapshot.audit(), Ok)?;
                Ok(Ok(Reply::Audited { report }))
            }
            Command::OpenAccount { .. }
            | Command::Deposit { .. }
            | Command::Withdraw { .. }
            | Command::Transfer { .. }
            | Command::Settle { .. }
            | Command::TransferMany { .. } => Err(out_of_place(command)),
        }
    }
}

fn open_account(tx: &mut Tx<'_>, call: &CallContext, owner: &Owner, floor: Money) -> Ruling<Reply, Refusal> {
    if floor.amount > Amount::ZERO || !floor.amount.in_bounds() {
        return Ok(Err(Refusal::BadFloor { floor }));
    }
    let new = NewAccount { owner, floor, call: call.id, at_us: at_us(call) };
    let account = tx.open_account(&new)?;
    Ok(Ok(Reply::Opened { account, balance: Amount::ZERO.of(floor.currency), floor }))
}

fn deposit(
    tx: &mut Tx<'_>,
    call: &CallContext,
    account: AccountId,
    money: Money,
    memo: Option<&Memo>,
) -> Ruling<Reply, Refusal> {
    let cash = AccountId::cash(money.currency);
    let booked = match member(account) {
        Ok(()) => tx.post(&booking(call, TransferKind::Deposit, (cash, account), money, memo))?,
        Err(refusal) => Err(refusal),
    };
    match booked {
        Ok(Posted { transfer, credit_balance: balance, .. }) => {
            Ok(Ok(Reply::Deposited { transfer, account, balance }))
        }
        Err(refusal) => match suspense_reason(&refusal, account) {
            Some(reason) => suspend(tx, call, account, money, memo, reason),
            None => Ok(Err(refusal)),
        },
    }
}

/// Why a deposit that the account cannot take goes to suspense; none when it cannot be booked at all,
/// because it names no amount of money or the till itself would overflow.
fn suspense_reason(refusal: &Refusal, named: AccountId) -> Option<SuspenseReason> {
    match refusal {
        Refusal::UnknownAccount { .. } => Some(SuspenseReason::UnknownAccount),
        Refusal::SystemAccount { .. } => Some(SuspenseReason::SystemAccount),
        Refusal::WrongCurrency { .. } => Some(SuspenseReason::WrongCurrency),
        Refusal::Overflow { account, .. } => (*account == named).then_some(SuspenseReason::Overflow),
        Refusal::NotEnoughMoney { .. }
        | Refusal::BelowFloor { .. }
        | Refusal::AmountNotPositive { .. }
        | Refusal::AmountTooLarge { .. }
        | Refusal::SameAccount { .. }
        | Refusal::BadFloor { .. }
        | Refusal::BadLimit { .. }
        | Refusal::ForeignCursor { .. }
        | Refusal::NotSuspended { .. }
        | Refusal::AlreadySettled { .. }
        | Refusal::MovementRefused { .. } => None,
    }
}

fn suspend(
    tx: &mut Tx<'_>,
    call: &CallContext,
    account: AccountId,
    money: Money,
    memo: Option<&Memo>,
    reason: SuspenseReason,
) -> Ruling<Reply, Refusal> {
    let sides = (AccountId::cash(money.currency), AccountId::suspense(money.currency));
    let posted = tx.post(&booking(call, TransferKind::SuspendedDeposit, sides, money, memo))?;
    let transfer = match posted {
        Ok(posted) => posted.transfer,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if planted(Flaw::AdviceBookedTwice) {
        let again = booking(call, TransferKind::SuspendedDeposit, sides, money, memo);
        let _posted = tx.post(&NewTransfer { part: 1, ..again })?;
    }
    tx.list_suspended(transfer, account, reason)?;
    Ok(Ok(Reply::Suspended { transfer, account, money, reason }))
}

fn withdraw(
    tx: &mut Tx<'_>,
    call: &CallContext,
    account: AccountId,
    money: Money,
    memo: Option<&Memo>,
) -> Ruling<Reply, Refusal> {
    if let Err(refusal) = member(account) {
        return Ok(Err(refusal));
    }
    let sides = (account, AccountId::cash(money.currency));
    let posted = tx.post(&booking(call, TransferKind::Withdrawal, sides, money, memo))?;
    Ok(posted.map(|posted| Reply::Withdrawn {
        transfer: posted.transfer,
        account,
        balance: posted.debit_balance,
    }))
}

fn transfer(
    tx: &mut Tx<'_>,
    call: &CallContext,
    (from, to): (AccountId, AccountId),
    money: Money,
    memo: Option<&Memo>,
) -> Ruling<Reply, Refusal> {
    if let Err(refusal) = member(from).and_then(|()| member(to)) {
        return Ok(Err(refusal));
    }
    let posted = tx.post(&booking(call, TransferKind::Transfer, (from, to), money, memo))?;
    Ok(posted.map(|posted| Reply::Transferred {
        transfer: posted.transfer,
        account: from,
        balance: posted.debit_balance,
    }))
}

/// Names are looked at before money is, over the whole list.
fn transfer_many(
    tx: &mut Tx<'_>,
    call: &CallContext,
    currency: Currency,
    transfers: &Movements,
) -> Ruling<Reply, Refusal> {
    let mut bookings = Vec::with_capacity(transfers.len());
    for (part, movement) in (0..=u16::MAX).zip(transfers.iter()) {
        if let Err(refusal) = member(movement.from).and_then(|()| member(movement.to)) {
            return Ok(Err(Refusal::of_movement(part, refusal)));
        }
        let (sides, money) = ((movement.from, movement.to), movement.amount.of(currency));
        let booking = booking(call, TransferKind::Transfer, sides, money, movement.memo.as_ref());
        bookings.push(NewTransfer { part, ..booking });
    }
    Ok(match tx.post_all(&bookings)? {
        Ok(PostedAll { first, last }) => Ok(Reply::TransferredMany { first, last }),
        Err(RefusedAt { index, refusal }) => Err(Refusal::of_movement(index, refusal)),
    })
}

fn settle(
    tx: &mut Tx<'_>,
    call: &CallContext,
    deposit: TransferId,
    account: AccountId,
    memo: Option<&Memo>,
) -> Ruling<Reply, Refusal> {
    if let Err(refusal) = member(account) {
        return Ok(Err(refusal));
    }
    let Some(item) = tx.suspense_item(deposit)? else {
        return Ok(Err(Refusal::NotSuspended { transfer: deposit }));
    };
    if let Some(settled_by) = item.settled_by {
        return Ok(Err(Refusal::AlreadySettled { transfer: deposit, settled_by }));
    }
    let sides = (AccountId::suspense(item.money.currency), account);
    let posted = tx.post(&booking(call, TransferKind::Settlement, sides, item.money, memo))?;
    let Posted { transfer, credit_balance: balance, .. } = match posted {
        Ok(posted) => posted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    tx.mark_settled(deposit, transfer)?;
    Ok(Ok(Reply::Settled { transfer, account, balance }))
}

fn balance(snapshot: &Snapshot<'_>, account: AccountId) -> Ruling<Reply, Refusal> {
    let Some(found) = snapshot.account(account)? else {
        return Ok(Err(Refusal::UnknownAccount { account }));
    };
    let (balance, available) = (found.balance.of(found.currency), found.available());
    Ok(Ok(Reply::Balance { account, balance, available }))
}

fn statement(
    snapshot: &Snapshot<'_>,
    context: &ReadContext,
    account: AccountId,
    limit: u16,
    before: Option<TransferId>,
) -> Ruling<Reply, Refusal> {
    if let Err(refusal) = within(limit, STATEMENT_LINES_MAX) {
        return Ok(Err(refusal));
    }
    let mut page = match snapshot.statement_page(account, before, limit)? {
        Ok(page) => page,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !context.principal.is_operator() {
        page.lines.iter_mut().for_each(|line| line.call = None);
    }
    Ok(Ok(Reply::Statement { account, balance: page.balance, lines: page.lines, before: page.before }))
}

fn accounts(snapshot: &Snapshot<'_>, limit: u16, after: Option<AccountId>) -> Ruling<Reply, Refusal> {
    if let Err(refusal) = within(limit, ACCOUNTS_MAX) {
        return Ok(Err(refusal));
    }
    let mut accounts = snapshot.accounts_page(after, limit + 1)?;
    let after = cut(&mut accounts, limit).map(|last| last.account);
    Ok(Ok(Reply::Accounts { accounts, after }))
}

fn suspended(snapshot: &Snapshot<'_>, limit: u16, after: Option<TransferId>) -> Ruling<Reply, Refusal> {
    if let Err(refusal) = within(limit, SUSPENDED_MAX) {
        return Ok(Err(refusal));
    }
    let mut deposits = snapshot.suspended_page(after, limit + 1)?;
    let after = cut(&mut deposits, limit).map(|last| last.transfer);
    Ok(Ok(Reply::SuspendedDeposits { deposits, after }))
}

/// Cuts a list that was read one longer than asked; the last line that stays, when another page follows.
fn cut<T>(lines: &mut Vec<T>, limit: u16) -> Option<&T> {
    let limit = usize::from(limit);
    let more = lines.len() > limit;
    lines.truncate(limit);
    lines.last().filter(|_| more)
}

fn member(account: AccountId) -> Result<(), Refusal> {
    if account.is_member() { Ok(()) } else { Err(Refusal::SystemAccount { account }) }
}

fn within(limit: u16, limit_max: u16) -> Result<(), Refusal> {
    if (1..=limit_max).contains(&limit) { Ok(()) } else { Err(Refusal::BadLimit { limit, limit_max }) }
}

/// The first transfer of a call; most commands book no other.
fn booking<'a>(
    call: &CallContext,
    kind: TransferKind,
    (debit, credit): (AccountId, AccountId),
    money: Money,
    memo: Option<&'a Memo>,
) -> NewTransfer<'a> {
    NewTransfer { debit, credit, money, kind, memo, call: call.id, part: 0, at_us: at_us(call) }
}

fn at_us(call: &CallContext) -> i64 {
    i64::try_from(call.now_us).unwrap_or(i64::MAX)
}

/// The engine hands commands to `run` and reads to `read`.
fn out_of_place(command: &Command) -> StoreError {
    StoreError::Impossible(format!("{} was handed to the wrong step", command.name()))
}
