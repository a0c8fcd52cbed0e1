//! `switchboard ping`: probes reflectors on a strict schedule and tells each round trip and what the run comes to, as lines, as a
//! live chart, as a picture, and to Prometheus. Absent: the probing itself, and any need of a server or a data folder.

mod chart;
mod exporter;
pub(super) mod key;
mod limits;
mod live;
mod plot;
mod report;
mod self_test;
mod target;
mod trace;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_probe::limits::TARGETS_MAX;
use switchboard_probe::prober::form::{Form as ProbeForm, Stamp};
use switchboard_probe::prober::{Pace, Plan};
use switchboard_probe::stamp::{Format, PORT};
use switchboard_probe::udp::{Event, Interrupts, Options, Pause, Pinger, Target};

use super::random_seed;
use super::reflect::TEXT_PORT;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Form, Screen};
use exporter::Exporter;
use live::{Live, Pressed, Redraw};
use plot::Plot;
use report::Report;
use target::{Family, Named};

/// From one probe of a flood to the next where no answers come back.
const FLOOD_INTERVAL: Duration = Duration::from_millis(10);

/// What to probe, and how.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit code 0: every target answered; 1: one did not answer in time at all; 2: the command line is \
    wrong, a name does not resolve, or there is no way to a target.\n\n\
    Examples:\n  switchboard ping probe.example.org\n  switchboard ping --live -c 0 192.0.2.1 192.0.2.2\n  \
    switchboard ping -c 600 -i 0.1 --plot run.svg probe.example.org\n  \
    switchboard ping -c 0 --quiet --metrics 127.0.0.1:9620 probe.example.org\n  switchboard ping --self-test\n  switchboard ping -c 0 -i 0.02 192.0.2.1:8620 [2001:db8::1]:8620\n  \
    switchboard ping --text 127.0.0.1:8862\n  switchboard ping --key session.key --dscp ef --json probe.example.org"
)]
pub struct Arguments {
    /// Where a reflector listens [default port: 862, with --text 8862]
    #[arg(value_name = "HOST[:PORT]", required_unless_present = "self_test", num_args = 1..=TARGETS_MAX)]
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
    /// Asks the reflector when each reply really left, and tells the mean round trip without its part in it (RFC 8972)
    #[arg(long, conflicts_with = "text")]
    pub follow_up: bool,
    /// Waits for the due time without sleeping: more exact, at the cost of a processor
    #[arg(long)]
    pub spin: bool,
    /// Sends as fast as answers come back, at most 64 unanswered: a dot for each probe, taken back by its answer.
    /// For root, or to this machine
    #[arg(short, long, conflicts_with = "interval")]
    pub flood: bool,
    /// Floods whoever asks and whoever is asked
    #[arg(long, requires = "flood")]
    pub force: bool,
    /// Draws a live chart; q ends it. Without a terminal the lines are told
    #[arg(long, conflicts_with_all = ["flood", "quiet"])]
    pub live: bool,
    /// Draws the run at its end: FILE.svg or FILE.png
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Replaces the file of --plot if it exists
    #[arg(long, requires = "plot")]
    pub overwrite: bool,
    /// Tells the figures so far to Prometheus, at http://ADDR:PORT/metrics
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Tells what this machine's clocks, sleep and loopback are good for, and ends
    #[arg(long, conflicts_with = "targets")]
    pub self_test: bool,
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
    if arguments.self_test {
        return self_test::run(screen);
    }
    let interrupts = Interrupts::take_over()?;
    let family = match (arguments.four, arguments.six) {
        (true, _) => Family::Four,
        (false, true) => Family::Six,
        (false, false) => Family::Any,
    };
    let port = if arguments.text { TEXT_PORT } else { PORT };
    let resolved = |text: &String| Named::resolve(text, port, family);
    let named: Vec<Named> = arguments.targets.iter().map(resolved).collect::<Result<_, _>>()?;
    may_flood(arguments, &named)?;
    let form = form(arguments)?;
    let target = |named: &Named| Target { address: named.address, form: form.clone() };
    let targets: Vec<Target> = named.iter().map(target).collect();
    let mut run = Run {
        plot: arguments
            .plot
            .as_deref()
            .map(|file| Plot::at(file, arguments.overwrite, named.len()))
            .transpose()?,
        exporter: arguments.metrics.map(Exporter::start).transpose()?,
        pinger: Pinger::open(&targets, &options(arguments)?)?,
        report: Report::new(screen, arguments, &named),
        named: &named,
        interrupts,
    };
    if let Some(exporter) = &run.exporter {
        screen.notice(&format!("metrics on http://{}/metrics", exporter.address()));
    }
    if arguments.live && screen.form() == Form::Text && live::is_possible() {
        run.draw()?;
    } else {
        run.tell()?;
    }
    if let Some(plot) = &run.plot {
        plot.write(&named, &run.pinger)?;
    }
    run.report.end(&run.pinger)
}

