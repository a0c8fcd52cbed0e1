//! The laboratory's own look at the ledger, straight to the server and past the lossy proxy: opens accounts, and reads at the
//! end what is booked. Absent: what the clients noted.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_call::id::CallId;
use switchboard_client::{Address, Client, Nodes, Options, Plaintext, Trust};
use switchboard_commands::bank::{AccountId, AuditReport, Bank, Command, Reply, TransferKind};
use switchboard_commands::limits::STATEMENT_LINES_MAX;
use switchboard_commands::money::Money;

use crate::exit::Exit;
use crate::failure::Failure;

/// Longest wait for an answer of the undisturbed server, in seconds.
const ANSWER_SECONDS_MAX: u64 = 20;

/// A client past the proxy.
pub(crate) struct Ledger {
    client: Client,
}

/// What the ledger says at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    pub(crate) balance: Money,
    /// Each withdrawal with the call that booked it.
    pub(crate) withdrawals: Vec<Withdrawal>,
    pub(crate) audit: AuditReport,
}

/// One entry of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Withdrawal {
    pub(crate) transfer: i64,
    pub(crate) call: Option<CallId>,
    pub(crate) amount: Money,
}

impl Ledger {
    /// Of the server at this Unix socket.
    pub(crate) fn open(socket: PathBuf) -> Result<Self, Failure> {
        let nodes = Nodes::new(vec![Address::Unix(socket)], Plaintext::LoopbackOnly)
            .map_err(|error| Failure::from_error(Exit::CannotCreate, error))?;
        // Nothing is trusted here but the owner of the socket.
        let options = Options::volatile(nodes, Trust::SystemRoots, Duration::from_secs(ANSWER_SECONDS_MAX));
        Ok(Self { client: Client::open(options)? })
    }

    /// Opens an account with `opening` on it.
    pub(crate) async fn open_account(&self, opening: Money) -> Result<AccountId, Failure> {
        let wrong = |error| Failure::from_error(Exit::Internal, error);
        let owner = "Ada's till".parse().map_err(wrong)?;
        let floor = switchboard_commands::money::Amount::ZERO.of(opening.currency);
        let opened = self.command(Command::OpenAccount { owner, floor }).await?;
        let Reply::Opened { account, .. } = opened else { return Err(strange(&opened)) };
        let deposited = self.command(Command::Deposit { account, money: opening, memo: None }).await?;
        let Reply::Deposited { .. } = deposited else { return Err(strange(&deposited)) };
        Ok(account)
    }

    /// Reads the whole statement and has the books proved.
    pub(crate) async fn facts(&self, account: AccountId) -> Result<Facts, Failure> {
        let (mut withdrawals, mut cursor) = (Vec::new(), None);
        let balance = loop {
            let page = Command::Statement { account, limit: STATEMENT_LINES_MAX, before: cursor };
            let reply = self.question(page).await?;
            let Reply::Statement { balance, lines, before, .. } = reply else { return Err(strange(&reply)) };
            let drawn = lines.iter().filter(|line| line.kind == TransferKind::Withdrawal);
            withdrawals.extend(drawn.map(|line| Withdrawal {
                transfer: line.transfer.number(),
                call: line.call,
                amount: line.amount,
            }));
            match before {
                Some(before) => cursor = Some(before),
                None => break balance,
            }
        };
        let audited = self.question(Command::Audit).await?;
        let Reply::Audited { report: audit } = audited else { return Err(strange(&audited)) };
        Ok(Facts { balance, withdrawals, audit })
    }

    pub(crate) async fn close(self) {
        self.client.close().await;
    }

    async fn command(&self, command: Command) -> Result<Reply, Failure> {
        self.client.call::<Bank>(command).await?.result.map_err(|refusal| Failure::refused(&refusal))
    }

    async fn question(&self, question: Command) -> Result<Reply, Failure> {
        self.client.read::<Bank>(question).await?.map_err(|refusal| Failure::refused(&refusal))
    }
}

fn strange(reply: &Reply) -> Failure {
    Failure::new(Exit::Internal, format!("the server of the laboratory answered something else: {reply:?}"))
}
