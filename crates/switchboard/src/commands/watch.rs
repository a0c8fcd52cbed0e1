//! `switchboard watch`: hears the beats of hosts and says which fell silent: a live table on a terminal, otherwise a line for
//! each change. All of it lives in memory. Absent: how silence is found; that is the probe's.

mod metrics;
mod report;
mod table;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use switchboard_probe::beat::limits::HOSTS_MAX;
use switchboard_probe::beat::quality::Demand;
use switchboard_probe::beat::{Host, Method, Network, Policy, Status, Watch};
use switchboard_probe::udp::{Interrupts, Monitor, Round};

use super::beat::{PORT, key, words};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;
use metrics::Metrics;
use report::Report;

/// Where a monitor listens unless something else is asked for.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

/// How to find that a host fell silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Detector {
    /// So long after the last beat
    Fixed,
    /// So long after the next beat was expected, by the last 32 (Chen, Toueg, Aguilera 2002)
    NfdE,
    /// When the wait is improbable, by the spread of earlier ones (Hayashibara et al. 2004)
    Phi,
}

/// Whom to watch, and how well.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Detection is configured by what is wanted: at most --false-alarms in 30 days over all hosts, as early as that allows, \
    or within --detect. What is assumed of the network holds until something worse is measured. When the wanted quality cannot be had \
    for a host, a line says why and what would help.\n\n\
    Exit code 0: interrupted while no host was silent or missing; 1: interrupted while one was.\n\n\
    Examples:\n  switchboard watch --listen 0.0.0.0:8863 --keys hosts.keys\n  \
    switchboard watch --keys hosts.keys --detect 6.5s --json\n  \
    switchboard watch --keys hosts.keys --metrics 127.0.0.1:9863 --plain"
)]
pub struct Arguments {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", default_value_t = LISTEN)]
    pub listen: SocketAddr,
    /// The hosts and their keys: a line is NAME NUMBER KEY, as beat --make-key writes it
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
    /// How to find that a host fell silent
    #[arg(long, value_enum, default_value = "nfd-e")]
    pub detector: Detector,
    /// A host is called silent within this length of its end [default: as early as --false-alarms allows]
    #[arg(long, value_name = "LENGTH", value_parser = words::length)]
    pub detect: Option<Duration>,
    /// False alarms in 30 days over all hosts, at most
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = positive)]
    pub false_alarms: f64,
    /// Share of beats that is lost
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    pub loss: f64,
    /// Standard deviation of the delay of beats
    #[arg(long, value_name = "LENGTH", default_value = "10ms", value_parser = words::length)]
    pub deviation: Duration,
    /// Mean delay of beats
    #[arg(long, value_name = "LENGTH", default_value = "50ms", value_parser = words::length)]
    pub delay: Duration,
    /// Threshold of the detector phi
    #[arg(long, value_name = "PHI", default_value_t = 12.0, value_parser = positive)]
    pub phi: f64,
    /// A host that was not heard this long after the start is missing; 0 waits for ever
    #[arg(long, value_name = "LENGTH", default_value = "2m", value_parser = words::length)]
    pub first_beat: Duration,
    /// The first beat of a run is taken for a replay when its time is further from this clock; 0 takes any
    #[arg(long, value_name = "LENGTH", default_value = "10m", value_parser = words::length)]
    pub clock_window: Duration,
    /// Tells every change of a host that goes and comes all the time
    #[arg(long)]
    pub no_damping: bool,
    /// Lines instead of the table, on a terminal too
    #[arg(long)]
    pub plain: bool,
    /// Serves figures for Prometheus at http://ADDR:PORT/metrics
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
}

/// Watches until a signal comes.
///
/// # Errors
/// When the keys cannot be read or an address cannot be listened on.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    let interrupts = Interrupts::take_over()?;
    let owners = key::read_all(&arguments.keys)?;
    let policy = policy(arguments, owners.len());
    let hosts = owners.into_iter().map(|owner| Host::new(owner.id, &owner.name, owner.key)).collect();
    let mut monitor = Monitor::bind(arguments.listen)?;
    let mut metrics = arguments.metrics.map(Metrics::serve).transpose()?;
    let mut watch = Watch::new(hosts, policy, monitor.now())
        .map_err(|wrong| Failure::from_error(Exit::Input, wrong).advise("repair the file of keys"))?;
    let mut report = Report::new(screen, arguments.plain);
    report.begin(&monitor, &watch, metrics.as_ref().map(Metrics::address))?;
    while monitor.round(&mut watch, &interrupts)? == Round::Listened {
        while let Some(event) = watch.next_event() {
            report.event(&monitor, &watch, &event)?;
        }
        report.look(&monitor, &watch)?;
        if let Some(metrics) = &mut metrics {
            metrics.update(&watch, monitor.now());
        }
    }
    report.end(&watch)?;
    let wrong = watch.standing(Status::Silent) + watch.standing(Status::Missing);
    Ok(if wrong == 0 { Exit::Done } else { Exit::Refused })
}

fn policy(arguments: &Arguments, hosts: usize) -> Policy {
    let hosts = u32::try_from(hosts.min(HOSTS_MAX)).expect("the number of hosts is bounded");
    let given = |length: Duration| (!length.is_zero()).then_some(length);
    let detection_s = arguments.detect.map(|length| length.as_secs_f64());
    Policy {
        method: match arguments.detector {
            Detector::Fixed => Method::TimeOut,
            Detector::NfdE => Method::Expected,
            Detector::Phi => Method::Accrual,
        },
        demand: Demand::false_alarms_per_month(arguments.false_alarms, hosts, detection_s),
        network: Network {
            loss: arguments.loss,
            loss_after_loss: arguments.loss,
            deviation_s: arguments.deviation.as_secs_f64(),
            delay_s: arguments.delay.as_secs_f64(),
        },
        phi: arguments.phi,
        first_beat: given(arguments.first_beat),
        clock_window: given(arguments.clock_window),
        damping: !arguments.no_damping,
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "write a number above 0".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("write a number above 0".to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let wrong = || "write a number from 0 to 0.9".to_owned();
    let share: f64 = text.parse().map_err(|_| wrong())?;
    if (0.0..=0.9).contains(&share) { Ok(share) } else { Err(wrong()) }
}
