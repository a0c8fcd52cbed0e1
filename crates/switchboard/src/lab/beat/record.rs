//! Records a trace: a real sender, a relay that loses and delays datagrams on purpose, a real receiver, over loopback. What
//! the trace holds of timers and sockets is real; what the relay did to it is known. Absent: files.

use std::collections::BinaryHeap;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::mpsc::{Sender as Telling, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use switchboard_probe::Moment;
use switchboard_probe::beat::{Beat, Key, Kind, PACKET_BYTES};
use switchboard_probe::udp::{Clock, Heart, Run};

use super::trace::{Arrival, Faults, Trace};
use crate::exit::Exit;
use crate::failure::Failure;

/// Longest delay of the relay.
const HELD_MAX: Duration = Duration::from_secs(2);

/// A datagram on its way through the relay; the earliest comes first out of a heap.
type Held = std::cmp::Reverse<(Moment, [u8; PACKET_BYTES])>;

/// Records so many beats; fewer when `stop` can be read first.
pub(crate) fn record(
    beats: u64,
    interval_ms: u32,
    title: &str,
    faults: Faults,
    stop: &(impl AsFd + Sync),
) -> Result<Trace, Failure> {
    let cannot = |error: io::Error| {
        Failure::new(Exit::Unavailable, "cannot record over this machine's loopback").because(error)
    };
    let (relay, receiver) = (loopback().map_err(cannot)?, loopback().map_err(cannot)?);
    let monitor = relay.local_addr().map_err(cannot)?;
    let target = receiver.local_addr().map_err(cannot)?;
    let key = Key::new([1; 32]);
    let run = Run { monitor, host: 1, key: key.clone(), epoch: Some(1), interval_ms };
    let mut heart = Heart::open(&run)?;
    let (tell, received) = channel();
    let sent = std::thread::scope(|threads| -> Result<u64, Failure> {
        let relaying = threads.spawn(move || relay_all(&relay, target, faults));
        let receiving = threads.spawn(move || receive_all(&receiver, &key, &tell));
        let mut sent = 0;
        while sent < beats && heart.beat(stop)?.is_some() {
            sent += 1;
        }
        heart.farewell(switchboard_probe::beat::Farewell::Goodbye)?;
        let ended = [relaying.join(), receiving.join()];
        for thread in ended {
            let thread =
                thread.map_err(|_| Failure::new(Exit::Internal, "the recording ended by a fault"))?;
            thread.map_err(cannot)?;
        }
        Ok(sent)
    })?;
    let beats: Vec<(u64, u64, u64)> = received.into_iter().collect();
    let interval_ns = u64::from(interval_ms) * 1_000_000;
    let arrivals = scheduled(&beats, interval_ns);
    Ok(Trace { title: title.to_owned(), interval_ns, sent: highest(&arrivals).max(sent), arrivals })
}

fn loopback() -> io::Result<UdpSocket> {
    UdpSocket::bind("127.0.0.1:0")
}

/// Until the goodbye: each datagram is lost or held for its delay. The goodbye itself goes at once, behind all others.
fn relay_all(relay: &UdpSocket, target: std::net::SocketAddr, mut faults: Faults) -> io::Result<()> {
    relay.set_nonblocking(true)?;
    let clock = Clock::new();
    let mut held: BinaryHeap<Held> = BinaryHeap::new();
    let mut goodbye: Option<[u8; PACKET_BYTES]> = None;
    let mut packet = [0; PACKET_BYTES];
    loop {
        let now = clock.now();
        while let Some(std::cmp::Reverse((due, packet))) = held.peek() {
            if *due > now {
                break;
            }
            relay.send_to(packet, target)?;
            held.pop();
        }
        if let (true, Some(goodbye)) = (held.is_empty(), &goodbye) {
            relay.send_to(goodbye, target)?;
            return Ok(());
        }
        wait(relay, held.peek().map_or(HELD_MAX, |held| Duration::from_nanos(held.0.0.nanos_since(now))))?;
        match relay.recv(&mut packet) {
            Ok(_) => match Beat::parse(&packet).map(|beat| beat.kind) {
                Some(Kind::Goodbye) => goodbye = Some(packet),
                Some(Kind::Beat | Kind::Pause { .. }) => {
                    let delay = faults.next().map(Duration::from_nanos);
                    held.extend(
                        delay.map(|delay| std::cmp::Reverse((clock.now().plus(delay.min(HELD_MAX)), packet))),
                    );
                }
                None => {}
            },
            Err(error) if is_time_out(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Until something comes or the time is over. The time-out of a socket would be counted in ticks of some milliseconds.
fn wait(relay: &UdpSocket, longest: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(longest).map_err(io::Error::other)?;
    let mut waited = [PollFd::new(relay, PollFlags::IN)];
    match poll(&mut waited, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Until the goodbye: number, time of sending and time of arrival of each true beat.
fn receive_all(receiver: &UdpSocket, key: &Key, tell: &Telling<(u64, u64, u64)>) -> io::Result<()> {
    let clock = Clock::new();
    let mut packet = [0; PACKET_BYTES];
    loop {
        receiver.recv(&mut packet)?;
        let now = clock.wall().nanos();
        let Some(beat) = Beat::parse(&packet).filter(|_| key.verify(&packet)) else { continue };
        match beat.kind {
            Kind::Goodbye => return Ok(()),
            Kind::Beat | Kind::Pause { .. } => {
                // Nobody listens when the recording was given up.
                let _told = tell.send((beat.sequence, beat.stamp.nanos(), now));
            }
        }
    }
}

/// The schedule is that of the beat that was sent with the least delay behind it.
fn scheduled(beats: &[(u64, u64, u64)], interval_ns: u64) -> Vec<Arrival> {
    let starts = beats.iter().map(|(sequence, sent, _)| sent.saturating_sub(sequence * interval_ns));
    let start = starts.min().unwrap_or(0);
    let arrival = |(sequence, sent, came): &(u64, u64, u64)| {
        let late_ns = sent.saturating_sub(start + sequence * interval_ns);
        Trace::place(interval_ns, *sequence, late_ns, came.saturating_sub(*sent))
    };
    beats.iter().map(arrival).collect()
}

fn highest(arrivals: &[Arrival]) -> u64 {
    arrivals.iter().map(|arrival| arrival.sequence + 1).max().unwrap_or(0)
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
