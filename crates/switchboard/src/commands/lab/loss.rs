//! `switchboard lab loss`: what lost messages cost, and that they cost no money. Absent: the measuring; that is the laboratory's.

use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use switchboard_engine::Registry;

use super::super::{Invocation, interrupted, random_seed, runtime};
use super::files::{Files, Wanted};
use crate::cli::Global;
use crate::config::{Config, Sources};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::loss::limits::{CALLS_MAX, POINTS_MAX, ROUND_TRIP_MS_MAX, SOCKETS_PERMILLE_MAX};
use crate::lab::loss::{Loss, Measured, Plan, SocketPlan, chart, on_sockets, simulate, tables};
use crate::screen::{Form, Screen, Tone};
use crate::serve::Embedded;

/// What `lab loss` takes.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Three cases: requests lost, replies lost, both. Two clients: Switchboard's, which sends again by the round-trip \
    estimate of RFC 6298 (20 ms to 1 s, doubling), and one that sends again every second. Each is measured in virtual time, \
    Switchboard's also over sockets: TLS through a proxy that loses whole messages, to a server of its own with a durable ledger, \
    a nominal second played in 20 ms. T is the threshold of a loss generator that drops a message when a number drawn from 0 to \
    99 exceeds T: the share lost is 1 - (T + 1) / 100.\n\n\
    Exit code 1: a withdrawal was not booked exactly once.\n\n\
    Examples:\n  switchboard lab loss\n  switchboard lab loss --svg loss.svg --csv loss.csv\n  \
    switchboard lab loss --points 0,0.25,0.5 --calls 100000 --no-sockets --json"
)]
pub struct Arguments {
    /// The shares of messages lost, each from 0 to 0.95 [default: 0 to 0.9 in steps of 0.05]
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',')]
    pub points: Vec<ShareLost>,
    /// Withdrawals at each point in virtual time
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(CALLS_MAX)))]
    pub calls: u32,
    /// Withdrawals at each point on sockets, where at most 0.7 is lost; without --points at every tenth
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=i64::from(CALLS_MAX)))]
    pub socket_calls: u32,
    /// Stays in virtual time
    #[arg(long)]
    pub no_sockets: bool,
    /// Round trip of the virtual link, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=ROUND_TRIP_MS_MAX))]
    pub round_trip: u64,
    /// Repeats the losses of an earlier run, which printed its seed; virtual time repeats to the last digit
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The files to write.
    #[command(flatten)]
    pub files: Wanted,
}

/// A share of messages lost, as it is written on the command line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ShareLost(Loss);

impl std::str::FromStr for ShareLost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

/// Runs the experiment.
///
/// # Errors
/// When a withdrawal was not booked exactly once, a file cannot be written, or the experiment cannot run.
pub fn run(screen: &Screen, services: Registry, arguments: &Arguments) -> Result<Exit, Failure> {
    let files = Files::named(&arguments.files)?;
    let plan = plan(arguments)?;
    let steps = u64::try_from(plan.points.len() * 3).unwrap_or(u64::MAX);
    let bar = progress(screen, "virtual time", steps);
    let mut measured = simulate(&plan, &|| bar.inc(1))?;
    bar.finish_and_clear();
    if let Some(sockets) = &plan.sockets {
        let draws = u64::try_from(sockets.points.len() * 3).unwrap_or(u64::MAX) * u64::from(sockets.calls);
        let bar = progress(screen, "sockets", draws);
        measured = runtime()?.block_on(try_sockets(screen, services, measured, bar))?;
    }
    files.write(|| tables::csv(&measured), || chart::draw(&measured))?;
    answer(screen, &measured, &files)?;
    Ok(Exit::Done)
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let mut points: Vec<Loss> = arguments.points.iter().map(|share| share.0).collect();
    points.sort();
    points.dedup();
    if points.len() > POINTS_MAX {
        let what = format!("{} points are too many; at most {POINTS_MAX} fit on the chart", points.len());
        return Err(Failure::new(Exit::Usage, what).advise("name fewer with --points"));
    }
    let every = |step: usize, most: u16| (0..=most).step_by(step).filter_map(Loss::from_permille);
    let chosen = points.clone();
    let on_sockets: Vec<Loss> = match chosen.is_empty() {
        true => every(100, SOCKETS_PERMILLE_MAX).collect(),
        false => chosen.into_iter().filter(|loss| loss.permille() <= SOCKETS_PERMILLE_MAX).collect(),
    };
    if points.is_empty() {
        points = every(50, 900).collect();
    }
    let wants_sockets = !arguments.no_sockets && !on_sockets.is_empty();
    let seed = arguments.seed.map_or_else(random_seed, Ok)?;
    Ok(Plan {
        points,
        calls: arguments.calls,
        round_trip_us: arguments.round_trip * 1000,
        seed,
        sockets: wants_sockets.then_some(SocketPlan { points: on_sockets, calls: arguments.socket_calls }),
    })
}

