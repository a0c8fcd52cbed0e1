//! `switchboard bank ...`: from arguments to a command of the bank, and its answer to the screen. Absent: rules; amounts are
//! read here, and refused by the server.

mod many;
pub(crate) mod show;

use std::str::FromStr;

use clap::{Args, Subcommand};
use switchboard_commands::InputError;
use switchboard_commands::bank::{AccountId, Bank, Command, Memo, Reply};
use switchboard_commands::money::{Amount, Currency, Money};

use self::many::Places;
use super::Invocation;
use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;

/// What can be asked of the bank.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Opens an account and prints its number
    #[command(
        after_help = "Examples:\n  switchboard bank open 'Ada Lovelace' EUR\n  switchboard bank open Canteen EUR --floor -500.00"
    )]
    Open(Open),
    /// Books cash that was paid in
    #[command(after_help = "Example:\n  switchboard bank deposit 1 50.00 --memo 'opening'")]
    Deposit(Movement),
    /// Books cash that is paid out
    #[command(
        after_help = "Exit code 1: refused, for example for want of money. 75: not known yet; `switchboard call retry` settles it.\n\n\
        Example:\n  switchboard bank withdraw 1 20.00"
    )]
    Withdraw(Movement),
    /// Moves money from one account to another
    #[command(after_help = "Example:\n  switchboard bank transfer 1 2 12.50 --memo lunch")]
    Transfer(Transfer),
    /// Moves money many times between accounts of one currency: the whole list or nothing
    #[command(
        after_help = "A line is FROM,TO,AMOUNT or FROM,TO,AMOUNT,MEMO; a memo with a comma stands in quotes. Movements are booked in the order \
        of the list, at most 8190 of them.\nExit code 1: one movement was refused, so nothing was booked; its line is named. 65: the list \
        cannot be read. 75: not known yet; `switchboard call retry` settles it.\n\n\
        Examples:\n  switchboard bank transfer-many payroll.csv\n  printf '1,2,1200.00,wages\\n1,3,950.00\\n' | switchboard bank transfer-many -"
    )]
    TransferMany(many::TransferMany),
    /// Shows what an account holds
    #[command(after_help = "Example:\n  switchboard bank balance 1")]
    Balance(Account),
    /// Shows the transfers of an account, newest first
    #[command(
        after_help = "Examples:\n  switchboard bank statement 1\n  switchboard bank statement 1 --lines 100 --before 4711"
    )]
    Statement(Statement),
    /// Lists the accounts
    #[command(after_help = "Example:\n  switchboard bank accounts --json")]
    Accounts(Accounts),
    /// Lists deposits that fitted no account and wait for the operator
    #[command(after_help = "Example:\n  switchboard bank suspended")]
    Suspended(Suspended),
    /// Moves such a deposit to the account it belongs to
    #[command(after_help = "Example:\n  switchboard bank settle 12 7")]
    Settle(Settle),
    /// Proves the books: every balance from its transfers, the sum of each currency zero, no call booked twice
    #[command(
        after_help = "Exit code 0: the books hold; 1: they do not, and every finding is listed.\n\nExample:\n  switchboard bank audit"
    )]
    Audit,
}

/// What `open` takes.
#[derive(Clone, Debug, Args)]
pub struct Open {
    /// The owner's name
    pub owner: String,
    /// The currency, an ISO 4217 code such as EUR
    pub currency: String,
    /// The lowest balance the account may have; negative for credit
    #[arg(long, value_name = "AMOUNT", default_value = "0", allow_hyphen_values = true)]
    pub floor: String,
}

/// What `deposit` and `withdraw` take.
#[derive(Clone, Debug, Args)]
pub struct Movement {
    /// The account's number
    pub account: String,
    /// How much, such as 20.00
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
    /// The currency; without it, that of the account
    pub currency: Option<String>,
    /// A line for the statement
    #[arg(long, value_name = "TEXT")]
    pub memo: Option<String>,
}

