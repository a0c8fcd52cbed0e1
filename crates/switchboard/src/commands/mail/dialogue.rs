//! What is shown of a dialogue while it goes on: its lines, on demand with what they mean, or a bar for a message that takes its time.
//! Absent: secrets, which the lines do not have.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use switchboard_mail::deliver::{Ending, Event, deliver_all};
use switchboard_mail::smtp::{Line, Options};

use super::explain::Explainer;
use super::way::Way;
use crate::failure::Failure;
use crate::screen::{Form, Screen, harmless};

/// Shorter messages are gone before a bar would be read.
const BAR_BYTES_MIN: u64 = 1 << 20;

/// How much of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Lines,
    Explained,
}

/// A dialogue as it is shown.
pub(super) struct Dialogue<'a> {
    screen: &'a Screen,
    shown: Shown,
    explainer: Explainer,
    bar: ProgressBar,
    /// For the one document of JSON.
    lines: Vec<Value>,
}

impl<'a> Dialogue<'a> {
    /// Nothing was said yet. `bytes` is the length of the message.
    pub(super) fn new(screen: &'a Screen, shown: Shown, bytes: u64) -> Self {
        let has_bar = shown == Shown::Nothing && screen.form() == Form::Text && bytes >= BAR_BYTES_MIN;
        let template = "[{bar:30}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        let bar = if has_bar {
            let style = ProgressStyle::with_template(template).expect("the template is well-formed");
            // Hidden by itself where standard error is no terminal.
            ProgressBar::new(bytes).with_style(style.progress_chars("=> "))
        } else {
            ProgressBar::hidden()
        };
        Self { screen, shown, explainer: Explainer::new(), bar, lines: Vec::new() }
    }

    /// Has the dialogue up to where a message would begin. `see` is told each line too.
    pub(super) fn without_message(
        &mut self,
        way: &Way,
        options: Options,
        see: &mut dyn FnMut(&Line),
    ) -> Result<Ending, Failure> {
        let mut on = |event: Event<'_>| {
            if let Event::Line(line) = &event {
                see(line);
            }
            self.see(&event);
        };
        Ok(deliver_all(&way.server, options, &mut || None, &mut on)?)
    }

    /// Another connection is made.
    pub(super) fn begin(&mut self) {
        self.explainer = Explainer::new();
    }

    /// Shows what happens.
    pub(super) fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Line(line) => self.show(line),
            Event::Taken(bytes) => self.bar.set_position(*bytes),
            Event::Report(_) => {}
        }
    }

    /// It is over: what was shown, for JSON.
    pub(super) fn finish(self) -> Option<Value> {
        self.bar.finish_and_clear();
        (self.shown != Shown::Nothing).then_some(Value::Array(self.lines))
    }

    fn show(&mut self, line: &Line) {
        let text = match line {
            Line::Client(text) => format!("C: {}", harmless(text)),
            Line::Server(text) => format!("S: {}", harmless(text)),
            Line::Note(text) => format!("   ({})", harmless(text)),
        };
        let meaning = match self.shown {
            Shown::Nothing => return,
            Shown::Lines => None,
            Shown::Explained => Some(self.explainer.explain(line)),
        };
        match (self.screen.form(), meaning) {
            (Form::Json, None) => self.lines.push(text.into()),
            (Form::Json, Some(meaning)) => self.lines.push(json!({ "line": text, "meaning": meaning })),
            // A reader that has gone does not stop a message that is under way.
            (Form::Text, None) => drop(self.screen.line(&text)),
            (Form::Text, Some(meaning)) => drop(self.screen.line(&format!("{text}\n      {meaning}"))),
        }
    }
}
