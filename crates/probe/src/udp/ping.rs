//! The prober's driver: one thread, a connected socket for each target, asleep until the nanosecond when the next probe is
//! due or a datagram comes, and awake a little before it is due ([`lead`]). Absent: output; what happens is told by events.

mod lead;

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, recvmsg, send};
use nix::sys::time::TimeSpec;

use super::clock::Clock;
use super::socket::{self, Complaint, ORIGIN_STAMP, Sending, around, control_space};
use crate::error::ProbeError;
use crate::limits::{PACKET_BYTES_MAX, PROBES_REMEMBERED_MAX, STAMP_AGE_NS_MAX};
use crate::prober::form::{Form, Particulars, Reading};
use crate::prober::{Arrived, Outcome, Plan, Prober, Sample, Step, Wait};
use crate::stamp::{ErrorEstimate, Format};
use crate::statistics::Statistics;
use crate::time::{Moment, Timestamp};
use lead::Lead;

/// How often the kernel is asked how good its clock is.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Whom to probe, and in which form.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where its reflector listens.
    pub address: SocketAddr,
    /// What is sent there.
    pub form: Form,
}

/// How to probe.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many probes at which interval, and how long to wait.
    pub plan: Plan,
    /// TTL or hop limit of probes; the system's where absent.
    pub ttl: Option<u8>,
    /// Class of service of probes.
    pub dscp: Option<u8>,
    /// Whether probes may not be cut into fragments.
    pub do_not_fragment: bool,
    /// The address they come from; the system's choice where absent.
    pub from: Option<IpAddr>,
    /// Whether to wait for the due time without sleeping: exact, at the cost of a processor.
    pub spin: bool,
    /// The format of stamps.
    pub format: Format,
    /// Chooses which samples of a long run are kept.
    pub seed: u64,
}

/// Why probing paused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// All is done.
    Done,
    /// The descriptor at this place can be read from.
    Woken(usize),
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A probe was sent.
    Sent {
        /// Its number.
        sequence: u64,
        /// When, by the wall clock.
        at: Timestamp,
    },
    /// A probe was answered in time.
    Answered(Reception),
    /// A probe was answered after its time.
    Late(Reception),
    /// A probe was answered again.
    Duplicate(Reception),
    /// An answer came that cannot be believed: it was changed on its way, or comes from somebody else.
    Corrupt {
        /// The number of the probe.
        sequence: u64,
    },
    /// A probe got no answer in time.
    NoAnswer {
        /// Its number.
        sequence: u64,
        /// Why, where the network said so.
        because: Option<Unreachable>,
    },
}

/// An answer and what it came with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reception {
    /// What it tells.
    pub sample: Sample,
    /// Octets of the answer.
    pub length: usize,
    /// Its TTL or hop limit.
    pub ttl: Option<u8>,
}

/// Why a probe did not reach its target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreachable {
    /// Who said so; the system itself when absent.
    pub from: Option<IpAddr>,
    /// What was said.
    pub kind: io::ErrorKind,
    /// In the words of the system.
    pub text: String,
}

/// The driver.
#[derive(Debug)]
pub struct Pinger {
    lanes: Vec<Lane>,
    clock: Clock,
    lead: Lead,
    /// A moment that was past when last something could be received, and the same when last everything was.
    awake: Moment,
    heard: Moment,
    buffer: Vec<u8>,
}

/// One target.
#[derive(Debug)]
struct Lane {
    socket: UdpSocket,
    form: Form,
    prober: Prober,
    format: Format,
    /// Whether the kernel stamps what is sent, and the sequences of what it has yet to stamp by its own number.
    stamped: bool,
    sent: BTreeMap<u32, u64>,
    next_number: u32,
    complaints: BTreeMap<u64, Unreachable>,
    /// Whether something can be received: an answer, a stamp or a complaint.
    came: bool,
    packet: Vec<u8>,
    error: ErrorEstimate,
    /// When the kernel was asked how good its clock is.
    asked_at: Moment,
}

