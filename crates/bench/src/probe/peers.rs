//! The peers: reflectors that send datagrams back, and probers that ask for it, on private loopback ports, each ended by its
//! process id. Every run begins with a fresh reflector that has answered before anything is measured.
//!
//! All reflectors are under the same load of ours, each in its own language; limits on rates are off for all. Probers are measured
//! against the reflector of their own kind. Absent: peers that no Debian package or crate brings.

mod fping;
mod irtt;
mod plain;
mod sockperf;
mod stamp_suite;
mod switchboard;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::Probe;
use super::case::{Case, FPING_INTERVAL, Kind, ROUND_TRIP_INTERVAL};
use super::cores::{Cores, Side};
use super::load::{Dialect, Done, Load};
use super::relay::Relay;
use super::results::Measured;
use super::schedule;
use crate::child::{self, Owned, Stop, Tool};
use crate::packages::{self, Wanted};
use crate::{cpu, subject};

/// Load before what is measured.
const WARM: Duration = Duration::from_millis(300);
/// How much longer a monitor is measured: each of its hosts beats rarely.
const WATCHED_LONGER: u32 = 10;
/// Octets of a probe.
const PROBE_OCTETS: u16 = 64;

/// Who is measured. The order is that of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Peer {
    /// `switchboard reflect` and `switchboard ping`.
    Switchboard,
    /// `switchboard ping --spin`.
    SwitchboardSpin,
    /// C with `recvmmsg` and `sendmmsg`.
    PlainBatch,
    /// C with `recvfrom` and `sendto`.
    Plain,
    /// sockperf, blocking.
    Sockperf,
    /// sockperf without blocking.
    SockperfSpin,
    /// irtt.
    Irtt,
    /// irtt with its busy timer.
    IrttBusy,
    /// irtt-rs.
    IrttRs,
    /// stamp-suite.
    StampSuite,
    /// fping.
    Fping,
}

/// Debian's packages.
const PACKAGES: &[Wanted<Peer>] = &[
    Wanted::program("irtt", "irtt", "bench probe: irtt", &[Peer::Irtt, Peer::IrttBusy]),
    Wanted::program("sockperf", "sockperf", "bench probe: sockperf", &[Peer::Sockperf, Peer::SockperfSpin]),
    Wanted::program("fping", "fping", "bench probe: fping", &[Peer::Fping]),
    Wanted::program("gcc", "cc", "bench probe: the plain reflector", &[Peer::PlainBatch, Peer::Plain]),
];

impl Peer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Switchboard,
        Self::SwitchboardSpin,
        Self::PlainBatch,
        Self::Plain,
        Self::Sockperf,
        Self::SockperfSpin,
        Self::Irtt,
        Self::IrttBusy,
        Self::IrttRs,
        Self::StampSuite,
        Self::Fping,
    ];

    /// For a reader.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Switchboard => "Switchboard",
            Self::SwitchboardSpin => "Switchboard, spinning",
            Self::PlainBatch => "plain C, recvmmsg",
            Self::Plain => "plain C, recvfrom",
            Self::Sockperf => "sockperf",
            Self::SockperfSpin => "sockperf, spinning",
            Self::Irtt => "irtt",
            Self::IrttBusy => "irtt, spinning",
            Self::IrttRs => "irtt-rs",
            Self::StampSuite => "stamp-suite",
            Self::Fping => "fping, by the kernel",
        }
    }

    /// Whether it is Switchboard itself.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Switchboard | Self::SwitchboardSpin)
    }

    /// Whether it has what a kind of case measures.
    #[must_use]
    pub const fn can(self, kind: Kind) -> bool {
        match kind {
            Kind::Reflect { .. } => match self {
                Self::Switchboard
                | Self::PlainBatch
                | Self::Plain
                | Self::Sockperf
                | Self::Irtt
                | Self::IrttRs
                | Self::StampSuite => true,
                Self::SwitchboardSpin | Self::SockperfSpin | Self::IrttBusy | Self::Fping => false,
            },
            Kind::RoundTrip => match self {
                Self::Switchboard
                | Self::SwitchboardSpin
                | Self::Sockperf
                | Self::SockperfSpin
                | Self::Irtt
                | Self::IrttBusy
                | Self::Fping => true,
                Self::PlainBatch | Self::Plain | Self::IrttRs | Self::StampSuite => false,
            },
            Kind::Send { .. } => match self {
                Self::Switchboard | Self::SwitchboardSpin | Self::Irtt | Self::IrttBusy => true,
                Self::PlainBatch
                | Self::Plain
                | Self::Sockperf
                | Self::SockperfSpin
                | Self::IrttRs
                | Self::StampSuite
                | Self::Fping => false,
            },
            Kind::Watch => matches!(self, Self::Switchboard),
        }
    }

    /// What its reflector understands.
    const fn dialect(self) -> Dialect {
        match self {
            Self::Switchboard | Self::SwitchboardSpin | Self::StampSuite => Dialect::Stamp,
            Self::PlainBatch | Self::Plain | Self::Fping => Dialect::Echo,
            Self::Sockperf | Self::SockperfSpin => Dialect::Sockperf,
            Self::Irtt | Self::IrttBusy | Self::IrttRs => Dialect::Irtt,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switchboard => "switchboard",
            Self::SwitchboardSpin => "switchboard-spin",
            Self::PlainBatch => "plain-batch",
            Self::Plain => "plain",
            Self::Sockperf => "sockperf",
            Self::SockperfSpin => "sockperf-spin",
            Self::Irtt => "irtt",
            Self::IrttBusy => "irtt-busy",
            Self::IrttRs => "irtt-rs",
            Self::StampSuite => "stamp-suite",
            Self::Fping => "fping",
        })
    }
}

