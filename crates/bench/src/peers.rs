//! The peers: what else could do the same work, each with its usual load tool, on private ports and folders.
//!
//! The same work for all: look whether the id of the call was seen, move the balance, write an entry, return the new
//! balance, and answer when that is on disk. Every run begins with a fresh server and fresh tables, is warmed up by a
//! short load of the same kind, and ends with the books of the store against the calls that the clients counted.
//!
//! Absent: peers that no Debian package or crate brings.

mod books;
mod mariadb;
mod postgres;
mod redis;
mod switchboard;
pub mod textbook;

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use xtask::needs::{Need, Provides};

pub use crate::child::Stop;
pub use books::Books;

use crate::calls::case::{Case, Task};
use crate::packages::{self, Wanted};

/// Seconds of load before what is measured.
const WARM_SECONDS: f64 = 0.5;
const MARIADB: &[Peer] = &[Peer::MariaDb, Peer::MariaDbBinlog];
/// Servers, and the load tools that are usual for them.
const PACKAGES: &[Wanted<Peer>] = &[
    Wanted::program("mariadb-server", "mariadbd", "bench calls: MariaDB", MARIADB),
    Wanted::program("sysbench", "sysbench", "bench calls: the load on MariaDB", MARIADB),
    Wanted::program("redis-server", "redis-server", "bench calls: Redis", &[Peer::Redis]),
    Wanted::program("redis-tools", "redis-benchmark", "bench calls: the load on Redis", &[Peer::Redis]),
];
/// Most of its programs lie in a folder named after the version, off PATH.
static POSTGRES_PACKAGE: Need =
    Need { package: "postgresql", provides: Provides::Program("psql"), used_by: "bench calls: PostgreSQL" };

/// Who is measured. The order is that of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Peer {
    /// Switchboard over plain TCP.
    Switchboard,
    /// Switchboard over TLS.
    SwitchboardTls,
    /// Redis, every write synced, a Lua script.
    Redis,
    /// PostgreSQL, a stored function.
    Postgres,
    /// MariaDB, a stored function, no binlog.
    MariaDb,
    /// MariaDB with the binlog that replication needs, synced.
    MariaDbBinlog,
    /// SQLite in the caller's own process, no network: the idempotency-key table of the textbooks.
    Textbook,
}

/// What a run gave.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// Calls that were answered.
    pub calls: u64,
    /// In this time.
    pub elapsed: Duration,
    /// CPU time of the server for them.
    pub cpu: Duration,
}

impl Peer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Switchboard,
        Self::SwitchboardTls,
        Self::Redis,
        Self::Postgres,
        Self::MariaDb,
        Self::MariaDbBinlog,
        Self::Textbook,
    ];

    /// For a reader.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Switchboard => "Switchboard, TCP",
            Self::SwitchboardTls => "Switchboard, TLS",
            Self::Redis => "Redis, appendfsync always",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::MariaDbBinlog => "MariaDB with binlog",
            Self::Textbook => "SQLite in process, textbook table",
        }
    }

    /// Whether it is Switchboard itself.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Switchboard | Self::SwitchboardTls => true,
            Self::Redis | Self::Postgres | Self::MariaDb | Self::MariaDbBinlog | Self::Textbook => false,
        }
    }

    /// Whether it and its load tool can do a case as it is meant. PostgreSQL takes pipelined statements as one
    /// transaction, which is another case, unless they only read; MariaDB's protocol has no pipelining.
    #[must_use]
    pub fn can(self, case: Case) -> bool {
        let bulk = matches!(case.task, Task::Bulk(_));
        match self {
            Self::Switchboard | Self::SwitchboardTls => true,
            // Of these only Switchboard has such a call.
            Self::Redis | Self::Postgres | Self::MariaDb | Self::MariaDbBinlog | Self::Textbook if bulk => {
                false
            }
            Self::Redis => true,
            Self::Postgres => case.depth == 1 || case.task == Task::Balance,
            Self::MariaDb => case.depth == 1,
            Self::MariaDbBinlog => case.depth == 1 && case.task == Task::WithdrawHot,
            Self::Textbook => case.task != Task::Balance,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switchboard => "switchboard",
            Self::SwitchboardTls => "switchboard-tls",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
            Self::MariaDbBinlog => "mariadb-binlog",
            Self::Textbook => "textbook",
        })
    }
}

crate::by_name::by_name!(Peer, "peer", Peer::ALL);

