//! `switchboard beat`: tells a monitor at a fixed interval that this host lives, and takes leave when it ends. Absent: the
//! schedule and the datagrams; they are in the probe.

mod epoch;
pub(super) mod key;
pub(super) mod words;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use switchboard_probe::beat::Farewell;
use switchboard_probe::beat::sender::interval_ms;
use switchboard_probe::udp::{Heart, Interrupts, Run, Sent};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Screen, harmless};

/// Where a monitor listens unless another port is named.
pub(super) const PORT: u16 = 8863;

/// To whom to beat, and how.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Runs in the foreground until a signal comes (SIGINT, SIGTERM, SIGHUP), which sends the farewell three times and ends \
    with code 0. Should the monitor not listen, it goes on and says so once.\n\n\
    Examples:\n  switchboard beat --make-key web1 --key-file web1.key --keys hosts.keys\n  \
    switchboard beat monitor.example.org:8863 --key-file web1.key\n  \
    switchboard beat 192.0.2.1 --key-file web1.key --interval 10s --pause 10m --epoch-file /var/lib/beat/epoch"
)]
pub struct Arguments {
    /// Where the monitor listens [default port: 8863]
    #[arg(value_name = "HOST[:PORT]", required_unless_present = "make_key")]
    pub monitor: Option<String>,
    /// The file with this host's name, number and key
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// From one beat to the next, such as 500ms, 1s, 2m
    #[arg(short, long, value_name = "LENGTH", default_value = "1s", value_parser = words::interval)]
    pub interval: Duration,
    /// At the end, announces a pause of this length instead of saying goodbye: an alarm comes when this host is not back by then
    #[arg(long, value_name = "LENGTH", value_parser = words::length)]
    pub pause: Option<Duration>,
    /// Ends after so many beats; 0 goes on
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    pub count: u64,
    /// Remembers the number of the last run here, so that runs keep rising when this host's clock does not
    #[arg(long, value_name = "FILE")]
    pub epoch_file: Option<PathBuf>,
    /// Makes a key for a host of this name in the key file, says how both ends use it, and ends
    #[arg(long, value_name = "NAME", conflicts_with_all = ["monitor", "pause", "count", "epoch_file"])]
    pub make_key: Option<String>,
    /// With --make-key: also adds the host to this file, which the monitor reads
    #[arg(long, value_name = "FILE", requires = "make_key")]
    pub keys: Option<PathBuf>,
}

/// Beats until a signal comes or the count is reached.
///
/// # Errors
/// When the key cannot be read or made, the monitor's name does not resolve, or there is no way to it.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(name) = &arguments.make_key {
        return key::make(screen, name, &arguments.key_file, arguments.keys.as_deref());
    }
    let interrupts = Interrupts::take_over()?;
    let farewell = match arguments.pause {
        None => Farewell::Goodbye,
        Some(length) => Farewell::pause(length)
            .ok_or_else(|| Failure::new(Exit::Usage, "a pause lasts from a second to 30 days"))?,
    };
    let interval_ms = interval_ms(arguments.interval)
        .ok_or_else(|| Failure::new(Exit::Usage, "an interval lasts from 10 ms to a day"))?;
    let owner = key::read_one(&arguments.key_file)?;
    let monitor = address(arguments.monitor.as_deref().unwrap_or_default())?;
    let epoch = arguments.epoch_file.as_deref().map(epoch::next).transpose()?;
    let mut heart = Heart::open(&Run { monitor, host: owner.id, key: owner.key, epoch, interval_ms })?;
    screen.answer(
        || json!({ "event": "beating", "host": owner.name, "monitor": monitor.to_string(), "interval_ms": interval_ms }),
        || format!("{} beats every {} to {monitor}", owner.name, words::spoken(arguments.interval)),
    )?;
    let mut beats = Beats { screen, monitor, sent: 0, failed: 0, failing: false };
    while arguments.count == 0 || beats.sent < arguments.count {
        let Some(sent) = heart.beat(&interrupts)? else { break };
        beats.count(&sent)?;
    }
    let left = heart.farewell(farewell)?;
    beats.end(farewell, &left)?;
    Ok(Exit::Done)
}

/// What became of the beats, and what of it is worth a line.
struct Beats<'a> {
    screen: &'a Screen,
    monitor: SocketAddr,
    sent: u64,
    failed: u64,
    failing: bool,
}

impl Beats<'_> {
    fn count(&mut self, sent: &Sent) -> Result<(), Failure> {
        self.sent += 1;
        let was_failing = std::mem::replace(&mut self.failing, matches!(sent, Sent::Failed(_)));
        match sent {
            Sent::Left if was_failing => self.screen.answer(
                || json!({ "event": "recovered", "beats": self.sent }),
                || format!("{} takes beats again", self.monitor),
            ),
            Sent::Left => Ok(()),
            Sent::Failed(error) => {
                self.failed += 1;
                if was_failing {
                    return Ok(());
                }
                self.screen.answer(
                    || json!({ "event": "failing", "beats": self.sent, "because": error.to_string() }),
                    || format!("{} does not take beats: {error}; still trying", self.monitor),
                )
            }
        }
    }

    fn end(&self, farewell: Farewell, left: &Sent) -> Result<(), Failure> {
        let said = match farewell {
            Farewell::Goodbye => "goodbye".to_owned(),
            Farewell::Pause { seconds } => {
                format!("to be back within {}", words::spoken(Duration::from_secs(seconds.into())))
            }
        };
        let kind = match farewell {
            Farewell::Goodbye => "goodbye",
            Farewell::Pause { .. } => "pause",
        };
        let left = matches!(left, Sent::Left);
        self.screen.answer(
            || {
                let Self { sent, failed, .. } = self;
                json!({ "event": "summary", "beats": sent, "failed": failed, "farewell": kind, "farewell_sent": left })
            },
            || {
                let said = if left { format!("said {said}") } else { "could not take leave".to_owned() };
                format!("{} beats, {} of them refused on their way; {said}", self.sent, self.failed)
            },
        )
    }
}

/// The address of `HOST`, `HOST:PORT`, `ADDRESS` or `[ADDRESS]:PORT`.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip, PORT).into());
    }
    let resolved = match text.contains(':') {
        true => text.to_socket_addrs(),
        false => (text, PORT).to_socket_addrs(),
    };
    let shown = harmless(text);
    let first = resolved.map(|mut addresses| addresses.next()).map_err(|error| {
        Failure::new(Exit::Usage, format!("{shown} does not resolve"))
            .because(error)
            .advise("write HOST, HOST:PORT, an address, or [ADDRESS]:PORT, and check the name")
    })?;
    first.ok_or_else(|| Failure::new(Exit::Usage, format!("{shown} has no address")))
}
