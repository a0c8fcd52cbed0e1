//! The mail clients: programs that send one message, and load tools that send many, to sinks and servers of ours on loopback. Every run
//! begins with a fresh server, whose count of messages is held against what was sent; what a program makes of a message is kept once and
//! compared. Absent: peers that no Debian package brings.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};
use switchboard_tls::Identity;
use tempfile::TempDir;
use xtask::needs;

use super::Mail;
use super::case::{Case, Content, Distance, Kind, Load, ROUND_TRIP, Target};
use super::line::Line;
use super::results::Measured;
use super::servers::Server;
use super::sessions::{Done, Sessions, Way};
use super::sink::{ChunkingSink, SmtpSink};
use super::timed::{self, Timed};
use super::tools::{self, Errand, FROM, Letter, TO};
use crate::child::{self, Stop};
use crate::packages::{self, Wanted};
use crate::statistics::median;
use crate::{figure, subject, usage};

/// Processes of a run, at least; one for an attachment that takes seconds.
const PROCESSES_MIN: usize = 5;
/// Messages of a load, at most.
const MESSAGES_MAX: u64 = 4_000_000;
/// A process that takes longer hangs.
const PROCESS_LONGEST: Duration = Duration::from_mins(10);

/// Names folders of libraries to the dynamic linker.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// Who is measured. The order is that of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Peer {
    /// `switchboard mail send`; for many messages the mail library, with all that the server offers.
    Switchboard,
    /// The mail library, each message after the answer to the one before.
    SwitchboardOneByOne,
    /// The mail library, by DATA where BDAT is offered.
    SwitchboardData,
    /// smtp-source, a connection for each message.
    SmtpSource,
    /// smtp-source, messages one after the other on each connection.
    SmtpSourceReused,
    /// curl.
    Curl,
    /// msmtp.
    Msmtp,
    /// swaks.
    Swaks,
    /// s-nail.
    SNail,
    /// Python's smtplib.
    Python,
}

/// Debian's packages, but for Postfix and Dovecot, which are unpacked.
const PACKAGES: &[Wanted<Peer>] = &[
    Wanted::program("curl", "curl", "bench mail: curl", &[Peer::Curl]),
    Wanted::program("msmtp", "msmtp", "bench mail: msmtp", &[Peer::Msmtp]),
    Wanted::program("swaks", "swaks", "bench mail: swaks", &[Peer::Swaks]),
    Wanted::program("s-nail", "s-nail", "bench mail: s-nail", &[Peer::SNail]),
    Wanted::program("python3", needs::PYTHON, "bench mail: smtplib", &[Peer::Python]),
];

