//! Mail addresses as far as a submission client needs them: what goes into MAIL and RCPT (RFC 5321 section 4.1.2) and, with a display
//! name, into the address fields of a header (RFC 5322 section 3.4).
//!
//! A domain beyond ASCII becomes A-labels (RFC 5891), so that every server takes it. An address whose local part is beyond ASCII needs
//! SMTPUTF8 (RFC 6531), and is written as it is spelled, its domain too.
//!
//! *Promises* that an [`Address`] which exists is printable, without CR, LF, NUL, control characters and, outside quotes, without spaces or
//! angle brackets, so that it can be written into a command as it stands. *Absent:* comments, groups and routes in what a person
//! types; [`list`] reads them in a header.

pub mod list;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::MailError;
use crate::limits::{ADDRESS_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX};

/// `local@domain`, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

/// An address with the name of who is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: Address,
}

impl Address {
    /// The part after the `@`, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether a server without SMTPUTF8 can take it.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }

    /// The domain as people write it, where the address is beyond ASCII anyway.
    fn spelled_domain(&self) -> Option<String> {
        if self.is_ascii() {
            return None;
        }
        let (spelled, problem) = idna::domain_to_unicode(&self.domain);
        let is_same = idna::domain_to_ascii_strict(&spelled).is_ok_and(|ascii| ascii == self.domain);
        (problem.is_ok() && is_same).then_some(spelled)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@", self.local)?;
        match self.spelled_domain() {
            Some(spelled) => f.write_str(&spelled),
            None => f.write_str(&self.domain),
        }
    }
}

impl FromStr for Address {
    type Err = MailError;

    fn from_str(text: &str) -> Result<Self, MailError> {
        parse_address(text).map_err(|why| refused(text, why))
    }
}

impl Mailbox {
    /// An address with a name; an empty name is none.
    ///
    /// # Errors
    /// When the name is too long or has control characters.
    pub fn new(name: &str, address: Address) -> Result<Self, MailError> {
        Ok(Self { name: checked_name(name).map_err(|why| refused(name, why))?, address })
    }

    /// The display name, any Unicode but control characters.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl FromStr for Mailbox {
    type Err = MailError;

    /// Reads `local@domain`, `Name <local@domain>` and `"Name, quoted" <local@domain>`.
    fn from_str(text: &str) -> Result<Self, MailError> {
        parse_mailbox(text).map_err(|why| refused(text, why))
    }
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}

fn refused(text: &str, why: &'static str) -> MailError {
    MailError::Address { text: text.chars().take(100).collect(), why }
}

fn parse_mailbox(text: &str) -> Result<Mailbox, &'static str> {
    let text = text.trim_matches([' ', '\t']);
    let Some(inner) = text.strip_suffix('>') else {
        return Ok(Mailbox::from(parse_address(text)?));
    };
    let (name, address) = inner.rsplit_once('<').ok_or("the opening < is missing")?;
    Ok(Mailbox { name: checked_name(&unquoted(name.trim())?)?, address: parse_address(address)? })
}

fn checked_name(name: &str) -> Result<Option<String>, &'static str> {
    let name = name.trim();
    if name.len() > DISPLAY_NAME_BYTES_MAX {
        return Err("the name is too long");
    }
    if name.chars().any(char::is_control) {
        return Err("the name has control characters");
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// The meaning of a display name: a quoted string or words.
fn unquoted(name: &str) -> Result<String, &'static str> {
    let Some(inner) = name.strip_prefix('"') else {
        return match name.contains(['"', '<', '>', ',', ';']) {
            true => Err("a name with any of \" < > , ; is written in double quotes"),
            false => Ok(name.to_owned()),
        };
    };
    let mut meaning = String::new();
    let mut rest = inner.chars();
    loop {
        match rest.next() {
            Some('"') if rest.as_str().is_empty() => return Ok(meaning),
            Some('"') => return Err("something follows the quoted name"),
            Some('\\') => meaning.push(rest.next().ok_or("the closing quote is missing")?),
            Some(c) => meaning.push(c),
            None => return Err("the closing quote is missing"),
        }
    }
}

fn parse_address(text: &str) -> Result<Address, &'static str> {
    let (local, domain) = text.rsplit_once('@').ok_or("there is no @")?;
    let local = checked_local(local)?;
    let domain = checked_domain(domain)?;
    let address = Address { local, domain };
    // As it is spelled it can be longer.
    let domain_bytes = address.spelled_domain().map_or(0, |spelled| spelled.len()).max(address.domain.len());
    if address.local.len() + 1 + domain_bytes > ADDRESS_BYTES_MAX {
        return Err("it is longer than 254 bytes");
    }
    Ok(address)
}

/// A dot-string as it is; a quoted string as it is when it needs its quotes, else without them.
fn checked_local(local: &str) -> Result<String, &'static str> {
    if local.is_empty() || local.len() > LOCAL_PART_BYTES_MAX {
        return Err("before the @ stand 1 to 64 bytes");
    }
    if !is_printable(local) {
        return Err("there is a control character in it");
    }
    let Some(inner) = local.strip_prefix('"') else {
        return if is_dot_string(local) {
            Ok(local.to_owned())
        } else {
            Err("a character before the @ is not allowed there without quotes")
        };
    };
    let inner = inner.strip_suffix('"').ok_or("the closing quote is missing")?;
    let mut meaning = String::new();
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        meaning.push(match character {
            '\\' => rest.next().ok_or("the closing quote is missing")?,
            '"' => return Err("a quote within quotes is written \\\""),
            _ => character,
        });
    }
    Ok(if is_dot_string(&meaning) { meaning } else { local.to_owned() })
}

