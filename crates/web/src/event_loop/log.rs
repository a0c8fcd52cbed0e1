//! The lines of a loop on their way to the log. Absent: their form, and waiting for who writes them.

use super::Loop;
use super::clock::Clock;
use crate::limits;

impl Loop {
    pub(super) fn end_log_turn(&mut self) {
        let lines = self.batch.len();
        if lines == self.batch_done && self.late.len() == 0 && lines == 0 {
            return;
        }
        if lines > self.batch_done {
            self.batch.took(self.batch_done, Clock::elapsed_us(self.clock.ns()));
        }
        if self.batch_done == 0 {
            self.batch_since_ms = self.clock.ms();
        }
        self.batch.append(&mut self.late);
        self.batch_done = self.batch.len();
        let age = self.clock.ms().saturating_sub(self.batch_since_ms);
        if self.batch_done >= limits::LOG_BATCH_LINES || age >= limits::LOG_BATCH_MS {
            self.hand_over_log();
        }
    }

    pub(super) fn hand_over_log(&mut self) {
        self.batch_done = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.len() > 0
            && let Some(Err(lost)) = self.log.as_ref().map(|log| log.send(batch))
        {
            self.counters.log_dropped.add(u64::try_from(lost).unwrap_or(u64::MAX));
        }
    }
}
