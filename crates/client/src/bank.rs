//! The bank's commands and reads as methods. Absent: the rules, and acknowledging: that is for the application, once it has
//! taken an answer over.

use switchboard_commands::bank::{AccountId, Bank, Command, Memo, Movements, Owner, TransferId};
use switchboard_commands::money::{Currency, Money};

use crate::answered::{AnsweredBy, ReadBy};
use crate::error::CallError;
use crate::handle::Client;

/// What a call to the bank comes to.
type Called = Result<AnsweredBy<Bank>, CallError>;

/// What a read of the bank comes to.
type Asked = Result<ReadBy<Bank>, CallError>;

/// The bank, as a client sees it. Errors of every method: [`Client::call`] and [`Client::read`].
#[derive(Clone, Copy, Debug)]
pub struct BankClient<'a> {
    client: &'a Client,
}

impl Client {
    /// The bank's commands as methods.
    #[must_use]
    pub fn bank(&self) -> BankClient<'_> {
        BankClient { client: self }
    }
}

impl BankClient<'_> {
    /// Opens an account with nothing on it, in the currency of `floor`, below which its balance may not fall.
    pub async fn open_account(&self, owner: Owner, floor: Money) -> Called {
        self.client.call::<Bank>(Command::OpenAccount { owner, floor }).await
    }

    /// Tells that money was received for an account: always booked.
    pub async fn deposit(&self, account: AccountId, money: Money, memo: Option<Memo>) -> Called {
        self.client.call::<Bank>(Command::Deposit { account, money, memo }).await
    }

    /// Takes money from an account to hand it out.
    pub async fn withdraw(&self, account: AccountId, money: Money, memo: Option<Memo>) -> Called {
        self.client.call::<Bank>(Command::Withdraw { account, money, memo }).await
    }

    /// Moves money from the first account to the second.
    pub async fn transfer(&self, from: AccountId, to: AccountId, money: Money, memo: Option<Memo>) -> Called {
        self.client.call::<Bank>(Command::Transfer { from, to, money, memo }).await
    }

    /// Moves money many times in the order of the list: all of it, or nothing. A list with so many long memos that the
    /// server would not take it is not sent.
    pub async fn transfer_many(&self, currency: Currency, transfers: Movements) -> Called {
        self.client.call::<Bank>(Command::TransferMany { currency, transfers }).await
    }

    /// Moves a deposit from suspense to the account it belongs to.
    pub async fn settle(&self, deposit: TransferId, account: AccountId, memo: Option<Memo>) -> Called {
        self.client.call::<Bank>(Command::Settle { deposit, account, memo }).await
    }

    /// Reads a balance.
    pub async fn balance(&self, account: AccountId) -> Asked {
        self.client.read::<Bank>(Command::Balance { account }).await
    }

    /// Reads at most `limit` lines of a statement, newest first, older than `before`.
    pub async fn statement(&self, account: AccountId, limit: u16, before: Option<TransferId>) -> Asked {
        self.client.read::<Bank>(Command::Statement { account, limit, before }).await
    }

    /// Lists at most `limit` accounts behind `after`.
    pub async fn accounts(&self, limit: u16, after: Option<AccountId>) -> Asked {
        self.client.read::<Bank>(Command::Accounts { limit, after }).await
    }

    /// Lists at most `limit` deposits in suspense behind `after`, oldest first.
    pub async fn suspended(&self, limit: u16, after: Option<TransferId>) -> Asked {
        self.client.read::<Bank>(Command::Suspended { limit, after }).await
    }

    /// Proves the ledger.
    pub async fn audit(&self) -> Asked {
        self.client.read::<Bank>(Command::Audit).await
    }
}
