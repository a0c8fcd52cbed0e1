//! What a reflector tells of its packets, so far and at the end: how many it answered, why others got no answer, and the truth
//! about the faults that it was to make. Absent: who sent them.

use serde_json::{Map, Value, json};
use switchboard_probe::fault::{Kind, Way};
use switchboard_probe::reflector::{Counts, FaultCounts, Silence};
use switchboard_probe::udp::Tally;

use crate::failure::Failure;
use crate::screen::Screen;

/// Tells the sum over all listeners.
pub(super) fn tell(screen: &Screen, event: &str, tallies: &[Tally]) -> Result<(), Failure> {
    let faults = tallies.iter().filter_map(|tally| tally.faults).reduce(|mut all, one| {
        all.add(&one);
        all
    });
    screen.answer(|| as_json(event, tallies, faults.as_ref()), || as_text(tallies, faults.as_ref()))
}

fn as_json(event: &str, tallies: &[Tally], faults: Option<&FaultCounts>) -> Value {
    let silent: Map<String, Value> = Silence::ALL
        .into_iter()
        .map(|reason| (reason.name().to_owned(), total(tallies, |counts| counts.silent(reason)).into()))
        .collect();
    let mut line = json!({
        "event": event,
        "received": total(tallies, Counts::received),
        "answered": total(tallies, |counts| counts.answered),
        "not_answered": silent,
    });
    if let Some(faults) = faults {
        let way = |way: Way| -> Map<String, Value> {
            Kind::ALL.into_iter().map(|kind| (kind.done().to_owned(), faults.of(way, kind).into())).collect()
        };
        let ways: Map<String, Value> =
            Way::ALL.into_iter().map(|of| (of.name().to_owned(), way(of).into())).collect();
        line["faults"] = ways.into();
    }
    line
}

fn as_text(tallies: &[Tally], faults: Option<&FaultCounts>) -> String {
    let received = total(tallies, Counts::received);
    let mut text = format!("{received} received, {} answered", total(tallies, |counts| counts.answered));
    for reason in Silence::ALL {
        let silent = total(tallies, |counts| counts.silent(reason));
        if silent > 0 {
            text.push_str(&format!(", {silent} {}", reason.meaning()));
        }
    }
    for (way, where_to) in Way::ALL.into_iter().zip(["on the way there", "on the way back"]) {
        let Some(faults) = faults else { break };
        let done: Vec<String> =
            Kind::ALL.into_iter().map(|kind| format!("{} {}", faults.of(way, kind), kind.done())).collect();
        text.push_str(&format!("\nfaults {where_to}: {}", done.join(", ")));
    }
    text
}

fn total(tallies: &[Tally], count: impl Fn(&Counts) -> u64) -> u64 {
    tallies.iter().map(|tally| count(&tally.counts)).sum()
}
