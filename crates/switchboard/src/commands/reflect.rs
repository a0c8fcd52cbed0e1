//! `switchboard reflect`: answers probes on UDP until it is interrupted, then tells what became of the packets. Absent: a
//! data folder, a configuration, and what an answer says; that is in the probe.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use switchboard_probe::fault::{Drops, Share};
use switchboard_probe::reflector::{Counting, Counts, Network, Options, Protocol, Silence};
use switchboard_probe::stamp::{Format, PORT};
use switchboard_probe::udp::{Interrupts, Listener};

use super::ping::key;
use super::random_seed;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// The port of the text protocol where none is named.
pub(super) const TEXT_PORT: u16 = 8862;

/// How to reflect.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  switchboard reflect --listen 127.0.0.1:8620\n  \
    switchboard reflect --text --drop report\n  switchboard reflect --make-key session.key\n  \
    switchboard reflect --listen 0.0.0.0:8620 --keys session.key")]
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
    /// Probes answered per second and address; 0 without a limit
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub rate: u32,
    /// Probes answered per second and network (/24 or /48); 0 without a limit
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub network_rate: u32,
    /// Also answers requests shorter than their replies (TWAMP Light) from this network
    #[arg(long, value_name = "NETWORK")]
    pub twamp_light: Vec<Network>,
    /// Writes stamps in the format of PTP instead of NTP
    #[arg(long)]
    pub ptp: bool,
    /// Drops this share of the probes: report (4 of every 11), N/M, or a number from 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub drop: Option<Share>,
    /// Drops this share of the replies
    #[arg(long, value_name = "SHARE")]
    pub drop_replies: Option<Share>,
    /// Who is subject to drops beside this machine and sessions with a key
    #[arg(long, value_name = "NETWORK")]
    pub drop_for: Vec<Network>,
    /// Decides which are dropped [default: a random one, which is told]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Reflects until a signal comes.
///
/// # Errors
/// When an address cannot be listened on, or a key cannot be read or made.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(file) = &arguments.make_key {
        return key::make(screen, file);
    }
    // Before any thread is started, so that the signals come here.
    let interrupts = Interrupts::take_over()?;
    let seed = arguments.seed.map_or_else(random_seed, Ok)?;
    let options = options(arguments, seed)?;
    let mut listen = arguments.listen.clone();
    if listen.is_empty() {
        let port = if arguments.text { TEXT_PORT } else { PORT };
        listen.push(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let listeners: Vec<Listener> =
        listen.iter().map(|address| Listener::bind(*address, options.clone())).collect::<Result<_, _>>()?;
    told(screen, arguments, &listeners, seed)?;
    let stoppers: Vec<_> = listeners.iter().map(Listener::stopper).collect::<Result<_, _>>()?;
    let running: Vec<_> =
        listeners.into_iter().map(|listener| std::thread::spawn(move || listener.run())).collect();
    interrupts.wait()?;
    for stopper in &stoppers {
        stopper.stop();
    }
    let mut ended = Vec::new();
    for thread in running {
        let counts =
            thread.join().map_err(|_| Failure::new(Exit::Internal, "a listener ended by a fault"))?;
        ended.push(counts?);
    }
    screen.answer(|| counts_json(&ended), || counts_text(&ended))?;
    Ok(Exit::Done)
}

fn options(arguments: &Arguments, seed: u64) -> Result<Options, Failure> {
    let rate = |rate| (rate > 0).then_some(rate);
    Ok(Options {
        protocol: if arguments.text { Protocol::Text } else { Protocol::Stamp },
        counting: if arguments.stateless { Counting::Stateless } else { Counting::Stateful },
        keys: arguments.keys.as_deref().map(key::read_all).transpose()?.unwrap_or_default(),
        twamp_light: arguments.twamp_light.clone(),
        address_rate: rate(arguments.rate),
        network_rate: rate(arguments.network_rate),
        format: if arguments.ptp { Format::Ptp } else { Format::Ntp },
        reflector_ports: arguments.listen.iter().map(SocketAddr::port).filter(|port| *port > 0).collect(),
        drop_requests: arguments.drop.map(|share| Drops::new(share, seed)),
        drop_replies: arguments.drop_replies.map(|share| Drops::new(share, seed ^ 1)),
        drop_for: arguments.drop_for.clone(),
    })
}

/// Says where it listens, at once: a script waits for this line.
fn told(screen: &Screen, arguments: &Arguments, listeners: &[Listener], seed: u64) -> Result<(), Failure> {
    let protocol = if arguments.text { "text" } else { "STAMP" };
    let addresses: Vec<String> = listeners.iter().map(|listener| listener.address().to_string()).collect();
    let faults = arguments.drop.is_some() || arguments.drop_replies.is_some();
    screen.answer(
        || {
            let mut line = json!({ "event": "listening", "protocol": protocol, "addresses": addresses });
            if faults {
                line["seed"] = seed.into();
            }
            line
        },
        || {
            let mut line = format!("reflecting {protocol} on {}", addresses.join(", "));
            let dropped = [(arguments.drop, "probes"), (arguments.drop_replies, "replies")];
            for (share, what) in dropped.into_iter().filter_map(|(share, what)| Some((share?, what))) {
                line.push_str(&format!("; drops {share} {what}"));
            }
            if faults {
                line.push_str(&format!(" (--seed {seed})"));
            }
            line
        },
    )
}

fn counts_json(ended: &[Counts]) -> Value {
    let silent: serde_json::Map<String, Value> = Silence::ALL
        .into_iter()
        .map(|reason| (reason.name().to_owned(), total(ended, |counts| counts.silent(reason)).into()))
        .collect();
    json!({
        "event": "summary",
        "received": total(ended, Counts::received),
        "answered": total(ended, |counts| counts.answered),
        "not_answered": silent,
    })
}

fn counts_text(ended: &[Counts]) -> String {
    let received = total(ended, Counts::received);
    let mut text = format!("{received} received, {} answered", total(ended, |counts| counts.answered));
    for reason in Silence::ALL {
        let silent = total(ended, |counts| counts.silent(reason));
        if silent > 0 {
            text.push_str(&format!(", {silent} {}", reason.meaning()));
        }
    }
    text
}

fn total(ended: &[Counts], count: impl Fn(&Counts) -> u64) -> u64 {
    ended.iter().map(count).sum()
}
