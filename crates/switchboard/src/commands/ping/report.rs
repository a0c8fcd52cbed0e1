//! What a person or a program is told of a run: a line for each probe, and at the end what it comes to. Absent: figures;
//! they come from the probe.

mod overview;

use serde_json::{Value, json};
use switchboard_probe::statistics::{Counts, Distribution, LossByDirection, OneWay, Quantiles, Statistics};
use switchboard_probe::udp::{Event, Pinger, Reception, Unreachable};

use super::Arguments;
use super::target::Named;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Form, Screen, Side, table};

/// Tells of a run.
pub(super) struct Report<'a> {
    screen: &'a Screen,
    arguments: &'a Arguments,
    named: &'a [Named],
}

impl<'a> Report<'a> {
    pub(super) fn new(screen: &'a Screen, arguments: &'a Arguments, named: &'a [Named]) -> Self {
        Self { screen, arguments, named }
    }

    pub(super) fn begin(&self) -> Result<(), Failure> {
        if self.screen.form() == Form::Json {
            return Ok(());
        }
        for named in self.named {
            let protocol = if self.arguments.text { "text" } else { "STAMP" };
            let secured = if self.arguments.key.is_some() { ", authenticated" } else { "" };
            self.screen.line(&format!("PING {} ({}): {protocol}{secured}", named.name, named.address))?;
        }
        Ok(())
    }

    pub(super) fn event(&self, place: usize, event: &Event) -> Result<(), Failure> {
        let Some(named) = self.named.get(place).filter(|_| !self.arguments.quiet) else { return Ok(()) };
        match (self.screen.form(), event) {
            (Form::Text, _) if self.arguments.flood => self.screen.raw(flood_text(event)),
            (_, Event::Sent { .. }) => Ok(()),
            (_, event) => self.screen.answer(|| event_json(named, event), || self.event_text(named, event)),
        }
    }

    /// Tells what the run came to; the exit code says whether every target answered.
    pub(super) fn end(&self, pinger: &Pinger) -> Result<Exit, Failure> {
        let all = || {
            self.named.iter().enumerate().filter_map(|(place, named)| {
                pinger.statistics(place).map(|statistics| (named, statistics, pinger.under_way(place)))
            })
        };
        match self.screen.form() {
            Form::Json => {
                let targets: Vec<Value> =
                    all().map(|(named, of, left)| summary_json(named, of, left)).collect();
                self.screen.line(&json!({ "event": "summary", "targets": targets }).to_string())?;
            }
            Form::Text => {
                for (named, statistics, left) in all() {
                    self.screen.line(&format!("\n--- {} ---", named.name))?;
                    self.screen.line(&self.summary_text(statistics, left))?;
                }
                if self.named.len() > 1 {
                    let rows: Vec<_> = all().map(|(named, of, _)| overview::row(named, of)).collect();
                    self.screen.line(&format!("\n{}", table(overview::COLUMNS, &rows)))?;
                }
            }
        }
        let answered = all().all(|(_, statistics, _)| {
            let counts = statistics.counts();
            counts.answered > 0 || counts.sent == 0
        });
        Ok(if answered { Exit::Done } else { Exit::Refused })
    }

    fn event_text(&self, named: &Named, event: &Event) -> String {
        match event {
            Event::Sent { sequence, .. } => format!("sent to {}: seq={sequence}", named.address),
            Event::Answered(reception) => self.reception_text(named, reception, ""),
            Event::Late(reception) => self.reception_text(named, reception, " (late)"),
            Event::Duplicate(reception) => self.reception_text(named, reception, " (duplicate)"),
            Event::Corrupt { sequence } => {
                format!("answer from {} that cannot be believed: seq={sequence} (corrupt)", named.address)
            }
            Event::NoAnswer { sequence, because } => {
                let because = because.as_ref().map(|because| format!(" ({})", reason(because)));
                format!("no answer from {}: seq={sequence}{}", named.address, because.unwrap_or_default())
            }
        }
    }

    fn reception_text(&self, named: &Named, reception: &Reception, note: &str) -> String {
        let Reception { sample, length, ttl } = reception;
        let mut text = format!("{length} octets from {}: seq={}", named.address, sample.sequence);
        if let Some(ttl) = ttl {
            text.push_str(&format!(" ttl={ttl}"));
        }
        text.push_str(&format!(" time={} ms", ms_of(sample.rtt_ns)));
        if self.arguments.user {
            text.push_str(&format!(" user={} ms", ms_of(sample.user_rtt_ns)));
        }
        if sample.reordered {
            text.push_str(" (overtaken)");
        }
        text.push_str(note);
        text
    }