impl Pinger {
    /// Opens a socket for each target. Their first probes are spread over an interval.
    ///
    /// # Errors
    /// When a socket cannot be had, or there is no way to a target.
    pub fn open(targets: &[Target], options: &Options) -> Result<Self, ProbeError> {
        let clock = Clock::new();
        let sending = Sending {
            ttl: options.ttl,
            dscp: options.dscp,
            do_not_fragment: options.do_not_fragment,
            from: options.from,
        };
        // A sleep may otherwise be prolonged by 50 microseconds, to wake several programs at once.
        let _as_exact_as_can_be = nix::sys::prctl::set_timerslack(1);
        let mut lanes = Vec::new();
        let apart = options.plan.interval / u32::try_from(targets.len().max(1)).unwrap_or(u32::MAX);
        let opened = clock.now();
        let mut start = opened;
        for target in targets {
            let (socket, stamped) = socket::connected(target.address, &sending)?;
            lanes.push(Lane {
                socket,
                form: target.form.clone(),
                prober: Prober::new(options.plan, start, options.seed),
                format: options.format,
                stamped,
                sent: BTreeMap::new(),
                next_number: 0,
                complaints: BTreeMap::new(),
                came: false,
                packet: Vec::new(),
                error: clock.state().estimate(options.format),
                asked_at: clock.now(),
            });
            start = start.plus(apart);
        }
        let lead = if options.spin { Lead::spinning(apart) } else { Lead::sleeping(apart) };
        Ok(Self { lanes, clock, lead, awake: opened, heard: opened, buffer: vec![0; PACKET_BYTES_MAX] })
    }

    /// What was measured of this target.
    #[must_use]
    pub fn statistics(&self, target: usize) -> Option<&Statistics> {
        self.lanes.get(target).map(|lane| lane.prober.statistics())
    }

    /// Probes of this target that might still be answered in time.
    #[must_use]
    pub fn under_way(&self, target: usize) -> u64 {
        self.lanes.get(target).map_or(0, |lane| lane.prober.under_way())
    }

    /// Sends no more and waits for nothing.
    pub fn stop(&mut self) {
        for lane in &mut self.lanes {
            lane.prober.stop();
        }
    }

    /// Probes until all is done, or one of `wakes` can be read from; then it can go on. Tells of each event with the place of
    /// its target.
    ///
    /// # Errors
    /// When the system refuses to wait, or what `tell` says.
    pub fn run<E: From<ProbeError>>(
        &mut self,
        wakes: &[BorrowedFd<'_>],
        mut tell: impl FnMut(usize, &Event, &Statistics) -> Result<(), E>,
    ) -> Result<Pause, E> {
        loop {
            let Some(mut wait) = self.act(&mut tell)? else { return Ok(Pause::Done) };
            if self.watch(&wait) {
                match self.act(&mut tell)? {
                    Some(next) => wait = next,
                    None => return Ok(Pause::Done),
                }
            }
            if let Some(woken) = self.sleep(&wait, wakes)? {
                return Ok(Pause::Woken(woken));
            }
            for (place, lane) in self.lanes.iter_mut().enumerate() {
                let mut told = |event: &Event, statistics: &Statistics| tell(place, event, statistics);
                lane.ask(&self.clock);
                if std::mem::take(&mut lane.came) {
                    lane.receive(&self.clock, &mut self.buffer, &mut told)?;
                }
            }
            self.heard = self.awake;
        }
    }

    /// Does what is due; tells what is waited for, or nothing when all is done.
    fn act<E: From<ProbeError>>(
        &mut self,
        tell: &mut impl FnMut(usize, &Event, &Statistics) -> Result<(), E>,
    ) -> Result<Option<Wait>, E> {
        let mut wait: Option<Wait> = None;
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            let mut told = |event: &Event, statistics: &Statistics| tell(place, event, statistics);
            let next = lane.act(&self.clock, self.heard, &mut told)?;
            wait = wait.into_iter().chain(next).reduce(Wait::earlier);
        }
        Ok(wait)
    }

    /// Looks at nothing but the clock when a probe is almost due: a system call could take longer than is left.
    fn watch(&self, wait: &Wait) -> bool {
        let Some(due) = self.lead.close(wait, self.clock.now()) else { return false };
        while self.clock.now() < due {
            std::hint::spin_loop();
        }
        true
    }

