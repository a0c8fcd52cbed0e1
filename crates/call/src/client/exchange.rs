//! One question to the server, from the moment it is to be sent until it is answered: when to send it
//! (again), and what round trip its answer measured. Absent: what the question is.

use crate::limits::SENDING_TIMES_MAX;

/// Where a question stands.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Not to be sent before this time; `None` while an answer is awaited on this connection.
    due_ms: Option<u64>,
    /// On a lossy link: when to send another copy.
    resend_ms: Option<u64>,
    /// Copies since the last answer or connection.
    pub(super) doublings: u32,
    /// Attempt number and time of the latest copies.
    sent: Vec<(u32, u64)>,
}

impl Exchange {
    pub(super) fn due_at(due_ms: u64) -> Self {
        Self { due_ms: Some(due_ms), resend_ms: None, doublings: 0, sent: Vec::new() }
    }

    /// A copy has left.
    pub(super) fn copy_sent(&mut self, attempt: u32, now_ms: u64, resend_ms: Option<u64>) {
        if self.sent.len() == SENDING_TIMES_MAX {
            self.sent.remove(0);
        }
        self.sent.push((attempt, now_ms));
        self.due_ms = None;
        self.resend_ms = resend_ms;
        self.doublings = self.doublings.saturating_add(1);
    }

    /// To be sent (again) from `due_ms` on; the copies before count no more.
    pub(super) fn again_at(&mut self, due_ms: u64) {
        *self = Self::due_at(due_ms);
    }

    /// To be sent again at once because no answer came in time.
    pub(super) fn resend(&mut self, now_ms: u64) {
        self.due_ms = Some(now_ms);
        self.resend_ms = None;
    }

    /// An answer is awaited on this connection.
    pub(super) fn is_awaiting(&self) -> bool {
        self.due_ms.is_none()
    }

    /// To be sent now.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.due_ms.is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// Another copy is to be sent now.
    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.resend_ms.is_some_and(|resend_ms| resend_ms <= now_ms)
    }

    /// When it wants attention next.
    pub(super) fn alarm_ms(&self) -> Option<u64> {
        self.due_ms.or(self.resend_ms)
    }

    /// When the copy with this attempt number left, if only one did: the start of its round trip.
    pub(super) fn sent_at(&self, attempt: u32) -> Option<u64> {
        let mut times = self.sent.iter().filter(|(sent, _)| *sent == attempt).map(|(_, at_ms)| *at_ms);
        let first = times.next();
        if times.next().is_some() { None } else { first }
    }
}
