//! `bench mail`: `switchboard mail send` and its library beside the mail clients and load tools that are usual, every case on every
//! peer, alternating, and the report. Absent: a network; long lines are made by holding back what is on its way.

pub mod case;
mod goals;
mod line;
pub mod peers;
mod report;
pub mod results;
mod servers;
mod sessions;
mod sink;
mod timed;
mod tools;

use anyhow::Result;

use crate::child::Stop;
use crate::matrix::{self, Only};
use crate::subject::report::Part;
use crate::subject::results::Results;
use crate::subject::{self, Subject};
use crate::table::Table;
use crate::verdict::Verdict;
use case::{Case, MATRIX};
use peers::{Peer, Peers};
use results::{Figure, Measured};

/// What `bench mail` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    matrix: matrix::Rounds,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as short/curl
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only<Case, Peer>>,
}

/// The subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mail;

/// Measures and reports.
///
/// # Errors
/// When a peer fails, a message is lost or does not arrive as it was sent, or a file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    subject::run(&options.matrix, || measure(options))
}

fn measure(options: &Options) -> Result<Results<Mail>> {
    let wanted = matrix::runs(MATRIX, Peer::ALL, &options.only, Peer::can);
    let peers = Peers::prepare(&wanted, &options.matrix.place, Stop::on_signals()?)?;
    let command = options.matrix.command_line("mail", &options.only);
    subject::measure(&options.matrix, &wanted, &peers, command, ())
}

impl Subject for Mail {
    const NAME: &'static str = "mail";
    const GOALS_OF: &'static str = "mail";
    const CASES: &'static [Case] = MATRIX;
    const PEERS: &'static [Peer] = Peer::ALL;
    const OURS: Peer = Peer::Switchboard;
    const PARTS: &'static [Part<Self>] = report::PARTS;

    type Case = Case;
    type Peer = Peer;
    type Figure = Figure;
    type Measured = Measured;
    type Conditions = ();

    fn title(case: Case) -> String {
        case.title()
    }

    fn peer_title(peer: Peer) -> &'static str {
        peer.title()
    }

    fn is_ours(peer: Peer) -> bool {
        peer.is_ours()
    }

    fn figure(measured: Measured, figure: Figure) -> Option<f64> {
        measured.figure(figure)
    }

    fn panel(figure: Figure) -> &'static str {
        report::panel(figure)
    }

    fn conditions((): &()) -> String {
        "loopback".to_owned()
    }

    fn told(measured: Measured) -> String {
        let figure = |figure| measured.figure(figure);
        let number = |of| figure(of).unwrap_or(f64::NAN);
        let mut told = match measured {
            Measured::Whole { .. } => format!("{:>10.2} ms", number(Figure::Time)),
            Measured::Load { .. } => {
                format!("{:>10.0} messages/s {:>8.1} MB/s", number(Figure::Rate), number(Figure::Throughput))
            }
        };
        told.push_str(&format!(" {:>10.1} us CPU", number(Figure::Cpu)));
        if let Some(memory) = figure(Figure::Memory) {
            told.push_str(&format!(" {memory:>8.1} MiB"));
        }
        if let Some(trips) = figure(Figure::RoundTrips) {
            told.push_str(&format!(" {trips:>8.3} round trips"));
        }
        told
    }

    fn table(results: &Results<Self>, case: Case) -> Table {
        report::table(results, case)
    }

    fn verdicts(results: &Results<Self>) -> Vec<Verdict> {
        goals::verdicts(results)
    }
}
