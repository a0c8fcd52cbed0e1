//! The addresses of a header field (RFC 5322 section 3.4): lists, groups, comments, quoted names and, as section 4.4 asks, routes and empty
//! elements. A list that is not one is refused rather than guessed at, since mail would go to somebody else.
//!
//! Absent: display names; who reads a message decodes them.

use std::str::FromStr as _;

use super::Address;
use crate::MailError;
use crate::limits::RECIPIENTS_MAX;

/// Every address that the unfolded value of a field names, those in groups too.
///
/// # Errors
/// When the value is not a list of addresses, or one of more than [`RECIPIENTS_MAX`].
pub fn addresses(value: &str) -> Result<Vec<Address>, MailError> {
    let shortened = || value.chars().take(100).collect();
    let texts = elements(value).map_err(|why| MailError::Address { text: shortened(), why })?;
    if texts.len() > RECIPIENTS_MAX {
        return Err(MailError::Bound {
            what: "a field has",
            bound: format!("more than {RECIPIENTS_MAX} addresses"),
            advice: "send it in several parts",
        });
    }
    texts.iter().map(|text| Address::from_str(text)).collect()
}

/// The addresses as texts without names, comments and routes.
fn elements(value: &str) -> Result<Vec<String>, &'static str> {
    let mut reader =
        Reader { rest: value, found: Vec::new(), words: String::new(), angle: None, in_group: false };
    while let Some(character) = reader.rest.chars().next() {
        let after = &reader.rest[character.len_utf8()..];
        match character {
            '(' => reader.rest = after_comment(reader.rest)?,
            '"' | '[' => {
                let length = quoted_length(reader.rest)?;
                let (quoted, rest) = reader.rest.split_at(length);
                reader.words.push_str(quoted);
                reader.rest = rest;
                continue;
            }
            '<' => {
                reader.angle(after)?;
                continue;
            }
            ',' => reader.finish()?,
            ':' if !reader.in_group && reader.angle.is_none() => {
                reader.words.clear();
                reader.in_group = true;
            }
            ';' if reader.in_group => {
                reader.finish()?;
                reader.in_group = false;
                if !after.trim_start().is_empty() && !after.trim_start().starts_with([',', '(']) {
                    return Err("a comma is missing after a group");
                }
            }
            '>' | ')' | ']' | ':' | ';' => return Err("a character stands where it means nothing"),
            '\r' | '\n' | '\0' => return Err("there is a line break or a NUL in it"),
            _ => reader.words.push(character),
        }
        if character == '(' {
            // A comment is a space (section 3.2.2).
            reader.words.push(' ');
        } else {
            reader.rest = after;
        }
    }
    if reader.in_group {
        return Err("a group has no end");
    }
    reader.finish()?;
    Ok(reader.found)
}

struct Reader<'a> {
    rest: &'a str,
    found: Vec<String>,
    /// What stands outside angle brackets.
    words: String,
    angle: Option<String>,
    in_group: bool,
}

impl<'a> Reader<'a> {
    /// Reads what stands between angle brackets.
    fn angle(&mut self, inner: &'a str) -> Result<(), &'static str> {
        if self.angle.is_some() {
            return Err("a comma is missing between two addresses");
        }
        let mut text = String::new();
        let mut rest = inner;
        loop {
            let character = rest.chars().next().ok_or("the closing > is missing")?;
            match character {
                '>' => break,
                '(' => rest = after_comment(rest)?,
                '"' | '[' => {
                    let (quoted, after) = rest.split_at(quoted_length(rest)?);
                    text.push_str(quoted);
                    rest = after;
                }
                '\r' | '\n' | '\0' => return Err("there is a line break or a NUL in it"),
                _ => {
                    text.push(character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
        // A route names relays, which are not asked any more (RFC 5321 appendix F.2).
        let text = match text.trim_start().strip_prefix('@') {
            Some(route) => route.split_once(':').ok_or("a route has no end")?.1.to_owned(),
            None => text,
        };
        self.angle = Some(text);
        self.words.clear();
        self.rest = &rest[1..];
        Ok(())
    }

    /// An element ends here.
    fn finish(&mut self) -> Result<(), &'static str> {
        let words = std::mem::take(&mut self.words);
        let text = match self.angle.take() {
            Some(_) if !words.trim().is_empty() => return Err("a comma is missing between two addresses"),
            Some(text) => text,
            None if words.trim().is_empty() => return Ok(()),
            None => words,
        };
        self.found.push(without_space_about_at(text.trim()));
        Ok(())
    }
}

/// What follows a comment; comments nest.
fn after_comment(text: &str) -> Result<&str, &'static str> {
    let mut depth = 0_usize;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return Ok(&text[at + 1..]),
            ')' => depth -= 1,
            '\\' => _ = characters.next(),
            _ => {}
        }
    }
    Err("a comment has no end")
}

/// The length of a quoted string or of a domain literal.
fn quoted_length(text: &str) -> Result<usize, &'static str> {
    let end = if text.starts_with('"') { '"' } else { ']' };
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => _ = characters.next(),
            _ if character == end => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a quote or a bracket has no end")
}

