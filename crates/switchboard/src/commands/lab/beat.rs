//! `switchboard lab beat`: how good failure detectors are, what a monitor of many hosts costs, and recordings to try them on.
//! Absent: the measuring; that is the laboratory's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use switchboard_probe::beat::limits::HOSTS_MAX;
use switchboard_probe::beat::quality::Demand;
use switchboard_probe::beat::sender::interval_ms;
use switchboard_probe::beat::{Method, Network, Policy};
use switchboard_probe::udp::Interrupts;

use super::super::random_seed;
use super::files::{Files, Wanted};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::beat::trace::{Delay, Faults, Loss, Trace};
use crate::lab::beat::{Measured, Panel, chart, load, record, tables};
use crate::output_file::{self, Overwriting};
use crate::screen::Screen;

/// The recording that is measured when no other is named.
const RECORDED: &str = include_str!("../../lab/beat/recorded.csv");
/// Longest recording that is read, in octets.
const RECORDING_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// What the relay of a recording does, in seconds.
const RECORDED_LOSS: Loss = Loss::Bursts { share: 0.02, length: 2.0 };
const RECORDED_DELAY: Delay = Delay::Lognormal { median_s: 0.005, sigma: 1.0 };
const RECORDED_INTERVAL: Duration = Duration::from_millis(100);
const RECORDED_TITLE: &str = "recorded: loopback, a relay loses 2 % in bursts of 2 and delays";

/// From one beat of a host to its next when many are measured.
const HOSTS_INTERVAL: Duration = Duration::from_secs(10);

/// What `lab beat` takes.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Three generated traces (1 % lost one by one with exponential and with lognormal delay, 1 % lost in bursts) and a \
    recorded one. On each, a fixed time-out, NFD-E and phi-accrual hear the same beats; for every margin it is told within how many \
    intervals 99 of 100 ends of the host would be found, and how many of a million beats would have been preceded by a false alarm.\n\n\
    Examples:\n  switchboard lab beat\n  switchboard lab beat --beats 2000000 --seed 1 --svg beat.svg --csv beat.csv\n  \
    switchboard lab beat --record trace.csv --beats 2000\n  switchboard lab beat --trace trace.csv\n  \
    switchboard lab beat --hosts 100000 --interval 10s --length 60s"
)]
pub struct Arguments {
    /// Beats of each generated trace, or of the recording [default: 500000; of a recording 2000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(200..=20_000_000))]
    pub beats: Option<u32>,
    /// Repeats the generated traces of an earlier run, which printed its seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Measures this recording instead of the one that comes with the program
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Records a trace over loopback, through a relay that loses 2 % in bursts and delays, and ends
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "csv", "svg", "png", "hosts"])]
    pub record: Option<PathBuf>,
    /// Measures the processor time and the memory of a monitor of so many hosts over loopback, and ends
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::try_from(HOSTS_MAX).unwrap_or(i64::MAX)),
        conflicts_with_all = ["trace", "csv", "svg", "png"])]
    pub hosts: Option<u32>,
    /// From one beat of a host to its next [default: of a recording 100ms, with --hosts 10s]
    #[arg(long, value_name = "LENGTH", value_parser = super::super::beat::words::interval)]
    pub interval: Option<Duration>,
    /// With --hosts: for how long
    #[arg(long, value_name = "LENGTH", default_value = "30s", value_parser = super::super::beat::words::length, requires = "hosts")]
    pub length: Duration,
    /// The files to write.
    #[command(flatten)]
    pub files: Wanted,
}

/// Runs the experiment.
///
/// # Errors
/// When a file cannot be read or written, or loopback cannot be used.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(hosts) = arguments.hosts {
        return many(screen, hosts, arguments);
    }
    let seed = arguments.seed.map_or_else(random_seed, Ok)?;
    if let Some(file) = &arguments.record {
        return recording(screen, file, arguments, seed);
    }
    let files = Files::named(&arguments.files)?;
    let recorded = match &arguments.trace {
        Some(file) => read(file)?,
        None => Trace::parse(RECORDED)
            .map_err(|_| Failure::new(Exit::Internal, "the recording inside the program is damaged"))?,
    };
    let beats = arguments.beats.unwrap_or(500_000).into();
    let generated = generated(beats, seed);
    let panels = generated.iter().chain([&recorded]).map(Panel::of).collect();
    let measured = Measured { seed, panels };
    files.write(|| tables::csv(&measured), || chart::draw(&measured))?;
    let as_json = || {
        let mut document = tables::json(&measured);
        document["files"] = json!(files.names());
        document
    };
    let as_text = || {
        let written: String = files.names().iter().map(|name| format!("\nwrote {name}")).collect();
        let meaning = "intervals within which 99 of 100 ends are found, by false alarms of a million beats; - where the trace is too short to tell";
        format!("{}\n\n{meaning}\nseed {seed}{written}", tables::text(&measured))
    };
    screen.answer(as_json, as_text)?;
    Ok(Exit::Done)
}

