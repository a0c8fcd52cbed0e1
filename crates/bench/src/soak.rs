//! `bench soak`: days of work in minutes. Withdrawals as fast as the server takes them from sessions that come and go, in the
//! clear and under TLS; balances and statements beside them; connections that break in the middle of a greeting. What the
//! server occupies is sampled, and a straight line through the second half must not rise beyond a bound, else the command fails.
//!
//! Absent: growth of the ledger on disk, which is what it is for (`bench memory` has its size).

use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::figure::{self, Figure, Goal, number};
use crate::latency::temporary;
use crate::ledger::Ledger;
use crate::load::{ACCOUNTS, Accounts, Load, Pace, Target, Work};
use crate::progress;
use crate::server::{self, Server};
use crate::statistics::median;
use crate::usage::{OnDisk, Usage, once_alone};

/// Connections of a round of withdrawals, and calls in flight on each.
const CONNECTIONS: usize = 64;
const DEPTH: u16 = 16;
/// Withdrawals of one step of filling.
const STEP: u64 = 50_000;
/// After this a round's connections and sessions end and others begin.
const ROUND: Duration = Duration::from_secs(2);
/// Balances and pages of statements a second.
const BALANCES_PER_SECOND: f64 = 500.0;
const STATEMENTS_PER_SECOND: f64 = 100.0;
/// Lines of such a page.
const LINES: u16 = 50;
/// Connections that are greeted and dropped, and that break off in the middle of a hello, each time.
const BROKEN: usize = 8;
/// Pause between those times.
const BROKEN_EVERY: Duration = Duration::from_millis(100);
/// Samples of a run.
const SAMPLES: u32 = 300;
/// Two lines need this many to be told from noise.
const SAMPLES_MIN: usize = 10;

/// How much may be added in the second half of a run, along the straight line through its samples.
const MEMORY_GROWTH_MIB_MAX: f64 = 4.0;
const DESCRIPTORS_GROWTH_MAX: f64 = 16.0;
const THREADS_GROWTH_MAX: f64 = 2.0;
const LOG_GROWTH_MIB_MAX: f64 = 8.0;

const MIB: f64 = 1024.0 * 1024.0;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Withdrawals before the first sample, so that the page caches are full and grow no more
    #[arg(long, default_value_t = 2_000_000)]
    fill: u64,
    /// Minutes to run
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Withdrawals a second at most; without it as many as the server takes
    #[arg(long)]
    rate: Option<f64>,
    /// Calls of one day of the canteen that the run is compared with
    #[arg(long, default_value_t = 20_000)]
    day: u32,
    /// Where the data folder is made
    #[arg(long)]
    place: Option<PathBuf>,
    /// Prints JSON, samples included
    #[arg(long)]
    json: bool,
}

/// What the server occupied at one time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    rss_mib: f64,
    pss_mib: f64,
    descriptors: f64,
    threads: f64,
    log_mib: f64,
}

/// What was done so far.
#[derive(Debug, Default)]
struct Tally {
    over: AtomicBool,
    withdrawals: AtomicU64,
    reads: AtomicU64,
    connections: AtomicU64,
    sessions: AtomicU64,
}

/// One thing that is sampled: its name, unit, where it stands in a sample, and how much it may grow.
type Quantity = (&'static str, &'static str, fn(&Sample) -> f64, f64);

const QUANTITIES: [Quantity; 5] = [
    ("RSS", "MiB", |sample| sample.rss_mib, MEMORY_GROWTH_MIB_MAX),
    ("PSS", "MiB", |sample| sample.pss_mib, MEMORY_GROWTH_MIB_MAX),
    ("open files", "", |sample| sample.descriptors, DESCRIPTORS_GROWTH_MAX),
    ("threads", "", |sample| sample.threads, THREADS_GROWTH_MAX),
    ("write-ahead log", "MiB", |sample| sample.log_mib, LOG_GROWTH_MIB_MAX),
];

impl Options {
    /// Runs, prints, and fails when anything has grown that must not.
    ///
    /// # Errors
    /// When something has grown, a connection was kept, a call was refused or lost.
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    pub fn run(self) -> Result<()> {
        let place = temporary(self.place.as_deref())?;
        let server = Server::open(&[server::build()?.into_os_string()], &place.path().join("data"))?;
        server.fill(ACCOUNTS)?;
        let (tally, idle) = (Tally::default(), Usage::of(server.pid())?);
        self.fill_caches(&server)?;
        let bar = progress::bar(u64::from(SAMPLES), "soak");
        let samples = self.soak(&server, &tally, &bar)?;
        bar.finish_and_clear();
        let alone = once_alone(server.pid(), idle)?;
        let report = Ledger::open(&server)?.audit()?;
        let made = u64::from(ACCOUNTS) + self.fill + tally.withdrawals.load(Ordering::Relaxed);
        anyhow::ensure!(report.transfers == made, "{} transfers on file, {made} were made", report.transfers);
        server.stop()?;
        let mut figures = self.work_done(&tally);
        figures.push(Figure::new(
            "memory at the end, all connections gone (PSS)",
            number(alone.pss) / MIB,
            "MiB",
        ));
        let growth = growth(&samples)?;
        let grown = growth.iter().filter(|figure| figure.is_reached() == Some(false)).count();
        figures.extend(growth);
        match self.json {
            true => println!("{:#}", json!({ "figures": figure::json(&figures), "samples": view(&samples) })),
            false => print!("{}", figure::table(&figures)),
        }
        anyhow::ensure!(grown == 0, "{grown} of {} quantities grew beyond their bounds", QUANTITIES.len());
        Ok(())
    }

