//! What this machine's clocks, sleep and loopback are good for: the floor beneath every figure of a probe. Absent: other
//! machines, and advice.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, recvmsg};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getres};

use super::clock::{Clock, ClockState};
use super::ping::{Options, Pause, Pinger, Target};
use super::reflect::Listener;
use super::socket::{self, Sending, control_space};
use crate::error::ProbeError;
use crate::prober::form::{Form, Stamp};
use crate::prober::{Pace, Plan};
use crate::reflector;
use crate::stamp::Format;
use crate::stamp::packet::UNAUTHENTICATED_BYTES;
use crate::statistics::{Counts, Distribution};
use crate::time::{Moment, Timestamp};

/// How often each thing is tried.
const TRIES: u32 = 200;
/// From one try to the next, and the time that is slept or spun.
const STEP: Duration = Duration::from_millis(1);
/// How long an answer on loopback is waited for.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often clocks are read to see how finely they advance.
const READINGS: u32 = 2_000;

/// What was found.
#[derive(Clone, Debug)]
pub struct SelfTest {
    /// What the system says that clocks can tell apart: wall clock, and the one that only rises.
    pub resolution: [Option<Duration>; 2],
    /// The smallest step that either was seen to make.
    pub smallest_step: [Option<Duration>; 2],
    /// How long a reading of the clock that only rises takes, on average.
    pub reading: Duration,
    /// How good the wall clock is.
    pub clock: ClockState,
    /// How much longer than asked for it slept.
    pub sleep: Distribution,
    /// How much later than asked for it noticed, without sleeping.
    pub spin: Distribution,
    /// Round trips to a reflector on loopback, stamps by the kernel where there are.
    pub loopback: Distribution,
    /// The same as this program saw them.
    pub loopback_user: Distribution,
    /// What became of these probes.
    pub counts: Counts,
    /// Whether the kernel stamps what is sent, and what is received.
    pub stamps: Stamps,
    /// Network interfaces with a clock of their own, which could stamp in hardware.
    pub hardware_clocks: Vec<String>,
}

/// Which stamps the kernel takes in software.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamps {
    /// Of what is sent.
    pub sent: bool,
    /// Of what is received.
    pub received: bool,
}

impl SelfTest {
    /// Tries everything; takes about a second.
    ///
    /// # Errors
    /// When loopback cannot be used.
    pub fn run() -> Result<Self, ProbeError> {
        let clock = Clock::new();
        // As a prober does.
        let _as_exact_as_can_be = nix::sys::prctl::set_timerslack(1);
        let resolution = [ClockId::CLOCK_REALTIME, ClockId::CLOCK_MONOTONIC]
            .map(|id| clock_getres(id).ok().map(Duration::from));
        let (smallest_step, reading) = steps(&clock);
        let (Loopback { rtt, user_rtt, counts }, stamps) = loopback()?;
        Ok(Self {
            resolution,
            smallest_step,
            reading,
            clock: clock.state(),
            sleep: overshoot(&clock, sleep),
            spin: overshoot(&clock, |_| {}),
            loopback: rtt,
            loopback_user: user_rtt,
            counts,
            stamps,
            hardware_clocks: hardware_clocks(Path::new("/sys/class/net")),
        })
    }
}

fn steps(clock: &Clock) -> ([Option<Duration>; 2], Duration) {
    let (mut wall, mut rising) = (None::<u64>, None::<u64>);
    let least = |least: &mut Option<u64>, step: u64| {
        if step > 0 {
            *least = Some(least.map_or(step, |least| least.min(step)));
        }
    };
    let (start, mut last): (Moment, (Timestamp, Moment)) = (clock.now(), (clock.wall(), clock.now()));
    for _reading in 0..READINGS {
        let now = (clock.wall(), clock.now());
        least(&mut wall, u64::try_from(now.0.nanos_since(last.0)).unwrap_or(0));
        least(&mut rising, now.1.nanos_since(last.1));
        last = now;
    }
    // Two clocks are read each time.
    let reading = clock.now().nanos_since(start) / u64::from(2 * READINGS);
    ([wall, rising].map(|ns| ns.map(Duration::from_nanos)), Duration::from_nanos(reading))
}

/// How much later than asked for this machine goes on, where `wait` waits until the moment at most.
fn overshoot(clock: &Clock, wait: impl Fn(Duration)) -> Distribution {
    let mut distribution = Distribution::default();
    for _try in 0..TRIES {
        let due = clock.now().plus(STEP);
        wait(STEP);
        let mut now = clock.now();
        while now < due {
            std::hint::spin_loop();
            now = clock.now();
        }
        distribution.record(now.nanos_since(due));
    }
    distribution
}