/// A server of its own in a folder that goes with it; an interrupt ends both in order.
async fn try_sockets(
    screen: &Screen,
    services: Registry,
    mut measured: Measured,
    bar: ProgressBar,
) -> Result<Measured, Failure> {
    // Before there is anything to be removed.
    let interrupted = interrupted();
    let folder = tempfile::Builder::new().prefix("switchboard-lab-").tempdir().map_err(|error| {
        Failure::new(Exit::CannotCreate, "cannot make a folder for the experiment's server")
            .because(error)
            .advise("make room in the folder for temporary files, or name another one with TMPDIR")
    })?;
    // The settings of the person's own server have no say here.
    let sources = Sources { data: folder.path().join("data"), ..Sources::default() };
    let config = Config::load(&sources).map_err(|error| Failure::from_error(Exit::Configuration, error))?;
    let on = Invocation {
        global: Global::default(),
        data: sources.data,
        config,
        screen: screen.clone(),
        services,
    };
    let server = Embedded::start(&on)?;
    let told = {
        let bar = bar.clone();
        Arc::new(move || bar.inc(1))
    };
    let ended = tokio::select! {
        ended = on_sockets(&mut measured, server.socket.clone(), told) => ended,
        () = interrupted => {
            Err(Failure::new(Exit::Unavailable, "the experiment was interrupted; its server is ended and its folder is removed"))
        }
    };
    bar.finish_and_clear();
    let closed = server.close().await;
    ended.and(closed)?;
    Ok(measured)
}

/// On a terminal, how far it is; otherwise nothing.
fn progress(screen: &Screen, what: &'static str, steps: u64) -> ProgressBar {
    if screen.form() == Form::Json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:>12} [{bar:40}] {percent:>3} %, {eta} left")
        .expect("the template is well-formed")
        .progress_chars("=> ");
    // Hidden by itself where standard error is no terminal.
    ProgressBar::new(steps).with_style(style).with_message(what)
}

fn answer(screen: &Screen, measured: &Measured, files: &Files) -> Result<(), Failure> {
    let as_json = || {
        let mut document = tables::json(measured);
        document["files"] = json!(files.names());
        document
    };
    let as_text = || {
        let plan = &measured.plan;
        let books = match &plan.sockets {
            Some(sockets) => format!(
                "on sockets {} withdrawals a point, {} in all: every one booked exactly once, the ledger proved after each point",
                sockets.calls,
                sockets.points.len() * 3 * usize::try_from(sockets.calls).unwrap_or(usize::MAX)
            ),
            None => "on no sockets; each of the simulated withdrawals was executed exactly once".to_owned(),
        };
        let written: String = files.names().iter().map(|name| format!("\nwrote {name}")).collect();
        format!(
            "{}\n\n{} withdrawals a point in virtual time, round trip {} ms; {books}\nseed {}{written}",
            tables::text(measured).lines().map(|line| heading(screen, line)).collect::<Vec<_>>().join("\n"),
            plan.calls,
            plan.round_trip_us / 1000,
            plan.seed
        )
    };
    screen.answer(as_json, as_text)
}

/// The names of the cases stand out.
fn heading(screen: &Screen, line: &str) -> String {
    let is_heading = line.ends_with(" lost") && !line.starts_with(' ');
    screen.paint(if is_heading { Tone::Strong } else { Tone::Plain }, line)
}

#[cfg(test)]
mod tests;
