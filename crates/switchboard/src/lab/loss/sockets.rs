//! Withdrawals over sockets: tills on threads of their own, TLS through the lossy proxy to a whole server, and at the end the
//! ledger held against what the tills were told. A nominal second takes 20 ms of the wall clock. Absent: the server's start.
//!
//! A till's thread waits with `ppoll`, whose time-out the kernel keeps to some 50 µs, which is 2.5 nominal milliseconds; the
//! timers of the asynchronous runtime count whole milliseconds and would be too coarse.

mod errand;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_commands::money::{Amount, Currency};
use switchboard_tls::{CALL_PROTOCOL, ServerAddress, Trust, client_config};

use super::limits::CLIENTS_MAX;
use super::quantity::{Case, Loss};
use super::statistics::{Sample, Summary};
use super::till::Drawn;
use super::{PACE, theory};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::chance::Chance;
use crate::lab::ledger::Ledger;
use crate::lab::proxy::{Counts, Direction, Faults, Plan, Proxy};
use crate::lab::verdict::{self, Check, Intended};
use errand::Errand;

/// What is drawn each time, in minor units.
const AMOUNT_MINOR: i64 = 2000;
/// What is left at the end, in minor units.
const LEFT_MINOR: i64 = 10_000;
/// One attempt keeps this machine busy for less than this, in milliseconds of the wall clock: frames, TLS, commit.
const ATTEMPT_MS: f64 = 1.0;
/// A round trip over loopback and a commit, in nominal microseconds, to plan with.
const ROUND_TRIP_US: u64 = 20_000;

/// One point on sockets.
#[derive(Clone, Debug)]
pub(crate) struct OnSockets {
    /// What the withdrawals took.
    pub(crate) summary: Summary,
    /// Tills at a time.
    pub(crate) clients: usize,
    /// What the proxy did: to requests, to replies.
    pub(crate) counts: [Counts; 2],
}

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) case: Case,
    pub(super) loss: Loss,
    pub(super) calls: u32,
    pub(super) seed: u64,
}

/// Ends the tills when the measurement is dropped before its end.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Draws from an account of its own, opened on the server at `socket`; `told` hears of each withdrawal.
///
/// # Errors
/// When a withdrawal has no answer, or the money is not what the tills were told.
pub(super) async fn measure(
    order: Order,
    socket: &Path,
    told: Arc<dyn Fn() + Send + Sync>,
) -> Result<OnSockets, Failure> {
    let currency = Currency::from_code(b"EUR").expect("the euro is in ISO 4217");
    let money = |minor: i64| Amount::from_minor(minor).of(currency);
    let intended = Intended {
        calls: u64::from(order.calls),
        amount: money(AMOUNT_MINOR),
        opening: money(AMOUNT_MINOR * i64::from(order.calls) + LEFT_MINOR),
    };
    let ledger = Ledger::open(socket.to_owned())?;
    let account = ledger.open_account(intended.opening).await?;
    let proxy = proxy(order, socket).await?;
    let address = ServerAddress::new("127.0.0.1", proxy.address().port())?;
    let tls = client_config(&Trust::Pin(proxy.fingerprint()), &address, &[CALL_PROTOCOL])?;

    let clients = clients(order);
    let stop = Stop(Arc::new(AtomicBool::new(false)));
    let mut tills = tokio::task::JoinSet::new();
    for calls in shares(order.calls, clients) {
        let errand = Errand {
            address: proxy.address(),
            tls: tls.config(),
            name: tls.server_name(),
            account,
            amount: intended.amount,
            calls,
            told: Arc::clone(&told),
            stop: Arc::clone(&stop.0),
        };
        tills.spawn_blocking(move || errand.run());
    }
    let mut drawn = Vec::new();
    while let Some(ended) = tills.join_next().await {
        match ended.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(told) => drawn.extend(told?),
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => unreachable!("work that has begun on a thread is not cancelled"),
        }
    }
    let counts = [Direction::Request, Direction::Reply].map(|way| proxy.counts(way));
    let facts = ledger.facts(account).await?;
    ledger.close().await;
    let notes: BTreeMap<_, _> = drawn.iter().map(|one: &Drawn| (one.id, one.note.clone())).collect();
    prove(order, &verdict::judge(&intended, &notes, &facts, counts))?;
    let samples: Vec<Sample> = drawn.iter().map(|one| one.sample).collect();
    let summary = Summary::of(&samples).expect("every withdrawal has its answer, and there is at least one");
    Ok(OnSockets { summary, clients, counts })
}

