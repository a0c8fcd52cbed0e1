//! `bench web`: `switchboard web` beside the web servers that are usual, every case on every peer, alternating, and the
//! report. Absent: what is dynamic; all of them serve files.

pub mod case;
mod goals;
pub mod load;
pub mod peers;
mod report;
pub mod results;
mod served;

use anyhow::{Context as _, Result};

use crate::child::Stop;
use crate::matrix::{self, Only};
use crate::subject::report::Part;
use crate::subject::results::Results;
use crate::subject::{self, Subject};
use crate::table::Table;
use crate::verdict::Verdict;
use case::{Case, MATRIX};
use peers::{Crates, Peer, Peers};
use results::{Conditions, Figure, Measured};

/// What `bench web` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    matrix: matrix::Rounds,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as 1k/nginx
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only<Case, Peer>>,
    /// Processes, threads or event loops of every server; static-web-server always has a thread for each core
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Builds static-web-server 2 and 3 from crates.io, which takes minutes the first time; otherwise they are left out
    #[arg(long)]
    with_sws: bool,
}

/// The subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Web;

/// Measures and reports.
///
/// # Errors
/// When a peer fails, an answer is not what it has to be, or a file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    subject::run(&options.matrix, || measure(options))
}

const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

fn measure(options: &Options) -> Result<Results<Web>> {
    let wanted = matrix::runs(MATRIX, Peer::ALL, &options.only, |peer, case| peer.can(case));
    let stop = Stop::on_signals()?;
    let crates = if options.with_sws { Crates::Install } else { Crates::LeaveOut };
    let peers = Peers::prepare(&wanted, crates, options.workers, &options.matrix.place, stop)?;
    let congestion_control = std::fs::read_to_string(CONGESTION_CONTROL)
        .with_context(|| format!("cannot read {CONGESTION_CONTROL}"))?
        .trim()
        .to_owned();
    let conditions = Conditions { congestion_control, workers: options.workers };
    subject::measure(&options.matrix, &wanted, &peers, command_line(options), conditions)
}

/// How to do it again.
fn command_line(options: &Options) -> String {
    let mut line = options.matrix.command_line("web", &options.only);
    if options.workers != 2 {
        line.push_str(&format!(" --workers {}", options.workers));
    }
    if options.with_sws { format!("{line} --with-sws") } else { line }
}

impl Subject for Web {
    const NAME: &'static str = "web";
    const GOALS_OF: &'static str = "web serving";
    const CASES: &'static [Case] = MATRIX;
    const PEERS: &'static [Peer] = Peer::ALL;
    const OURS: Peer = Peer::Switchboard;
    const PARTS: &'static [Part<Self>] = report::PARTS;

    type Case = Case;
    type Peer = Peer;
    type Figure = Figure;
    type Measured = Measured;
    type Conditions = Conditions;

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

    fn conditions(conditions: &Conditions) -> String {
        let Conditions { congestion_control, workers } = conditions;
        let word = if *workers == 1 { "worker" } else { "workers" };
        format!("TCP by {congestion_control}; {workers} {word} for every server")
    }

    fn told(measured: Measured) -> String {
        let figure = |figure| measured.figure(figure).unwrap_or(f64::NAN);
        match measured {
            Measured::Load { .. } => {
                format!("{:>12.0} requests/s {:>10.2} us CPU", figure(Figure::Rate), figure(Figure::Cpu))
            }
            Measured::Memory { .. } => {
                format!("{:>12.2} MiB {:>10.2} MiB crowded", figure(Figure::Idle), figure(Figure::Crowded))
            }
        }
    }

    fn table(results: &Results<Self>, case: Case) -> Table {
        report::table(results, case)
    }

    fn verdicts(results: &Results<Self>) -> Vec<Verdict> {
        goals::verdicts(results)
    }
}
