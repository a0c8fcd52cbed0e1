//! Header fields: folded, with encoded words where a value is not plain ASCII (RFC 2047), parameters as RFC 2231 has them.
//!
//! *Promises* that whatever a value is, it stays within its field: what is written is printable, ASCII but for addresses that are not, and a
//! line break is always followed by a space.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::address::{Mailbox, is_atext};
use crate::limits::HEADER_LINE_BYTES;

/// Characters of one encoded word (RFC 2047 section 2).
const ENCODED_WORD_MAX: usize = 75;
/// A word of a plain value longer than this is encoded, so that lines stay short.
const PLAIN_WORD_MAX: usize = 60;
/// Characters of one piece of a long parameter (RFC 2231 section 3).
const PARAMETER_PIECE_MAX: usize = 54;

/// Fields as they are written, one below the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    written: Vec<u8>,
}

impl Fields {
    /// A field whose value is the program's own ASCII.
    pub(super) fn plain(&mut self, name: &str, value: &str) {
        debug_assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{value:?} is not plain");
        self.folded(name, value.split(' ').map(str::to_owned));
    }

    /// A field of free text (RFC 5322 section 2.2.1).
    pub(super) fn text(&mut self, name: &str, value: &str) {
        if is_plain_text(value) {
            self.folded(name, value.split(' ').map(str::to_owned));
        } else {
            self.folded(name, encoded_words(value, name.len() + 2).into_iter());
        }
    }

    /// A field of addresses; without any there is no field.
    pub(super) fn mailboxes(&mut self, name: &str, mailboxes: &[Mailbox]) {
        let mut words = Vec::new();
        for (at, mailbox) in mailboxes.iter().enumerate() {
            let comma = if at + 1 == mailboxes.len() { "" } else { "," };
            match mailbox.name() {
                Some(display) => {
                    words.extend(phrase(display, name.len() + 2));
                    words.push(format!("<{}>{comma}", mailbox.address()));
                }
                None => words.push(format!("{}{comma}", mailbox.address())),
            }
        }
        if !words.is_empty() {
            self.folded(name, words.into_iter());
        }
    }

    /// A field with a parameter that may hold any text.
    pub(super) fn with_parameter(&mut self, name: &str, value: &str, parameter: &str, text: &str) {
        let mut words = vec![format!("{value};")];
        words.extend(parameters(parameter, text));
        self.folded(name, words.into_iter());
    }

    /// The header with the empty line that ends it.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.written.extend_from_slice(b"\r\n");
        self.written
    }

    /// Writes the words with a space before each, which becomes a fold where the line would be too long.
    fn folded(&mut self, name: &str, words: impl Iterator<Item = String>) {
        self.written.extend_from_slice(name.as_bytes());
        self.written.push(b':');
        let mut width = name.len() + 1;
        for (at, word) in words.enumerate() {
            if word.is_empty() {
                continue;
            }
            // A fold before the first would leave an empty first line.
            if at > 0 && width + 1 + word.len() > HEADER_LINE_BYTES {
                self.written.extend_from_slice(b"\r\n");
                width = 0;
            }
            self.written.push(b' ');
            self.written.extend_from_slice(word.as_bytes());
            width += 1 + word.len();
        }
        self.written.extend_from_slice(b"\r\n");
    }
}

fn is_plain_text(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !value.contains("=?")
        && !value.contains("  ")
        && !value.starts_with(' ')
        && !value.ends_with(' ')
        && value.split(' ').all(|word| word.len() <= PLAIN_WORD_MAX)
}

/// A display name: words, a quoted string, or encoded words.
fn phrase(name: &str, used: usize) -> Vec<String> {
    if is_plain_text(name) && name.bytes().all(|byte| is_atext(byte) || byte == b' ') {
        return name.split(' ').map(str::to_owned).collect();
    }
    if is_plain_text(name) && name.len() <= PLAIN_WORD_MAX {
        return vec![format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))];
    }
    encoded_words(name, used)
}

/// `text` as encoded words, none of which cuts a character; `used` characters stand before the first.
fn encoded_words(text: &str, used: usize) -> Vec<String> {
    let quoted: usize = text.bytes().map(quoted_length).sum();
    let style = if quoted <= text.len().div_ceil(3) * 4 { Style::Quoted } else { Style::Base64 };
    let mut words = Vec::new();
    let mut piece = String::new();
    for character in text.chars() {
        let room = if words.is_empty() { ENCODED_WORD_MAX - used.min(40) } else { ENCODED_WORD_MAX };
        let longer = format!("{piece}{character}");
        if style.word(&longer).len() > room && !piece.is_empty() {
            words.push(style.word(&piece));
            piece = String::from(character);
        } else {
            piece = longer;
        }
    }
    if !piece.is_empty() {
        words.push(style.word(&piece));
    }
    words
}

