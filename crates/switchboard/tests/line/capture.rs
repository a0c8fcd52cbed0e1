//! The truth: what a capture at each end of the line saw of the probes and replies. Absent: ping's own words.

use std::collections::BTreeMap;
use std::path::Path;

use crate::guest::{PORT, PROBE_OCTETS};

/// Of a file of tcpdump with stamps of nanoseconds, written on this kind of machine.
const MAGIC: u32 = 0xa1b2_3c4d;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET: usize = 14;
/// IPv4 without options, and UDP.
const IP: usize = 20;
const UDP: usize = 8;
/// Where a reply has the number of the probe (RFC 8762 §4.3.1).
const PROBE_NUMBER: usize = 24;

/// What both captures say together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    /// Probes that left.
    pub(crate) sent: u64,
    /// Of them, those with at least one reply.
    pub(crate) answered: u64,
    /// Probes that did not arrive, of those up to the newest one that was answered.
    pub(crate) lost_up: u64,
    /// Replies that did not come back, of those up to the newest one that did.
    pub(crate) lost_down: u64,
    /// Probes after that one.
    pub(crate) lost_unknown: u64,
    /// Copies of probes that arrived beside the first.
    pub(crate) duplicated_up: u64,
    /// Copies of replies that came back beside the first.
    pub(crate) duplicated_down: u64,
    /// Probes whose answer came after the answer to a later one.
    pub(crate) overtaken: u64,
    /// Of all that was sent, what did not arrive on each way.
    pub(crate) missing_up: u64,
    pub(crate) missing_down: u64,
    /// Means over the first answer to each probe, the reflector's residence removed.
    pub(crate) rtt_mean_ns: f64,
    pub(crate) up_mean_ns: f64,
    pub(crate) down_mean_ns: f64,
    /// By how much the time that the reflector wrote into its replies was before they left.
    pub(crate) written_before_ns: f64,
}

/// A packet where a capture saw it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at_ns: i64,
    /// Of the probe that it is or answers.
    probe: u32,
    /// Of a reply: its own number.
    reply: Option<u32>,
    /// The time that it bears.
    written_ns: i64,
}

impl Truth {
    pub(crate) fn of(near: &Path, far: &Path) -> Self {
        let (near, far) = (read(near), read(far));
        let probes = |seen: &[Seen]| -> Vec<Seen> {
            seen.iter().filter(|seen| seen.reply.is_none()).copied().collect()
        };
        let replies = |seen: &[Seen]| -> Vec<Seen> {
            seen.iter().filter(|seen| seen.reply.is_some()).copied().collect()
        };
        let left: BTreeMap<u32, i64> = probes(&near).iter().map(|seen| (seen.probe, seen.at_ns)).collect();
        let (arrived, answers, returned) = (probes(&far), replies(&far), replies(&near));
        assert_eq!(arrived.len(), answers.len(), "the reflector answered all that reached it");
        // The reflector answers in the order of arrival.
        let reflected: BTreeMap<u32, (i64, i64)> = arrived
            .iter()
            .zip(&answers)
            .map(|(arrived, answer)| {
                assert_eq!(arrived.probe, answer.probe, "an answer to another probe");
                (answer.reply.unwrap(), (arrived.at_ns, answer.at_ns))
            })
            .collect();
        let mut first_copies: BTreeMap<u32, u64> = BTreeMap::new();
        for seen in &returned {
            *first_copies.entry(seen.reply.unwrap()).or_default() += 1;
        }
        let replied = 1 + returned.iter().filter_map(|seen| seen.reply).max().unwrap();
        let probed = 1 + returned.iter().map(|seen| seen.probe).max().unwrap();
        let reached = |probe: u32| arrived.iter().any(|seen| seen.probe == probe);
        let count = |number: usize| u64::try_from(number).unwrap();
        let (different, up_copies) = (count(first_copies.len()), count(arrived.len()));
        let mut truth = Self {
            sent: count(left.len()),
            answered: 0,
            lost_up: count(left.keys().filter(|probe| **probe < probed && !reached(**probe)).count()),
            lost_down: u64::from(replied) - different,
            lost_unknown: count(left.keys().filter(|probe| **probe >= probed).count()),
            duplicated_up: up_copies - count(left.keys().filter(|probe| reached(**probe)).count()),
            duplicated_down: count(returned.len()) - different,
            overtaken: 0,
            missing_up: count(left.keys().filter(|probe| !reached(**probe)).count()),
            missing_down: count(answers.len()) - different,
            rtt_mean_ns: 0.0,
            up_mean_ns: 0.0,
            down_mean_ns: 0.0,
            written_before_ns: mean(
                answers.iter().map(|answer| answer.at_ns - answer.written_ns).sum(),
                answers.len(),
            ),
        };
        truth.follow(&left, &reflected, &returned);
        truth
    }

