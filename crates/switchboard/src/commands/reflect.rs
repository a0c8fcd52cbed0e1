//! `switchboard reflect`: answers probes on UDP until it is interrupted, then tells what became of the packets, and what it
//! did to them on purpose. Absent: a data folder, and what an answer says; that is in the probe.

mod tally;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use switchboard_probe::fault::{Fault, Faults, Kind, Share, Way};
use switchboard_probe::reflector::{Counting, Network, Options, Protocol};
use switchboard_probe::stamp::{Format, PORT};
use switchboard_probe::udp::{Interrupts, Listener, Remote, Wish};

use super::ping::key;
use super::{Invocation, random_seed};
use crate::config::Probe;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// The port of the text protocol where none is named.
pub(super) const TEXT_PORT: u16 = 8862;

/// How to reflect.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "SIGUSR1 tells the counts so far; SIGINT and SIGTERM end it and tell them all. What is not named here comes from \
    the section [probe] of the configuration.\n\n\
    A fault is DIRECTION:KIND:SHARE: up for probes or down for replies; drop, corrupt, duplicate, reorder or \
    delay, this one with :MILLISECONDS behind; and report (4 of every 11), N/M, or a number from 0 to 1. A probe \
    suffers one at most.\n\n\
    Examples:\n  switchboard reflect --listen 127.0.0.1:8620\n  \
    switchboard reflect --text --drop report\n  switchboard reflect --make-key session.key\n  \
    switchboard reflect --listen 0.0.0.0:8620 --keys session.key\n  \
    switchboard reflect --fault up:drop:1/20 --fault down:delay:0.1:80 --seed 7"
)]
pub struct Arguments {
    /// Where to listen; several are possible. Port 0 lets the system choose
    /// [default: 127.0.0.1:862, with --text 127.0.0.1:8862]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Answers any datagram with its letters in upper case, instead of STAMP
    #[arg(long)]
    pub text: bool,
    /// Copies the sequence of each probe instead of counting the replies of each session
    #[arg(long)]
    pub stateless: bool,
    /// Answers only sessions that have a key in this file: a line is SESSION HEXADECIMAL
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub keys: Option<PathBuf>,
    /// Writes a file with a new session and its key, says how both ends use it, and ends
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "text", "keys"])]
    pub make_key: Option<PathBuf>,
    /// Probes answered per second and address; 0 without a limit [default: 20000]
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// Probes answered per second and network (/24 or /48); 0 without a limit [default: 100000]
    #[arg(long, value_name = "N")]
    pub network_rate: Option<u32>,
    /// Also answers requests shorter than their replies (TWAMP Light) from this network
    #[arg(long, value_name = "NETWORK")]
    pub twamp_light: Vec<Network>,
    /// Writes stamps in the format of PTP instead of NTP
    #[arg(long)]
    pub ptp: bool,
    /// Spoils packets on purpose; several are possible, see below
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<Fault>,
    /// Short for --fault up:drop:SHARE
    #[arg(long, value_name = "SHARE")]
    pub drop: Option<Share>,
    /// Who is subject to faults beside this machine and sessions with a key
    #[arg(long, value_name = "NETWORK")]
    pub fault_for: Vec<Network>,
    /// Decides which packets are spoiled, the same of each session [default: a random one, which is told]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Reflects until a signal comes.
