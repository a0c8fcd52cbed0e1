//! Figures of a run for Prometheus: whoever asks wakes the prober, which tells its figures of that moment. Absent: how
//! they are served.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use switchboard_probe::statistics::{Distribution, Quantiles};
use switchboard_probe::udp::Pinger;

use super::limits::FIGURES_MS_MAX;
use super::target::Named;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::scrape;

/// The prober's end: readable while somebody asks.
pub(super) struct Exporter {
    asked: OwnedFd,
    answers: SyncSender<String>,
    address: SocketAddr,
}

impl Exporter {
    /// Listens and answers until the program ends.
    pub(super) fn start(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Exit::InputOutput, "cannot be woken by who asks for metrics").because(error)
        };
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let asked = eventfd(0, flags).map_err(|errno| failed(errno.into()))?;
        let asking = asked.try_clone().map_err(failed)?;
        let (answers, told) = sync_channel(1);
        let told = Mutex::new(told);
        let address = scrape::serve(address, move || ask(&asking, &told))?;
        Ok(Self { asked, answers, address })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers who asked.
    pub(super) fn answer(&self, named: &[Named], pinger: &Pinger) {
        let mut count = [0; 8];
        let _read = rustix::io::read(&self.asked, &mut count);
        // Who asked may be gone.
        let _told = self.answers.try_send(text(named, pinger));
    }
}

impl AsFd for Exporter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.asked.as_fd()
    }
}

/// Wakes the prober, one asker at a time; nothing when the run has ended.
fn ask(asking: &OwnedFd, told: &Mutex<Receiver<String>>) -> Option<String> {
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    // An answer that came too late for who asked before.
    while told.try_recv().is_ok() {}
    rustix::io::write(asking, &1_u64.to_ne_bytes()).ok()?;
    told.recv_timeout(Duration::from_millis(FIGURES_MS_MAX)).ok()
}

/// The text that Prometheus scrapes.
fn text(named: &[Named], pinger: &Pinger) -> String {
    let mut page = Page::default();
    let targets =
        || named.iter().enumerate().filter_map(|(place, named)| Some((named, pinger.statistics(place)?)));
    for (name, help, value) in COUNTERS {
        page.describe(name, help, "counter");
        for (named, statistics) in targets() {
            page.line(name, named, "", &value(&statistics.counts()).to_string());
        }
    }
    page.describe(LOST, "Packets lost by direction, where the reflector counts.", "gauge");
    for (named, statistics) in targets() {
        let Some(lost) = statistics.loss_by_direction() else { continue };
        for (direction, count) in [("there", lost.up), ("back", lost.down)] {
            page.line(LOST, named, &format!(",direction=\"{direction}\""), &count.to_string());
        }
    }
    page.describe(RTT, "Round trip in seconds, the reflector's residence removed.", "summary");
    for (named, statistics) in targets() {
        page.summary(RTT, named, "", statistics.rtt());
    }
    page.describe(ONE_WAY, "Delay each way in seconds, the clocks' difference removed.", "gauge");
    for (named, statistics) in targets() {
        let Some(ways) = statistics.one_way() else { continue };
        for (direction, of) in [("there", ways.up), ("back", ways.down)] {
            for (quantile, ns) in quantiles(&of) {
                let labels = format!(",direction=\"{direction}\",quantile=\"{quantile}\"");
                page.line(ONE_WAY, named, &labels, &seconds(ns));
            }
        }
    }
    page.describe(
        ONE_WAY_ERROR,
        "No one-way delay is further from the truth than this, in seconds.",
        "gauge",
    );
    for (named, statistics) in targets() {
        if let Some(ways) = statistics.one_way() {
            page.line(ONE_WAY_ERROR, named, "", &seconds(ways.error_ns));
        }
    }
    page.describe(JITTER, "Interarrival jitter (RFC 3550) in seconds.", "gauge");
    for (named, statistics) in targets() {
        if let Some(ns) = statistics.jitter().round_trip.nanos() {
            page.line(JITTER, named, "", &seconds(ns));
        }
    }
    page.0
}

type Counted = fn(&switchboard_probe::statistics::Counts) -> u64;

const COUNTERS: [(&str, &str, Counted); 8] = [
    ("switchboard_ping_sent_total", "Probes sent.", |counts| counts.sent),
    ("switchboard_ping_answered_total", "Probes answered in time.", |counts| counts.answered),
    ("switchboard_ping_no_answer_total", "Probes not answered in time.", |counts| counts.no_answer),
    ("switchboard_ping_late_total", "Answers that came after their time.", |counts| counts.late),
    ("switchboard_ping_duplicates_total", "Further answers to an answered probe.", |counts| {
        counts.duplicates
    }),
    ("switchboard_ping_corrupt_total", "Answers that cannot be believed.", |counts| counts.corrupt),
    ("switchboard_ping_reordered_total", "Answers overtaken by a later probe's.", |counts| counts.reordered),
    ("switchboard_ping_skipped_total", "Places of the schedule that were skipped.", |counts| counts.skipped),
];
const LOST: &str = "switchboard_ping_lost_packets";
const RTT: &str = "switchboard_ping_rtt_seconds";
const ONE_WAY: &str = "switchboard_ping_one_way_delay_seconds";
const ONE_WAY_ERROR: &str = "switchboard_ping_one_way_delay_error_seconds";
const JITTER: &str = "switchboard_ping_jitter_seconds";

#[derive(Default)]
struct Page(String);

impl Page {
    fn describe(&mut self, name: &str, help: &str, kind: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, name: &str, named: &Named, labels: &str, value: &str) {
        let target = named.name.replace('\\', "\\\\").replace('"', "\\\"");
        self.0.push_str(&format!(
            "{name}{{target=\"{target}\",address=\"{}\"{labels}}} {value}\n",
            named.address
        ));
    }

    fn summary(&mut self, name: &str, named: &Named, labels: &str, distribution: &Distribution) {
        let Some(of) = distribution.quantiles() else { return };
        for (quantile, ns) in quantiles(&of) {
            self.line(name, named, &format!("{labels},quantile=\"{quantile}\""), &seconds(ns));
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum that is shown")]
        let sum = of.mean_ns * of.count as f64;
        self.line(&format!("{name}_sum"), named, labels, &seconds(sum));
        self.line(&format!("{name}_count"), named, labels, &of.count.to_string());
    }
}

fn quantiles(of: &Quantiles) -> [(&'static str, f64); 6] {
    [
        ("0", of.min_ns),
        ("0.5", of.median_ns),
        ("0.9", of.p90_ns),
        ("0.99", of.p99_ns),
        ("0.999", of.p999_ns),
        ("1", of.max_ns),
    ]
}

fn seconds(ns: f64) -> String {
    format!("{:.9}", ns / 1e9)
}