/// As a prober sleeps: in poll, without a descriptor.
fn sleep(for_this: Duration) {
    // An interruption ends it early, and the rest is spun.
    let _slept = ppoll(&mut [], Some(TimeSpec::from_duration(for_this)), None);
}

/// What probes on loopback came to.
#[derive(Default)]
struct Loopback {
    rtt: Distribution,
    user_rtt: Distribution,
    counts: Counts,
}

fn loopback() -> Result<(Loopback, Stamps), ProbeError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut listener = Listener::bind(address, reflector::Options::default())?;
    let (address, remote) = (listener.address(), listener.remote()?);
    let reflecting = std::thread::spawn(move || listener.run());
    let measured = probe(address).and_then(|measured| Ok((measured, stamps(address)?)));
    remote.stop();
    if let Ok(tally) = reflecting.join() {
        tally?;
    }
    measured
}

fn probe(address: SocketAddr) -> Result<Loopback, ProbeError> {
    let stamp = Stamp { session: 1, key: None, length: None, dscp: None, fill: Vec::new(), follow_up: false };
    let plan = Plan { count: Some(TRIES.into()), interval: STEP, wait: PATIENCE, pace: Pace::Schedule };
    let options = Options {
        plan,
        ttl: None,
        dscp: None,
        do_not_fragment: false,
        from: None,
        spin: false,
        format: Format::Ntp,
        seed: 1,
    };
    let mut pinger = Pinger::open(&[Target { address, form: Form::Stamp(stamp) }], &options)?;
    while pinger.run(&[], |_, _, _| Ok::<(), ProbeError>(()))? != Pause::Done {}
    let found = pinger.statistics(0);
    Ok(found.map_or_else(Loopback::default, |of| Loopback {
        rtt: of.rtt().clone(),
        user_rtt: of.user_rtt().clone(),
        counts: of.counts(),
    }))
}

/// Sends until both were stamped. The kernel may turn its stamps on a little after it was asked for them.
fn stamps(address: SocketAddr) -> Result<Stamps, ProbeError> {
    let (socket, _asked) = socket::connected(address, &Sending::default())?;
    let mut found = Stamps::default();
    for _try in 0..TRIES / 10 {
        // Should it not go out, the next one may.
        let _sent = socket.send(&[0; UNAUTHENTICATED_BYTES]);
        // Its stamp comes first, and its answer wakes a second time.
        for _wake in 0..2 {
            let mut waited = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            let _came = ppoll(&mut waited, Some(TimeSpec::from_duration(PATIENCE)), None);
            found.sent |= is_stamped(&socket, MsgFlags::MSG_ERRQUEUE);
            found.received |= is_stamped(&socket, MsgFlags::empty());
        }
        if found.sent && found.received {
            break;
        }
    }
    Ok(found)
}

/// Whether something in this queue has a stamp.
fn is_stamped(socket: &UdpSocket, queue: MsgFlags) -> bool {
    let mut buffer = [0; UNAUTHENTICATED_BYTES];
    let (mut control, mut pieces) = (control_space(), [IoSliceMut::new(&mut buffer)]);
    let flags = queue | MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut control), flags);
    let around = received.ok().and_then(|message| message.cmsgs().map(socket::around).ok());
    around.is_some_and(|around| around.stamp.is_some())
}

/// Interfaces whose device has a clock of PTP.
fn hardware_clocks(interfaces: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(interfaces) else { return Vec::new() };
    let with_clock = entries.flatten().filter(|entry| {
        let clocks = std::fs::read_dir(entry.path().join("device/ptp"));
        clocks.is_ok_and(|mut clocks| clocks.next().is_some())
    });
    let mut names: Vec<String> =
        with_clock.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_found_to_have_clocks_and_a_loopback() {
        let found = SelfTest::run().unwrap();
        assert!(found.resolution.iter().chain(&found.smallest_step).all(Option::is_some), "{found:?}");
        assert_eq!(found.stamps, Stamps { sent: true, received: true }, "every Linux stamps on loopback");
        assert!(found.counts.answered > u64::from(TRIES) / 2, "{found:?}");
        let least = |of: &Distribution| of.quantiles().unwrap().min_ns;
        assert!(least(&found.loopback) <= least(&found.loopback_user));
        assert!(found.spin.quantiles().unwrap().median_ns <= found.sleep.quantiles().unwrap().median_ns);
    }

    #[test]
    fn an_interface_with_a_clock_is_found_by_its_device() {
        let folder = std::env::temp_dir().join(format!("switchboard-interfaces-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("eth1/device/ptp/ptp0")).unwrap();
        std::fs::create_dir_all(folder.join("eth0/device")).unwrap();
        assert_eq!(hardware_clocks(&folder), ["eth1"]);
        std::fs::remove_dir_all(folder).unwrap();
        assert!(hardware_clocks(Path::new("/nowhere")).is_empty());
    }
}