impl Peer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Switchboard,
        Self::SwitchboardOneByOne,
        Self::SwitchboardData,
        Self::SmtpSource,
        Self::SmtpSourceReused,
        Self::Curl,
        Self::Msmtp,
        Self::Swaks,
        Self::SNail,
        Self::Python,
    ];

    /// For a reader.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Switchboard => "Switchboard",
            Self::SwitchboardOneByOne => "Switchboard, one by one",
            Self::SwitchboardData => "Switchboard, by DATA",
            Self::SmtpSource => "smtp-source",
            Self::SmtpSourceReused => "smtp-source, reused",
            Self::Curl => "curl",
            Self::Msmtp => "msmtp",
            Self::Swaks => "swaks",
            Self::SNail => "s-nail",
            Self::Python => "Python's smtplib",
        }
    }

    /// Whether it is Switchboard itself.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Switchboard | Self::SwitchboardOneByOne | Self::SwitchboardData)
    }

    /// Whether it does a case.
    #[must_use]
    pub const fn can(self, case: Case) -> bool {
        match case.kind() {
            Kind::Whole(Content::Short) => {
                !matches!(self, Self::SwitchboardOneByOne | Self::SwitchboardData | Self::SmtpSourceReused)
            }
            Kind::Whole(Content::File(bytes)) if bytes >= 1 << 30 => {
                matches!(self, Self::Switchboard | Self::Curl)
            }
            Kind::Whole(Content::File(_)) => {
                matches!(self, Self::Switchboard | Self::Curl | Self::Swaks | Self::SNail | Self::Python)
            }
            Kind::First => matches!(self, Self::Switchboard | Self::Curl | Self::Msmtp | Self::Python),
            Kind::Load(load) => match self {
                Self::Switchboard | Self::SmtpSourceReused => true,
                Self::SwitchboardOneByOne => load.bytes < 1 << 20,
                Self::SwitchboardData => !matches!(load.target, Target::SmtpSink),
                Self::SmtpSource => matches!(load.target, Target::SmtpSink),
                Self::Curl | Self::Msmtp | Self::Swaks | Self::SNail | Self::Python => false,
            },
        }
    }

    /// How the mail library goes about many messages; none for who does not use it.
    const fn way(self) -> Option<Way> {
        match self {
            Self::Switchboard => Some(Way::Together),
            Self::SwitchboardOneByOne => Some(Way::OneByOne),
            Self::SwitchboardData => Some(Way::Data),
            Self::SmtpSource
            | Self::SmtpSourceReused
            | Self::Curl
            | Self::Msmtp
            | Self::Swaks
            | Self::SNail
            | Self::Python => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switchboard => "switchboard",
            Self::SwitchboardOneByOne => "switchboard-one-by-one",
            Self::SwitchboardData => "switchboard-data",
            Self::SmtpSource => "smtp-source",
            Self::SmtpSourceReused => "smtp-source-reused",
            Self::Curl => "curl",
            Self::Msmtp => "msmtp",
            Self::Swaks => "swaks",
            Self::SNail => "s-nail",
            Self::Python => "python",
        })
    }
}

crate::by_name::by_name!(Peer, "peer", Peer::ALL);

/// The peers with their programs found; they run only during a run.
#[derive(Debug)]
pub struct Peers {
    stop: Stop,
    switchboard: PathBuf,
    letter: Letter,
    /// Whose messages were compared.
    compared: RefCell<Vec<(Case, Peer)>>,
    left_out: Vec<(Peer, String)>,
    place: TempDir,
}

/// A fresh server, near or far.
struct Opened {
    server: Opponent,
    line: Option<Line>,
}

enum Opponent {
    SmtpSink(SmtpSink),
    Chunking(ChunkingSink),
    Real(Server),
}

/// How processes went.
struct Ran {
    milliseconds: Vec<f64>,
    cpu: Duration,
    peak_bytes: Option<u64>,
}

impl Peers {
    /// Makes those ready that `wanted` names, below the folder `below`; installs packages and unpacks servers when it may.
    ///
    /// # Errors
    /// When the servers are not there, or a peer that is there cannot be made ready.
    pub fn prepare(wanted: &[(Case, Peer)], below: &Path, stop: Stop) -> Result<Self> {
        let wants = |peer: Peer| wanted.iter().any(|(_, wanted)| *wanted == peer);
        let peers: Vec<Peer> = Peer::ALL.iter().copied().filter(|peer| wants(*peer)).collect();
        let left_out = packages::provide(PACKAGES, &peers, |_| None)?;
        if xtask::install::is_root() && needs::servers().any(needs::Need::is_absent) {
            xtask::install::unpack_servers()?;
        }
        ensure!(
            !needs::servers().any(needs::Need::is_absent),
            "Postfix and Dovecot are not unpacked; run this as root, which unpacks and runs them in namespaces of their own"
        );
        let place = tempfile::Builder::new()
            .prefix("bench-")
            // Other users may pass: servers give up being root.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(below)?;
        let letter = Letter::write(place.path())?;
        let switchboard = if wants(Peer::Switchboard) { crate::server::build()? } else { PathBuf::new() };
        Ok(Self { stop, switchboard, letter, compared: RefCell::default(), left_out, place })
    }

