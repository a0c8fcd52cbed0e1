//! The experiment: every case at every share lost, in virtual time and, where asked for, on sockets, beside the theory.
//! Absent: how it is shown.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::link::Link;
use super::quantity::{Case, Loss};
use super::sockets::{self, OnSockets, Order};
use super::statistics::{Sample, Summary};
use super::{fixed, simulated, theory};
use crate::failure::Failure;
use crate::lab::chance::Chance;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Shares lost, rising.
    pub(crate) points: Vec<Loss>,
    /// Withdrawals a point in virtual time.
    pub(crate) calls: u32,
    /// Mean round trip of the simulated link, in microseconds.
    pub(crate) round_trip_us: u64,
    /// The same seed gives the same figures in virtual time, and the same losses per connection on sockets.
    pub(crate) seed: u64,
    /// What is tried on sockets, if anything.
    pub(crate) sockets: Option<SocketPlan>,
}

/// What is to be measured on sockets.
#[derive(Clone, Debug)]
pub(crate) struct SocketPlan {
    /// Shares lost, of those in virtual time.
    pub(crate) points: Vec<Loss>,
    /// Withdrawals a point.
    pub(crate) calls: u32,
}

/// One case at one share lost.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// Which messages are lost.
    pub(crate) case: Case,
    /// How many of them.
    pub(crate) loss: Loss,
    /// What theory expects.
    pub(crate) theory: Theory,
    /// In virtual time.
    pub(crate) simulated: Simulated,
    /// Our client on sockets, where tried.
    pub(crate) sockets: Option<OnSockets>,
}

/// What theory expects, in means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Theory {
    /// Attempts of either client.
    pub(crate) attempts: f64,
    /// Our client's time, in seconds.
    pub(crate) adaptive_s: f64,
    /// The time of a client that waits a second each time, in seconds.
    pub(crate) fixed_s: f64,
}

/// What was measured in virtual time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Simulated {
    /// Our client.
    pub(crate) adaptive: Summary,
    /// The client that waits a second each time.
    pub(crate) fixed: Summary,
}

/// Everything measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// What was asked for.
    pub(crate) plan: Plan,
    /// Case by case, shares rising.
    pub(crate) points: Vec<Point>,
}

impl Measured {
    /// The round trip on sockets where nothing is lost, in microseconds: the smallest median, which other work on the
    /// machine disturbs least.
    pub(crate) fn socket_round_trip_us(&self) -> Option<u64> {
        let lossless = self.points.iter().filter(|point| point.loss == Loss::NONE);
        lossless.filter_map(|point| Some(point.sockets.as_ref()?.summary.median_us)).min()
    }

    /// The points of one case.
    pub(crate) fn of(&self, case: Case) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.case == case)
    }
}

/// Measures in virtual time, on all processors; `told` hears of each point.
///
/// # Errors
/// When a withdrawal was not executed exactly once.
pub(crate) fn simulate(plan: &Plan, told: &(dyn Fn() + Sync)) -> Result<Measured, Failure> {
    let orders: Vec<(Case, Loss)> =
        Case::ALL.into_iter().flat_map(|case| plan.points.iter().map(move |loss| (case, *loss))).collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(orders.len()));
    let work = || {
        while let Some((case, loss)) = orders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let point = simulate_point(plan, *case, *loss);
            found.lock().unwrap_or_else(PoisonError::into_inner).push(point);
            told();
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (1..threads.min(orders.len())).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut points = found.into_iter().collect::<Result<Vec<Point>, Failure>>()?;
    points.sort_by_key(|point| (point.case, point.loss));
    Ok(Measured { plan: plan.clone(), points })
}

