//! What many hosts cost their monitor: one thread beats for all of them over loopback, the other one is the monitor, whose
//! processor time and memory are told. Absent: anything that a monitor does not do for real hosts.

use std::collections::VecDeque;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use switchboard_probe::beat::{Host, Key, Policy, Sender, Status, Watch};
use switchboard_probe::udp::{Clock, Monitor, Round};

use crate::exit::Exit;
use crate::failure::Failure;

/// What it came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) hosts: u32,
    pub(crate) seconds: f64,
    pub(crate) beats: u64,
    /// Processor time of the monitor's thread.
    pub(crate) processor_s: f64,
    /// Growth of the process by the monitor's hosts.
    pub(crate) bytes_per_host: u64,
    pub(crate) alive: usize,
    pub(crate) alarms: u64,
    pub(crate) not_listened: u64,
}

/// Beats for so many hosts, each at this interval, for so long.
pub(crate) fn measure(
    hosts: u32,
    interval: Duration,
    length: Duration,
    policy: Policy,
    stop: &impl AsFd,
) -> Result<Load, Failure> {
    let mut monitor = Monitor::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let before = resident_bytes();
    let list = (0..hosts).map(|host| Host::new(host.into(), &format!("host-{host:06}"), key(host))).collect();
    let mut watch =
        Watch::new(list, policy, monitor.now()).map_err(|wrong| Failure::from_error(Exit::Usage, wrong))?;
    let bytes = resident_bytes().saturating_sub(before);
    let target = monitor.address();
    let (finish, finished) = channel();
    let clock = Clock::new();
    let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
    let beating = std::thread::spawn(move || beat_for_all(hosts, interval_ms, target, &finished));
    let (began, cpu_before) = (clock.now(), thread_cpu_ns());
    let end = began.plus(length);
    while clock.now() < end && monitor.round(&mut watch, stop)? == Round::Listened {
        while watch.next_event().is_some() {}
    }
    let processor_s = Duration::from_nanos(thread_cpu_ns().saturating_sub(cpu_before)).as_secs_f64();
    let seconds = Duration::from_nanos(clock.now().nanos_since(began)).as_secs_f64();
    drop(finish);
    let sent =
        beating.join().map_err(|_| Failure::new(Exit::Internal, "the beating thread ended by a fault"))?;
    sent.map_err(|error| Failure::new(Exit::Unavailable, "cannot beat over loopback").because(error))?;
    let counts = watch.counts();
    Ok(Load {
        hosts,
        seconds,
        beats: counts.taken,
        processor_s,
        bytes_per_host: bytes / u64::from(hosts.max(1)),
        alive: watch.standing(Status::Alive),
        alarms: counts.alarms,
        not_listened: counts.absences,
    })
}

/// Each host at its own place of the interval, so that beats come evenly.
fn beat_for_all(
    hosts: u32,
    interval_ms: u32,
    target: SocketAddr,
    finished: &Receiver<()>,
) -> std::io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let clock = Clock::new();
    let (start, epoch) = (clock.now(), clock.wall().nanos());
    let interval_ns = u64::from(interval_ms) * 1_000_000;
    let sender = |host: u32| {
        let phase = interval_ns / u64::from(hosts.max(1)) * u64::from(host);
        Sender::new(host.into(), key(host), epoch, interval_ms, start.plus_nanos(phase))
    };
    let mut senders: VecDeque<Sender> = (0..hosts).map(sender).collect();
    while finished.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        // In order of their places, so the first that is not due ends the search; it goes on from there.
        while let Some(first) = senders.front_mut() {
            let Some(packet) = first.beat(clock.now(), clock.wall()) else { break };
            socket.send_to(&packet, target)?;
            senders.rotate_left(1);
        }
    }
    Ok(())
}

fn key(host: u32) -> Key {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&host.to_be_bytes());
    Key::new(bytes)
}

/// The first field of /proc/thread-self/schedstat; 0 where the kernel does not count.
fn thread_cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// VmRSS of /proc/self/status; 0 where the kernel does not tell.
fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