    fn whole(&self, case: Case, peer: Peer, content: Content, seconds: f64) -> Result<Measured> {
        let folder = self.folder()?;
        let attachment = match content {
            Content::Short => None,
            Content::File(bytes) => Some(attachment(folder.path(), bytes)?),
        };
        let is_huge = case == Case::Huge;
        if !is_huge && peer != Peer::SmtpSource && !self.compared.borrow().contains(&(case, peer)) {
            self.compare(peer, attachment.as_deref())?;
            self.compared.borrow_mut().push((case, peer));
        }
        let sink = SmtpSink::start(&self.stop, smtp_sink(), folder.path())?;
        let errand = Errand { server: sink.address(), attachment: attachment.as_deref(), certificate: None };
        let least = if is_huge { 1 } else { PROCESSES_MIN };
        let ran = self.processes(peer, errand, folder.path(), seconds, least)?;
        let runs = u64::try_from(ran.milliseconds.len())?;
        sink.verify(&self.stop, runs)?;
        Ok(ran.measured(runs, None))
    }

    fn first(&self, peer: Peer, seconds: f64) -> Result<Measured> {
        let folder = self.folder()?;
        let keys = folder.path().join("keys");
        #[expect(clippy::disallowed_methods, reason = "a certificate bears its dates")]
        let now = jiff::Timestamp::now().as_second();
        Identity::load_or_create(&keys, &[], now)?;
        let (certificate, key) = (keys.join("server.crt"), keys.join("server.key"));
        let sink = ChunkingSink::start()?;
        let server = Server::dovecot(&self.stop, folder.path(), &certificate, &key, sink.address())?;
        let line = Line::to(server.under_tls(), ROUND_TRIP)?;
        let errand = Errand { server: line.address(), attachment: None, certificate: Some(&certificate) };
        let ran = self.processes(peer, errand, folder.path(), seconds, PROCESSES_MIN)?;
        let runs = u64::try_from(ran.milliseconds.len())?;
        sink.verify(&self.stop, runs, None)?;
        let mut round_trips = line.round_trips()?;
        round_trips.sort_unstable();
        let middle = round_trips.get(round_trips.len() / 2).copied();
        Ok(ran.measured(runs, middle))
    }

    /// Sends it once to a sink that keeps it, and compares.
    fn compare(&self, peer: Peer, attachment: Option<&Path>) -> Result<()> {
        let folder = self.folder()?;
        let sink = ChunkingSink::keeping()?;
        let errand = Errand { server: sink.address(), attachment, certificate: None };
        self.processes(peer, errand, folder.path(), 0.0, 1)?;
        let kept = sink.kept(&self.stop)?;
        let attachment = attachment.map(fs::read).transpose()?;
        tools::verify(&kept, &self.letter.text()?, attachment.as_deref())
            .with_context(|| format!("what {peer} sent"))
    }

    /// One process after the other until the time is up, at least so many.
    #[expect(clippy::disallowed_methods, reason = "the time is what is measured")]
    fn processes(
        &self,
        peer: Peer,
        errand: Errand<'_>,
        folder: &Path,
        seconds: f64,
        least: usize,
    ) -> Result<Ran> {
        let watched = errand.attachment.is_some();
        let mut ran = Ran { milliseconds: Vec::new(), cpu: Duration::ZERO, peak_bytes: None };
        let begun = Instant::now();
        let before = cpu_of_children()?;
        while ran.milliseconds.len() < least || begun.elapsed().as_secs_f64() < seconds {
            self.stop.check()?;
            let smtp_source = || of_postfix("smtp-source");
            let mut command = self.letter.command(peer, errand, &self.switchboard, &smtp_source)?;
            let mut look = |id| ran.peak_bytes = ran.peak_bytes.max(usage::peak(id).ok());
            let watched = watched.then_some(&mut look as &mut dyn FnMut(u32));
            let elapsed = self.timed(peer, &mut command, folder, watched)?;
            ran.milliseconds.push(elapsed.as_secs_f64() * 1e3);
        }
        ran.cpu = cpu_of_children()?.saturating_sub(before);
        Ok(ran)
    }

    /// Runs a program of `peer` to its end; returns how long it took. What it says is kept in `folder`.
    fn timed(
        &self,
        peer: Peer,
        command: &mut Command,
        folder: &Path,
        watched: Option<&mut dyn FnMut(u32)>,
    ) -> Result<Duration> {
        let said = folder.join("said");
        command.stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        let ended = timed::run(&self.stop, command, PROCESS_LONGEST, watched);
        let words = || fs::read_to_string(&said).unwrap_or_default();
        let Timed { status, elapsed } = ended.with_context(|| format!("{peer} did not run: {}", words()))?;
        ensure!(status.success(), "{peer} ended with {status}: {}", words());
        Ok(elapsed)
    }

