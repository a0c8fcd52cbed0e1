//! The report on probes and reflectors: which cases belong together, and their tables.

use super::Probe;
use super::case::{Case, Kind};
use super::results::Figure;
use crate::numbers::{interval, micros};
use crate::statistics::Summary;
use crate::subject::report::{self, Column, Part};
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
    const MEDIAN: Column<Probe> = Column::own("median", Figure::P50, micros);
    const P99: Column<Probe> = Column::own("99 %", Figure::P99, micros);
    const REFLECTORS: &[Column<Probe>] = &[
        Column::own("replies/s", Figure::Rate, interval),
        Column::own("lost", Figure::Missing, percent),
        Column::own("CPU per packet", Figure::Cpu, micros),
        Column::own("packets per s of CPU", Figure::PerCore, interval),
        Column::over("Switchboard's CPU", Figure::Cpu),
    ];
    const ROUND_TRIPS: &[Column<Probe>] =
        &[MEDIAN, P99, Column::own("without an answer", Figure::Missing, percent)];
    const SENDING: &[Column<Probe>] = &[
        MEDIAN,
        P99,
        Column::own("most", Figure::Max, micros),
        Column::own("places left out", Figure::Missing, percent),
    ];
    const WATCHED: &[Column<Probe>] = &[
        Column::own("beats/s", Figure::Rate, interval),
        Column::own("CPU per beat", Figure::Cpu, micros),
        Column::own("of a core", Figure::CoreShare, percent),
        Column::own("octets a host", Figure::Octets, interval),
        Column::own("false alarms", Figure::FalseAlarms, interval),
    ];
    let columns = match case.kind() {
        Kind::Reflect { .. } => REFLECTORS,
        Kind::RoundTrip => ROUND_TRIPS,
        Kind::Send { .. } => SENDING,
        Kind::Watch => WATCHED,
    };
    report::table(results, case, columns)
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
