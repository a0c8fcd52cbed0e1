//! `bench latency`: how long a call takes at a stated rate, and one call alone beside the disk and the loopback it cannot do
//! without.
//!
//! The highest rate is found in a closed loop. At shares of it calls are due at fixed times and latency counts from when a
//! call was due (open loop, no coordinated omission: Tene, "How NOT to measure latency"). Before anything is measured, the
//! instrument itself is tried: the server is stopped for a tenth of a second, which the histogram must show.
//!
//! Absent: rates that the machine does not reach; other machines on a network.

mod alone;
mod chart;
mod floor;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::figure::{self, Figure, number};
use crate::ledger::Ledger;
use crate::load::{ACCOUNTS, Accounts, Load, Pace, Target, Work};
use crate::progress;
use crate::server::{self, Server};

use alone::Alone;

/// A call alone may take so many times its floor.
const ALONE_TIMES_MAX: f64 = 1.2;
/// How long the server stands still when the instrument is tried.
const STOP: Duration = Duration::from_millis(100);
/// Calls a second while it is tried, for one second.
const TRIED_PER_SECOND: f64 = 2000.0;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Connections of the load
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Calls in flight on each at most
    #[arg(long, default_value_t = 16)]
    depth: u16,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Shares of the highest rate, in percent
    #[arg(long, value_delimiter = ',', default_values_t = [10.0, 50.0, 90.0])]
    shares: Vec<f64>,
    /// Rounds of the call alone: floor, volatile and durable client take turns
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Where the data folder is made, and the file that the floor writes
    #[arg(long)]
    place: Option<PathBuf>,
    /// Writes the chart here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// What one rate gave.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// Which transport, and which share of its highest rate.
    pub(crate) name: String,
    asked_per_second: f64,
    answered_per_second: f64,
    /// From due to answered, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
    late_us: Histogram<u64>,
}

/// All that was measured.
#[derive(Debug)]
struct Measured {
    highest: Vec<Figure>,
    points: Vec<Point>,
    alone: Alone,
}

impl Options {
    /// Measures and prints.
    ///
    /// # Errors
    /// When the server does not build or start, refuses a call, or the instrument does not show what it must.
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    pub fn run(self) -> Result<()> {
        let binary = server::build()?;
        let place = temporary(self.place.as_deref())?;
        let server = Server::open(&[binary.into_os_string()], &place.path().join("data"))?;
        server.fill(ACCOUNTS)?;
        let bar = progress::bar(
            2 * (1 + u64::try_from(self.shares.len())?) + u64::from(self.rounds) + 1,
            "latency",
        );
        let measured = self.measure(&server, place.path(), &bar)?;
        Ledger::open(&server)?.audit()?;
        server.stop()?;
        bar.finish_and_clear();
        if let Some(path) = &self.svg {
            std::fs::write(path, chart::svg(&measured.points)).context("cannot write the chart")?;
        }
        match self.json {
            true => println!("{:#}", measured.json()),
            false => print!("{}", measured.table()),
        }
        Ok(())
    }

    fn measure(&self, server: &Server, place: &Path, bar: &ProgressBar) -> Result<Measured> {
        try_instrument(server)?;
        bar.inc(1);
        let (mut highest, mut points) = (Vec::new(), Vec::new());
        for (transport, target) in [("plain", &server.tcp), ("TLS", &server.tls)] {
            let lasts = Duration::from_secs_f64(self.seconds);
            let closed = self.load(target, Pace::Closed(lasts)).run()?.per_second();
            highest.push(Figure::new(format!("highest rate, {transport}"), closed, "/s"));
            bar.inc(1);
            for share in &self.shares {
                let per_second = closed * share / 100.0;
                let done = self.load(target, Pace::Open { per_second, lasts }).run()?;
                points.push(Point {
                    name: format!("{transport} {share} %"),
                    asked_per_second: per_second,
                    answered_per_second: done.per_second(),
                    latency_us: done.latency_us,
                    late_us: done.late_us,
                });
                bar.inc(1);
            }
        }
        let alone = Alone::measure(server, place, self.rounds, bar)?;
        Ok(Measured { highest, points, alone })
    }

    fn load(&self, target: &Target, pace: Pace) -> Load {
        let work = Work::Withdraw(Accounts::Any(ACCOUNTS));
        Load { target: target.clone(), connections: self.connections, depth: self.depth, work, pace, seed: 1 }
    }
}