fn generated(beats: u64, seed: u64) -> [Trace; 3] {
    let single = Loss::Single { share: 0.01 };
    let bursts = Loss::Bursts { share: 0.01, length: 3.0 };
    let exponential = Delay::Exponential { mean_s: 0.02 };
    let lognormal = Delay::Lognormal { median_s: 0.05, sigma: 1.0 };
    let trace =
        |title, loss, delay, stream| Trace::generated(title, beats, Faults::new(loss, delay, seed, stream));
    [
        trace("1 % lost one by one, exponential delay, mean 0.02", single, exponential, 1),
        trace("1 % lost one by one, lognormal delay, median 0.05, sigma 1", single, lognormal, 2),
        trace("1 % lost in bursts of 3 (Gilbert-Elliott), the same delay", bursts, lognormal, 3),
    ]
}

fn recording(screen: &Screen, file: &Path, arguments: &Arguments, seed: u64) -> Result<Exit, Failure> {
    let overwriting = Overwriting::when(arguments.files.overwrite);
    output_file::check(file, overwriting)?;
    let interrupts = Interrupts::take_over()?;
    let faults = Faults::new(RECORDED_LOSS, RECORDED_DELAY, seed, 4);
    let interval = arguments.interval.unwrap_or(RECORDED_INTERVAL);
    let interval_ms = interval_ms(interval).expect("the command line took no other interval");
    let beats = arguments.beats.unwrap_or(2_000).into();
    let trace = record::record(beats, interval_ms, RECORDED_TITLE, faults, &interrupts)?;
    output_file::write(file, overwriting, trace.to_text().as_bytes())?;
    let (sent, lost, shown) = (trace.sent, trace.lost(), file.display());
    screen.answer(
        || json!({ "sent": sent, "lost": lost, "seed": seed, "files": [shown.to_string()] }),
        || format!("{sent} sent, {lost} lost, seed {seed}\nwrote {shown}"),
    )?;
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<Trace, Failure> {
    let shown = file.display();
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|open| {
            std::io::Read::read_to_string(&mut std::io::Read::take(open, RECORDING_BYTES_MAX), &mut text)
        })
        .map_err(|error| Failure::new(Exit::InputOutput, format!("cannot read {shown}")).because(error))?;
    Trace::parse(&text).map_err(|line| {
        Failure::new(Exit::Input, format!("line {line} of {shown} is not of a recording"))
            .advise("make one with switchboard lab beat --record FILE")
    })
}

fn many(screen: &Screen, hosts: u32, arguments: &Arguments) -> Result<Exit, Failure> {
    let interrupts = Interrupts::take_over()?;
    let policy = Policy {
        method: Method::Expected,
        demand: Demand::false_alarms_per_month(1.0, hosts, None),
        network: Network { loss: 0.01, loss_after_loss: 0.01, deviation_s: 0.01, delay_s: 0.05 },
        phi: 12.0,
        first_beat: None,
        clock_window: Some(Duration::from_secs(600)),
        damping: true,
    };
    let load = load::measure(
        hosts,
        arguments.interval.unwrap_or(HOSTS_INTERVAL),
        arguments.length,
        policy,
        &interrupts,
    )?;
    let share = load.processor_s / load.seconds.max(1e-9) * 100.0;
    let per_beat_us = load.processor_s / crate::lab::beat::number(load.beats.max(1)) * 1e6;
    screen.answer(
        || {
            json!({
                "hosts": load.hosts, "seconds": load.seconds, "beats": load.beats, "processor_s": load.processor_s,
                "share_of_a_core": share / 100.0, "processor_us_per_beat": per_beat_us,
                "octets_per_host": load.bytes_per_host, "alive": load.alive, "alarms": load.alarms,
                "absences": load.not_listened,
            })
        },
        || {
            format!(
                "{} hosts, {} beats in {:.1} s: {share:.1} % of a core, {per_beat_us:.2} us a beat, {} octets a host; {} alive, \
                 {} alarms, {} times absent",
                load.hosts, load.beats, load.seconds, load.bytes_per_host, load.alive, load.alarms, load.not_listened
            )
        },
    )?;
    Ok(Exit::Done)
}