fn is_dot_string(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(|byte| is_atext(byte) || !byte.is_ascii()))
}

/// Nothing that ends a line, and nothing that makes it read otherwise than it is.
fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control) && crate::reply::printable(text) == text && !text.contains('\u{feff}')
}

/// A byte that a word may have without quotes (RFC 5322 section 3.2.3).
pub(crate) fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn checked_domain(domain: &str) -> Result<String, &'static str> {
    if let Some(literal) = domain.strip_prefix('[') {
        let literal = literal.strip_suffix(']').ok_or("the closing ] is missing")?;
        return literal_address(literal)
            .ok_or("between [ and ] stands an IP address, as [192.0.2.1] or [IPv6:2001:db8::1]");
    }
    let ascii = if domain.is_ascii() {
        domain.to_owned()
    } else {
        idna::domain_to_ascii_strict(domain).map_err(|_| "the domain is not one")?
    };
    if is_domain(&ascii) { Ok(ascii) } else { Err("the domain is not one") }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= DOMAIN_BYTES_MAX && text.split('.').all(is_label)
}

/// The literal in its one written form.
fn literal_address(text: &str) -> Option<String> {
    let v6 = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).and_then(|_| text.get(5..));
    match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|address| format!("[IPv6:{address}]")),
        None => text.parse::<Ipv4Addr>().ok().map(|address| format!("[{address}]")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_have_one_form_on_the_wire() {
        let rows = [
            ("ada@example.org", "ada@example.org"),
            ("Ada.L+tag@Example.org", "Ada.L+tag@Example.org"),
            ("\"ada\"@example.org", "ada@example.org"),
            ("\"a b\"@example.org", "\"a b\"@example.org"),
            ("\"a\\\"@b\"@example.org", "\"a\\\"@b\"@example.org"),
            ("root@localhost", "root@localhost"),
            ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
            ("ada@[ipv6:2001:DB8:0::1]", "ada@[IPv6:2001:db8::1]"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            // Only a local part needs SMTPUTF8; then all is as it is spelled.
            ("ädä@bücher.example", "ädä@bücher.example"),
            ("用户@xn--bcher-kva.example", "用户@bücher.example"),
            ("\"ä b\"@example.org", "\"ä b\"@example.org"),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@example.org", "x".repeat(65));
        let long_domain = format!("x@{}org", "example.".repeat(40));
        let long_as_spelled = format!("ä@{}org", format!("{}.", "用".repeat(50)).repeat(3));
        let rows = [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "a b@example.org",
            "ada@exa mple.org",
            "ada@-x.org",
            "ada@x..org",
            ".ada@example.org",
            "a..b@example.org",
            "ada@example.org\r\nRCPT TO:<b@c>",
            "ada\n@example.org",
            "ada@[::1]",
            "ada\0@example.org",
            "\"a\nb\"@example.org",
            "<ada@example.org",
            "ada@example.org>",
            "\"a@example.org",
            "ä\u{202e}dä@example.org",
            "ä\u{85}@example.org",
            "ä dä@example.org",
            "ada@exa>mple.org",
            "\"\\\"@example.org",
            "ada@example.org.",
            &long_local,
            &long_domain,
            &long_as_spelled,
        ];
        for text in rows {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_read_with_and_without_quotes() {
        let rows = [
            ("ada@example.org", None),
            ("<ada@example.org>", None),
            ("Ada Lovelace <ada@example.org>", Some("Ada Lovelace")),
            ("\"Lovelace, Ada\" <ada@example.org>", Some("Lovelace, Ada")),
            ("\"a \\\"b\\\"\" <ada@example.org>", Some("a \"b\"")),
            ("Ædá 爱达 <ada@example.org>", Some("Ædá 爱达")),
        ];
        for (text, name) in rows {
            let mailbox: Mailbox = text.parse().unwrap();
            assert_eq!(
                (mailbox.name(), mailbox.address().to_string().as_str()),
                (name, "ada@example.org"),
                "{text}"
            );
        }
        for text in
            ["A <a@b.c>, B <b@b.c>", "Ada\r\nBcc: x <a@b.c>", "\"x <a@b.c>", "x> <a@b.c>", "\"a\" b <a@b.c>"]
        {
            assert!(text.parse::<Mailbox>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_read_back_the_same_and_breaks_no_line(text in "[ -~\r\n\0é]{0,20}@[a-z.\\[\\]0-9\r\n >]{0,12}") {
            if let Ok(address) = text.parse::<Address>() {
                let wire = address.to_string();
                prop_assert!(!wire.contains(char::is_control) && wire.is_ascii() == address.is_ascii());
                prop_assert_eq!(wire.parse::<Address>().unwrap(), address);
            }
        }
    }
}
