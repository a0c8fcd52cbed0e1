//! Answers of HTTP/1.1, taken apart and compared with what they have to be, byte for byte, however the stream is cut.
//!
//! Absent: bodies without a length. No peer sends one for a file, and one that does is told.

use anyhow::{Context as _, Result, bail, ensure};

/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const NOT_MODIFIED: u16 = 304;

/// What every answer has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Its status.
    pub status: u16,
    /// Its body; nothing stands behind the head of a 304 (RFC 9110, section 15.4.5).
    pub body: Vec<u8>,
}

/// Head of one answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
}

/// One connection's answers so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// A head of which the end has not come.
    head: Vec<u8>,
    /// The last head that was checked, to its end: until the date changes, the next one is the same.
    checked: Vec<u8>,
    /// Bytes of the body that have come; none while a head is read.
    body: Option<usize>,
}

impl Head {
    /// The text before the empty line.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let unread = || format!("this is no answer of HTTP/1.1: {}", String::from_utf8_lossy(text));
        let told = std::str::from_utf8(text).ok().with_context(unread)?;
        let mut lines = told.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        ensure!(words.next() == Some("HTTP/1.1"), unread());
        let status = words.next().and_then(|word| word.parse().ok()).with_context(unread)?;
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let fields = lines.filter(|line| !line.is_empty()).map(field).collect::<Option<_>>();
        Ok(Self { status, fields: fields.with_context(unread)? })
    }

    /// The value of a field, by its name in small letters.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Bytes of the body behind it.
    pub(crate) fn body_bytes(&self) -> Result<usize> {
        if self.status == NOT_MODIFIED {
            return Ok(0);
        }
        if let Some(coding) = self.field("transfer-encoding") {
            bail!("an answer is {coding} and tells no length");
        }
        let length = self.field("content-length").context("an answer tells no length")?;
        length.parse().with_context(|| format!("an answer is {length} bytes long"))
    }
}

impl Reader {
    /// Takes received bytes; returns how many answers they complete.
    ///
    /// # Errors
    /// When an answer is not as expected.
    pub(super) fn push(&mut self, mut bytes: &[u8], expected: &Expected) -> Result<u64> {
        let mut answers = 0;
        loop {
            let at = match self.body {
                Some(at) => at,
                None => {
                    let Some(rest) = self.finish_head(bytes, expected)? else { return Ok(answers) };
                    bytes = rest;
                    0
                }
            };
            let wanted = &expected.body[at..];
            let count = wanted.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            if now != &wanted[..count] {
                let same = now.iter().zip(wanted).take_while(|(own, other)| own == other).count();
                bail!("a body is wrong at byte {}", at + same);
            }
            bytes = later;
            if count < wanted.len() {
                self.body = Some(at + count);
                return Ok(answers);
            }
            self.body = None;
            answers += 1;
        }
    }

    /// Whether it stands between two answers.
    pub(super) fn is_between(&self) -> bool {
        self.head.is_empty() && self.body.is_none()
    }

    /// Reads to the end of a head and checks it; returns what follows, nothing while the end has not come.
    fn finish_head<'a>(&mut self, bytes: &'a [u8], expected: &Expected) -> Result<Option<&'a [u8]>> {
        let held = self.head.len();
        if held == 0 && !self.checked.is_empty() && bytes.starts_with(&self.checked) {
            return Ok(Some(&bytes[self.checked.len()..]));
        }
        // The end may be cut: its first bytes may have come before.
        let from = held.saturating_sub(END_OF_HEAD.len() - 1);
        let (ends_at, head) = if held == 0 {
            (end_of_head(bytes), bytes)
        } else {
            self.head.extend_from_slice(bytes);
            (end_of_head(&self.head[from..]).map(|end| end + from), self.head.as_slice())
        };
        let Some(end) = ends_at else {
            if held == 0 {
                self.head.extend_from_slice(bytes);
            }
            ensure!(self.head.len() <= HEAD_BYTES_MAX, "a head has more than {HEAD_BYTES_MAX} bytes");
            return Ok(None);
        };
        check(&head[..end], expected)?;
        self.checked = head[..end + END_OF_HEAD.len()].to_vec();
        self.head.clear();
        Ok(Some(&bytes[end + END_OF_HEAD.len() - held..]))
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD)
}

fn check(head: &[u8], expected: &Expected) -> Result<()> {
    let head = Head::parse(head)?;
    ensure!(head.status == expected.status, "an answer has status {}, not {}", head.status, expected.status);
    let (length, wanted) = (head.body_bytes()?, expected.body.len());
    ensure!(length == wanted, "a body has {length} bytes, not {wanted}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: now\r\ncontent-LENGTH: 5\r\n\r\nhello";

    fn expected() -> Expected {
        Expected { status: 200, body: b"hello".to_vec() }
    }

    #[test]
    fn answers_are_counted_however_the_stream_is_cut() {
        let stream = ANSWER.repeat(3);
        for first in 1..stream.len() {
            for second in [1, 7, 60] {
                let mut reader = Reader::default();
                let mut answers = reader.push(&stream[..first], &expected()).unwrap();
                for part in stream[first..].chunks(second) {
                    answers += reader.push(part, &expected()).unwrap();
                }
                assert_eq!((answers, reader.is_between()), (3, true), "cut at {first}, then every {second}");
            }
        }
    }

    #[test]
    fn a_304_has_no_body_whatever_length_it_tells() {
        let expected = Expected { status: 304, body: Vec::new() };
        let stream = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1024\r\n\r\n".repeat(2);
        assert_eq!(Reader::default().push(&stream, &expected).unwrap(), 2);
    }

    #[test]
    fn what_differs_from_the_file_is_told() {
        let told = |from: &str, to: &str| {
            let stream = String::from_utf8(ANSWER.to_vec()).unwrap().replace(from, to);
            Reader::default().push(stream.as_bytes(), &expected()).unwrap_err().to_string()
        };
        assert_eq!(told("hello", "hellO"), "a body is wrong at byte 4");
        assert_eq!(told("200", "404"), "an answer has status 404, not 200");
        assert_eq!(told(": 5", ": 6"), "a body has 6 bytes, not 5");
        assert_eq!(told("content-LENGTH", "Transfer-Encoding"), "an answer is 5 and tells no length");
        assert!(told("HTTP/1.1 200", "HTTP/1.1 two").contains("no answer of HTTP/1.1"));
        let endless = vec![b'x'; HEAD_BYTES_MAX + 1];
        assert!(
            Reader::default().push(&endless, &expected()).unwrap_err().to_string().contains("a head has")
        );
    }
}
