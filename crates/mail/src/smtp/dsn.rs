//! Delivery status notifications (RFC 3461): what a sender wants to be told about a message, as parameters of MAIL and RCPT. Absent: reading
//! the notices, which are mail.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::MailError;
use crate::address::Address;
use crate::limits::ENVELOPE_ID_BYTES_MAX;

/// Which notices are wanted. The default asks for nothing, and a server without DSN can take the message then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notices {
    /// When; `None` leaves it to the server, which tells of failures.
    pub notify: Option<Notify>,
    /// How much of the message a notice of failure holds.
    pub returned: Option<Returned>,
    /// By what name notices speak of the message.
    pub id: Option<EnvelopeId>,
}

/// NOTIFY (section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// Not even when it cannot be delivered.
    Never,
    /// When one of these happens; not empty.
    On(BTreeSet<Event>),
}

/// What a notice can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It was delivered.
    Success,
    /// It cannot be delivered.
    Failure,
    /// It is late.
    Delay,
}

/// RET (section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// The whole message.
    Full,
    /// Its header.
    Header,
}

/// ENVID (section 4.4): 1 to 100 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeId(String);

impl Notices {
    /// Whether any is wanted.
    #[must_use]
    pub fn are_wanted(&self) -> bool {
        self.notify.is_some() || self.returned.is_some() || self.id.is_some()
    }

    /// What MAIL says about them, a space before each parameter.
    pub(super) fn of_mail(&self) -> String {
        let mut said = String::new();
        match self.returned {
            Some(Returned::Full) => said.push_str(" RET=FULL"),
            Some(Returned::Header) => said.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(EnvelopeId(id)) = &self.id {
            said.push_str(" ENVID=");
            said.push_str(&xtext(id));
        }
        said
    }

    /// What RCPT says about them.
    pub(super) fn of_recipient(&self, address: &Address) -> String {
        if !self.are_wanted() {
            return String::new();
        }
        let notify = match &self.notify {
            None => String::new(),
            Some(Notify::Never) => " NOTIFY=NEVER".to_owned(),
            Some(Notify::On(events)) => {
                let names: Vec<_> = events.iter().map(|event| event.name()).collect();
                format!(" NOTIFY={}", names.join(","))
            }
        };
        // RFC 6533 section 3 for what is beyond ASCII, which xtext does not hold.
        let text = address.to_string();
        let original = if address.is_ascii() {
            format!("rfc822;{}", xtext(&text))
        } else {
            format!("utf-8;{}", unitext(&text))
        };
        format!("{notify} ORCPT={original}")
    }
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Delay => "DELAY",
        }
    }
}

impl FromStr for EnvelopeId {
    type Err = MailError;

    fn from_str(text: &str) -> Result<Self, MailError> {
        let fits = (1..=ENVELOPE_ID_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Ok(Self(text.to_owned()));
        }
        Err(MailError::Field { field: "envelope id", why: "it has 1 to 100 printable ASCII characters" })
    }
}

/// Section 4: what could end a parameter is written by its number.
fn xtext(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => write!(written, "+{byte:02X}").expect("a string takes all"),
            b'!'..=b'~' => written.push(char::from(byte)),
            _ => write!(written, "+{byte:02X}").expect("a string takes all"),
        }
    }
    written
}

/// The form of RFC 6533 section 3 in which letters beyond ASCII stand as they are.
fn unitext(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '!'..='~' if !matches!(character, '+' | '=' | '\\') => written.push(character),
            _ if character.is_ascii() => {
                write!(written, "\\x{{{:02X}}}", u32::from(character)).expect("a string takes all");
            }
            _ => written.push(character),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_said_in_parameters_that_nothing_can_end() {
        let notices = Notices {
            notify: Some(Notify::On([Event::Delay, Event::Success].into())),
            returned: Some(Returned::Header),
            id: Some("order 7+1=8".parse().unwrap()),
        };
        assert_eq!(notices.of_mail(), " RET=HDRS ENVID=order+207+2B1+3D8");
        let recipient = |text: &str| notices.of_recipient(&text.parse().unwrap());
        assert_eq!(
            recipient("ada+tag@example.org"),
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ada+2Btag@example.org"
        );
        assert_eq!(
            recipient("\"a =\"@example.org"),
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;\"a+20+3D\"@example.org"
        );
        assert_eq!(
            recipient("ädä+x@example.org"),
            " NOTIFY=SUCCESS,DELAY ORCPT=utf-8;ädä\\x{2B}x@example.org"
        );
        assert_eq!(Notices::default().of_recipient(&"ada@example.org".parse().unwrap()), "");
        for text in ["", "a\r\nb", "é", &"x".repeat(101)] {
            assert!(text.parse::<EnvelopeId>().is_err(), "{text:?}");
        }
    }
}
