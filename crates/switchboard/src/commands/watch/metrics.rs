//! The figures of a monitor for Prometheus, written anew each second. Absent: how they are served.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_probe::Moment;
use switchboard_probe::beat::{Rejection, Status, Watch};

use crate::failure::Failure;
use crate::scrape;

/// Hosts with lines of their own; of more, only the sums are told.
const HOSTS_TOLD_MAX: usize = 10_000;
/// From one update to the next.
const RENEWED: Duration = Duration::from_secs(1);

/// The figures, and where they are served.
pub(super) struct Metrics {
    address: SocketAddr,
    page: Arc<Mutex<String>>,
    updated_at: Option<Moment>,
}

impl Metrics {
    /// Serves at this address from now on, until the program ends.
    pub(super) fn serve(address: SocketAddr) -> Result<Self, Failure> {
        let page = Arc::new(Mutex::new(String::new()));
        let served = Arc::clone(&page);
        let told = move || Some(served.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Ok(Self { address: scrape::serve(address, told)?, page, updated_at: None })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Renews the figures when it is time.
    pub(super) fn update(&mut self, watch: &Watch, now: Moment) {
        if self.updated_at.is_some_and(|at| now < at.plus(RENEWED)) {
            return;
        }
        self.updated_at = Some(now);
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = page(watch, now);
    }
}

fn page(watch: &Watch, now: Moment) -> String {
    let mut page = String::new();
    let counts = watch.counts();
    family(&mut page, "hosts", "gauge", "Hosts by how they stand.");
    for status in Status::ALL {
        sample(&mut page, "hosts", ("status", status.name()), watch.standing(status));
    }
    family(&mut page, "datagrams_total", "counter", "Datagrams by what became of them.");
    sample(&mut page, "datagrams_total", ("result", "taken"), counts.taken);
    for reason in Rejection::ALL {
        sample(&mut page, "datagrams_total", ("result", reason.name()), counts.rejected(reason));
    }
    family(&mut page, "alarms_total", "counter", "Alarms that were raised.");
    let _never_fails = writeln!(page, "switchboard_beat_alarms_total {}", counts.alarms);
    family(&mut page, "not_listened_seconds_total", "counter", "Time that the monitor did not listen.");
    let absent = Duration::from_nanos(counts.absent_ns).as_secs_f64();
    let _never_fails = writeln!(page, "switchboard_beat_not_listened_seconds_total {absent}");
    if watch.hosts().len() <= HOSTS_TOLD_MAX {
        each_host(&mut page, watch, now);
    }
    page
}

fn each_host(page: &mut String, watch: &Watch, now: Moment) {
    family(page, "up", "gauge", "1 while a host beats.");
    for host in watch.hosts() {
        sample(page, "up", ("host", host.name()), u8::from(host.status() == Status::Alive));
    }
    let heard = || watch.hosts().iter().filter(|host| host.measured().received > 0);
    family(page, "silence_seconds", "gauge", "Time since a host's last word, or since its pause was over.");
    for host in heard() {
        let silence = Duration::from_nanos(now.nanos_since(host.since())).as_secs_f64();
        sample(page, "silence_seconds", ("host", host.name()), silence);
    }
    family(page, "received_total", "counter", "Beats of a host that were taken.");
    for host in heard() {
        sample(page, "received_total", ("host", host.name()), host.measured().received);
    }
    family(page, "lost", "gauge", "Beats of a host that never came.");
    for host in heard() {
        sample(page, "lost", ("host", host.name()), host.measured().lost);
    }
    family(
        page,
        "delay_seconds",
        "gauge",
        "Mean delay of a host's beats, the difference of both clocks included.",
    );
    for host in heard() {
        sample(page, "delay_seconds", ("host", host.name()), host.measured().delay_mean_s);
    }
}

fn family(page: &mut String, name: &str, kind: &str, meaning: &str) {
    let _never_fails =
        writeln!(page, "# HELP switchboard_beat_{name} {meaning}\n# TYPE switchboard_beat_{name} {kind}");
}

/// Labels need no escape: names of hosts are letters, digits, dots, hyphens and underscores.
fn sample(page: &mut String, name: &str, (label, value): (&str, &str), number: impl std::fmt::Display) {
    let _never_fails = writeln!(page, "switchboard_beat_{name}{{{label}=\"{value}\"}} {number}");
}