///
/// # Errors
/// When an address cannot be listened on, or a key cannot be read or made.
pub fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    let screen = &on.screen;
    if let Some(file) = &arguments.make_key {
        return key::make(screen, file);
    }
    // Before any thread is started, so that the signals come here.
    let interrupts = Interrupts::take_over_with_reports()?;
    let wishes = wishes(arguments);
    let seed = arguments.seed.map_or_else(random_seed, Ok)?;
    let listen = addresses(arguments, &on.config.probe);
    let options = options(arguments, &on.config.probe, &listen)?;
    let allowed = named(&arguments.fault_for, &on.config.probe.fault_for);
    let bound = |address: &SocketAddr| {
        let listener = Listener::bind(*address, options.clone())?;
        let faults = (!wishes.is_empty()).then(|| Faults::new(&wishes, seed));
        Ok::<_, Failure>(match faults {
            Some(faults) => listener.spoiling(faults, allowed.clone()),
            None => listener,
        })
    };
    let mut listeners: Vec<Listener> = listen.iter().map(bound).collect::<Result<_, _>>()?;
    told(screen, arguments.text, &listeners, &wishes, seed)?;
    let remotes: Vec<Remote> = listeners.iter_mut().map(Listener::remote).collect::<Result<_, _>>()?;
    let running: Vec<_> =
        listeners.into_iter().map(|listener| std::thread::spawn(move || listener.run())).collect();
    while interrupts.wait()? == Wish::Report {
        tally::tell(screen, "so_far", &remotes.iter().filter_map(Remote::tally).collect::<Vec<_>>())?;
    }
    remotes.iter().for_each(Remote::stop);
    let mut ended = Vec::new();
    for thread in running {
        let tally = thread.join().map_err(|_| Failure::new(Exit::Internal, "a listener ended by a fault"))?;
        ended.push(tally?);
    }
    tally::tell(screen, "summary", &ended)?;
    Ok(Exit::Done)
}

fn wishes(arguments: &Arguments) -> Vec<Fault> {
    let dropped = |share| Fault { way: Way::Up, kind: Kind::Drop, share, delay: std::time::Duration::ZERO };
    arguments.drop.map(dropped).into_iter().chain(arguments.fault.iter().copied()).collect()
}

/// What the command line names, else what is configured, else loopback.
fn addresses(arguments: &Arguments, configured: &Probe) -> Vec<SocketAddr> {
    // The addresses of the configuration are for STAMP.
    let configured = if arguments.text { &[] } else { configured.listen.as_slice() };
    let listen = named(&arguments.listen, configured);
    if listen.is_empty() {
        let port = if arguments.text { TEXT_PORT } else { PORT };
        return vec![SocketAddr::from(([127, 0, 0, 1], port))];
    }
    listen
}

/// A list on the command line replaces that of the configuration.
fn named<T: Clone>(flags: &[T], configured: &[T]) -> Vec<T> {
    if flags.is_empty() { configured.to_vec() } else { flags.to_vec() }
}

fn options(arguments: &Arguments, configured: &Probe, listen: &[SocketAddr]) -> Result<Options, Failure> {
    let rate = |flag: Option<u32>, configured| Some(flag.unwrap_or(configured)).filter(|rate| *rate > 0);
    let keys = arguments.keys.as_ref().or(configured.keys.as_ref()).filter(|_| !arguments.text);
    Ok(Options {
        protocol: if arguments.text { Protocol::Text } else { Protocol::Stamp },
        counting: if arguments.stateless { Counting::Stateless } else { configured.counting },
        keys: keys.map(|file| key::read_all(file)).transpose()?.unwrap_or_default(),
        twamp_light: named(&arguments.twamp_light, &configured.twamp_light),
        address_rate: rate(arguments.rate, configured.rate),
        network_rate: rate(arguments.network_rate, configured.network_rate),
        format: if arguments.ptp { Format::Ptp } else { configured.format },
        reflector_ports: listen.iter().map(SocketAddr::port).filter(|port| *port > 0).collect(),
    })
}

/// Says where it listens, at once: a script waits for this line.
fn told(
    screen: &Screen,
    text: bool,
    listeners: &[Listener],
    wishes: &[Fault],
    seed: u64,
) -> Result<(), Failure> {
    let protocol = if text { "text" } else { "STAMP" };
    let addresses: Vec<String> = listeners.iter().map(|listener| listener.address().to_string()).collect();
    let faults: Vec<String> = wishes.iter().map(ToString::to_string).collect();
    screen.answer(
        || {
            let mut line = json!({ "event": "listening", "protocol": protocol, "addresses": addresses });
            if !faults.is_empty() {
                line["faults"] = json!(faults);
                line["seed"] = seed.into();
            }
            line
        },
        || {
            let mut line = format!("reflecting {protocol} on {}", addresses.join(", "));
            if !faults.is_empty() {
                line.push_str(&format!("; faults: {} (--seed {seed})", faults.join(", ")));
            }
            line
        },
    )
}