    fn summary_text(&self, statistics: &Statistics, under_way: u64) -> String {
        let counts = statistics.counts();
        let mut text = counts_text(&counts, statistics.loss_by_direction(), under_way);
        let mut rows = vec![("round trip", statistics.rtt().quantiles())];
        if self.arguments.user {
            rows.push(("as seen here", statistics.user_rtt().quantiles()));
        }
        let one_way = statistics.one_way();
        rows.push(("reflector's lead", statistics.reflector_lead().quantiles()));
        rows.push(("there", one_way.map(|ways| ways.up)));
        rows.push(("back", one_way.map(|ways| ways.down)));
        rows.push(("change", statistics.variation().round_trip.quantiles()));
        rows.push(("change there", statistics.variation().up.quantiles()));
        rows.push(("change back", statistics.variation().down.quantiles()));
        let rows: Vec<[String; 9]> =
            rows.into_iter().filter_map(|(name, of)| Some(row(name, &of?))).collect();
        if !rows.is_empty() {
            text.push('\n');
            text.push_str(&table(COLUMNS, &rows));
        }
        let clocks = one_way.map(|ways| clocks_text(&ways));
        for line in [lead_text(statistics), jitter_text(statistics), clocks, stamps_text(&counts)]
            .into_iter()
            .flatten()
        {
            text.push('\n');
            text.push_str(&line);
        }
        text
    }
}

/// As the old ping does it: a dot for what was sent, which its answer takes back.
fn flood_text(event: &Event) -> &'static str {
    match event {
        Event::Sent { .. } => ".",
        Event::Answered(_) => "\x08 \x08",
        Event::Corrupt { .. } => "C",
        Event::Late(_) | Event::Duplicate(_) | Event::NoAnswer { .. } => "",
    }
}

const COLUMNS: [(&str, Side); 9] = [
    ("ms", Side::Left),
    ("min", Side::Right),
    ("mean", Side::Right),
    ("median", Side::Right),
    ("p90", Side::Right),
    ("p99", Side::Right),
    ("p99.9", Side::Right),
    ("max", Side::Right),
    ("stddev", Side::Right),
];

fn row(name: &str, of: &Quantiles) -> [String; 9] {
    let figures =
        [of.min_ns, of.mean_ns, of.median_ns, of.p90_ns, of.p99_ns, of.p999_ns, of.max_ns, of.deviation_ns];
    let [min, mean, median, p90, p99, p999, max, deviation] = figures.map(ms);
    [name.to_owned(), min, mean, median, p90, p99, p999, max, deviation]
}

fn counts_text(counts: &Counts, direction: Option<LossByDirection>, under_way: u64) -> String {
    let mut text = format!("{} sent, {} answered", counts.sent, counts.answered);
    if counts.no_answer > 0 {
        let settled = counts.answered + counts.no_answer;
        let share = 100.0 * of(counts.no_answer, settled);
        text.push_str(&format!(", {} not in time ({share:.1} %)", counts.no_answer));
        if let Some(lost) = direction {
            text.push_str(&format!(": {} lost on the way there, {} on the way back", lost.up, lost.down));
            if lost.unknown > 0 {
                text.push_str(&format!(", {} who knows where", lost.unknown));
            }
        }
    }
    for (number, what) in [
        (counts.late, "late"),
        (counts.duplicates, "duplicates"),
        (counts.corrupt, "corrupt"),
        (counts.reordered, "overtaken"),
        (counts.skipped, "skipped: this machine was too busy to send them"),
        (under_way, "still under way"),
    ] {
        if number > 0 {
            text.push_str(&format!("; {number} {what}"));
        }
    }
    text
}

fn lead_text(statistics: &Statistics) -> Option<String> {
    let mean = ms(statistics.rtt_mean_without_lead_ns()?);
    Some(format!(
        "mean round trip {mean} ms without the reflector's lead: its replies left so long after the time they bear"
    ))
}

fn jitter_text(statistics: &Statistics) -> Option<String> {
    let jitter = statistics.jitter();
    let mut text = format!("jitter (RFC 3550) {} ms", ms(jitter.round_trip.nanos()?));
    if let (Some(up), Some(down)) = (jitter.up.nanos(), jitter.down.nanos()) {
        text.push_str(&format!(", there {} ms, back {} ms", ms(up), ms(down)));
    }
    Some(text)
}

fn clocks_text(ways: &OneWay) -> String {
    let (amount, side) = (ways.offset_ns.abs(), if ways.offset_ns < 0.0 { "behind" } else { "ahead" });
    format!(
        "there and back are right within {} ms if both clocks ran evenly; theirs is {} ms {side}, its speed {:+.1} ppm",
        ms(ways.error_ns),
        ms(amount),
        ways.skew_ppm
    )
}

fn stamps_text(counts: &Counts) -> Option<String> {
    let without = counts.answered.checked_sub(counts.kernel).filter(|without| *without > 0)?;
    Some(format!(
        "{without} of {} round trips rest on stamps of this program: the kernel had none that could be believed",
        counts.answered
    ))
}