    fn fill_caches(&self, server: &Server) -> Result<()> {
        let bar = progress::bar(self.fill, "filling page caches");
        let work = Work::Withdraw(Accounts::Any(ACCOUNTS));
        let mut ready = load(&server.tcp, CONNECTIONS, DEPTH, work, Pace::Count(STEP)).connect()?;
        for _ in 0..self.fill / STEP {
            ready.run()?;
            bar.inc(STEP);
        }
        drop(ready);
        load(&server.tcp, CONNECTIONS, DEPTH, work, Pace::Count(self.fill % STEP)).run()?;
        bar.finish_and_clear();
        Ok(())
    }

    fn soak(&self, server: &Server, tally: &Tally, bar: &ProgressBar) -> Result<Vec<Sample>> {
        std::thread::scope(|scope| {
            let pace = match self.rate {
                Some(per_second) => Pace::Open { per_second, lasts: ROUND },
                None => Pace::Closed(ROUND),
            };
            let running = [
                scope.spawn(move || tally.until_over(|| withdraw(server, pace, tally))),
                scope.spawn(|| tally.until_over(|| ask(server, tally))),
                scope.spawn(|| tally.until_over(|| break_off(server, tally))),
            ];
            let samples = self.sample(server, tally, bar);
            tally.over.store(true, Ordering::Relaxed);
            for thread in running {
                thread.join().map_err(|_| anyhow::anyhow!("a load panicked"))??;
            }
            samples
        })
    }

    /// Samples until the time is over, or a load has ended because something is wrong.
    #[expect(clippy::disallowed_methods, reason = "samples are taken by the clock")]
    fn sample(&self, server: &Server, tally: &Tally, bar: &ProgressBar) -> Result<Vec<Sample>> {
        let (begun, lasts) = (Instant::now(), Duration::from_secs_f64(self.minutes * 60.0));
        let mut samples = Vec::new();
        for number in 1..=SAMPLES {
            let due = begun + lasts * number / SAMPLES;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if tally.over.load(Ordering::Relaxed) {
                break;
            }
            samples.push(Sample::of(server, begun.elapsed())?);
            bar.inc(1);
        }
        Ok(samples)
    }

    fn work_done(&self, tally: &Tally) -> Vec<Figure> {
        let count =
            |what: &str, counter: &AtomicU64| Figure::new(what, number(counter.load(Ordering::Relaxed)), "");
        let calls = number(tally.withdrawals.load(Ordering::Relaxed) + tally.reads.load(Ordering::Relaxed));
        let days = format!("days of a canteen with {} calls a day", self.day);
        vec![
            Figure::new("time under load", self.minutes, "min"),
            count("withdrawals, each found in the ledger", &tally.withdrawals),
            count("balances and statements", &tally.reads),
            count("connections made", &tally.connections),
            count("sessions begun", &tally.sessions),
            Figure::new(days, calls / f64::from(self.day.max(1)), ""),
        ]
    }
}