/// A run, and everything that follows it.
struct Run<'a> {
    pinger: Pinger,
    report: Report<'a>,
    plot: Option<Plot>,
    exporter: Option<Exporter>,
    named: &'a [Named],
    interrupts: Interrupts,
}

/// What a paused run goes on with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    Interrupted,
    Scraped,
    Redraw,
    Key,
}

impl Run<'_> {
    /// A line for each event.
    fn tell(&mut self) -> Result<(), Failure> {
        self.report.begin()?;
        let Self { pinger, report, plot, exporter, named, interrupts } = self;
        let mut wakes = vec![(Wake::Interrupted, interrupts.as_fd())];
        wakes.extend(exporter.iter().map(|exporter| (Wake::Scraped, exporter.as_fd())));
        loop {
            let woken = go_on(pinger, &wakes, |place, event| {
                plot.iter_mut().for_each(|plot| plot.take(place, event));
                report.event(place, event)
            })?;
            match woken {
                None | Some(Wake::Interrupted | Wake::Redraw | Wake::Key) => break,
                Some(Wake::Scraped) => exporter.iter().for_each(|exporter| exporter.answer(named, pinger)),
            }
        }
        pinger.stop();
        Ok(())
    }

    /// A chart instead of lines. When all is answered it ends as well.
    fn draw(&mut self) -> Result<(), Failure> {
        let Self { pinger, plot, exporter, named, interrupts, .. } = self;
        let (redraw, keyboard) = (Redraw::begin()?, std::io::stdin());
        let mut live = Live::begin(named.len())?;
        let mut wakes = vec![
            (Wake::Interrupted, interrupts.as_fd()),
            (Wake::Redraw, redraw.as_fd()),
            (Wake::Key, keyboard.as_fd()),
        ];
        wakes.extend(exporter.iter().map(|exporter| (Wake::Scraped, exporter.as_fd())));
        loop {
            let woken = go_on(pinger, &wakes, |place, event| {
                plot.iter_mut().for_each(|plot| plot.take(place, event));
                live.take(place, event);
                Ok(())
            })?;
            match woken {
                None | Some(Wake::Interrupted) => break,
                Some(Wake::Redraw) => {
                    redraw.drawn();
                    live.draw(named, pinger)?;
                }
                Some(Wake::Key) if live.pressed()? == Pressed::Leave => break,
                Some(Wake::Key) => {}
                Some(Wake::Scraped) => exporter.iter().for_each(|exporter| exporter.answer(named, pinger)),
            }
        }
        pinger.stop();
        Ok(())
    }
}

/// Probes until something else is to be done; nothing when all is done.
fn go_on(
    pinger: &mut Pinger,
    wakes: &[(Wake, BorrowedFd<'_>)],
    mut take: impl FnMut(usize, &Event) -> Result<(), Failure>,
) -> Result<Option<Wake>, Failure> {
    let descriptors: Vec<BorrowedFd<'_>> = wakes.iter().map(|(_, descriptor)| *descriptor).collect();
    match pinger.run::<Failure>(&descriptors, |place, event, _| take(place, event))? {
        Pause::Done => Ok(None),
        Pause::Woken(place) => Ok(wakes.get(place).map(|(wake, _)| *wake)),
    }
}

/// A flood takes what the network has: it is for root, for this machine, and for who insists.
fn may_flood(arguments: &Arguments, named: &[Named]) -> Result<(), Failure> {
    let at_home = named.iter().all(|named| named.address.ip().to_canonical().is_loopback());
    if !arguments.flood || at_home || arguments.force || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(Exit::NotPermitted, "only root may flood another machine")
        .advise("use --interval, or add --force where the network is yours"))
}

fn form(arguments: &Arguments) -> Result<ProbeForm, Failure> {
    if arguments.text {
        return Ok(ProbeForm::Text);
    }
    let (session, key) = match &arguments.key {
        Some(file) => key::read_first(file).map(|(session, key)| (session, Some(key)))?,
        None => (key::random_session()?, None),
    };
    let fill = arguments.fill.clone().unwrap_or_default().0;
    let Arguments { size: length, dscp, follow_up, .. } = *arguments;
    let stamp = Stamp { session, key, length, dscp, follow_up, fill };
    stamp.check_length().map_err(|wrong| Failure::new(Exit::Usage, wrong))?;
    Ok(ProbeForm::Stamp(stamp))
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let count = (arguments.count > 0).then_some(arguments.count);
    Ok(Options {
        plan: Plan {
            count,
            interval: if arguments.flood { FLOOD_INTERVAL } else { arguments.interval },
            wait: arguments.wait,
            pace: if arguments.flood { Pace::Flood } else { Pace::Schedule },
        },
        ttl: arguments.ttl,
        dscp: arguments.dscp,
        do_not_fragment: arguments.dont_fragment,
        from: arguments.from,
        spin: arguments.spin,
        format: Format::Ntp,
        seed: random_seed()?,
    })
}