    /// Sleeps until something is to be done, or can be received, which each lane is told; tells which of `wakes` can be read
    /// from.
    fn sleep(&mut self, wait: &Wait, wakes: &[BorrowedFd<'_>]) -> Result<Option<usize>, ProbeError> {
        let begun = self.clock.now();
        let sleep = self.lead.sleep(wait, begun);
        self.awake = begun;
        let mut waited: Vec<PollFd<'_>> =
            wakes.iter().map(|wake| PollFd::new(*wake, PollFlags::POLLIN)).collect();
        waited.extend(self.lanes.iter().map(|lane| PollFd::new(lane.socket.as_fd(), PollFlags::POLLIN)));
        let limit = TimeSpec::from_duration(Duration::from_nanos(sleep));
        match ppoll(&mut waited, Some(limit), None) {
            Ok(0) if sleep > 0 => {
                self.awake = begun.plus_nanos(sleep);
                self.lead.woke(self.clock.now().nanos_since(self.awake));
                Ok(None)
            }
            Ok(_) => {
                // An error says that something is in the error queue: the stamp of what was sent, or a complaint.
                let ready: Vec<bool> = waited.iter().map(|waited| waited.any().unwrap_or(false)).collect();
                let (woken, came) = ready.split_at(wakes.len());
                for (lane, came) in self.lanes.iter_mut().zip(came) {
                    lane.came = *came;
                }
                Ok(woken.iter().position(|woken| *woken))
            }
            Err(nix::Error::EINTR) => Ok(None),
            Err(error) => Err(ProbeError::System { action: "wait for answers", source: error.into() }),
        }
    }
}

type Tell<'a, E> = &'a mut dyn FnMut(&Event, &Statistics) -> Result<(), E>;

impl Lane {
    /// Does what is due; returns what is waited for, or nothing when all is done.
    fn act<E>(&mut self, clock: &Clock, heard: Moment, tell: Tell<'_, E>) -> Result<Option<Wait>, E> {
        loop {
            match self.prober.poll(clock.now(), heard) {
                Step::Send { sequence, due } => {
                    let at = self.send(clock, sequence, due);
                    tell(&Event::Sent { sequence, at }, self.prober.statistics())?;
                }
                Step::NoAnswer { sequence } => {
                    let because = self.complaints.remove(&sequence);
                    tell(&Event::NoAnswer { sequence, because }, self.prober.statistics())?;
                }
                Step::Wait(wait) => return Ok(Some(wait)),
                Step::Done => return Ok(None),
            }
        }
    }

    fn send(&mut self, clock: &Clock, sequence: u64, due: Moment) -> Timestamp {
        let (mut at, mut wall, mut sent) = self.hand_over(clock, sequence);
        // The second try is for an error that an earlier probe left behind: it is told once, and not about this one.
        if matches!(sent, Err(nix::Error::ECONNREFUSED | nix::Error::EHOSTUNREACH)) {
            (at, wall, sent) = self.hand_over(clock, sequence);
        }
        self.prober.sent(sequence, at, wall, due);
        match sent {
            Ok(_) if self.stamped => {
                if self.sent.len() >= PROBES_REMEMBERED_MAX {
                    self.sent.pop_first();
                }
                self.sent.insert(self.next_number, sequence);
                self.next_number = self.next_number.wrapping_add(1);
            }
            Ok(_) => {}
            Err(error) => self.complain(sequence, None, error),
        }
        wall
    }

    fn hand_over(&mut self, clock: &Clock, sequence: u64) -> (Moment, Timestamp, nix::Result<usize>) {
        let (at, wall) = (clock.now(), clock.wall());
        self.form.write(&Particulars { sequence, sent: wall, error: self.error }, &mut self.packet);
        (at, wall, send(self.socket.as_raw_fd(), &self.packet, MsgFlags::MSG_DONTWAIT))
    }

    /// Asks the kernel how good the clock is, again and again.
    fn ask(&mut self, clock: &Clock) {
        let now = clock.now();
        if now >= self.asked_at.plus(ASK_AGAIN) {
            self.error = clock.state().estimate(self.format);
            self.asked_at = now;
        }
    }

