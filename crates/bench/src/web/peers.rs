//! The web servers: what else could serve the same files, each tuned as its makers advise, on private ports and folders.
//!
//! Every run begins with a fresh server of as many workers as all others have, which is warmed up by a short load of the same kind. Only
//! Switchboard writes an access log and counts requests, as it always does; the log is held against the requests that the
//! load counted. Absent: peers that no Debian package or crate brings.

mod caddy;
mod floor;
mod h2load;
mod lighttpd;
mod nginx;
mod static_web_server;
mod switchboard;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::Web;
use super::case::{Case, IDLE_CONNECTIONS, MATRIX};
use super::load::{Load, Target};
use super::results::Measured;
use super::served::Served;
use crate::child::{self, Owned, Stop};
use crate::packages::{self, Wanted};
use crate::{cpu, subject, usage};

/// Seconds of load before what is measured.
const WARM_SECONDS: f64 = 0.5;

/// Who is measured. The order is that of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Peer {
    /// `switchboard web`, with its access log.
    Switchboard,
    /// lighttpd.
    Lighttpd,
    /// nginx.
    Nginx,
    /// static-web-server 3 with its cache, which may be half an hour old.
    Sws3,
    /// static-web-server 2 without it.
    Sws2,
    /// Caddy.
    Caddy,
    /// No server: what the kernel does for any of them.
    Floor,
}

/// Debian's packages.
const PACKAGES: &[Wanted<Peer>] = &[
    Wanted::program("lighttpd", "lighttpd", "bench web: lighttpd", &[Peer::Lighttpd]),
    Wanted::program(
        "lighttpd-mod-openssl",
        "/usr/lib/lighttpd/mod_openssl.so",
        "bench web: TLS of lighttpd",
        &[Peer::Lighttpd],
    ),
    Wanted::program("nginx", "nginx", "bench web: nginx", &[Peer::Nginx]),
    Wanted::program("caddy", "caddy", "bench web: Caddy", &[Peer::Caddy]),
];
/// What only HTTP/2 needs.
const TOOLS: &[Wanted<Case>] =
    &[Wanted::program("nghttp2-client", "h2load", "bench web: the load over HTTP/2", &[Case::Http2])];

impl Peer {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Switchboard, Self::Lighttpd, Self::Nginx, Self::Sws3, Self::Sws2, Self::Caddy, Self::Floor];

    /// The web servers that are not Switchboard.
    pub const OTHERS: &[Self] = &[Self::Lighttpd, Self::Nginx, Self::Sws3, Self::Sws2, Self::Caddy];

    /// For a reader.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Switchboard => "Switchboard",
            Self::Lighttpd => "lighttpd",
            Self::Nginx => "nginx",
            Self::Sws3 => "static-web-server 3, cache",
            Self::Sws2 => "static-web-server 2",
            Self::Caddy => "Caddy",
            Self::Floor => "plain C, the floor",
        }
    }

    /// Whether it can be asked this.
    #[must_use]
    pub const fn can(self, case: Case) -> bool {
        match self {
            Self::Floor => floor::can(case),
            Self::Switchboard | Self::Lighttpd | Self::Nginx | Self::Sws3 | Self::Sws2 | Self::Caddy => true,
        }
    }

    /// Whether it is Switchboard itself.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Switchboard => true,
            Self::Lighttpd | Self::Nginx | Self::Sws3 | Self::Sws2 | Self::Caddy | Self::Floor => false,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switchboard => "switchboard",
            Self::Lighttpd => "lighttpd",
            Self::Nginx => "nginx",
            Self::Sws3 => "sws3",
            Self::Sws2 => "sws2",
            Self::Caddy => "caddy",
            Self::Floor => "floor",
        })
    }
}

crate::by_name::by_name!(Peer, "peer", Peer::ALL);

/// How a server of a run is to be started.
struct Start<'a> {
    served: &'a Served,
    /// For its configuration, log and temporary files.
    folder: &'a Path,
    address: SocketAddr,
    is_tls: bool,
    is_http2: bool,
    /// Processes, threads or event loops, as it calls them.
    workers: u16,
}

/// The peers with their programs found; servers run only during a run.
#[derive(Debug)]
pub struct Peers {
    stop: Stop,
    served: Served,
    switchboard: Option<switchboard::Program>,
    sws2: Option<PathBuf>,
    sws3: Option<PathBuf>,
    floor: Option<PathBuf>,
    workers: u16,
    left_out: Vec<LeftOut>,
    place: TempDir,
}