    /// Follows the first answer to each probe.
    fn follow(
        &mut self,
        left: &BTreeMap<u32, i64>,
        reflected: &BTreeMap<u32, (i64, i64)>,
        returned: &[Seen],
    ) {
        let mut first_answers: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
        for seen in returned {
            if first_answers.contains_key(&seen.probe) {
                continue;
            }
            self.overtaken += u64::from(first_answers.range(seen.probe..).next().is_some());
            let (arrived, answered) = reflected[&seen.reply.unwrap()];
            first_answers.insert(seen.probe, (arrived - left[&seen.probe], seen.at_ns - answered));
        }
        self.answered = u64::try_from(first_answers.len()).unwrap();
        let mean = |total: i64| mean(total, first_answers.len());
        self.up_mean_ns = mean(first_answers.values().map(|(up, _)| up).sum());
        self.down_mean_ns = mean(first_answers.values().map(|(_, down)| down).sum());
        self.rtt_mean_ns = self.up_mean_ns + self.down_mean_ns;
    }
}

#[expect(clippy::cast_precision_loss, reason = "sums of nanoseconds over a few minutes")]
fn mean(total: i64, count: usize) -> f64 {
    total as f64 / count as f64
}

/// Every probe and reply of a capture, in its order.
fn read(file: &Path) -> Vec<Seen> {
    let bytes = std::fs::read(file).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(number(0), MAGIC, "{} is no capture with nanoseconds", file.display());
    let (mut seen, mut at) = (Vec::new(), FILE_HEADER);
    while at < bytes.len() {
        let (seconds, nanos) = (i64::from(number(at)), i64::from(number(at + 4)));
        let length = usize::try_from(number(at + 8)).unwrap();
        let frame = &bytes[at + RECORD_HEADER..at + RECORD_HEADER + length];
        seen.extend(packet(seconds * 1_000_000_000 + nanos, frame));
        at += RECORD_HEADER + length;
    }
    seen
}

/// Of a frame; nothing when it is not of the run, as what is sent to mark its end.
fn packet(at_ns: i64, frame: &[u8]) -> Option<Seen> {
    let udp = frame.get(ETHERNET + IP..)?;
    let short = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let payload = udp.get(UDP..)?;
    if usize::from(short(4)) != UDP + PROBE_OCTETS {
        return None;
    }
    let four = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
    let is_reply = short(0) == PORT;
    let probe = four(if is_reply { PROBE_NUMBER } else { 0 });
    let written_ns = nanos_since_1970(four(4), four(8));
    Some(Seen { at_ns, probe, reply: is_reply.then(|| four(0)), written_ns })
}

/// A time in the format of NTP: seconds since 1900, and parts of a second.
fn nanos_since_1970(seconds: u32, parts: u32) -> i64 {
    let nanos = (u64::from(parts) * 1_000_000_000) >> 32;
    (i64::from(seconds) - 2_208_988_800) * 1_000_000_000 + i64::try_from(nanos).unwrap()
}