fn event_json(named: &Named, event: &Event) -> Value {
    let mut line = match event {
        Event::Sent { sequence, .. } => json!({ "event": "sent", "sequence": sequence }),
        Event::Answered(reception) => reception_json("answer", reception),
        Event::Late(reception) => reception_json("late", reception),
        Event::Duplicate(reception) => reception_json("duplicate", reception),
        Event::Corrupt { sequence } => json!({ "event": "corrupt", "sequence": sequence }),
        Event::NoAnswer { sequence, because } => {
            let mut line = json!({ "event": "no_answer", "sequence": sequence });
            if let Some(because) = because {
                line["because"] = reason(because).into();
            }
            line
        }
    };
    line["target"] = named.name.as_str().into();
    line["address"] = named.address.to_string().into();
    line
}

fn reception_json(event: &str, reception: &Reception) -> Value {
    let sample = &reception.sample;
    let mut line = json!({
        "event": event,
        "sequence": sample.sequence,
        "octets": reception.length,
        "ttl": reception.ttl,
        "rtt_ns": sample.rtt_ns,
        "user_rtt_ns": sample.user_rtt_ns,
        "residence_ns": sample.residence_ns,
        "kernel_stamps": sample.kernel,
        "overtaken": sample.reordered,
    });
    if let (Some(ways), Some(reflected)) = (sample.ways, sample.reflected) {
        line["up_ns"] = ways.up_ns.into();
        line["down_ns"] = ways.down_ns.into();
        line["reflector_sequence"] = reflected.sequence.into();
        line["reflector_ttl"] = reflected.ttl.into();
    }
    line
}

fn summary_json(named: &Named, statistics: &Statistics, under_way: u64) -> Value {
    let counts = statistics.counts();
    let (variation, jitter) = (statistics.variation(), statistics.jitter());
    json!({
        "target": named.name,
        "address": named.address.to_string(),
        "sent": counts.sent,
        "answered": counts.answered,
        "no_answer": counts.no_answer,
        "late": counts.late,
        "duplicates": counts.duplicates,
        "corrupt": counts.corrupt,
        "overtaken": counts.reordered,
        "skipped": counts.skipped,
        "under_way": under_way,
        "kernel_stamps": counts.kernel,
        "lost": statistics.loss_by_direction().map(|lost| json!({
            "up": lost.up, "down": lost.down, "unknown": lost.unknown,
            "duplicated_up": lost.duplicated_up, "duplicated_down": lost.duplicated_down,
        })),
        "rtt": distribution_json(statistics.rtt()),
        "user_rtt": distribution_json(statistics.user_rtt()),
        "reflector_lead": distribution_json(statistics.reflector_lead()),
        "rtt_mean_without_lead_ns": statistics.rtt_mean_without_lead_ns(),
        "sending_late": distribution_json(statistics.sending()),
        "variation": {
            "round_trip": distribution_json(&variation.round_trip),
            "up": distribution_json(&variation.up),
            "down": distribution_json(&variation.down),
        },
        "jitter_ns": {
            "round_trip": jitter.round_trip.nanos(), "up": jitter.up.nanos(), "down": jitter.down.nanos(),
        },
        "one_way": statistics.one_way().map(|ways| json!({
            "offset_ns": ways.offset_ns, "skew_ppm": ways.skew_ppm, "error_ns": ways.error_ns,
            "up": quantiles_json(&ways.up), "down": quantiles_json(&ways.down),
        })),
    })
}

fn distribution_json(distribution: &Distribution) -> Option<Value> {
    distribution.quantiles().map(|of| quantiles_json(&of))
}

/// Every figure of a distribution.
pub(super) fn quantiles_json(of: &Quantiles) -> Value {
    json!({
        "count": of.count, "min_ns": of.min_ns, "mean_ns": of.mean_ns, "median_ns": of.median_ns, "p90_ns": of.p90_ns,
        "p99_ns": of.p99_ns, "p999_ns": of.p999_ns, "max_ns": of.max_ns, "stddev_ns": of.deviation_ns,
    })
}

fn reason(because: &Unreachable) -> String {
    let refused = because.kind == std::io::ErrorKind::ConnectionRefused;
    let what = if refused { "port unreachable: no reflector listens there" } else { because.text.as_str() };
    match because.from {
        Some(from) => format!("{what}, says {from}"),
        None => what.to_owned(),
    }
}

/// Milliseconds.
fn ms(nanos: f64) -> String {
    format!("{:.3}", nanos / 1e6)
}

fn ms_of(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1_000_000, nanos / 1_000 % 1_000)
}

#[expect(clippy::cast_precision_loss, reason = "a share with one digit")]
fn of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