/// What `transfer` takes.
#[derive(Clone, Debug, Args)]
pub struct Transfer {
    /// The account that pays
    pub from: String,
    /// The account that receives
    pub to: String,
    /// How much, such as 12.50
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
    /// The currency; without it, that of the paying account
    pub currency: Option<String>,
    /// A line for both statements
    #[arg(long, value_name = "TEXT")]
    pub memo: Option<String>,
}

/// What `balance` takes.
#[derive(Clone, Debug, Args)]
pub struct Account {
    /// The account's number
    pub account: String,
}

/// What `statement` takes.
#[derive(Clone, Debug, Args)]
pub struct Statement {
    /// The account's number
    pub account: String,
    /// How many lines
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub lines: u16,
    /// Only lines before this transfer, as the last page told it
    #[arg(long, value_name = "TRANSFER")]
    pub before: Option<String>,
}

/// What `accounts` takes.
#[derive(Clone, Debug, Args)]
pub struct Accounts {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub lines: u16,
    /// Only accounts after this one
    #[arg(long, value_name = "ACCOUNT")]
    pub after: Option<String>,
}

/// What `suspended` takes.
#[derive(Clone, Debug, Args)]
pub struct Suspended {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub lines: u16,
    /// Only deposits after this one
    #[arg(long, value_name = "TRANSFER")]
    pub after: Option<String>,
}

/// What `settle` takes.
#[derive(Clone, Debug, Args)]
pub struct Settle {
    /// The deposit's number in the operator's list
    pub deposit: String,
    /// The account it belongs to
    pub account: String,
    /// A line for the statement
    #[arg(long, value_name = "TEXT")]
    pub memo: Option<String>,
}

/// Runs the action: money moves through a durable client, questions are asked by a volatile one.
///
/// # Errors
/// When an argument is not what it should be, the rules refuse, or the answer is not known yet.
pub fn run(on: &Invocation, action: Action) -> Result<Exit, Failure> {
    on.block_on(async {
        if action.is_question() {
            let caller = Caller::volatile(on).await?;
            let ended = ask(on, &caller, action).await;
            caller.close().await?;
            ended
        } else {
            let caller = Caller::durable(on).await?;
            let ended = act(on, &caller, action).await;
            caller.close().await?;
            ended.map(|()| Exit::Done)
        }
    })
}

impl Action {
    fn is_question(&self) -> bool {
        match self {
            Self::Open(_)
            | Self::Deposit(_)
            | Self::Withdraw(_)
            | Self::Transfer(_)
            | Self::TransferMany(_)
            | Self::Settle(_) => false,
            Self::Balance(_) | Self::Statement(_) | Self::Accounts(_) | Self::Suspended(_) | Self::Audit => {
                true
            }
        }
    }
}

/// Has the command executed once, tells what became of it, and only then lets the journal forget it.
async fn act(on: &Invocation, caller: &Caller, action: Action) -> Result<(), Failure> {
    let (command, places) = command(caller, action).await?;
    let mut pending = caller.client().begin::<Bank>(command).await?;
    if let Some(id) = pending.id().await.filter(|_| on.screen.is_verbose()) {
        on.screen.notice(&format!("call {id}"));
    }
    let answered = match pending.answer().await {
        Ok(answered) => answered,
        Err(error) => {
            let failure = Failure::from(error.clone());
            if let Some(id) = error.id().filter(|_| failure.exit() != Exit::Unresolved) {
                caller.client().acknowledge(id).await?;
            }
            return Err(failure);
        }
    };
    if let Ok(reply) = &answered.result {
        show::reply(on, Some(answered.id), reply)?;
    }
    caller.client().acknowledge(answered.id).await?;
    answered.result.map(drop).map_err(|refusal| {
        let failure = Failure::refused(&refusal).about_call(answered.id);
        match places.and_then(|places| places.of(&refusal)) {
            Some(place) => failure.advise(place),
            None => failure,
        }
    })
}

