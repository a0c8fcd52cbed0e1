//! `bench probe`: `switchboard reflect` and `switchboard ping` beside the tools that are usual, every case on every peer,
//! alternating, and the report. Absent: a network; all of it is on loopback.

pub mod case;
mod cores;
mod goals;
mod load;
pub mod peers;
mod relay;
mod report;
pub mod results;
mod schedule;

use anyhow::Result;

use crate::child::Stop;
use crate::matrix::{self, Only};
use crate::subject::report::Part;
use crate::subject::results::Results;
use crate::subject::{self, Subject};
use crate::table::Table;
use crate::verdict::Verdict;
use case::{Case, MATRIX};
use peers::{Crates, Peer, Peers};
use results::{Figure, Measured};

/// What `bench probe` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    matrix: matrix::Rounds,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as load-64/sockperf
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only<Case, Peer>>,
    /// Builds irtt-rs and stamp-suite from crates.io, which takes minutes the first time; otherwise they are left out
    #[arg(long)]
    with_crates: bool,
}

/// The subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe;

/// Measures and reports.
///
/// # Errors
/// When a peer fails, a reply is not what it has to be, or a file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    subject::run(&options.matrix, || measure(options))
}

fn measure(options: &Options) -> Result<Results<Probe>> {
    let wanted = matrix::runs(MATRIX, Peer::ALL, &options.only, |peer, case| peer.can(case.kind()));
    let stop = Stop::on_signals()?;
    let crates = if options.with_crates { Crates::Install } else { Crates::LeaveOut };
    let peers = Peers::prepare(&wanted, crates, &options.matrix.place, stop)?;
    subject::measure(&options.matrix, &wanted, &peers, command_line(options), ())
}

/// How to do it again.
fn command_line(options: &Options) -> String {
    let line = options.matrix.command_line("probe", &options.only);
    if options.with_crates { format!("{line} --with-crates") } else { line }
}

impl Subject for Probe {
    const NAME: &'static str = "probe";
    const GOALS_OF: &'static str = "probing";
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
        "loopback, reflectors on one core and whoever sends on another".to_owned()
    }

    fn told(measured: Measured) -> String {
        match measured {
            Measured::Reflected { answered, lost, seconds, cpu_seconds } => {
                let answered = crate::figure::number(answered);
                let (rate, cpu) = (answered / seconds, cpu_seconds * 1e6 / answered);
                format!("{rate:>12.0} replies/s {cpu:>8.2} us CPU, {lost} lost")
            }
            Measured::RoundTrip { answered, lost, p50_us, p99_us } => {
                format!("{p50_us:>10.2} us median {p99_us:>10.2} us 99 %, {answered} answered, {lost} lost")
            }
            Measured::Sent { asked, sent, p50_us, p99_us, max_us } => {
                format!(
                    "{p50_us:>10.2} us median {p99_us:>10.2} us 99 % {max_us:>10.2} us most, {sent} of {asked}"
                )
            }
            Measured::Watched { hosts, beats, seconds, cpu_seconds, octets_per_host, alarms } => {
                let (share, rate) = (100.0 * cpu_seconds / seconds, crate::figure::number(beats) / seconds);
                format!(
                    "{share:>10.2} % of a core for {hosts} hosts, {rate:.0} beats/s, {octets_per_host} octets a host, \
                     {alarms} false alarms"
                )
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
