//! One withdrawal after the other on one connection: by the load, by the client library without a journal, and with one.
//! They and the floor take turns, so that a slow minute of the disk is in all of them. Absent: more than one in flight.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use switchboard_client::{Client, JournalPlace, Options};
use switchboard_commands::bank::AccountId;
use switchboard_commands::money::{Amount, Currency};

use super::ALONE_TIMES_MAX;
use super::floor::{Floor, middle, together};
use crate::figure::{Figure, Goal};
use crate::ledger::{nodes, trust};
use crate::load::{ACCOUNTS, Accounts, Load, Pace, Work};
use crate::server::Server;

/// Withdrawals of one kind in one round.
const TIMES: u32 = 400;
/// How long a withdrawal may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Alone {
    floor: Floor,
    bare: Vec<Duration>,
    volatile: Vec<Duration>,
    durable: Vec<Duration>,
    /// The durable call and the acknowledgement that the program has its answer.
    acknowledged: Vec<Duration>,
}

impl Alone {
    pub(super) fn measure(server: &Server, place: &Path, rounds: u32, bar: &ProgressBar) -> Result<Self> {
        let mut alone = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for _ in 0..rounds {
            alone.floor.add_round(place)?;
            alone.add_bare(server)?;
            runtime.block_on(alone.add_volatile(server))?;
            runtime.block_on(alone.add_durable(server, &place.join("journal")))?;
            bar.inc(1);
        }
        Ok(alone)
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let us = |what: &str, time: Duration| Figure::new(what, time.as_secs_f64() * 1e6, "us");
        let Floor { append, overwrite, round_trip } = &self.floor;
        let [bare, volatile, durable, acknowledged] =
            [&self.bare, &self.volatile, &self.durable, &self.acknowledged]
                .map(|times| middle(times.clone()));
        let (once, thrice) = (together(append, 1, round_trip), together(append, 3, round_trip));
        let (over_once, over_thrice) =
            (together(overwrite, 1, round_trip), together(overwrite, 3, round_trip));
        vec![
            us("flush of a page appended, p50", middle(append.clone())),
            us("flush of a page written over, p50", middle(overwrite.clone())),
            us("round trip of a call's bytes, p50", middle(round_trip.clone())),
            us("1 flush + 1 round trip, p50", once),
            us("3 flushes + 1 round trip, p50", thrice),
            us("withdrawal alone, bare connection, p50", bare),
            us("withdrawal alone, volatile client, p50", volatile),
            us("withdrawal alone, durable client, p50", durable),
            us("the same and acknowledged, p50", acknowledged),
            times_the_floor("bare connection / (1 flush + 1 round trip)", bare, once),
            times_the_floor("volatile client / (1 flush + 1 round trip)", volatile, once),
            times_the_floor("durable client / (3 flushes + 1 round trip)", durable, thrice),
            times_the_floor("the same, acknowledged", acknowledged, thrice),
            times("volatile client, flush of a page written over", volatile, over_once),
            times("durable client, flushes of a page written over", durable, over_thrice),
        ]
    }

    fn add_bare(&mut self, server: &Server) -> Result<()> {
        let load = Load {
            target: server.tcp.clone(),
            connections: 1,
            depth: 1,
            work: Work::Withdraw(Accounts::Any(ACCOUNTS)),
            pace: Pace::Count(TIMES.into()),
            seed: 1,
        };
        let answered = load.run()?.latency_us;
        for recorded in answered.iter_recorded() {
            let time = Duration::from_micros(recorded.value_iterated_to());
            self.bare.extend(std::iter::repeat_n(time, usize::try_from(recorded.count_at_value())?));
        }
        Ok(())
    }

    async fn add_volatile(&mut self, server: &Server) -> Result<()> {
        let client = Client::open(Options::volatile(nodes(server)?, trust(server), PATIENCE))?;
        client.connected().await?;
        for number in 0..TIMES {
            withdraw(&client, number, &mut self.volatile, None).await?;
        }
        client.close().await;
        Ok(())
    }

    async fn add_durable(&mut self, server: &Server, journal: &Path) -> Result<()> {
        let place = JournalPlace::File(journal.to_owned());
        let client = Client::open(Options::durable(nodes(server)?, trust(server), place))?;
        client.connected().await?;
        for number in 0..TIMES {
            withdraw(&client, number, &mut self.durable, Some(&mut self.acknowledged)).await?;
        }
        client.close().await;
        Ok(())
    }
}

/// A ratio to its floor.
fn times(what: &str, time: Duration, floor: Duration) -> Figure {
    Figure::new(what, time.as_secs_f64() / floor.as_secs_f64(), "x")
}

/// The same with the goal beside it.
fn times_the_floor(what: &str, time: Duration, floor: Duration) -> Figure {
    times(what, time, floor).with(Goal::AtMost(ALONE_TIMES_MAX))
}

/// One withdrawal, acknowledged where `acknowledged_in` is to be told how long both took.
#[expect(clippy::disallowed_methods, reason = "what is measured is a time")]
async fn withdraw(
    client: &Client,
    number: u32,
    answered_in: &mut Vec<Duration>,
    acknowledged_in: Option<&mut Vec<Duration>>,
) -> Result<()> {
    let account = AccountId::from_number(i64::from(number % ACCOUNTS) + 1).context("an account")?;
    let euro = Currency::from_code(b"EUR").context("ISO 4217 has the euro")?;
    let money = Amount::from_minor(1).of(euro);
    let begun = Instant::now();
    let answered = client.bank().withdraw(account, money, None).await?;
    answered_in.push(begun.elapsed());
    anyhow::ensure!(answered.result.is_ok(), "a withdrawal was answered {:?}", answered.result);
    if let Some(acknowledged_in) = acknowledged_in {
        client.acknowledge(answered.id).await?;
        acknowledged_in.push(begun.elapsed());
    }
    Ok(())
}
