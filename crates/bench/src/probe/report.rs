//! The report on probes and reflectors: which cases belong together, and their tables.

use super::Probe;
use super::case::{Case, Kind};
use super::peers::Peer;
use super::results::Figure;
use crate::numbers::{interval, micros};
use crate::statistics::Summary;
use crate::subject::report::Part;
use crate::subject::results::Results;
use crate::table::Table;

pub(super) const PARTS: &[Part<Probe>] = &[
    Part {
        title: "Reflectors",
        cases: &[Case::Load64, Case::Load128, Case::Alone],
        file: "probe-reflectors.svg",
        drawn: [Figure::Rate, Figure::Cpu],
    },
    Part {
        title: "Round trips",
        cases: &[Case::RoundTrip],
        file: "probe-round-trips.svg",
        drawn: [Figure::P50, Figure::P99],
    },
    Part {
        title: "Sending on time",
        cases: &[Case::Send1ms, Case::Send100us],
        file: "probe-sending.svg",
        drawn: [Figure::P50, Figure::P99],
    },
    Part {
        title: "Many hosts",
        file: "probe-hosts.svg",
        cases: &[Case::Beats],
        drawn: [Figure::CoreShare, Figure::Octets],
    },
];

/// A case: every peer's figures.
pub(super) fn table(results: &Results<Probe>, case: Case) -> Table {
    match case.kind() {
        Kind::Reflect { .. } => reflectors(results, case),
        Kind::RoundTrip => times(results, case, &[Figure::P50, Figure::P99], "without an answer"),
        Kind::Send { .. } => {
            times(results, case, &[Figure::P50, Figure::P99, Figure::Max], "places left out")
        }
        Kind::Watch => watched(results, case),
    }
}

fn reflectors(results: &Results<Probe>, case: Case) -> Table {
    let heading = ["", "replies/s", "lost", "CPU per packet", "packets per s of CPU", "Switchboard's CPU"];
    let mut table = Table::new(&heading);
    for peer in Peer::ALL {
        let summary = |figure| results.summary(case, *peer, figure);
        let figures = (summary(Figure::Rate), summary(Figure::Cpu), summary(Figure::PerCore));
        let (Some(rate), Some(cpu), Some(per_core)) = figures else { continue };
        let over = results.ratio(case, Figure::Cpu, *peer).filter(|_| !peer.is_ours());
        table.push([
            peer.title().to_owned(),
            interval(rate),
            summary(Figure::Missing).map_or_else(String::new, percent),
            micros(cpu),
            interval(per_core),
            over.map(|times| format!("{} x", interval(times))).unwrap_or_default(),
        ]);
    }
    table
}

fn watched(results: &Results<Probe>, case: Case) -> Table {
    let heading = ["", "beats/s", "CPU per beat", "of a core", "octets a host", "false alarms"];
    let mut table = Table::new(&heading);
    for peer in Peer::ALL {
        let summary = |figure| results.summary(case, *peer, figure);
        let figures = [Figure::Rate, Figure::Octets, Figure::FalseAlarms].map(summary);
        let [Some(rate), Some(octets), Some(alarms)] = figures else { continue };
        table.push([
            peer.title().to_owned(),
            interval(rate),
            summary(Figure::Cpu).map_or_else(String::new, micros),
            summary(Figure::CoreShare).map_or_else(String::new, percent),
            interval(octets),
            interval(alarms),
        ]);
    }
    table
}

/// Times with their quantiles, and the share that is missing.
fn times(results: &Results<Probe>, case: Case, shown: &[Figure], missing: &str) -> Table {
    let mut heading = vec!["", "median", "99 %"];
    if shown.contains(&Figure::Max) {
        heading.push("most");
    }
    heading.push(missing);
    let mut table = Table::new(&heading);
    for peer in Peer::ALL {
        let summaries = shown.iter().map(|figure| results.summary(case, *peer, *figure));
        let Some(summaries) = summaries.collect::<Option<Vec<Summary>>>() else { continue };
        let mut row = vec![peer.title().to_owned()];
        row.extend(summaries.into_iter().map(micros));
        row.push(results.summary(case, *peer, Figure::Missing).map_or_else(String::new, percent));
        table.push(row);
    }
    table
}

/// A share; none is said to be none.
fn percent(share: Summary) -> String {
    if share.max == 0.0 { "none".to_owned() } else { format!("{} %", interval(share)) }
}

/// What a bar of a figure says.
pub(super) fn panel(figure: Figure) -> &'static str {
    match figure {
        Figure::Rate => "replies per second: longer is better",
        Figure::Cpu => "reflector CPU per packet in µs: shorter is better",
        Figure::PerCore => "packets per second of CPU: longer is better",
        Figure::P50 => "median in µs: shorter is better",
        Figure::P99 => "99 % in µs: shorter is better",
        Figure::Max => "most in µs: shorter is better",
        Figure::Missing => "missing, of 100: shorter is better",
        Figure::CoreShare => "of a core, of 100: shorter is better",
        Figure::Octets => "octets: shorter is better",
        Figure::FalseAlarms => "false alarms: shorter is better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::CHARTS;
    use crate::probe::case::MATRIX;
    use crate::probe::results::tests::two_rounds;
    use crate::subject::report::{text, write};

    #[test]
    fn every_case_of_the_matrix_belongs_to_one_part() {
        let parts_of = |case| PARTS.iter().filter(|part| part.cases.contains(case)).count();
        assert!(MATRIX.iter().all(|case| parts_of(case) == 1));
    }

    #[test]
    fn the_report_says_what_was_measured_and_what_was_left_out() {
        let shown = text(&two_rounds());
        let needles =
            ["irtt 0.9", "150,000 (100,000 to 200,000)", "55.0 µs", "8.00 %", "none", "left out: fping"];
        for needle in needles {
            assert!(shown.contains(needle), "{needle} is missing in {shown}");
        }
        assert!(!shown.contains("128 octets"), "{shown}");
    }

    #[test]
    fn what_was_measured_is_written_and_drawn() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("BENCHMARKS.md"), "<!-- probe -->\n<!-- /probe -->\n").unwrap();
        write(&two_rounds(), root.path()).unwrap();
        let document = std::fs::read_to_string(root.path().join("BENCHMARKS.md")).unwrap();
        assert!(
            document.contains("| plain C, recvmmsg |") && document.contains("**not reached**"),
            "{document}"
        );
        assert!(root.path().join(CHARTS).join("probe-sending.svg").is_file());
    }
}
