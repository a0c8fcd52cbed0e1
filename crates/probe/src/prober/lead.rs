//! The reflector's lead: how long before a reply left the reflector wrote T3 into it. No program can write a later time, so the
//! lead is part of each round trip; by follow-up telemetry (RFC 8972 §4.7) the next reply tells when the one before left.

use std::collections::VecDeque;

use super::{Reflected, Sample};
use crate::limits::LEADS_REMEMBERED_MAX;
use crate::time::Timestamp;

/// When a reply left, as a later one tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// The reflector's number of the reply.
    pub sequence: u32,
    /// By the reflector's clock.
    pub at: Timestamp,
}

/// Replies that no other has told about yet.
#[derive(Debug, Default)]
pub(super) struct Leads {
    replies: VecDeque<(Reflected, u64)>,
}

impl Leads {
    /// Takes the first answer to a probe; returns the lead of an earlier one, in nanoseconds, when this one tells it and it can be
    /// believed: no reply leaves before its time or after it came.
    pub(super) fn answered(&mut self, sample: &Sample) -> Option<u64> {
        let reflected = sample.reflected?;
        let lead_ns = reflected.previous.and_then(|left| {
            let place = self.replies.iter().position(|(reply, _)| reply.sequence == left.sequence)?;
            let (reply, rtt_ns) = self.replies.remove(place)?;
            u64::try_from(left.at.nanos_since(reply.sent)).ok().filter(|lead_ns| *lead_ns <= rtt_ns)
        });
        if self.replies.len() >= LEADS_REMEMBERED_MAX {
            self.replies.pop_front();
        }
        self.replies.push_back((reflected, sample.rtt_ns));
        lead_ns
    }
}