    /// Takes everything that has come: first stamps, which the answers need.
    fn receive<E>(&mut self, clock: &Clock, buffer: &mut [u8], tell: Tell<'_, E>) -> Result<(), E> {
        self.empty_error_queue(clock, buffer);
        let mut control = control_space();
        loop {
            let mut pieces = [IoSliceMut::new(buffer)];
            let received = recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut pieces,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            let (length, around) = match received {
                Ok(message) => (message.bytes, message.cmsgs().map(around).unwrap_or_default()),
                Err(nix::Error::EAGAIN) => return Ok(()),
                // Told by the error queue, or of no consequence: the probe will be without an answer.
                Err(_) => {
                    self.empty_error_queue(clock, buffer);
                    continue;
                }
            };
            let (at, wall) = (clock.now(), clock.wall());
            let answer = match self.form.read(buffer.get(..length).unwrap_or_default()) {
                Reading::Answer(answer) => answer,
                Reading::Damaged { sequence } => {
                    if let Outcome::Corrupt { sequence } = self.prober.damaged(sequence) {
                        tell(&Event::Corrupt { sequence }, self.prober.statistics())?;
                    }
                    continue;
                }
                Reading::Foreign => continue,
            };
            let stamp = around.stamp.filter(|stamp| near(*stamp, wall));
            let arrived = Arrived {
                sequence: answer.sequence,
                at,
                received: stamp.unwrap_or(wall),
                kernel: stamp.is_some(),
                echo: answer.echo,
                reflected: answer.reflected,
            };
            let reception = |sample| Reception { sample, length, ttl: around.ttl };
            let event = match self.prober.answered(&arrived) {
                Outcome::Answered(sample) => Event::Answered(reception(sample)),
                Outcome::Late(sample) => Event::Late(reception(sample)),
                Outcome::Duplicate(sample) => Event::Duplicate(reception(sample)),
                Outcome::Corrupt { sequence } => Event::Corrupt { sequence },
                Outcome::Unknown => continue,
            };
            tell(&event, self.prober.statistics())?;
        }
    }

    fn empty_error_queue(&mut self, clock: &Clock, buffer: &mut [u8]) {
        let mut control = control_space();
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        loop {
            let mut pieces = [IoSliceMut::new(buffer)];
            let (length, around) =
                match recvmsg::<()>(self.socket.as_raw_fd(), &mut pieces, Some(&mut control), flags) {
                    Ok(message) => (message.bytes, message.cmsgs().map(around).unwrap_or_default()),
                    Err(_) => return,
                };
            let Some(complaint) = around.complaint else { continue };
            if complaint.origin == ORIGIN_STAMP {
                let sequence = self.sent.remove(&complaint.number);
                if complaint.number >= self.next_number {
                    // Some systems count a probe that could not be sent: from here on, count as they do.
                    self.next_number = complaint.number.wrapping_add(1);
                    self.sent.clear();
                }
                let stamp = around.stamp.filter(|stamp| near(*stamp, clock.wall()));
                if let (Some(sequence), Some(stamp)) = (sequence, stamp) {
                    self.prober.kernel_sent(sequence, stamp);
                }
            } else if let Some(packet) = buffer.get(..length) {
                self.complain_about(packet, &complaint);
            }
        }
    }

    /// The network sent a probe back, or its beginning, with the reason.
    fn complain_about(&mut self, packet: &[u8], complaint: &Complaint) {
        let sequence = match &self.form {
            Form::Stamp(_) => packet.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
            Form::Text => match self.form.read(packet) {
                Reading::Answer(answer) => Some(answer.sequence),
                Reading::Damaged { .. } | Reading::Foreign => None,
            },
        };
        let sequence = sequence.and_then(|low| self.prober.whole_sequence(low));
        let errno = i32::try_from(complaint.errno).map_or(nix::Error::UnknownErrno, nix::Error::from_raw);
        if let Some(sequence) = sequence {
            self.complain(sequence, complaint.from, errno);
        }
    }

    fn complain(&mut self, sequence: u64, from: Option<IpAddr>, errno: nix::Error) {
        if self.complaints.len() >= PROBES_REMEMBERED_MAX {
            self.complaints.pop_first();
        }
        let kind = io::Error::from(errno).kind();
        self.complaints.insert(sequence, Unreachable { from, kind, text: errno.desc().to_owned() });
    }
}

/// Whether a kernel stamp belongs to the clock as it is now: a clock that was set in between would falsify all.
fn near(stamp: Timestamp, wall: Timestamp) -> bool {
    wall.nanos_since(stamp).unsigned_abs() < STAMP_AGE_NS_MAX
}
