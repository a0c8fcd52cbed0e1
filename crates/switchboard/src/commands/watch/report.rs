//! What `watch` tells: a line or an object for each change, a first line when it listens, a last one with the counts; on a
//! terminal the table, with the latest changes below it.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use switchboard_probe::beat::{Absence, Change, Event, Rejection, Status, Watch};
use switchboard_probe::udp::Monitor;
use switchboard_probe::{Moment, Timestamp};

use super::super::beat::words::spoken;
use super::table;
use crate::failure::Failure;
use crate::screen::{Form, Screen, Tone};

/// Changes that stay visible below the table.
const LATEST: usize = 8;
/// From one drawing of the table to the next.
const REDRAWN: Duration = Duration::from_millis(500);

/// What is told, and in which form.
pub(super) struct Report<'a> {
    screen: &'a Screen,
    /// Whether there is a table.
    live: bool,
    latest: VecDeque<String>,
    drawn_at: Option<Moment>,
    heading: String,
}

impl<'a> Report<'a> {
    pub(super) fn new(screen: &'a Screen, plain: bool) -> Self {
        let live = !plain && screen.form() == Form::Text && std::io::stdout().is_terminal();
        Self { screen, live, latest: VecDeque::new(), drawn_at: None, heading: String::new() }
    }

    /// Says where it listens, at once: a script waits for this line.
    pub(super) fn begin(
        &mut self,
        monitor: &Monitor,
        watch: &Watch,
        metrics: Option<SocketAddr>,
    ) -> Result<(), Failure> {
        let (address, hosts) = (monitor.address(), watch.hosts().len());
        self.heading = format!("watching {hosts} {} on {address}", if hosts == 1 { "host" } else { "hosts" });
        if self.live {
            return Ok(());
        }
        let metrics = metrics.map(|metrics| metrics.to_string());
        self.screen.answer(
            || {
                let mut line =
                    json!({ "event": "listening", "address": address.to_string(), "hosts": hosts });
                if let Some(metrics) = &metrics {
                    line["metrics"] = metrics.as_str().into();
                }
                line
            },
            || match &metrics {
                Some(metrics) => format!("{}; figures at http://{metrics}/metrics", self.heading),
                None => self.heading.clone(),
            },
        )
    }

    /// Tells a change.
    pub(super) fn event(&mut self, monitor: &Monitor, watch: &Watch, event: &Event) -> Result<(), Failure> {
        let at = clock_time(monitor.wall_at(event.at));
        let host = event.host.map(|place| &watch.hosts()[place]);
        let who = host.map(|host| host.name());
        let line = || {
            let (tone, words) = in_words(&event.change, monitor);
            let who = who.map(|who| format!("{who} ")).unwrap_or_default();
            format!("{at} {}", self.screen.paint(tone, &format!("{who}{words}")))
        };
        if self.live {
            let line = line();
            self.latest.push_front(line);
            self.latest.truncate(LATEST);
            self.drawn_at = None;
            return Ok(());
        }
        let object = || {
            let mut object = as_object(&event.change, monitor);
            object.insert("at".to_owned(), at.clone().into());
            if let Some(host) = host {
                object.insert("host".to_owned(), host.name().into());
                object.insert("id".to_owned(), format!("{:016x}", host.id()).into());
            }
            Value::Object(object)
        };
        self.screen.answer(object, line)
    }

    /// Draws the table when it is time.
    pub(super) fn look(&mut self, monitor: &Monitor, watch: &Watch) -> Result<(), Failure> {
        let now = monitor.now();
        if !self.live || self.drawn_at.is_some_and(|at| now < at.plus(REDRAWN)) {
            return Ok(());
        }
        self.drawn_at = Some(now);
        let latest: Vec<&str> = self.latest.iter().map(String::as_str).collect();
        self.screen.raw(&table::draw(self.screen, &self.heading, watch, now, &latest))
    }

