//! What is told beside the file, on standard error: the dialogue with the server when it is asked for, and how far it is.
//! Absent: values of fields that hold secrets.

use std::io::Write as _;

use hyper::header::HeaderMap;
use hyper::{Request, Version};
use indicatif::{ProgressBar, ProgressStyle};

use super::fields::is_secret;
use crate::screen::harmless;

/// Where the dialogue is told, and the bar.
#[derive(Clone, Debug)]
pub struct Dialogue {
    told: bool,
    bar: ProgressBar,
}

impl Dialogue {
    /// Tells the dialogue on standard error; the bar would be torn by it and is hidden.
    #[must_use]
    pub fn told() -> Self {
        Self { told: true, bar: ProgressBar::hidden() }
    }

    /// Tells how far it is on this bar, and nothing else.
    #[must_use]
    pub fn with_bar(bar: ProgressBar) -> Self {
        Self { told: false, bar }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// What the person has to know while it goes on.
    pub(super) fn tell(&self, text: &str) {
        // Without a standard error there is nobody to tell.
        let tell = || drop(writeln!(std::io::stderr().lock(), "switchboard: {}", harmless(text)));
        self.bar.suspend(tell);
    }

    /// The file has `held` bytes and so many are to come, where that is known.
    pub(super) fn begin(&self, held: u64, coming: Option<u64>) {
        self.bar.set_position(held);
        self.bar.reset_eta();
        match coming {
            Some(coming) => self.bar.set_length(held.saturating_add(coming)),
            None => {
                let style = ProgressStyle::with_template("{bytes}, {bytes_per_sec}");
                self.bar.set_style(style.expect("the template is well-formed"));
            }
        }
    }

    /// So many bytes have come.
    pub(super) fn came(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// What this side does.
    pub(super) fn note(&self, text: &str) {
        self.line('*', text);
    }

    pub(super) fn request<B>(&self, request: &Request<B>) {
        let target = request.uri();
        let target = match request.version() == Version::HTTP_2 {
            true => target.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            false => target.to_string(),
        };
        self.line('>', &format!("{} {target} {:?}", request.method(), request.version()));
        self.fields('>', request.headers());
    }

    pub(super) fn answer(&self, first: &str, fields: &HeaderMap) {
        self.line('<', first);
        self.fields('<', fields);
    }

    fn fields(&self, mark: char, fields: &HeaderMap) {
        for (name, value) in fields {
            match is_secret(name) {
                true => self.line(mark, &format!("{name}: (hidden)")),
                false => self.line(mark, &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))),
            }
        }
        self.line(mark, "");
    }

    fn line(&self, mark: char, text: &str) {
        if self.told {
            // Without a standard error there is nobody to tell.
            let _written =
                writeln!(std::io::stderr().lock(), "{}", format!("{mark} {}", harmless(text)).trim_end());
        }
    }
}