    /// As many messages as fill about half of the time, at least.
    fn load(&self, peer: Peer, load: Load, seconds: f64) -> Result<Measured> {
        let mut messages = 4 * u64::from(load.sessions);
        loop {
            self.stop.check()?;
            let opened = self.open(load)?;
            let done = self.send(peer, load, opened.address(), messages)?;
            let round_trips = opened.verify(&self.stop, &done, peer.way().is_some())?;
            let elapsed = done.elapsed.as_secs_f64();
            if elapsed >= seconds / 2.0 || done.messages >= MESSAGES_MAX {
                let bytes = done.messages * u64::try_from(load.bytes)?;
                let cpu_seconds = done.cpu.as_secs_f64();
                let messages = done.messages;
                return Ok(Measured::Load { messages, bytes, seconds: elapsed, cpu_seconds, round_trips });
            }
            // A short run says little: it may be all connecting.
            let times = (seconds / elapsed).clamp(2.0, 50.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number between 2 and 50"
            )]
            let times = times.ceil() as u64;
            messages = (done.messages * times).min(MESSAGES_MAX);
        }
    }

    fn send(&self, peer: Peer, load: Load, address: SocketAddr, messages: u64) -> Result<Done> {
        let Load { sessions, bytes, .. } = load;
        if let Some(way) = peer.way() {
            return Sessions { address, sessions, messages, bytes, way }.run();
        }
        let mut command = of_postfix("smtp-source");
        command.args(["-f", FROM, "-t", TO, "-s", &sessions.to_string(), "-m", &messages.to_string()]);
        command.args(["-l", &bytes.to_string()]);
        if peer == Peer::SmtpSourceReused {
            command.arg("-d");
        }
        let before = cpu_of_children()?;
        let elapsed = self.timed(peer, command.arg(address.to_string()), self.place.path(), None)?;
        let cpu = cpu_of_children()?.saturating_sub(before);
        Ok(Done { messages, bytes: 0, elapsed, cpu })
    }

    fn open(&self, load: Load) -> Result<Opened> {
        let server = match load.target {
            Target::SmtpSink => {
                let command = smtp_sink();
                Opponent::SmtpSink(SmtpSink::start(&self.stop, command, self.place.path())?)
            }
            Target::Chunking => Opponent::Chunking(ChunkingSink::start()?),
            Target::Postfix => Opponent::Real(Server::postfix(&self.stop, self.place.path())?),
        };
        let line = match load.distance {
            Distance::Near => None,
            Distance::Far => Some(Line::to(server.address(), ROUND_TRIP)?),
        };
        Ok(Opened { server, line })
    }

    fn folder(&self) -> Result<TempDir> {
        let folder = tempfile::tempdir_in(self.place.path())?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }
}

impl subject::Peers<Mail> for Peers {
    fn is_left_out(&self, _: Case, peer: Peer) -> bool {
        self.left_out.iter().any(|(left_out, _)| *left_out == peer)
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.iter().map(|(peer, why)| format!("{}: {why}", peer.title())).collect()
    }

    fn version(&self, peer: Peer) -> Result<String> {
        let told = |program: &Path, argument| {
            let told = child::run(&self.stop, peer.title(), child::guarded(program).arg(argument))?;
            Ok::<_, anyhow::Error>(told.lines().next().unwrap_or_default().trim().to_owned())
        };
        let words = |told: String, count| told.split_whitespace().take(count).collect::<Vec<_>>().join(" ");
        Ok(match peer {
            Peer::Switchboard => told(&self.switchboard, "--version")?.replace("switchboard", "Switchboard"),
            Peer::SwitchboardOneByOne | Peer::SwitchboardData => {
                format!("Switchboard {}", env!("CARGO_PKG_VERSION"))
            }
            Peer::SmtpSource | Peer::SmtpSourceReused => {
                let mut command = of_postfix("postconf");
                command.args(["-d", "-h", "mail_version"]);
                // It warns that there is no configuration, which it does not need for that.
                let told = child::run(&self.stop, "postconf", &mut command)?;
                format!("Postfix {}", told.trim().lines().last().unwrap_or_default())
            }
            Peer::Curl => words(told("curl".as_ref(), "--version")?, 2),
            Peer::Msmtp => words(told("msmtp".as_ref(), "--version")?, 3).replace(" version", ""),
            Peer::Swaks => words(told("swaks".as_ref(), "--version")?.replace(" version", ""), 2),
            Peer::SNail => words(told("s-nail".as_ref(), "-V")?.replace(',', ""), 2),
            Peer::Python => told(needs::PYTHON.as_ref(), "--version")?,
        })
    }