    /// Tells what was counted.
    pub(super) fn end(&self, watch: &Watch) -> Result<(), Failure> {
        self.screen.answer(|| summary(watch), || summary_text(watch))
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn clock_time(stamp: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(stamp.nanos().into()).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

fn in_words(change: &Change, monitor: &Monitor) -> (Tone, String) {
    let length = |seconds: f64| spoken(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    match change {
        Change::Appeared => (Tone::Good, "beats".to_owned()),
        Change::Restarted => (Tone::Warning, "began a new run without a word".to_owned()),
        Change::Silent { silence_s } => (Tone::Bad, format!("is silent for {}", length(*silence_s))),
        Change::Missing => (Tone::Bad, "was not heard so far".to_owned()),
        Change::Returned { silence_s: 0.0 } => (Tone::Good, "is back from its pause".to_owned()),
        Change::Returned { silence_s } => (Tone::Good, format!("is back after {}", length(*silence_s))),
        Change::Paused { seconds } => (Tone::Plain, format!("pauses for {}", length(f64::from(*seconds)))),
        Change::Goodbye => (Tone::Plain, "says goodbye".to_owned()),
        Change::Flapping { until } => {
            let until = clock_time(monitor.wall_at(*until));
            (
                Tone::Bad,
                format!("is silent again; it goes and comes, so its changes are not told until {until}"),
            )
        }
        Change::Steady { silent: true } => (Tone::Bad, "is silent; its changes are told again".to_owned()),
        Change::Steady { silent: false } => (Tone::Good, "beats; its changes are told again".to_owned()),
        Change::Unattainable(why) => (Tone::Warning, format!("cannot be watched as wanted: {why}")),
        Change::Rejected { reason, source, count } => {
            (Tone::Warning, format!("{count} not taken from {source}: {}", meaning(*reason)))
        }
        Change::NotListened { seconds, why: Absence::Away } => (
            Tone::Warning,
            format!(
                "this monitor was asleep, stopped or overloaded for {}; nobody is blamed for it",
                length(*seconds)
            ),
        ),
        Change::NotListened { seconds, why: Absence::Overflow { dropped } } => (
            Tone::Warning,
            format!(
                "the kernel dropped {dropped} datagrams, so {} are nobody's silence; raise net.core.rmem_max",
                length(*seconds)
            ),
        ),
    }
}

/// Why a datagram was not taken, and what to do.
fn meaning(reason: Rejection) -> &'static str {
    match reason {
        Rejection::Malformed => "no beat",
        Rejection::UnknownHost => "a host that the file of keys does not have",
        Rejection::Forged => "not signed with the host's key",
        Rejection::Replayed => "seen before, a replay",
        Rejection::TooOld => "much older than what was seen, a replay",
        Rejection::OldRun => {
            "of an earlier run: a replay, or the host's clock went back (beat --epoch-file keeps runs rising)"
        }
        Rejection::Stale => {
            "a first beat far from this clock: a replay, or a clock that is wrong (--clock-window)"
        }
    }
}

fn as_object(change: &Change, monitor: &Monitor) -> Map<String, Value> {
    let value = match change {
        Change::Appeared => json!({ "event": "appeared" }),
        Change::Restarted => json!({ "event": "restarted" }),
        Change::Silent { silence_s } => json!({ "event": "silent", "silence_s": silence_s }),
        Change::Missing => json!({ "event": "missing" }),
        Change::Returned { silence_s } => json!({ "event": "returned", "silence_s": silence_s }),
        Change::Paused { seconds } => json!({ "event": "paused", "seconds": seconds }),
        Change::Goodbye => json!({ "event": "goodbye" }),
        Change::Flapping { until } => {
            json!({ "event": "flapping", "until": clock_time(monitor.wall_at(*until)) })
        }
        Change::Steady { silent } => json!({ "event": "steady", "silent": silent }),
        Change::Unattainable(why) => json!({ "event": "unattainable", "because": why.to_string() }),
        Change::Rejected { reason, source, count } => {
            json!({ "event": "rejected", "reason": reason.name(), "source": source.to_string(), "count": count })
        }
        Change::NotListened { seconds, why: Absence::Away } => {
            json!({ "event": "not_listened", "seconds": seconds, "reason": "away" })
        }
        Change::NotListened { seconds, why: Absence::Overflow { dropped } } => {
            json!({ "event": "not_listened", "seconds": seconds, "reason": "overflow", "dropped": dropped })
        }
    };
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn summary(watch: &Watch) -> Value {
    let counts = watch.counts();
    let standing: Map<String, Value> = Status::ALL
        .into_iter()
        .map(|status| (status.name().to_owned(), watch.standing(status).into()))
        .collect();
    let rejected: Map<String, Value> = Rejection::ALL
        .into_iter()
        .map(|reason| (reason.name().to_owned(), counts.rejected(reason).into()))
        .collect();
    let host = |host: &switchboard_probe::beat::Host| {
        let measured = host.measured();
        json!({
            "host": host.name(),
            "status": host.status().name(),
            "received": measured.received,
            "lost": measured.lost,
            "delay_mean_s": measured.delay_mean_s,
            "deviation_s": measured.deviation_s,
        })
    };
    json!({
        "event": "summary",
        "taken": counts.taken,
        "alarms": counts.alarms,
        "rejected": rejected,
        "absences": counts.absences,
        "absent_s": Duration::from_nanos(counts.absent_ns).as_secs_f64(),
        "hosts": standing,
        "each": watch.hosts().iter().map(host).collect::<Vec<_>>(),
    })
}

fn summary_text(watch: &Watch) -> String {
    let counts = watch.counts();
    let mut parts = vec![format!("{} taken", counted(counts.taken, "beat")), counted(counts.alarms, "alarm")];
    for reason in Rejection::ALL {
        let count = counts.rejected(reason);
        if count > 0 {
            parts.push(format!("{count} not taken ({})", reason.name().replace('_', " ")));
        }
    }
    if counts.absences > 0 {
        let away = spoken(Duration::from_nanos(counts.absent_ns));
        parts.push(format!("{}, {away} in all", counted(counts.absences, "absence")));
    }
    for status in Status::ALL {
        let hosts = watch.standing(status);
        if hosts > 0 {
            parts.push(format!("{hosts} {}", status.name()));
        }
    }
    parts.join(", ")
}
