//! Which Debian packages the peers come from, and getting those that are absent.

use anyhow::Result;
use xtask::install;
use xtask::needs::{Need, Provides};

/// A package that some peers need.
pub(crate) struct Wanted<P: 'static> {
    need: Need,
    peers: &'static [P],
}

impl<P> Wanted<P> {
    /// A package that brings a program.
    pub(crate) const fn program(
        package: &'static str,
        program: &'static str,
        used_by: &'static str,
        peers: &'static [P],
    ) -> Self {
        Self { need: Need { package, provides: Provides::Program(program), used_by }, peers }
    }
}

/// Installs what `peers` need when this process may, and returns, for each peer that has to be left out, why. `also_absent`
/// names packages that a peer lacks beside those of the table.
///
/// # Errors
/// When an installation was tried and failed.
pub(crate) fn provide<P: Copy + PartialEq>(
    table: &'static [Wanted<P>],
    peers: &[P],
    also_absent: impl Fn(P) -> Option<&'static Need>,
) -> Result<Vec<(P, String)>> {
    let absent_of = |peers: &[P]| -> Vec<&'static Need> {
        let of_table = table.iter().filter(|wanted| wanted.peers.iter().any(|peer| peers.contains(peer)));
        let absent = of_table.filter(|wanted| wanted.need.is_absent()).map(|wanted| &wanted.need);
        absent.chain(peers.iter().filter_map(|peer| also_absent(*peer))).collect()
    };
    let absent = absent_of(peers);
    if !absent.is_empty() && install::is_root() {
        install::install(&absent)?;
    }
    let reason =
        |need: &Need| format!("{} is not installed: {}", need.package, install::command_line(&[need]));
    let why = |peer: P| absent_of(&[peer]).first().map(|need| (peer, reason(need)));
    Ok(peers.iter().filter_map(|peer| why(*peer)).collect())
}
