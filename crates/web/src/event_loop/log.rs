//! The lines of a loop on their way to the log. Absent: their form, and waiting for who writes them.

use super::Loop;
use super::clock::Clock;

impl Loop {
    /// Makes lines of what was noted, and hands them over when that is due.
    pub(super) fn end_log_turn(&mut self) {
        let Some(log) = &mut self.log else { return };
        if !log.is_empty() {
            log.end_turn(self.clock.ms(), Clock::elapsed_us(self.clock.ns()));
        }
        if log.due_ms().is_some_and(|due| due <= self.clock.ms()) {
            self.hand_over_log();
        }
    }

    /// Makes lines in the middle of a turn in which much was noted.
    pub(super) fn relieve_log(&mut self) {
        if self.log.as_ref().is_some_and(|log| log.is_full()) {
            self.end_log_turn();
        }
    }

    pub(super) fn hand_over_log(&mut self) {
        if let Some(Err(lost)) = self.log.as_mut().map(|log| log.hand_over()) {
            self.counters.log_dropped.add(u64::try_from(lost).unwrap_or(u64::MAX));
        }
    }
}
