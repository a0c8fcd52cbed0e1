//! What the store says when all is quiet, asked of the undisturbed server. Absent: the clients' notes.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_client::{CallId, Client, Nodes, Options, Plaintext, Trust};
use switchboard_commands::bank::{AccountId, Bank, Command, Reply, TransferKind};
use switchboard_commands::limits::STATEMENT_LINES_MAX;
use switchboard_commands::money::{Amount, Currency, Money};

use crate::processes::Place;
use crate::seats;
use crate::wire::Seats;

/// A withdrawal as the ledger has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) call: CallId,
    pub(crate) account: i64,
    pub(crate) transfer: i64,
    pub(crate) minor: i64,
    /// The account's balance behind it.
    pub(crate) balance: i64,
    pub(crate) memo: String,
}

/// What the store says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) entries: Vec<Entry>,
    /// By account.
    pub(crate) balances: BTreeMap<i64, i64>,
    /// By seat, those that somebody has.
    pub(crate) seats: BTreeMap<u32, String>,
}

/// On the account with enough on it for everybody.
pub(crate) const RICH_MINOR: i64 = 1_000_000_000_000;
/// On the account that is soon empty.
pub(crate) const POOR_MINOR: i64 = 2_000;

/// Opens the two accounts of a test: a rich one and a poor one.
pub(crate) fn open_accounts(place: &Place) -> (i64, i64) {
    asynchronously(async {
        let ledger = Ledger::open(place);
        let accounts = (ledger.open_account(RICH_MINOR).await, ledger.open_account(POOR_MINOR).await);
        ledger.close().await;
        accounts
    })
}

/// Reads what the store says of these accounts, and of as many seats.
pub(crate) fn read_facts(place: &Place, accounts: &[i64], seats_max: u32) -> Facts {
    asynchronously(async {
        let ledger = Ledger::open(place);
        let facts = ledger.facts(accounts, seats_max).await;
        ledger.close().await;
        facts
    })
}

/// Has the server prove its books; none when they are sound, or what it said.
pub(crate) fn audit(place: &Place) -> Option<String> {
    let server = format!("unix:{}", place.socket().display());
    let audited = place.program(&["--json", "--server", &server, "bank", "audit"]).output().unwrap();
    let text = String::from_utf8_lossy(&audited.stdout);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let sound = audited.status.success() && report["report"]["sound"] == true;
    (!sound).then(|| format!("{text}{}", String::from_utf8_lossy(&audited.stderr)))
}

/// A client of an undisturbed server.
struct Ledger(Client);

impl Ledger {
    fn open(place: &Place) -> Self {
        let address = format!("unix:{}", place.socket().display()).parse().unwrap();
        let nodes = Nodes::new(vec![address], Plaintext::LoopbackOnly).unwrap();
        Self(Client::open(Options::volatile(nodes, Trust::SystemRoots, Duration::from_secs(60))).unwrap())
    }

    async fn open_account(&self, opening_minor: i64) -> i64 {
        let opened = self.0.bank().open_account("Ada".parse().unwrap(), euros(0)).await.unwrap();
        let Reply::Opened { account, .. } = opened.result.unwrap() else { panic!("another reply") };
        let deposited = self.0.bank().deposit(account, euros(opening_minor), None).await.unwrap();
        assert!(matches!(deposited.result, Ok(Reply::Deposited { .. })));
        account.number()
    }

    async fn facts(&self, accounts: &[i64], seats_max: u32) -> Facts {
        let mut facts = Facts::default();
        for number in accounts {
            self.statement(*number, &mut facts).await;
        }
        for seat in 0..seats_max {
            let read = self.0.read::<Seats>(seats::Command::Who(seat)).await;
            if let Some(holder) = read.unwrap().unwrap().0 {
                facts.seats.insert(seat, holder);
            }
        }
        facts
    }

    async fn statement(&self, number: i64, facts: &mut Facts) {
        let account = AccountId::from_number(number).unwrap();
        let mut cursor = None;
        loop {
            let page = Command::Statement { account, limit: STATEMENT_LINES_MAX, before: cursor };
            let reply = self.0.read::<Bank>(page).await.unwrap().unwrap();
            let Reply::Statement { balance, lines, before, .. } = reply else { panic!("another reply") };
            facts.balances.insert(number, balance.amount.minor());
            for line in lines.into_iter().filter(|line| line.kind == TransferKind::Withdrawal) {
                facts.entries.push(Entry {
                    call: line.call.unwrap(),
                    account: number,
                    transfer: line.transfer.number(),
                    minor: -line.amount.amount.minor(),
                    balance: line.balance.amount.minor(),
                    memo: line.memo.unwrap().to_string(),
                });
            }
            cursor = before;
            if cursor.is_none() {
                return;
            }
        }
    }

    async fn close(self) {
        self.0.close().await;
    }
}

fn euros(minor: i64) -> Money {
    Amount::from_minor(minor).of(Currency::from_code(b"EUR").unwrap())
}

fn asynchronously<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}
