//! The ledger of a server of ours, asked through the client library, once a load is over. Absent: any load.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use switchboard_client::{Client, Nodes, Options, Plaintext, Trust};
use switchboard_commands::bank::{AccountId, AuditReport, Reply};
use switchboard_commands::money::{Amount, Currency};
use tokio::runtime::Runtime;

use crate::load::Target;
use crate::server::Server;

/// How long anything but an audit may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of a server, for questions one at a time.
#[derive(Debug)]
pub struct Ledger {
    runtime: Runtime,
    client: Client,
}

impl Ledger {
    /// Connects in the background.
    ///
    /// # Errors
    /// When there are no threads to be had.
    pub fn open(server: &Server) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = Options::volatile(nodes(server)?, trust(server), PATIENCE);
        let client = runtime.block_on(async { Client::open(options) })?;
        Ok(Self { runtime, client })
    }

    /// Has the ledger prove itself, and returns what the proof counted.
    ///
    /// # Errors
    /// When it finds anything.
    pub fn audit(&self) -> Result<AuditReport> {
        let client = self.client.with_deadline(None);
        let answer = self.runtime.block_on(async { client.bank().audit().await })?;
        let Ok(Reply::Audited { report }) = answer else { bail!("an audit was answered {answer:?}") };
        anyhow::ensure!(report.sound, "the ledger is not sound: {:?}", report.findings);
        Ok(report)
    }

    /// What is on an account, in minor units.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn balance(&self, account: i64) -> Result<i64> {
        let account = AccountId::from_number(account).context("a number of an account")?;
        let answer = self.runtime.block_on(async { self.client.bank().balance(account).await })?;
        let Ok(Reply::Balance { balance, .. }) = answer else { bail!("a balance was answered {answer:?}") };
        Ok(balance.amount.minor())
    }

    /// Takes one minor unit from an account; returns the number of the ledger's entry, which counts from 1.
    ///
    /// # Errors
    /// When it is refused.
    pub fn withdraw(&self, account: i64) -> Result<u64> {
        let account = AccountId::from_number(account).context("a number of an account")?;
        let euro = Currency::from_code(b"EUR").context("ISO 4217 has the euro")?;
        let money = Amount::from_minor(1).of(euro);
        let answered =
            self.runtime.block_on(async { self.client.bank().withdraw(account, money, None).await })?;
        let Ok(Reply::Withdrawn { transfer, .. }) = answered.result else {
            bail!("a withdrawal was answered {:?}", answered.result)
        };
        Ok(u64::try_from(transfer.number())?)
    }
}

/// The way to a server in the clear, as the client library takes it.
///
/// # Errors
/// When the server has no such address.
pub fn nodes(server: &Server) -> Result<Nodes> {
    let Target::Tcp(address) = &server.tcp else { bail!("the server has no address in the clear") };
    Ok(Nodes::new(vec![format!("tcp://{address}").parse()?], Plaintext::LoopbackOnly)?)
}

/// Whom to believe there.
#[must_use]
pub fn trust(server: &Server) -> Trust {
    match &server.tls {
        Target::Tls(_, key, _) => Trust::Pin(*key),
        Target::Tcp(_) => Trust::SystemRoots,
    }
}
