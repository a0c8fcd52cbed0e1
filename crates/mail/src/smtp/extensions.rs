//! What a server says it can do (RFC 5321 section 4.1.1.1), as far as it is used here. Unknown keywords mean nothing.

use crate::reply::Reply;

/// The extensions of a server, from its answer to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870).
    pub size: Option<SizeLimit>,
    /// CHUNKING (RFC 3030): BDAT.
    pub chunking: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034). They are understood whether announced or not, where they agree with the reply's code.
    pub enhanced_codes: bool,
    /// The mechanisms of AUTH (RFC 4954), as the server writes them.
    pub auth: Vec<String>,
}

/// What a server says with SIZE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeLimit {
    /// The longest message, in bytes; `None` when it names no bound.
    pub bytes_max: Option<u64>,
}

impl Extensions {
    /// Reads them. The first line is the server's name.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => found.starttls = true,
                "PIPELINING" => found.pipelining = true,
                "CHUNKING" => found.chunking = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "DSN" => found.dsn = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_codes = true,
                "SIZE" => {
                    let bytes_max =
                        words.next().and_then(|text| text.parse().ok()).filter(|&bytes| bytes > 0);
                    found.size = Some(SizeLimit { bytes_max });
                }
                "AUTH" => found.offer(words),
                // The form before the standard, which some servers still send beside it.
                other => {
                    if let Some(first) = other.strip_prefix("AUTH=") {
                        found.offer(std::iter::once(first).chain(words));
                    }
                }
            }
        }
        found
    }

    fn offer<'a>(&mut self, mechanisms: impl Iterator<Item = &'a str>) {
        for name in mechanisms.map(str::to_ascii_uppercase) {
            let is_name =
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            if is_name && !name.is_empty() && !self.auth.contains(&name) {
                self.auth.push(name);
            }
        }
    }
}