/// Runs that are not done.
#[derive(Debug)]
struct LeftOut {
    peer: Peer,
    /// All cases, when none is named.
    case: Option<Case>,
    why: String,
}

/// Whether crates are built that are no Debian packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crates {
    /// They are installed below the target folder, which takes minutes.
    Install,
    /// Their peers are left out.
    LeaveOut,
}

impl Peers {
    /// Makes those ready that `wanted` names, below the folder `below`, each to run with so many `workers`; installs packages
    /// when it may.
    ///
    /// # Errors
    /// When a peer that is there cannot be made ready.
    pub fn prepare(
        wanted: &[(Case, Peer)],
        crates: Crates,
        workers: u16,
        below: &Path,
        stop: Stop,
    ) -> Result<Self> {
        let wants = |peer: Peer| wanted.iter().any(|(_, wanted)| *wanted == peer);
        let peers: Vec<Peer> = Peer::ALL.iter().copied().filter(|peer| wants(*peer)).collect();
        let cases: Vec<Case> =
            MATRIX.iter().copied().filter(|case| wanted.iter().any(|(of, _)| of == case)).collect();
        let all_of = |(peer, why)| LeftOut { peer, case: None, why };
        let absent = packages::provide(PACKAGES, &peers, |_| None)?;
        let mut left_out: Vec<LeftOut> = absent.into_iter().map(all_of).collect();
        for (case, why) in packages::provide(TOOLS, &cases, |_| None)? {
            left_out.extend(peers.iter().map(|peer| LeftOut {
                peer: *peer,
                case: Some(case),
                why: why.clone(),
            }));
        }
        // Other users may pass: servers give up being root.
        let open = std::fs::Permissions::from_mode(0o755);
        let place = tempfile::Builder::new().prefix("bench-").permissions(open).tempdir_in(below)?;
        let served = Served::make(place.path())?;
        let (mut sws2, mut sws3) = (None, None);
        for (peer, program) in [(Peer::Sws2, &mut sws2), (Peer::Sws3, &mut sws3)] {
            match crates {
                Crates::Install if wants(peer) => *program = Some(static_web_server::install(peer)?),
                Crates::LeaveOut if wants(peer) => {
                    let why = "it is built only when it is asked for: --with-sws";
                    left_out.push(all_of((peer, why.to_owned())));
                }
                Crates::Install | Crates::LeaveOut => {}
            }
        }
        let floor = wants(Peer::Floor).then(|| floor::compile(&stop, place.path())).transpose()?;
        let mut switchboard = None;
        if wants(Peer::Switchboard) {
            let program = switchboard::Program::find(&stop)?;
            left_out.extend(program.lacks(wanted));
            switchboard = Some(program);
        }
        Ok(Self { stop, served, switchboard, sws2, sws3, floor, workers, left_out, place })
    }

    fn run_one(&self, case: Case, peer: Peer, seconds: f64) -> Result<Measured> {
        let folder = tempfile::tempdir_in(self.place.path())?;
        // Workers that are no longer root have their temporary files here.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, child::free_port()?));
        let start = Start {
            served: &self.served,
            folder: folder.path(),
            address,
            is_tls: case.is_tls(),
            is_http2: case == Case::Http2,
            workers: self.workers,
        };
        let log = folder.path().join("output");
        let (out, err) = child::log_file(&log)?;
        let mut command = self.command(peer, &start)?;
        let mut server = Owned::start(peer.title(), command.stdout(out).stderr(err), Signal::TERM)?;
        server.wait_ready(&self.stop, &log, || TcpStream::connect(address).is_ok())?;
        let target = self.served.target(address, case.is_tls())?;
        let measured = match case {
            Case::Http2 => h2load::run(&self.stop, server.pid(), address, seconds),
            Case::Memory => self.memory(&target, server.pid()),
            Case::Small
            | Case::Pipelined
            | Case::NotModified
            | Case::NotFound
            | Case::Medium
            | Case::Large
            | Case::Connect
            | Case::Steady
            | Case::TlsSmall
            | Case::TlsConnect => self.loaded(case, &target, server.pid(), seconds),
        };
        // What the server said explains more than that a connection broke.
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let measured = measured.with_context(|| format!("the server said: {}", said()))?;
        server.end(&self.stop)?;
        if let (Peer::Switchboard, Measured::Load { requests, .. }) = (peer, measured) {
            switchboard::verify_log(folder.path(), requests)?;
        }
        Ok(measured)
    }