/// The command fails when one check does not hold.
fn prove(order: Order, checks: &[Check]) -> Result<(), Failure> {
    let broken: Vec<String> = checks
        .iter()
        .filter(|check| !check.holds)
        .map(|check| format!("{} ({})", check.name, check.detail))
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    let what = format!(
        "the money is not what the clients were told, with {} and a share of {}: this does not hold: {}",
        order.case.title(),
        order.loss,
        broken.join("; ")
    );
    Err(Failure::new(Exit::Refused, what)
        .advise("a withdrawal was lost or done twice; report it with the seed"))
}

async fn proxy(order: Order, socket: &Path) -> Result<Proxy, Failure> {
    let (requests, replies) = order.case.split(order.loss);
    let lose = |share| Faults { lose: share, ..Faults::default() };
    let plan = Plan { seed: order.seed, requests: lose(requests), replies: lose(replies) };
    let nobody_listens = Arc::new(|_event| {});
    let started = Proxy::start(plan, socket.to_owned(), nobody_listens).await;
    started.map_err(|error| Failure::from_error(Exit::CannotCreate, error))
}

/// As many tills as leave the machine mostly waiting: more would measure how they wait for each other.
fn clients(order: Order) -> usize {
    let nominal_s = theory::adaptive_seconds(order.case, order.loss, ROUND_TRIP_US);
    let wall_ms = nominal_s * 1000.0 / f64::from(u32::try_from(PACE).expect("a small number"));
    let busy_ms = theory::attempts(order.case, order.loss) * ATTEMPT_MS;
    let fitting = (1..=CLIENTS_MAX).take_while(|clients| {
        f64::from(u32::try_from(*clients).expect("a small number")) * busy_ms <= wall_ms
    });
    let calls = usize::try_from(order.calls).unwrap_or(usize::MAX);
    fitting.last().unwrap_or(1).min(calls)
}

/// `calls` in as many shares as there are clients, none larger than another by more than one.
fn shares(calls: u32, clients: usize) -> impl Iterator<Item = u32> {
    let clients = u32::try_from(clients).expect("at most a few").max(1);
    (0..clients).map(move |client| calls / clients + u32::from(client < calls % clients))
}

/// The seed of one point's proxy.
pub(super) fn proxy_seed(seed: u64, stream: u64) -> u64 {
    Chance::new(seed, stream).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(case: Case, loss: &str, calls: u32) -> Order {
        Order { case, loss: loss.parse().unwrap(), calls, seed: 1 }
    }

    #[test]
    fn the_shares_are_all_of_the_calls() {
        assert_eq!(shares(10, 3).collect::<Vec<_>>(), [4, 3, 3]);
        assert_eq!(shares(2, 2).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn who_mostly_waits_has_company_and_who_does_not_is_alone() {
        assert_eq!(clients(order(Case::Requests, "0", 100)), 1);
        assert!(clients(order(Case::Both, "0.7", 100)) >= 8);
        assert_eq!(clients(order(Case::Both, "0.7", 2)), 2);
    }

    /// The checks themselves, with errors planted, are tested where they are.
    #[test]
    fn one_check_that_does_not_hold_fails_the_command_in_words() {
        let check =
            |name, holds| Check { name, holds, detail: "41 entries of 40 different calls".to_owned() };
        let order = order(Case::Both, "0.3", 40);
        assert!(prove(order, &[check("first", true), check("second", true)]).is_ok());
        let failure =
            prove(order, &[check("first", true), check("each is booked exactly once", false)]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        let text = failure.to_string();
        assert!(text.contains("each is booked exactly once (41 entries of 40 different calls)"), "{text}");
        assert!(text.contains("requests and replies lost and a share of 0.30"), "{text}");
    }
}
