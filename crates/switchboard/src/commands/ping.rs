//! `switchboard ping`: probes reflectors on a strict schedule and tells each round trip and what the run comes to. Absent:
//! the probing itself, and any need of a server or a data folder.

pub(super) mod key;
mod report;
mod target;
mod words;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_probe::limits::TARGETS_MAX;
use switchboard_probe::prober::Plan;
use switchboard_probe::prober::form::{Form, Stamp};
use switchboard_probe::stamp::{Format, PORT};
use switchboard_probe::udp::{Interrupts, Options, Pinger, Target};

use super::random_seed;
use super::reflect::TEXT_PORT;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;
use report::Report;
use target::{Family, Named};

/// What to probe, and how.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit code 0: every target answered; 1: one did not answer in time at all; 2: the command line is \
    wrong, a name does not resolve, or there is no way to a target.\n\n\
    Examples:\n  switchboard ping probe.example.org\n  switchboard ping -c 0 -i 0.02 192.0.2.1:8620 [2001:db8::1]:8620\n  \
    switchboard ping --text 127.0.0.1:8862\n  switchboard ping --key session.key --dscp ef --json probe.example.org"
)]
pub struct Arguments {
    /// Where a reflector listens [default port: 862, with --text 8862]
    #[arg(value_name = "HOST[:PORT]", required = true, num_args = 1..=TARGETS_MAX)]
    pub targets: Vec<String>,
    /// Probes for each target; 0 until it is interrupted
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    pub count: u64,
    /// Seconds from one probe to the next, whatever becomes of them
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = words::seconds)]
    pub interval: Duration,
    /// Seconds to wait for an answer
    #[arg(short = 'W', long, value_name = "SECONDS", default_value = "1", value_parser = words::seconds)]
    pub wait: Duration,
    /// Octets of a probe and of its answer
    #[arg(short, long, value_name = "OCTETS", conflicts_with = "text")]
    pub size: Option<usize>,
    /// Hexadecimal octets to fill probes with [default: pseudo-random ones]
    #[arg(long, value_name = "HEX", value_parser = words::octets, requires = "size")]
    pub fill: Option<words::Octets>,
    /// Class of service, both ways: 0 to 63, or a name such as ef, af41, cs5
    #[arg(long, value_name = "DSCP", value_parser = words::dscp)]
    pub dscp: Option<u8>,
    /// TTL or hop limit of probes
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Forbids cutting probes into fragments
    #[arg(long)]
    pub dont_fragment: bool,
    /// The address that probes come from
    #[arg(long, value_name = "ADDR")]
    pub from: Option<IpAddr>,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "six")]
    pub four: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub six: bool,
    /// Sends `PING <sequence> <time>` to a reflector of the text protocol
    #[arg(long)]
    pub text: bool,
    /// Authenticates probes with the session and key in this file
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub key: Option<PathBuf>,
    /// Waits for the due time without sleeping: more exact, at the cost of a processor
    #[arg(long)]
    pub spin: bool,
    /// Also tells the round trip as this program sees it, nothing removed
    #[arg(long)]
    pub user: bool,
    /// Only tells what the run comes to
    #[arg(short, long)]
    pub quiet: bool,
}

/// Probes until all is answered or a signal comes.
///
/// # Errors
/// When a target cannot be probed at all.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    let interrupts = Interrupts::take_over()?;
    let family = match (arguments.four, arguments.six) {
        (true, _) => Family::Four,
        (false, true) => Family::Six,
        (false, false) => Family::Any,
    };
    let port = if arguments.text { TEXT_PORT } else { PORT };
    let resolved = |text: &String| Named::resolve(text, port, family);
    let named: Vec<Named> = arguments.targets.iter().map(resolved).collect::<Result<_, _>>()?;
    let form = form(arguments)?;
    let target = |named: &Named| Target { address: named.address, form: form.clone() };
    let targets: Vec<Target> = named.iter().map(target).collect();
    let mut pinger = Pinger::open(&targets, &options(arguments)?)?;
    let report = Report::new(screen, arguments, &named);
    report.begin()?;
    pinger.run::<Failure>(&interrupts, |place, event, _| report.event(place, event))?;
    report.end(&pinger)
}

fn form(arguments: &Arguments) -> Result<Form, Failure> {
    if arguments.text {
        return Ok(Form::Text);
    }
    let (session, key) = match &arguments.key {
        Some(file) => key::read_first(file).map(|(session, key)| (session, Some(key)))?,
        None => (key::random_session()?, None),
    };
    let fill = arguments.fill.clone().unwrap_or_default().0;
    let stamp = Stamp { session, key, length: arguments.size, dscp: arguments.dscp, fill };
    stamp.check_length().map_err(|wrong| Failure::new(Exit::Usage, wrong))?;
    Ok(Form::Stamp(stamp))
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let count = (arguments.count > 0).then_some(arguments.count);
    Ok(Options {
        plan: Plan { count, interval: arguments.interval, wait: arguments.wait },
        ttl: arguments.ttl,
        dscp: arguments.dscp,
        do_not_fragment: arguments.dont_fragment,
        from: arguments.from,
        spin: arguments.spin,
        format: Format::Ntp,
        seed: random_seed()?,
    })
}