/// A folder that goes when it is dropped: in `place`, or where the system keeps temporary files.
pub(crate) fn temporary(place: Option<&Path>) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let made = builder.prefix("bench-");
    let made = match place {
        Some(place) => made.tempdir_in(place),
        None => made.tempdir(),
    };
    made.context("cannot make a folder for the measurement")
}

/// Stops the server for a while under an open loop. Calls were due all the time, so their latencies must show it.
#[expect(clippy::disallowed_methods, reason = "a fault of a known length is made by waiting")]
fn try_instrument(server: &Server) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(server.pid())?).context("a process id")?;
    let load = Load {
        target: server.tcp.clone(),
        connections: 8,
        depth: 16,
        work: Work::Withdraw(Accounts::Any(ACCOUNTS)),
        pace: Pace::Open { per_second: TRIED_PER_SECOND, lasts: Duration::from_secs(1) },
        seed: 1,
    };
    let mut ready = load.connect()?;
    let done = std::thread::scope(|scope| -> Result<_> {
        let running = scope.spawn(move || ready.run());
        std::thread::sleep(3 * STOP);
        kill_process(pid, Signal::STOP)?;
        std::thread::sleep(STOP);
        kill_process(pid, Signal::CONT)?;
        running.join().map_err(|_| anyhow::anyhow!("the load panicked"))?
    })?;
    shows_a_stop(&done.latency_us, TRIED_PER_SECOND)
}

/// Of the calls due while the server stood still, half waited half of that time or longer.
fn shows_a_stop(latency_us: &Histogram<u64>, per_second: f64) -> Result<()> {
    let stop_us = u64::try_from(STOP.as_micros())?;
    let waited_long = latency_us.count_between(stop_us / 2, latency_us.max().max(stop_us));
    let due = per_second * STOP.as_secs_f64();
    anyhow::ensure!(
        number(waited_long) >= due * 0.45 && latency_us.value_at_quantile(0.999) >= stop_us * 9 / 10,
        "the instrument hides a stop of {STOP:?}: only {waited_long} of {due} calls due then waited long"
    );
    Ok(())
}

impl Point {
    fn cells(&self) -> Vec<String> {
        let us = |q| self.latency_us.value_at_quantile(q).to_string();
        let mut cells = vec![self.name.clone(), format!("{:.0}", self.asked_per_second)];
        cells.push(format!("{:.0}", self.answered_per_second));
        cells.extend([us(0.5), us(0.9), us(0.99), us(0.999), self.latency_us.max().to_string()]);
        cells.push(self.late_us.value_at_quantile(0.99).to_string());
        cells
    }

    fn json(&self) -> Value {
        let us = |q| self.latency_us.value_at_quantile(q);
        json!({
            "name": self.name,
            "asked_per_second": self.asked_per_second,
            "answered_per_second": self.answered_per_second,
            "calls": self.latency_us.len(),
            "latency_us": {
                "p50": us(0.5), "p90": us(0.9), "p99": us(0.99), "p99.9": us(0.999), "max": self.latency_us.max(),
            },
            "instrument_late_us": { "p99": self.late_us.value_at_quantile(0.99), "max": self.late_us.max() },
        })
    }
}

/// Heads of the table of rates; latencies and lateness in microseconds.
const HEADS: [&str; 9] =
    ["from due to answered", "asked/s", "answered/s", "p50 us", "p90", "p99", "p99.9", "max", "late p99"];

impl Measured {
    fn table(&self) -> String {
        let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
        rows.extend(self.points.iter().map(Point::cells));
        let widths: Vec<usize> = (0..HEADS.len())
            .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        let mut text = figure::table(&self.highest) + "\n";
        for row in &rows {
            write!(text, "{:<1$}", row[0], widths[0]).expect("writing into a String cannot fail");
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(text, "  {cell:>width$}").expect("writing into a String cannot fail");
            }
            text.push('\n');
        }
        text.push_str("late: by how much the program that measures took a call up after it was due\n\n");
        text + &figure::table(&self.alone.figures())
    }

    fn json(&self) -> Value {
        json!({
            "highest": figure::json(&self.highest),
            "open_loop": self.points.iter().map(Point::json).collect::<Value>(),
            "alone": figure::json(&self.alone.figures()),
        })
    }
}