    fn run(&self, case: Case, peer: Peer, seconds: f64) -> Result<Measured> {
        let measured = match case.kind() {
            Kind::Whole(content) => self.whole(case, peer, content, seconds),
            Kind::First => self.first(peer, seconds),
            Kind::Load(load) => self.load(peer, load, seconds),
        };
        self.stop.check()?;
        measured.with_context(|| format!("{peer}, {case}"))
    }
}

impl Opened {
    /// Where to send to.
    fn address(&self) -> SocketAddr {
        self.line.as_ref().map_or_else(|| self.server.address(), Line::address)
    }

    /// Holds what came against what was sent; returns the round trips where somebody counted.
    fn verify(self, stop: &Stop, done: &Done, are_bytes_known: bool) -> Result<Option<u64>> {
        let round_trips = self.line.map(Line::round_trips).transpose()?;
        match self.server {
            Opponent::SmtpSink(sink) => sink.verify(stop, done.messages)?,
            Opponent::Chunking(sink) => {
                sink.verify(stop, done.messages, are_bytes_known.then_some(done.bytes))?;
            }
            Opponent::Real(server) => server.verify(stop, done.messages)?,
        }
        Ok(round_trips.map(|trips| trips.into_iter().sum()))
    }
}

impl Opponent {
    fn address(&self) -> SocketAddr {
        match self {
            Self::SmtpSink(sink) => sink.address(),
            Self::Chunking(sink) => sink.address(),
            Self::Real(server) => server.address(),
        }
    }
}

impl Ran {
    fn measured(&self, runs: u64, round_trips: Option<u64>) -> Measured {
        Measured::Whole {
            runs,
            milliseconds: median(&self.milliseconds),
            cpu_milliseconds: self.cpu.as_secs_f64() * 1e3 / figure::number(runs.max(1)),
            peak_bytes: self.peak_bytes,
            round_trips,
        }
    }
}

/// A program of the unpacked Postfix as it is, nothing in front of it whose start would be measured along.
fn of_postfix(program: &str) -> Command {
    let mut command = Command::new(path_in_postfix(program));
    command.env(LIBRARIES, libraries_of_postfix()).stdin(Stdio::null());
    command
}

/// smtp-sink, which ends with this program.
fn smtp_sink() -> Command {
    let mut command = child::guarded(path_in_postfix("smtp-sink"));
    command.env(LIBRARIES, libraries_of_postfix());
    command
}

fn path_in_postfix(program: &str) -> PathBuf {
    needs::unpacked().join("usr/sbin").join(program)
}

/// Where the programs of the unpacked Postfix find their libraries.
fn libraries_of_postfix() -> OsString {
    let folders =
        ["usr/lib/postfix", "usr/lib/x86_64-linux-gnu"].map(|folder| needs::unpacked().join(folder));
    std::env::join_paths(folders).unwrap_or_default()
}

/// A file of so many bytes without a pattern that a line would show.
fn attachment(folder: &Path, bytes: u64) -> Result<PathBuf> {
    let path = folder.join("attachment.bin");
    let mut file = fs::File::create(&path)?;
    let mut block = vec![0; 1 << 20];
    getrandom::fill(&mut block)?;
    for _ in 0..bytes.div_ceil(1 << 20) {
        file.write_all(&block)?;
    }
    file.set_len(bytes)?;
    Ok(path)
}

/// CPU time of all children that have ended and were waited for.
fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}
