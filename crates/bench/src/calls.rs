//! `bench calls`: every case on every peer, alternating, round after round, and the report.

pub mod case;
pub mod results;

use anyhow::{Result, ensure};

use crate::machine::{Machine, Probe};
use crate::matrix::{self, Only};
use crate::peers::{Peer, Peers, Stop};
use crate::report;
use case::{Case, MATRIX};
use results::{Results, Sample};

/// What `bench calls` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    matrix: matrix::Rounds,
    /// Only this, several times if needed: CASE, PEER or CASE/PEER, such as withdraw-64x1/redis
    #[arg(long, value_name = "CASE/PEER")]
    only: Vec<Only<Case, Peer>>,
}

/// Measures and reports.
///
/// # Errors
/// When a peer fails, its books do not hold, or a file cannot be written.
#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
pub fn run(options: &Options) -> Result<()> {
    let results = options.matrix.results(|| measure(options))?;
    print!("{}", report::text(&results));
    if options.matrix.write {
        report::write(&results, &xtask::workspace_root())?;
    }
    Ok(())
}

fn measure(options: &Options) -> Result<Results> {
    let wanted = runs(&options.only);
    ensure!(!wanted.is_empty(), "no peer does the cases that were named");
    let stop = Stop::on_signals()?;
    let of_runs: Vec<Peer> =
        Peer::ALL.iter().copied().filter(|peer| wanted.iter().any(|(_, wanted)| wanted == peer)).collect();
    let peers = Peers::prepare(&of_runs, &options.matrix.place, stop)?;
    let left_out = |peer| peers.skipped().iter().any(|(skipped, _)| *skipped == peer);
    let runs: Vec<_> = wanted.into_iter().filter(|(_, peer)| !left_out(*peer)).collect();
    let mut results = Results {
        machine: Machine::read(),
        command: options.matrix.command_line("calls", &options.only),
        versions: of_runs
            .iter()
            .filter(|peer| !left_out(**peer))
            .map(|peer| Ok((*peer, peers.version(*peer)?)))
            .collect::<Result<_>>()?,
        skipped: peers.skipped().iter().map(|(peer, why)| format!("{}: {why}", peer.title())).collect(),
        probes: Vec::new(),
        samples: Vec::new(),
    };
    options.matrix.go_round(&runs, |round, case, peer, seconds| {
        // Once a round.
        if results.probes.len() < usize::try_from(round)? {
            results.probes.push(Probe::take(peers.place())?);
        }
        let sample = Sample::of(round, case, peer, &peers.run(peer, case, seconds)?);
        results.samples.push(sample);
        Ok(format!("{:>12.0} calls/s {:>10.2} us CPU", sample.rate(), sample.cpu_us()))
    })?;
    Ok(results)
}

fn runs(only: &[Only<Case, Peer>]) -> Vec<(Case, Peer)> {
    matrix::runs(MATRIX, Peer::ALL, only, Peer::can)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::case::Task;

    #[test]
    fn a_part_of_the_matrix_is_named_by_case_by_peer_or_by_both() {
        let of = |names: &[&str]| {
            let only: Vec<Only<Case, Peer>> = names.iter().map(|name| name.parse().unwrap()).collect();
            runs(&only)
        };
        let case = Case::new(Task::Withdraw, 64, 1);
        assert_eq!(of(&["withdraw-64x1/redis"]), [(case, Peer::Redis)]);
        assert!(of(&["redis"]).iter().all(|(_, peer)| *peer == Peer::Redis));
        assert!(of(&["withdraw-64x1"]).iter().all(|(found, _)| *found == case));
        assert_eq!(of(&["/redis"]), of(&["redis"]));
        assert_eq!(of(&["withdraw-64x1/redis", "withdraw-64x1/postgres"]).len(), 2);
        assert_eq!(of(&["withdraw-64x16/mariadb"]), []);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let told = "withdraw-63x1".parse::<Only<Case, Peer>>().unwrap_err();
        assert!(told.contains("withdraw-64x1"), "{told}");
        let told = "withdraw-64x1/oracle".parse::<Only<Case, Peer>>().unwrap_err();
        assert!(told.contains("postgres"), "{told}");
    }

    #[test]
    fn the_whole_matrix_alternates_between_peers() {
        let runs = runs(&[]);
        assert!(runs.windows(2).all(|pair| pair[0].1 != pair[1].1));
        assert!(runs.iter().any(|(_, peer)| *peer == Peer::MariaDbBinlog));
    }
}
