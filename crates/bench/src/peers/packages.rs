//! Which Debian packages the peers come from, and getting those that are absent.

use anyhow::Result;
use xtask::install;
use xtask::needs::{Need, Provides};

use super::Peer;
use super::postgres;

/// A package that some peers need.
struct Wanted {
    need: Need,
    peers: &'static [Peer],
}

/// Servers, and the load tools that are usual for them.
const WANTED: &[Wanted] = &[
    Wanted {
        need: Need {
            package: "mariadb-server",
            provides: Provides::Program("mariadbd"),
            used_by: "bench calls: MariaDB",
        },
        peers: &[Peer::MariaDb, Peer::MariaDbBinlog],
    },
    Wanted {
        need: Need {
            package: "sysbench",
            provides: Provides::Program("sysbench"),
            used_by: "bench calls: the load on MariaDB",
        },
        peers: &[Peer::MariaDb, Peer::MariaDbBinlog],
    },
    Wanted {
        need: Need {
            package: "redis-server",
            provides: Provides::Program("redis-server"),
            used_by: "bench calls: Redis",
        },
        peers: &[Peer::Redis],
    },
    Wanted {
        need: Need {
            package: "redis-tools",
            provides: Provides::Program("redis-benchmark"),
            used_by: "bench calls: the load on Redis",
        },
        peers: &[Peer::Redis],
    },
];

/// Its programs lie in a folder named after the version, off PATH.
const POSTGRES: &str = "postgresql";

/// Installs what `peers` need when this process may, and returns, for each peer that has to be left out, why.
///
/// # Errors
/// When an installation was tried and failed.
pub(super) fn provide(peers: &[Peer]) -> Result<Vec<(Peer, String)>> {
    let absent = absent_packages(peers);
    if !absent.is_empty() && install::is_root() {
        install::install(&absent)?;
    }
    let reason = |package: &str| format!("{package} is not installed: {}", install::command_line(&[package]));
    let why = |peer: Peer| absent_packages(&[peer]).first().map(|package| (peer, reason(package)));
    Ok(peers.iter().filter_map(|peer| why(*peer)).collect())
}

fn absent_packages(peers: &[Peer]) -> Vec<&'static str> {
    let of_table = WANTED.iter().filter(|wanted| wanted.peers.iter().any(|peer| peers.contains(peer)));
    let mut absent: Vec<_> =
        of_table.filter(|wanted| wanted.need.is_absent()).map(|wanted| wanted.need.package).collect();
    if peers.contains(&Peer::Postgres) && postgres::programs().is_none() {
        absent.push(POSTGRES);
    }
    absent
}