/// Measures on sockets and adds what it found.
///
/// # Errors
/// When a withdrawal has no answer, or the money of a point is not what its clients were told.
pub(crate) async fn on_sockets(
    measured: &mut Measured,
    socket: PathBuf,
    told: Arc<dyn Fn() + Send + Sync>,
) -> Result<(), Failure> {
    let Some(plan) = measured.plan.sockets.clone() else { return Ok(()) };
    let seed = measured.plan.seed;
    for point in measured.points.iter_mut().filter(|point| plan.points.contains(&point.loss)) {
        let (case, loss) = (point.case, point.loss);
        let seed = sockets::proxy_seed(seed, stream(case, loss, Use::Proxy));
        let order = Order { case, loss, calls: plan.calls, seed };
        point.sockets = Some(sockets::measure(order, &socket, Arc::clone(&told)).await?);
    }
    Ok(())
}

fn simulate_point(plan: &Plan, case: Case, loss: Loss) -> Result<Point, Failure> {
    let chance = |purpose| Chance::new(plan.seed, stream(case, loss, purpose));
    let link = |purpose| Link::new(case.split(loss), plan.round_trip_us, chance(purpose));
    let adaptive = simulated::withdraw(plan.calls, link(Use::AdaptiveLink), chance(Use::Machine))?;
    let mut fixed_link = link(Use::FixedLink);
    let fixed: Vec<Sample> = (0..plan.calls).map(|_| fixed::withdraw(&mut fixed_link)).collect();
    let summary = |samples: &[Sample]| Summary::of(samples).expect("at least one withdrawal is asked for");
    let simulated = Simulated { adaptive: summary(&adaptive), fixed: summary(&fixed) };
    let theory = Theory::of(case, loss, plan.round_trip_us);
    Ok(Point { case, loss, theory, simulated, sockets: None })
}

impl Theory {
    /// At this share lost, with this round trip in microseconds.
    pub(crate) fn of(case: Case, loss: Loss, round_trip_us: u64) -> Self {
        Self {
            attempts: theory::attempts(case, loss),
            adaptive_s: theory::adaptive_seconds(case, loss, round_trip_us),
            fixed_s: theory::fixed_seconds(case, loss, round_trip_us),
        }
    }
}

/// Who draws chance.
#[derive(Clone, Copy)]
enum Use {
    AdaptiveLink,
    Machine,
    FixedLink,
    Proxy,
}

/// A number for each use at each point, so that none shifts the others.
fn stream(case: Case, loss: Loss, purpose: Use) -> u64 {
    let case = match case {
        Case::Requests => 0,
        Case::Replies => 1,
        Case::Both => 2,
    };
    let purpose = match purpose {
        Use::AdaptiveLink => 0,
        Use::Machine => 1,
        Use::FixedLink => 2,
        Use::Proxy => 3,
    };
    (u64::from(loss.permille()) * 4 + case) * 4 + purpose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_figures_on_any_number_of_threads() {
        let points = ["0", "0.2", "0.5"].map(|text| text.parse().unwrap()).to_vec();
        let plan = Plan { points, calls: 50, round_trip_us: 10_000, seed: 3, sockets: None };
        let figures = |measured: Measured| -> Vec<_> {
            measured.points.iter().map(|point| (point.case, point.loss, point.simulated)).collect()
        };
        let told = AtomicUsize::new(0);
        let count = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let first = figures(simulate(&plan, &count).unwrap());
        assert_eq!(told.load(Ordering::Relaxed), 9);
        assert_eq!(first, figures(simulate(&plan, &|| {}).unwrap()));
        let other = figures(simulate(&Plan { seed: 4, ..plan }, &|| {}).unwrap());
        assert_ne!(first, other);
        assert_eq!(first.len(), 9);
    }

    #[test]
    fn no_two_uses_share_a_stream() {
        let mut seen = std::collections::BTreeSet::new();
        for permille in 0..=950 {
            let loss = Loss::from_permille(permille).unwrap();
            for case in Case::ALL {
                for purpose in [Use::AdaptiveLink, Use::Machine, Use::FixedLink, Use::Proxy] {
                    assert!(seen.insert(stream(case, loss, purpose)));
                }
            }
        }
    }
}