async fn ask(on: &Invocation, caller: &Caller, action: Action) -> Result<Exit, Failure> {
    let reply = match caller.read::<Bank>(command(caller, action).await?.0).await? {
        Ok(reply) => reply,
        Err(refusal) => return Err(Failure::refused(&refusal)),
    };
    show::reply(on, None, &reply)?;
    match &reply {
        Reply::Audited { report } if !report.sound => Ok(Exit::Refused),
        Reply::Audited { .. }
        | Reply::Opened { .. }
        | Reply::Deposited { .. }
        | Reply::Suspended { .. }
        | Reply::Withdrawn { .. }
        | Reply::Transferred { .. }
        | Reply::Settled { .. }
        | Reply::TransferredMany { .. }
        | Reply::Balance { .. }
        | Reply::Statement { .. }
        | Reply::Accounts { .. }
        | Reply::SuspendedDeposits { .. } => Ok(Exit::Done),
    }
}

/// The command that the arguments say, and for a list where each movement stands; a missing currency is that of the account.
async fn command(caller: &Caller, action: Action) -> Result<(Command, Option<Places>), Failure> {
    let command = match action {
        Action::Open(open) => {
            let currency: Currency = parse(&open.currency)?;
            Command::OpenAccount { owner: parse(&open.owner)?, floor: money(&open.floor, currency)? }
        }
        Action::Deposit(movement) => {
            let (account, money, memo) = moved(caller, movement).await?;
            Command::Deposit { account, money, memo }
        }
        Action::Withdraw(movement) => {
            let (account, money, memo) = moved(caller, movement).await?;
            Command::Withdraw { account, money, memo }
        }
        Action::Transfer(Transfer { from, to, amount, currency, memo }) => {
            let paying = Movement { account: from, amount, currency, memo };
            let (from, money, memo) = moved(caller, paying).await?;
            Command::Transfer { from, to: parse(&to)?, money, memo }
        }
        Action::TransferMany(asked) => {
            let (command, places) = many::command(caller, asked).await?;
            return Ok((command, Some(places)));
        }
        Action::Settle(Settle { deposit, account, memo }) => {
            Command::Settle { deposit: parse(&deposit)?, account: parse(&account)?, memo: optional(memo)? }
        }
        Action::Balance(Account { account }) => Command::Balance { account: parse(&account)? },
        Action::Statement(Statement { account, lines, before }) => {
            Command::Statement { account: parse(&account)?, limit: lines, before: optional(before)? }
        }
        Action::Accounts(Accounts { lines, after }) => {
            Command::Accounts { limit: lines, after: optional(after)? }
        }
        Action::Suspended(Suspended { lines, after }) => {
            Command::Suspended { limit: lines, after: optional(after)? }
        }
        Action::Audit => Command::Audit,
    };
    Ok((command, None))
}

async fn moved(caller: &Caller, movement: Movement) -> Result<(AccountId, Money, Option<Memo>), Failure> {
    let account: AccountId = parse(&movement.account)?;
    let currency = match &movement.currency {
        Some(currency) => parse(currency)?,
        None => currency_of(caller, account).await?,
    };
    Ok((account, money(&movement.amount, currency)?, optional(movement.memo)?))
}

async fn currency_of(caller: &Caller, account: AccountId) -> Result<Currency, Failure> {
    let answer = caller.read::<Bank>(Command::Balance { account }).await?;
    let reply = answer.map_err(|refusal| Failure::refused(&refusal))?;
    let Reply::Balance { balance, .. } = reply else {
        return Err(Failure::new(Exit::Protocol, "the server's answer does not fit the question")
            .advise("use a program of the server's version"));
    };
    Ok(balance.currency)
}

fn money(amount: &str, currency: Currency) -> Result<Money, Failure> {
    Ok(Amount::parse(amount, currency).map_err(unreadable)?.of(currency))
}

fn optional<T: FromStr<Err = InputError>>(text: Option<String>) -> Result<Option<T>, Failure> {
    text.map(|text| parse(&text)).transpose()
}

fn parse<T: FromStr<Err = InputError>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(unreadable)
}

/// What a person wrote is not what it should be: nothing was sent.
fn unreadable(error: InputError) -> Failure {
    Failure::from_error(Exit::Usage, error)
}