/// Comments and spaces may stand on both sides of the `@` (section 3.4.1).
fn without_space_about_at(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", local.trim_end(), domain.trim_start()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Vec<String> {
        addresses(value).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_of_every_form_are_read() {
        let rows: [(&str, &[&str]); 16] = [
            ("", &[]),
            (" , ,", &[]),
            ("a@b.example", &["a@b.example"]),
            ("a@b.example, c@d.example", &["a@b.example", "c@d.example"]),
            ("Ada <a@b.example>", &["a@b.example"]),
            ("\"A, \\\"B\\\" <x@y>\" <a@b.example>,<c@d.example>", &["a@b.example", "c@d.example"]),
            ("a@b.example (Ada (the (first)) \\) <x@y>)", &["a@b.example"]),
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &["pete@silly.test"]),
            (
                "A Group:Ed <ed@example.org>,joe@where.test,John <jdoe@one.test>;",
                &["ed@example.org", "joe@where.test", "jdoe@one.test"],
            ),
            ("Undisclosed recipients:;", &[]),
            ("friends: a@b.example; , c@d.example", &["a@b.example", "c@d.example"]),
            ("<@relay.example,@other.example:a@b.example>", &["a@b.example"]),
            ("a @ b.example", &["a@b.example"]),
            ("\"a b\"@b.example", &["\"a b\"@b.example"]),
            ("=?UTF-8?Q?=C3=84?= <ä@bücher.example>", &["ä@bücher.example"]),
            ("x@[192.0.2.1]", &["x@[192.0.2.1]"]),
        ];
        for (value, expected) in rows {
            assert_eq!(read(value), expected, "{value:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let rows = [
            "a@b.example c@d.example",
            "<a@b.example> <c@d.example>",
            "<a@b.example> Ada",
            "a b@c.example",
            "Ada <a@b.example",
            "a@b.example>",
            "friends: a@b.example",
            "friends: a@b.example; c@d.example",
            "a@b.example (never ends",
            "\"a@b.example",
            "a:b:c@d.example;",
            "a@b.example;",
            "a\r\nBcc: c@d.example",
        ];
        for value in rows {
            assert!(addresses(value).is_err(), "{value:?}: {:?}", addresses(value));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_somebody_elses_parser_reads_too(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[a-z]{1,5}@[a-z]{1,5}\\.example",
                    "[A-Z][a-z]{1,4} <[a-z]{1,5}@[a-z]{1,5}\\.example>",
                    "\"[a-z,:;<]{1,5}\" <[a-z]{1,5}@[a-z]{1,5}\\.example>",
                ],
                1..5,
            ),
        ) {
            let value = parts.join(", ");
            let message = format!("To: {value}\r\n\r\n");
            let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
            let expected: Vec<_> =
                parsed.to().unwrap().iter().map(|one| one.address().unwrap().to_owned()).collect();
            prop_assert_eq!(read(&value), expected);
        }

        #[test]
        fn no_value_panics(value in "[a@b.<>,:;\"()\\\\ \\[\\]é\r\n]{0,24}") {
            let _read = addresses(&value);
        }
    }
}
