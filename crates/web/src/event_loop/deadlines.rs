//! Waits that end. All deadlines stand beside each other and are looked at together, ten times a second at most: that is
//! cheaper for a hundred thousand connections than keeping them in order, and a wait may end a tenth of a second late.
//! Absent: what is waited for, which a connection knows.

use h2::Reason;

use super::connection::{Connection, Waits};
use super::serve::Fate;
use super::{Loop, NEVER, millis};
use crate::limits;
use crate::status::Status;

impl Loop {
    pub(super) fn deadline(&self, connection: &Connection, fate: Fate) -> u64 {
        let limits = &self.limits;
        let Fate::Waits(waits) = fate else { return NEVER };
        let (_, since) = connection.waits;
        let most = match waits {
            Waits::Idle => millis(limits.idle_time_max),
            Waits::Handshake => millis(limits.handshake_time_max),
            Waits::Head => millis(limits.head_time_max),
            Waits::Body => millis(limits.body_time_max),
            Waits::Lingering => limits::LINGER_MS_MAX,
            Waits::Settling => return NEVER,
            Waits::Write => {
                let progress = connection.pace().map_or(since, |pace| pace.progress_ms);
                // The rate is looked at now and then as well.
                let stall = progress.saturating_add(millis(limits.write_stall_max));
                return stall.min(self.clock.ms() + limits::RATE_GRACE_MS);
            }
        };
        since.saturating_add(most)
    }

    /// Ends waits that took too long.
    pub(super) fn sweep(&mut self) {
        let now = self.clock.ms();
        if now < self.next_deadline_ms || now < self.swept_ms + limits::SWEEP_MS {
            return;
        }
        self.swept_ms = now;
        self.next_deadline_ms = NEVER;
        for index in 0..self.deadlines.len() {
            if self.deadlines[index] <= now {
                self.expire(index, now);
            }
            self.next_deadline_ms = self.next_deadline_ms.min(self.deadlines[index]);
        }
    }

    fn expire(&mut self, index: usize, now: u64) {
        self.deadlines[index] = NEVER;
        let Some(mut connection) = self.connections[index].connection.take() else { return };
        match connection.waits.0 {
            Waits::Handshake => self.counters.timeout_handshake.one(),
            Waits::Idle => self.counters.timeout_idle.one(),
            what @ (Waits::Head | Waits::Body) => {
                let counter = &self.counters;
                let counter = if what == Waits::Head { &counter.timeout_head } else { &counter.timeout_body };
                counter.one();
                if connection.http2.is_some() {
                    self.part(&mut connection, Reason::ENHANCE_YOUR_CALM);
                } else {
                    self.dismiss(&mut connection, Status::RequestTimeout);
                    let _sent = self.send_out(&mut connection);
                }
            }
            Waits::Write if !self.is_too_slow(&connection, now) => {
                let fate = Fate::Waits(Waits::Write);
                return self.settle(index, connection, fate);
            }
            Waits::Write => {
                self.counters.timeout_write.one();
                self.part(&mut connection, Reason::ENHANCE_YOUR_CALM);
            }
            Waits::Lingering | Waits::Settling => {}
        }
        self.close(index, *connection);
    }

    fn is_too_slow(&self, connection: &Connection, now: u64) -> bool {
        let Some(pace) = connection.pace() else { return true };
        let lasted_ms = now.saturating_sub(pace.since_ms);
        let least = self.limits.write_bytes_per_second_min.saturating_mul(lasted_ms) / 1_000;
        now >= pace.progress_ms.saturating_add(millis(self.limits.write_stall_max))
            || (lasted_ms >= limits::RATE_GRACE_MS && pace.taken < least)
    }
}