crate::by_name::by_name!(Peer, "peer", Peer::ALL);

/// What a prober is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    target: SocketAddr,
    interval: Duration,
    lasts: Duration,
}

/// What a prober told.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Told {
    answered: u64,
    lost: u64,
    p50_us: f64,
    p99_us: f64,
}

impl Asked {
    /// Probes that fill the time.
    fn count(&self) -> u64 {
        let count = self.lasts.as_nanos().div_ceil(self.interval.as_nanos().max(1));
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// Whether crates are built that are no Debian packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crates {
    /// They are installed below the target folder, which takes minutes.
    Install,
    /// Their peers are left out.
    LeaveOut,
}

/// The peers with their programs found; they run only during a run.
#[derive(Debug)]
pub struct Peers {
    stop: Stop,
    cores: Cores,
    switchboard: PathBuf,
    plain: PathBuf,
    irtt_rs: PathBuf,
    stamp_suite: PathBuf,
    left_out: Vec<(Peer, String)>,
    place: TempDir,
}

impl Peers {
    /// Makes those ready that `wanted` names, below the folder `below`; installs packages when it may.
    ///
    /// # Errors
    /// When a peer that is there cannot be made ready.
    pub fn prepare(wanted: &[(Case, Peer)], crates: Crates, below: &Path, stop: Stop) -> Result<Self> {
        let wants = |peer: Peer| wanted.iter().any(|(_, wanted)| *wanted == peer);
        let peers: Vec<Peer> = Peer::ALL.iter().copied().filter(|peer| wants(*peer)).collect();
        let mut left_out = packages::provide(PACKAGES, &peers, |_| None)?;
        let place = tempfile::Builder::new().prefix("bench-").tempdir_in(below)?;
        let mut of_crate = |peer: Peer, krate: crate::installed::Crate| match crates {
            Crates::Install if wants(peer) => krate.install(),
            Crates::LeaveOut if wants(peer) => {
                let why = "it is built only when it is asked for: --with-crates";
                left_out.push((peer, why.to_owned()));
                Ok(PathBuf::new())
            }
            Crates::Install | Crates::LeaveOut => Ok(PathBuf::new()),
        };
        let irtt_rs = of_crate(Peer::IrttRs, irtt::IRTT_RS)?;
        let stamp_suite = of_crate(Peer::StampSuite, stamp_suite::CRATE)?;
        let is_there = |peer: Peer| wants(peer) && left_out.iter().all(|(left, _)| *left != peer);
        let has_plain = is_there(Peer::Plain) || is_there(Peer::PlainBatch);
        let plain = if has_plain { plain::compile(&stop, place.path())? } else { PathBuf::new() };
        let ours = wants(Peer::Switchboard) || wants(Peer::SwitchboardSpin);
        let switchboard = if ours { crate::server::build()? } else { PathBuf::new() };
        Ok(Self { stop, cores: Cores::find()?, switchboard, plain, irtt_rs, stamp_suite, left_out, place })
    }