/// The peers with their programs found and their folders made; servers run only during a run.
#[derive(Debug)]
pub struct Peers {
    stop: Stop,
    switchboard: Option<switchboard::Site>,
    redis: Option<redis::Site>,
    postgres: Option<postgres::Site>,
    mariadb: Option<mariadb::Site>,
    skipped: Vec<(Peer, String)>,
    place: TempDir,
}

impl Peers {
    /// Makes those of `wanted` ready below the folder `below`; installs packages when it may.
    ///
    /// # Errors
    /// When a peer that is there cannot be made ready.
    pub fn prepare(wanted: &[Peer], below: &Path, stop: Stop) -> Result<Self> {
        let skipped = packages::provide(PACKAGES, wanted, |peer| {
            (peer == Peer::Postgres && postgres::programs().is_none()).then_some(&POSTGRES_PACKAGE)
        })?;
        // Other users may pass: PostgreSQL refuses to run as root.
        let open = std::fs::Permissions::from_mode(0o755);
        let place = tempfile::Builder::new().prefix("bench-").permissions(open).tempdir_in(below)?;
        let of = |peers: &[Peer]| {
            peers
                .iter()
                .any(|peer| wanted.contains(peer) && skipped.iter().all(|(left_out, _)| left_out != peer))
        };
        let at = |name: &str| place.path().join(name);
        Ok(Self {
            switchboard: of(&[Peer::Switchboard, Peer::SwitchboardTls])
                .then(|| switchboard::Site::make(&at("switchboard")))
                .transpose()?,
            redis: of(&[Peer::Redis]).then(|| redis::Site::make(&at("redis"))).transpose()?,
            postgres: of(&[Peer::Postgres])
                .then(|| postgres::Site::make(&at("postgres"), &stop))
                .transpose()?,
            mariadb: of(&[Peer::MariaDb, Peer::MariaDbBinlog])
                .then(|| mariadb::Site::make(&at("mariadb"), &stop))
                .transpose()?,
            skipped,
            place,
            stop,
        })
    }

    /// Who was wanted and is left out, and why.
    #[must_use]
    pub fn skipped(&self) -> &[(Peer, String)] {
        &self.skipped
    }

    /// The folder in which all of them keep their files.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// What runs, with its version.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn version(&self, peer: Peer) -> Result<String> {
        match peer {
            Peer::Switchboard | Peer::SwitchboardTls => self.switchboard()?.version(&self.stop),
            Peer::Redis => redis::version(&self.stop),
            Peer::Postgres => self.postgres()?.version(&self.stop),
            Peer::MariaDb | Peer::MariaDbBinlog => mariadb::version(&self.stop),
            Peer::Textbook => Ok(textbook::version()),
        }
    }

    /// One run: a fresh server under a load for so many seconds, its books verified, ended.
    ///
    /// # Errors
    /// When something fails, the books do not hold, or somebody asked to end.
    pub fn run(&self, peer: Peer, case: Case, seconds: f64) -> Result<Ran> {
        let stop = &self.stop;
        let ran = match peer {
            Peer::Switchboard => self.switchboard()?.run(case, seconds, switchboard::Wire::Plain, stop),
            Peer::SwitchboardTls => self.switchboard()?.run(case, seconds, switchboard::Wire::Tls, stop),
            Peer::Redis => self.redis.as_ref().context("Redis was not prepared")?.run(case, seconds, stop),
            Peer::Postgres => self.postgres()?.run(case, seconds, stop),
            Peer::MariaDb => self.mariadb()?.run(case, seconds, mariadb::Binlog::Off, stop),
            Peer::MariaDbBinlog => self.mariadb()?.run(case, seconds, mariadb::Binlog::Synced, stop),
            Peer::Textbook => textbook::run(&self.place.path().join("textbook"), case, seconds, stop),
        };
        stop.check()?;
        let ran = ran.with_context(|| format!("{peer}, {case}"))?;
        ensure!(
            ran.calls > 0 && !ran.elapsed.is_zero(),
            "{peer}, {case}: no call was answered in {seconds} s"
        );
        Ok(ran)
    }

    fn switchboard(&self) -> Result<&switchboard::Site> {
        self.switchboard.as_ref().context("Switchboard was not prepared")
    }

    fn postgres(&self) -> Result<&postgres::Site> {
        self.postgres.as_ref().context("PostgreSQL was not prepared")
    }

    fn mariadb(&self) -> Result<&mariadb::Site> {
        self.mariadb.as_ref().context("MariaDB was not prepared")
    }
}

/// Tools that take whole seconds only.
fn whole_seconds(seconds: f64) -> String {
    format!("{:.0}", seconds.max(1.0))
}