    fn command(&self, peer: Peer, start: &Start<'_>) -> Result<Command> {
        match peer {
            Peer::Switchboard => Ok(self.switchboard()?.command(start)),
            Peer::Lighttpd => lighttpd::command(start),
            Peer::Nginx => nginx::command(start),
            Peer::Sws2 => Ok(static_web_server::plain(self.sws2.as_deref().context("not installed")?, start)),
            Peer::Sws3 => static_web_server::cached(self.sws3.as_deref().context("not installed")?, start),
            Peer::Caddy => caddy::command(start),
            Peer::Floor => floor::command(self.floor.as_deref().context("not compiled")?, start),
        }
    }

    fn loaded(&self, case: Case, target: &Target, pid: u32, seconds: f64) -> Result<Measured> {
        self.served.load(case, target, WARM_SECONDS.min(seconds))?.run().context("the load to warm up")?;
        let mut ready = self.served.load(case, target, seconds)?.connect()?;
        let before = cpu::spent(pid);
        let done = ready.run()?;
        let cpu = cpu::spent(pid).saturating_sub(before);
        drop(ready);
        ensure!(done.requests > 0, "no request was answered in {seconds} s");
        let quantile = |q| done.latency_us.value_at_quantile(q);
        Ok(Measured::Load {
            requests: done.requests,
            seconds: done.elapsed.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            latency_us: Some((quantile(0.5), quantile(0.99))),
        })
    }

    fn memory(&self, target: &Target, pid: u32) -> Result<Measured> {
        for case in [Case::Small, Case::Medium] {
            self.served.load(case, target, WARM_SECONDS)?.run().context("the load to warm up")?;
        }
        let idle = usage::pss_of_tree(pid)?;
        let load = self.served.load(Case::Memory, target, WARM_SECONDS)?;
        let mut ready = Load { connections: IDLE_CONNECTIONS, ..load }.connect()?;
        let done = ready.run()?;
        ensure!(done.requests == u64::from(IDLE_CONNECTIONS), "{} connections were answered", done.requests);
        let crowded = usage::pss_of_tree(pid)?;
        drop(ready);
        Ok(Measured::Memory { idle, crowded })
    }

    fn switchboard(&self) -> Result<&switchboard::Program> {
        self.switchboard.as_ref().context("Switchboard was not prepared")
    }
}

impl subject::Peers<Web> for Peers {
    fn is_left_out(&self, case: Case, peer: Peer) -> bool {
        let is_this =
            |left_out: &LeftOut| left_out.peer == peer && left_out.case.is_none_or(|left| left == case);
        self.left_out.iter().any(is_this)
    }

    fn left_out(&self) -> Vec<String> {
        let words = |left_out: &LeftOut| match left_out.case {
            None => format!("{}: {}", left_out.peer.title(), left_out.why),
            Some(case) => format!("{}, `{case}`: {}", left_out.peer.title(), left_out.why),
        };
        self.left_out.iter().map(words).collect()
    }

    fn version(&self, peer: Peer) -> Result<String> {
        match peer {
            Peer::Switchboard => self.switchboard()?.version(&self.stop),
            Peer::Lighttpd => lighttpd::version(&self.stop),
            Peer::Nginx => nginx::version(&self.stop),
            Peer::Sws2 | Peer::Sws3 => Ok(static_web_server::version(peer)),
            Peer::Caddy => caddy::version(&self.stop),
            Peer::Floor => floor::version(&self.stop),
        }
    }

    /// A fresh server under a load for so many seconds, ended. A run that fails with another server than Switchboard, which may have ended a
    /// connection after so many requests, is made once more.
    fn run(&self, case: Case, peer: Peer, seconds: f64) -> Result<Measured> {
        let measured = self.run_one(case, peer, seconds);
        self.stop.check()?;
        let measured = match measured {
            Err(_) if !peer.is_ours() => self.run_one(case, peer, seconds),
            measured => measured,
        };
        self.stop.check()?;
        measured.with_context(|| format!("{peer}, {case}"))
    }
}

/// The first line a program says of its version, below which stand the options that it was built with.
fn first_line(stop: &Stop, program: &str, argument: &str) -> Result<String> {
    let told = child::run(stop, program, child::guarded(program).arg(argument))?;
    Ok(told.lines().next().unwrap_or_default().trim().to_owned())
}