    fn reflect(&self, peer: Peer, octets: u16, window: u16, lasts: Duration) -> Result<Measured> {
        let (folder, reflector, address) = self.reflector(peer)?;
        let load = Load { address, dialect: peer.dialect(), octets, window };
        let pid = reflector.pid();
        let under_load = |lasts| self.cores.run(Side::Sender, || load.run(lasts));
        let measured = under_load(WARM).and_then(|warm| {
            let before = cpu::spent(pid);
            let done = under_load(lasts)?;
            Ok((warm, done, cpu::spent(pid).saturating_sub(before)))
        });
        let (warm, done, cpu) = measured.with_context(|| said(folder.path()))?;
        reflector.end(&self.stop)?;
        verify(done)?;
        if peer == Peer::Switchboard {
            let answered = switchboard::answered(&log(folder.path()))?;
            let heard = warm.answered + done.answered;
            ensure!(answered >= heard, "{heard} replies came, but the reflector counted {answered}");
        }
        Ok(Measured::Reflected {
            answered: done.answered,
            lost: done.lost,
            seconds: done.elapsed.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
        })
    }

    fn round_trip(&self, peer: Peer, lasts: Duration) -> Result<Measured> {
        let told = if peer == Peer::Fping {
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            self.prober(peer, Asked { target, interval: FPING_INTERVAL, lasts })?
        } else {
            let (_folder, reflector, target) = self.reflector(peer)?;
            let told = self.prober(peer, Asked { target, interval: ROUND_TRIP_INTERVAL, lasts })?;
            reflector.end(&self.stop)?;
            told
        };
        let Told { answered, lost, p50_us, p99_us } = told;
        ensure!(answered > 0, "no probe was answered, {lost} were not");
        Ok(Measured::RoundTrip { answered, lost, p50_us, p99_us })
    }

    fn send(&self, peer: Peer, interval: Duration, lasts: Duration) -> Result<Measured> {
        let (_folder, reflector, address) = self.reflector(peer)?;
        let relay = Relay::to(address)?;
        let asked = Asked { target: relay.address()?, interval, lasts };
        let ending = AtomicBool::new(false);
        let octets = usize::from(PROBE_OCTETS);
        let stamps = std::thread::scope(|scope| {
            let carried = scope.spawn(|| {
                self.cores.stay(Side::Reflector)?;
                relay.carry(octets, &ending)
            });
            let told = self.prober(peer, asked);
            ending.store(true, Ordering::Release);
            let stamps = carried.join().map_err(|_| anyhow::anyhow!("the relay ended by a fault"))?;
            told.and(stamps)
        })?;
        reflector.end(&self.stop)?;
        let interval_ns = u64::try_from(interval.as_nanos())?;
        let sending = schedule::read(&stamps, interval_ns, asked.count())?;
        let schedule::Sending { sent, p50_us, p99_us, max_us } = sending;
        Ok(Measured::Sent { asked: asked.count(), sent, p50_us, p99_us, max_us })
    }

    /// A fresh reflector of this peer that has answered, with the folder of its log.
    fn reflector(&self, peer: Peer) -> Result<(TempDir, Owned, SocketAddr)> {
        let folder = tempfile::tempdir_in(self.place.path())?;
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (out, err) = child::log_file(&folder.path().join(LOG))?;
        let mut command = self.reflector_command(peer, address)?;
        let mut reflector = Owned::start(peer.title(), command.stdout(out).stderr(err), ends_on(peer))?;
        let load = Load { address, dialect: peer.dialect(), octets: PROBE_OCTETS, window: 1 };
        reflector.wait_ready(&self.stop, &folder.path().join(LOG), || load.is_answered())?;
        Ok((folder, reflector, address))
    }

    fn reflector_command(&self, peer: Peer, address: SocketAddr) -> Result<Command> {
        let program = |path: &Path| self.cores.program(Side::Reflector, path);
        Ok(match peer {
            Peer::Switchboard | Peer::SwitchboardSpin => {
                switchboard::reflect(program(&self.switchboard), address)
            }
            Peer::PlainBatch => plain::reflect(program(&self.plain), address, "batch"),
            Peer::Plain => plain::reflect(program(&self.plain), address, "one"),
            Peer::Sockperf | Peer::SockperfSpin => {
                sockperf::reflect(program(Path::new("sockperf")), address, peer == Peer::SockperfSpin)
            }
            Peer::Irtt | Peer::IrttBusy => irtt::reflect(program(Path::new("irtt")), address),
            Peer::IrttRs => irtt::reflect_rs(program(&self.irtt_rs), address),
            Peer::StampSuite => stamp_suite::reflect(program(&self.stamp_suite), address),
            Peer::Fping => bail!("the kernel reflects for fping"),
        })
    }

