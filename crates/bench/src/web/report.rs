//! The report on web servers: which cases belong together, and their tables.

use super::Web;
use super::case::Case;
use super::results::Figure;
use crate::numbers::{interval, micros};
use crate::statistics::Summary;
use crate::subject::report::{self, Column, Part};
use crate::subject::results::Results;
use crate::table::Table;

const LOAD: [Figure; 2] = [Figure::Rate, Figure::Cpu];
pub(super) const PARTS: &[Part<Web>] = &[
    Part {
        title: "Small files and short answers",
        file: "web-small.svg",
        cases: &[Case::Small, Case::Pipelined, Case::NotModified, Case::NotFound],
        drawn: LOAD,
    },
    Part { title: "Larger files", file: "web-large.svg", cases: &[Case::Medium, Case::Large], drawn: LOAD },
    Part {
        title: "New connections",
        file: "web-connect.svg",
        cases: &[Case::Connect, Case::TlsConnect],
        drawn: LOAD,
    },
    Part { title: "TLS and HTTP/2", file: "web-tls.svg", cases: &[Case::TlsSmall, Case::Http2], drawn: LOAD },
    Part {
        title: "Latency at a steady rate",
        file: "web-latency.svg",
        cases: &[Case::Steady],
        drawn: [Figure::P50, Figure::P99],
    },
    Part {
        title: "Memory",
        file: "web-memory.svg",
        cases: &[Case::Memory],
        drawn: [Figure::Idle, Figure::Crowded],
    },
];

/// A case: every peer's figures, and Switchboard's over them.
pub(super) fn table(results: &Results<Web>, case: Case) -> Table {
    const LOAD: &[Column<Web>] = &[
        Column::own("requests/s", Figure::Rate, interval),
        Column::own("CPU per request", Figure::Cpu, micros),
        Column::own("median latency", Figure::P50, micros),
        Column::own("99 %", Figure::P99, micros),
        Column::over("Switchboard's requests/s", Figure::Rate),
        Column::over("Switchboard's CPU", Figure::Cpu),
    ];
    const MEMORY: &[Column<Web>] = &[
        Column::own("alone", Figure::Idle, mebibytes),
        Column::own("with idle connections", Figure::Crowded, mebibytes),
    ];
    report::table(results, case, if case == Case::Memory { MEMORY } else { LOAD })
}

fn mebibytes(memory: Summary) -> String {
    format!("{} MiB", interval(memory))
}

/// What a bar of a figure says.
pub(super) fn panel(figure: Figure) -> &'static str {
    match figure {
        Figure::Rate => "requests per second: longer is better",
        Figure::Cpu => "server CPU per request in µs: shorter is better",
        Figure::P50 => "median latency in µs: shorter is better",
        Figure::P99 => "latency of 99 % in µs: shorter is better",
        Figure::Idle => "alone, in MiB: shorter is better",
        Figure::Crowded => "with idle connections, in MiB: shorter is better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::CHARTS;
    use crate::subject::report::{text, write};
    use crate::web::case::MATRIX;
    use crate::web::results::tests::two_rounds;

    #[test]
    fn every_case_of_the_matrix_belongs_to_one_part() {
        let parts_of = |case| PARTS.iter().filter(|part| part.cases.contains(case)).count();
        assert!(MATRIX.iter().all(|case| parts_of(case) == 1));
    }

    #[test]
    fn the_report_says_what_was_measured_and_what_was_left_out() {
        let shown = text(&two_rounds());
        for needle in ["nginx 1", "150,000 (100,000 to 200,000)", "2.00 x", "12.0 MiB", "left out: Caddy"] {
            assert!(shown.contains(needle), "{needle} is missing in {shown}");
        }
        assert!(!shown.contains("HTTP/2"), "{shown}");
    }

    #[test]
    fn what_was_measured_is_written_and_drawn() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("BENCHMARKS.md"), "<!-- web -->\n<!-- /web -->\n").unwrap();
        write(&two_rounds(), root.path()).unwrap();
        let document = std::fs::read_to_string(root.path().join("BENCHMARKS.md")).unwrap();
        assert!(document.contains("| lighttpd |") && document.contains("| 4.00 MiB |"), "{document}");
        let drawn = |file: &str| root.path().join(CHARTS).join(file).is_file();
        assert!(drawn("web-small.svg") && drawn("web-memory.svg") && !drawn("web-tls.svg"));
    }
}
