//! The report on mail clients: which cases belong together, and their tables.

use super::Mail;
use super::case::{Case, Distance, Kind};
use super::results::Figure;
use crate::numbers::{interval, micros};
use crate::statistics::Summary;
use crate::subject::report::{self, Column, Part};
use crate::subject::results::Results;
use crate::table::Table;

pub(super) const PARTS: &[Part<Mail>] = &[
    Part {
        title: "One message",
        file: "mail-one.svg",
        cases: &[Case::Short, Case::Attachment],
        drawn: [Figure::Time, Figure::Cpu],
    },
    Part {
        title: "A large attachment",
        file: "mail-huge.svg",
        cases: &[Case::Huge],
        drawn: [Figure::Time, Figure::Memory],
    },
    Part {
        title: "The first message with TLS and a login",
        file: "mail-first.svg",
        cases: &[Case::First],
        drawn: [Figure::RoundTrips, Figure::Time],
    },
    Part {
        title: "Many messages",
        file: "mail-many.svg",
        cases: &[Case::Sink1, Case::Sink20, Case::Bdat1, Case::Bdat20],
        drawn: [Figure::Rate, Figure::Cpu],
    },
    Part {
        title: "Many messages over a long line",
        file: "mail-far.svg",
        cases: &[Case::FarSink1, Case::FarSink20, Case::FarBdat1, Case::FarBdat20],
        drawn: [Figure::Rate, Figure::RoundTrips],
    },
    Part {
        title: "Many large messages",
        file: "mail-large.svg",
        cases: &[Case::Large20],
        drawn: [Figure::Throughput, Figure::Cpu],
    },
    Part {
        title: "A server that keeps what it takes",
        file: "mail-postfix.svg",
        cases: &[Case::Postfix1, Case::Postfix20],
        drawn: [Figure::Rate, Figure::Cpu],
    },
];

/// A case: every peer's figures, and Switchboard's first one over them.
pub(super) fn table(results: &Results<Mail>, case: Case) -> Table {
    const TIME: Column<Mail> = Column::own("exec to exit", Figure::Time, milliseconds);
    const CPU: Column<Mail> = Column::own("client CPU per message", Figure::Cpu, micros);
    const MEMORY: Column<Mail> = Column::own("most resident", Figure::Memory, mebibytes);
    const TRIPS: Column<Mail> = Column::own("round trips per message", Figure::RoundTrips, interval);
    const RATE: Column<Mail> = Column::own("messages/s", Figure::Rate, interval);
    const THROUGHPUT: Column<Mail> = Column::own("text, MB/s", Figure::Throughput, interval);
    const OVER_TIME: Column<Mail> = Column::over("Switchboard's time", Figure::Time);
    const OVER_TRIPS: Column<Mail> = Column::over("Switchboard's round trips", Figure::RoundTrips);
    const OVER_RATE: Column<Mail> = Column::over("Switchboard's messages/s", Figure::Rate);
    const OVER_THROUGHPUT: Column<Mail> = Column::over("Switchboard's MB/s", Figure::Throughput);
    let columns: &[Column<Mail>] = match case.kind() {
        Kind::Whole(_) if case == Case::Short => &[TIME, CPU, OVER_TIME],
        Kind::Whole(_) => &[TIME, CPU, MEMORY, OVER_TIME],
        Kind::First => &[TRIPS, TIME, OVER_TRIPS],
        Kind::Load(_) if case == Case::Large20 => &[THROUGHPUT, CPU, OVER_THROUGHPUT],
        Kind::Load(load) => match load.distance {
            Distance::Near => &[RATE, CPU, OVER_RATE],
            Distance::Far => &[RATE, TRIPS, OVER_RATE],
        },
    };
    report::table(results, case, columns)
}

fn milliseconds(time: Summary) -> String {
    format!("{} ms", interval(time))
}

fn mebibytes(memory: Summary) -> String {
    format!("{} MiB", interval(memory))
}

/// What a bar of a figure says.
pub(super) fn panel(figure: Figure) -> &'static str {
    match figure {
        Figure::Time => "exec to exit in ms: shorter is better",
        Figure::Cpu => "client CPU per message in µs: shorter is better",
        Figure::Memory => "most resident in MiB: shorter is better",
        Figure::RoundTrips => "round trips per message: shorter is better",
        Figure::Rate => "messages per second: longer is better",
        Figure::Throughput => "text in MB per second: longer is better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::CHARTS;
    use crate::mail::case::MATRIX;
    use crate::mail::results::tests::two_rounds;
    use crate::subject::report::{text, write};

    #[test]
    fn every_case_of_the_matrix_belongs_to_one_part() {
        let parts_of = |case| PARTS.iter().filter(|part| part.cases.contains(case)).count();
        assert!(MATRIX.iter().all(|case| parts_of(case) == 1));
    }

    #[test]
    fn the_report_says_what_was_measured_and_what_was_left_out() {
        let shown = text(&two_rounds());
        let needles = ["curl 7", "3.00 (2.00 to 4.00) ms", "0.50 x", "12.0 MiB", "22,500", "left out: swaks"];
        for needle in needles {
            assert!(shown.contains(needle), "{needle} is missing in {shown}");
        }
        assert!(!shown.contains("Dovecot"), "{shown}");
    }

    #[test]
    fn what_was_measured_is_written_and_drawn() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("BENCHMARKS.md"), "<!-- mail -->\n<!-- /mail -->\n").unwrap();
        write(&two_rounds(), root.path()).unwrap();
        let document = std::fs::read_to_string(root.path().join("BENCHMARKS.md")).unwrap();
        assert!(
            document.contains("| smtp-source, reused |") && document.contains("**not reached**"),
            "{document}"
        );
        let drawn = |file: &str| root.path().join(CHARTS).join(file).is_file();
        assert!(drawn("mail-one.svg") && drawn("mail-many.svg") && !drawn("mail-first.svg"));
    }
}
