//! The story on the screen: numbered events, and every so often the totals. Absent: deciding what happened.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::screen::{Form, Screen, Tone};

/// Lost messages that are told one by one; the others are in the totals.
const LOSSES_TOLD_MAX: u64 = 6;

/// The story so far.
pub(super) struct Story {
    screen: Screen,
    started: Instant,
    events: Vec<Value>,
    losses: u64,
}

impl Story {
    #[expect(clippy::disallowed_methods, reason = "this is the driver of the demonstration")]
    pub(super) fn begin(screen: &Screen) -> Self {
        Self { screen: screen.clone(), started: Instant::now(), events: Vec::new(), losses: 0 }
    }

    /// Time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The next event.
    pub(super) fn tell(&mut self, tone: Tone, text: &str) -> Result<(), Failure> {
        let (number, seconds) = (self.events.len() + 1, self.elapsed().as_secs_f64());
        self.events.push(json!({ "number": number, "seconds": seconds, "text": text }));
        self.line(&format!("{number:>4} {seconds:>6.2} s  {}", self.screen.paint(tone, text)))
    }

    /// A message was lost: the first few are told.
    pub(super) fn loss(&mut self, text: &str) -> Result<(), Failure> {
        self.losses += 1;
        match self.losses {
            1..LOSSES_TOLD_MAX => self.tell(Tone::Faint, text),
            LOSSES_TOLD_MAX => {
                self.tell(Tone::Faint, &format!("{text} (from here on losses are only counted)"))
            }
            _ => Ok(()),
        }
    }

    /// Text beside the numbered events; nothing with JSON.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        match self.screen.form() {
            Form::Text => self.screen.line(text),
            Form::Json => Ok(()),
        }
    }

    /// `text` in its tone.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        self.screen.paint(tone, text)
    }

    /// The whole, for a program.
    pub(super) fn into_json(self, mut summary: Value) -> Value {
        summary["story"] = self.events.into();
        summary
    }
}
