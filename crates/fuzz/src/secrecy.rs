//! An error text tells what is wrong without repeating the bytes in which it is: they may be secret, and they may
//! steer a terminal.

use std::error::Error;

/// Longest error text, with its causes, in bytes.
const TEXT_BYTES_MAX: usize = 600;

/// A run of so many letters and digits is a quotation: the words of our messages, and a currency that is none, are shorter.
const QUOTATION_BYTES: usize = 20;

/// The error and its causes in one line.
pub(crate) fn whole_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Demands that the text is of bounded length and quotes nothing of `body`.
pub(crate) fn check(error: &dyn Error, body: &[u8]) {
    let text = whole_text(error);
    assert!(!text.is_empty() && text.len() <= TEXT_BYTES_MAX, "an error text of {} bytes", text.len());
    let quoted = body
        .windows(QUOTATION_BYTES)
        .filter(|window| window.iter().all(u8::is_ascii_alphanumeric))
        .find(|window| text.as_bytes().windows(QUOTATION_BYTES).any(|shown| shown == *window));
    assert!(quoted.is_none(), "the error text repeats what was sent: {text}");
}