    /// Runs the prober of a peer to its end.
    fn prober(&self, peer: Peer, asked: Asked) -> Result<Told> {
        let program = |path: &Path| self.cores.program(Side::Sender, path);
        let mut command = match peer {
            Peer::Switchboard | Peer::SwitchboardSpin => {
                switchboard::ping(program(&self.switchboard), &asked, peer == Peer::SwitchboardSpin)
            }
            Peer::Sockperf | Peer::SockperfSpin => {
                sockperf::ping(program(Path::new("sockperf")), &asked, peer == Peer::SockperfSpin)
            }
            Peer::Irtt | Peer::IrttBusy => {
                // It spins in one thread and receives in another: both on one core would be no fair trial.
                irtt::ping(child::guarded("irtt"), &asked, peer == Peer::IrttBusy)
            }
            Peer::Fping => fping::ping(program(Path::new("fping")), &asked),
            Peer::PlainBatch | Peer::Plain | Peer::IrttRs | Peer::StampSuite => {
                bail!("{peer} has no prober here")
            }
        };
        let report = Tool::start(peer.title(), &mut command)?.finish(&self.stop)?;
        let told = match peer {
            Peer::Switchboard | Peer::SwitchboardSpin => switchboard::read(&report),
            Peer::Sockperf | Peer::SockperfSpin => sockperf::read(&report),
            Peer::Irtt | Peer::IrttBusy => irtt::read(&report),
            Peer::Fping => fping::read(&report),
            Peer::PlainBatch | Peer::Plain | Peer::IrttRs | Peer::StampSuite => bail!("nothing was asked"),
        };
        told.with_context(|| format!("{} told something else: {report}", peer.title()))
    }
}

impl subject::Peers<Probe> for Peers {
    fn is_left_out(&self, _: Case, peer: Peer) -> bool {
        self.left_out.iter().any(|(left_out, _)| *left_out == peer)
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.iter().map(|(peer, why)| format!("{}: {why}", peer.title())).collect()
    }

    fn version(&self, peer: Peer) -> Result<String> {
        match peer {
            Peer::Switchboard | Peer::SwitchboardSpin => switchboard::version(&self.stop, &self.switchboard),
            Peer::PlainBatch | Peer::Plain => plain::version(&self.stop),
            Peer::Sockperf | Peer::SockperfSpin => sockperf::version(&self.stop),
            Peer::Irtt | Peer::IrttBusy => irtt::version(&self.stop),
            Peer::IrttRs => Ok(irtt::IRTT_RS.title()),
            Peer::StampSuite => Ok(stamp_suite::CRATE.title()),
            Peer::Fping => fping::version(&self.stop),
        }
    }

    fn run(&self, case: Case, peer: Peer, seconds: f64) -> Result<Measured> {
        let lasts = Duration::from_secs_f64(seconds);
        let measured = match case.kind() {
            Kind::Reflect { octets, window } => self.reflect(peer, octets, window, lasts),
            Kind::RoundTrip => self.round_trip(peer, lasts),
            Kind::Send { interval } => self.send(peer, interval, lasts),
            Kind::Watch => switchboard::watch(&self.stop, &self.switchboard, lasts * WATCHED_LONGER),
        };
        self.stop.check()?;
        measured.with_context(|| format!("{peer}, {case}"))
    }
}

/// Where a reflector says things.
const LOG: &str = "output";

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join(LOG)).unwrap_or_default()
}

fn said(folder: &Path) -> String {
    format!("the reflector said: {}", log(folder))
}

/// The signal on which a peer ends in order; others know no order and are killed.
const fn ends_on(peer: Peer) -> Signal {
    match peer {
        Peer::Switchboard | Peer::SwitchboardSpin | Peer::StampSuite | Peer::Irtt | Peer::IrttBusy => {
            Signal::INT
        }
        Peer::PlainBatch | Peer::Plain | Peer::Sockperf | Peer::SockperfSpin | Peer::IrttRs | Peer::Fping => {
            Signal::TERM
        }
    }
}

/// What came back has to be what went out: strange replies are late ones of datagrams that were given up, never more.
fn verify(done: Done) -> Result<()> {
    ensure!(done.answered > 0, "nothing came back of {} datagrams", done.sent);
    ensure!(done.sent == done.answered + done.lost, "the load lost count: {done:?}");
    ensure!(
        done.strange <= done.lost,
        "{} datagrams came back that nobody waited for: {done:?}",
        done.strange
    );
    Ok(())
}

/// The quantiles of round trips in microseconds: median and 99 of 100.
fn quantiles(mut round_trips_us: Vec<f64>) -> Result<(f64, f64)> {
    round_trips_us.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let place = (round_trips_us.len() * percent).div_ceil(100).max(1) - 1;
        round_trips_us.get(place).copied().context("no round trip")
    };
    Ok((at(50)?, at(99)?))
}
