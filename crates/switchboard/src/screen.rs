//! What the person or the program sees: answers on standard output, notices on standard error, either as aligned text or as
//! one JSON document. Text from elsewhere (owners, memos, greetings) cannot steer the terminal. Absent: what is said.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::exit::Exit;
use crate::failure::{Failure, told};

/// The form of answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// Standard output and standard error of one run.
#[derive(Clone, Debug)]
pub struct Screen {
    form: Form,
    verbose: bool,
    colours: bool,
}

/// What a piece of text is, and so how it looks on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// Of less weight.
    Faint,
    /// As it should be.
    Good,
    /// Out of the ordinary.
    Warning,
    /// As it should not be.
    Bad,
}

impl Screen {
    /// A screen of this form; colours only on a terminal, and not when `NO_COLOR` (no-color.org) or `TERM=dumb` says so.
    #[must_use]
    pub fn new(form: Form, verbose: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = form == Form::Text && io::stdout().is_terminal() && !set("NO_COLOR") && !dumb;
        Self { form, verbose, colours }
    }

    /// The form of answers.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether the person asked for more.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Shows an answer: `text` to a person, `json` to a program.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn answer(&self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.form {
            Form::Text => self.line(&text()),
            Form::Json => self.line(&json().to_string()),
        }
    }

    /// Writes one line to standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
    }

    /// Writes text as it is to standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn raw(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Tells the person something beside the answer.
    pub fn notice(&self, text: &str) {
        // Without a standard error there is nobody to tell.
        let _written = writeln!(io::stderr().lock(), "switchboard: {text}");
    }

    /// Tells why a command failed and gives the exit code. With JSON, the failure is the one document on standard output.
    pub fn failed(&self, failure: &Failure) -> Exit {
        match self.form {
            Form::Text => self.notice(&told(failure)),
            Form::Json => {
                let _written = self.line(&failure.to_json().to_string());
            }
        }
        failure.exit()
    }

    /// `text` in its tone, where there are colours.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "1;31",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A reader that has seen enough (`| head`) is no failure: what was to be done is done.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::InputOutput, "cannot write the answer to standard output").because(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `text` with everything that could steer a terminal or break a line made visible.
#[must_use]
pub fn harmless(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Aligned columns with a heading, without a final line end. Widths count characters.
#[must_use]
pub fn table<const N: usize>(columns: [(&str, Side); N], rows: &[[String; N]]) -> String {
    let headings = columns.map(|(heading, _)| heading.to_owned());
    let lines = || std::iter::once(&headings).chain(rows);
    let mut widths = [0; N];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines() {
        let mut drawn = String::new();
        for ((cell, width), (_, side)) in line.iter().zip(widths).zip(columns) {
            match side {
                Side::Left => drawn.push_str(&format!("{cell:<width$}  ")),
                Side::Right => drawn.push_str(&format!("{cell:>width$}  ")),
            }
        }
        text.push_str(drawn.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_their_side() {
        let rows = [["7".to_owned(), "20.00 EUR".to_owned()], ["12".to_owned(), "1234.50 EUR".to_owned()]];
        let drawn = table([("account", Side::Left), ("balance", Side::Right)], &rows);
        expect_test::expect![[r"
            account      balance
            7          20.00 EUR
            12       1234.50 EUR"]]
        .assert_eq(&drawn);
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[31mb\nc\u{202e}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(harmless("Ünïcode 漢"), "Ünïcode 漢");
    }
}