#[derive(Clone, Copy)]
enum Style {
    Quoted,
    Base64,
}

impl Style {
    fn word(self, text: &str) -> String {
        match self {
            Self::Quoted => {
                let mut word = "=?UTF-8?Q?".to_owned();
                for byte in text.bytes() {
                    match byte {
                        b' ' => word.push('_'),
                        _ if quoted_length(byte) == 1 => word.push(char::from(byte)),
                        _ => word.push_str(&format!("={byte:02X}")),
                    }
                }
                word + "?="
            }
            Self::Base64 => format!("=?UTF-8?B?{}?=", STANDARD.encode(text)),
        }
    }
}

/// Only what may stand in the encoded word of a phrase stands as it is (RFC 2047 section 5, rule 3).
fn quoted_length(byte: u8) -> usize {
    if byte.is_ascii_alphanumeric() || b" !*+-/".contains(&byte) { 1 } else { 3 }
}

/// A parameter in one piece where it is short and plain, else by its bytes, in as many pieces as it takes.
fn parameters(name: &str, text: &str) -> Vec<String> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && text.len() <= PLAIN_WORD_MAX {
        return vec![format!("{name}=\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))];
    }
    let mut pieces = vec![String::new()];
    // No character is cut: some readers decode each piece for itself.
    for character in text.chars() {
        let written = if character.is_ascii_alphanumeric() || "-._~".contains(character) {
            character.to_string()
        } else {
            character.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
        };
        let last = pieces.last_mut().expect("it began with one");
        if last.len() + written.len() > PARAMETER_PIECE_MAX {
            pieces.push(written);
        } else {
            last.push_str(&written);
        }
    }
    match pieces.as_slice() {
        [one] => vec![format!("{name}*=UTF-8''{one}")],
        many => {
            let last = many.len() - 1;
            let numbered = many.iter().enumerate().map(|(at, piece)| {
                let charset = if at == 0 { "UTF-8''" } else { "" };
                let semicolon = if at == last { "" } else { ";" };
                format!("{name}*{at}*={charset}{piece}{semicolon}")
            });
            numbered.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(value: &str) -> String {
        let mut fields = Fields::default();
        fields.text("Subject", value);
        String::from_utf8(fields.written).unwrap()
    }

    #[test]
    fn a_subject_is_plain_where_it_can_be() {
        assert_eq!(subject("hello world"), "Subject: hello world\r\n");
        assert_eq!(subject("Ein schöner Tag"), "Subject: =?UTF-8?Q?Ein_sch=C3=B6ner_Tag?=\r\n");
        assert_eq!(subject("你好世界"), "Subject: =?UTF-8?B?5L2g5aW95LiW55WM?=\r\n");
        assert_eq!(subject("=?UTF-8?Q?x?="), "Subject: =?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=\r\n");
        assert_eq!(subject(""), "Subject:\r\n");
    }

    #[test]
    fn long_values_are_folded() {
        for value in
            ["word ".repeat(100).trim_end().to_owned(), "x".repeat(5000), "爱".repeat(500), "é ".repeat(99)]
        {
            let field = subject(&value);
            for line in field.trim_end().split("\r\n") {
                assert!(line.len() <= 78 && !line.trim().is_empty(), "{line:?}");
            }
            assert!(field.trim_end().split("\r\n").skip(1).all(|line| line.starts_with(' ')));
        }
    }

    #[test]
    fn names_of_files_are_told_whole() {
        assert_eq!(parameters("filename", "a b.txt"), ["filename=\"a b.txt\""]);
        assert_eq!(parameters("filename", "a\"b\\.txt"), ["filename=\"a\\\"b\\\\.txt\""]);
        assert_eq!(parameters("filename", "ü.txt"), ["filename*=UTF-8''%C3%BC.txt"]);
        let long = parameters("filename", &"ü".repeat(20));
        assert!(
            long.len() > 1 && long[0].starts_with("filename*0*=UTF-8''") && long[0].ends_with(';'),
            "{long:?}"
        );
    }

    #[test]
    fn names_of_people_are_words_quotes_or_encoded() {
        assert_eq!(phrase("Ada Lovelace", 4), ["Ada", "Lovelace"]);
        assert_eq!(phrase("Lovelace, Ada", 4), ["\"Lovelace, Ada\""]);
        assert_eq!(phrase("J. \"X\" Y", 4), ["\"J. \\\"X\\\" Y\""]);
        assert_eq!(phrase("Ædá", 4), ["=?UTF-8?B?w4Zkw6E=?="]);
    }
}