impl Tally {
    /// Repeats until the run is over; an error ends the run.
    fn until_over(&self, mut round: impl FnMut() -> Result<()>) -> Result<()> {
        while !self.over.load(Ordering::Relaxed) {
            round().inspect_err(|_| self.over.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    }

    fn connected(&self, connections: usize) -> Result<()> {
        self.connections.fetch_add(u64::try_from(connections)?, Ordering::Relaxed);
        Ok(())
    }
}

impl Sample {
    fn of(server: &Server, at: Duration) -> Result<Self> {
        let usage = Usage::of(server.pid())?;
        Ok(Self {
            seconds: at.as_secs_f64(),
            rss_mib: number(usage.rss) / MIB,
            pss_mib: number(usage.pss) / MIB,
            descriptors: number(usage.descriptors),
            threads: number(usage.threads),
            log_mib: number(OnDisk::of(server.folder()).log) / MIB,
        })
    }
}

/// A round of withdrawals in new sessions, in the clear and under TLS in turn.
fn withdraw(server: &Server, pace: Pace, tally: &Tally) -> Result<()> {
    let round = tally.sessions.fetch_add(u64::try_from(CONNECTIONS)?, Ordering::Relaxed);
    let is_secure = (round / u64::try_from(CONNECTIONS)?) % 2 == 1;
    let target = if is_secure { &server.tls } else { &server.tcp };
    let work = Work::Withdraw(Accounts::Any(ACCOUNTS));
    let done = load(target, CONNECTIONS, DEPTH, work, pace).run()?;
    tally.withdrawals.fetch_add(done.calls, Ordering::Relaxed);
    tally.connected(CONNECTIONS)
}

/// A second of balances, then one of statements, at a steady rate.
fn ask(server: &Server, tally: &Tally) -> Result<()> {
    let lasts = Duration::from_secs(1);
    for (work, per_second) in [
        (Work::Balance(Accounts::Any(ACCOUNTS)), BALANCES_PER_SECOND),
        (Work::Statement(Accounts::Any(ACCOUNTS), LINES), STATEMENTS_PER_SECOND),
    ] {
        let done = load(&server.tcp, 4, 4, work, Pace::Open { per_second, lasts }).run()?;
        tally.reads.fetch_add(done.calls, Ordering::Relaxed);
        tally.connected(4)?;
    }
    Ok(())
}

/// Connections that are greeted and dropped without a word, and some that break off in the middle of their hello.
#[expect(clippy::disallowed_methods, reason = "connections break at a steady rate")]
fn break_off(server: &Server, tally: &Tally) -> Result<()> {
    for target in [&server.tcp, &server.tls] {
        drop(load(target, BROKEN / 2, 1, Work::Balance(Accounts::Hot), Pace::Count(0)).connect()?);
    }
    for _ in 0..BROKEN {
        let (Target::Tcp(address) | Target::Tls(address, ..)) = &server.tcp;
        let mut socket = TcpStream::connect(address).context("cannot connect")?;
        socket.write_all(&[0x53, 0x57])?;
    }
    tally.connected(2 * BROKEN)?;
    std::thread::sleep(BROKEN_EVERY);
    Ok(())
}

fn load(target: &Target, connections: usize, depth: u16, work: Work, pace: Pace) -> Load {
    Load { target: target.clone(), connections, depth, work, pace, seed: 1 }
}

/// What each quantity was in the middle of the run, and by how much it grew in the second half.
fn growth(samples: &[Sample]) -> Result<Vec<Figure>> {
    let half = &samples[samples.len() / 2..];
    if half.len() < SAMPLES_MIN {
        bail!("{} samples are too few for a trend: run for longer", samples.len());
    }
    let mut figures = Vec::new();
    for (what, unit, of, most) in QUANTITIES {
        let points: Vec<(f64, f64)> = half.iter().map(|sample| (sample.seconds, of(sample))).collect();
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        figures.push(Figure::new(format!("{what}, median of the second half"), median(&values), unit));
        let grown = rise(&points);
        figures.push(
            Figure::new(format!("{what}, growth in the second half"), grown, unit).with(Goal::AtMost(most)),
        );
    }
    Ok(figures)
}

/// How much the straight line of least squares through these points rises from the first to the last.
fn rise(points: &[(f64, f64)]) -> f64 {
    let count = points.iter().map(|_| 1.0).sum::<f64>();
    let (x, y) =
        points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.0 - x) * (point.1 - y);
        below += (point.0 - x) * (point.0 - x);
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if below > 0.0 { above / below * (last.0 - first.0) } else { 0.0 }
}

fn view(samples: &[Sample]) -> Value {
    samples
        .iter()
        .map(|sample| {
            json!({
                "seconds": sample.seconds, "rss_mib": sample.rss_mib, "pss_mib": sample.pss_mib,
                "descriptors": sample.descriptors, "threads": sample.threads, "log_mib": sample.log_mib,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that starts at 40 MiB and gains `each_mib` with every sample, beside a noise of one MiB.
    fn samples(each_mib: f64) -> Vec<Sample> {
        (0..300_u32)
            .map(|number| {
                let mib = 40.0 + f64::from(number % 3) / 2.0 + each_mib * f64::from(number);
                let seconds = f64::from(number);
                Sample { seconds, rss_mib: mib, pss_mib: mib, descriptors: 90.0, threads: 9.0, log_mib: 4.0 }
            })
            .collect()
    }

    fn grown(samples: &[Sample]) -> Vec<String> {
        let figures = growth(samples).unwrap();
        figures
            .into_iter()
            .filter(|figure| figure.is_reached() == Some(false))
            .map(|figure| figure.what)
            .collect()
    }

    #[test]
    fn a_leak_is_found_and_noise_is_not() {
        assert_eq!(grown(&samples(0.0)), [""; 0]);
        assert_eq!(
            grown(&samples(0.1)),
            ["RSS, growth in the second half", "PSS, growth in the second half"]
        );
        growth(&samples(0.0)[..12]).unwrap_err();
    }

    #[test]
    fn a_line_rises_by_its_slope_times_its_length() {
        let line: Vec<(f64, f64)> = (0..50).map(|x| (f64::from(x), 3.0 * f64::from(x) + 7.0)).collect();
        assert!((rise(&line) - 147.0).abs() < 1e-6);
        assert!(rise(&[(1.0, 5.0), (1.0, 9.0)]).abs() < 1e-9);
    }
}
