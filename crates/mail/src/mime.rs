//! What a message is made of becomes the bytes that go over the wire (RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 2387).
//!
//! ```text
//!   multipart/mixed
//!     multipart/related                      each level only where it has more than one part
//!       multipart/alternative
//!         text/plain, text/html
//!       inline files                         shown where the HTML says cid:NAME
//!     attached files
//! ```
//!
//! *Promises* that every line ends with CRLF and has at most 998 bytes, that there is no bare CR or LF and no NUL, that files arrive byte for
//! byte and are read piece by piece however large they are, that no value can begin a header field. *Absent:* blind copies: a draft has no
//! place for them, and a message that comes written loses the field, so they cannot reach the wire. Other character sets than UTF-8, random
//! numbers and clocks.

mod encoding;
mod file;
mod header;
mod parts;
mod text;
mod written;

use std::collections::VecDeque;

use crate::MailError;
use crate::address::Mailbox;
use crate::dkim::{BodyHash, Seal};
use crate::limits::{ATTACHMENTS_MAX, FILE_CHUNK_BYTES, SUBJECT_BYTES_MAX, TEXT_BYTES_MAX};
pub use file::Attachment;
use file::FileReader;
use header::Fields;
use written::BodyReader;
pub use written::{Written, read_written, read_written_bytes};

/// What a message is made of.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Who it is from.
    pub from: Mailbox,
    /// Whom it is to.
    pub to: Vec<Mailbox>,
    /// Who gets a copy that everybody sees.
    pub cc: Vec<Mailbox>,
    /// What it is about.
    pub subject: String,
    /// The text. Lines end with LF or CRLF.
    pub text: Option<String>,
    /// The same as HTML; `cid:NAME` in it shows the inline file of that name.
    pub html: Option<String>,
    /// Files that the HTML shows.
    pub inline: Vec<Attachment>,
    /// Files to be kept.
    pub attachments: Vec<Attachment>,
}

/// What makes a message this one.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// When it was written, with the writer's offset from UTC.
    pub date: jiff::Zoned,
    /// Fresh bytes from the kernel.
    pub random: [u8; 16],
}

/// A message ready to be sent, once.
#[derive(Debug)]
pub struct Message {
    id: String,
    bytes: u64,
    content: Content,
    pieces: VecDeque<Piece>,
    open: Option<Open>,
    /// What was signed, and what of it was read since.
    seal: Option<Seal>,
}

/// A part of it.
#[derive(Debug, Clone)]
enum Piece {
    Bytes(Vec<u8>),
    File(Attachment),
    /// The body of a message that came written.
    Body(written::Body),
}

/// A part that is being read.
#[derive(Debug)]
enum Open {
    /// A long text, and how much of it was read.
    Bytes {
        bytes: Vec<u8>,
        read: usize,
    },
    File(FileReader),
    Body(BodyReader),
}

/// Which bytes a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Content {
    /// ASCII.
    #[default]
    SevenBit,
    /// Others in its body: the server has to offer 8BITMIME (RFC 6152).
    EightBit,
    /// Others in its header: the server has to offer SMTPUTF8 (RFC 6531).
    Internationalized,
}

/// Whether there is more of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// There is.
    Follows,
    /// That was all.
    Ended,
}

impl Draft {
    /// The message of this draft.
    ///
    /// # Errors
    /// When something is over its bound, the subject has control characters, or an inline file has no HTML that could show it.
    pub fn compose(&self, stamp: &Stamp) -> Result<Message, MailError> {
        self.check()?;
        let random: String = stamp.random.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("<{random}@{}>", self.from.address().domain());
        let mut fields = Fields::default();
        let date = jiff::fmt::rfc2822::to_string(&stamp.date).map_err(|_| MailError::Field {
            field: "date",
            why: "the year is beyond 9999; set the clock of this machine",
        })?;
        fields.plain("Date", &date);
        fields.mailboxes("From", std::slice::from_ref(&self.from));
        fields.mailboxes("To", &self.to);
        fields.mailboxes("Cc", &self.cc);
        fields.text("Subject", &self.subject);
        fields.plain("Message-ID", &id);
        fields.plain("MIME-Version", "1.0");
        let everybody = std::iter::once(&self.from).chain(&self.to).chain(&self.cc);
        let is_ascii = everybody.into_iter().all(|mailbox| mailbox.address().is_ascii());
        let content = if is_ascii { Content::SevenBit } else { Content::Internationalized };
        let pieces = parts::assemble(self, fields, &random);
        let bytes = pieces.iter().map(Piece::bytes).sum();
        Ok(Message { id, bytes, content, pieces, open: None, seal: None })
    }

    fn check(&self) -> Result<(), MailError> {
        if self.subject.chars().any(char::is_control) {
            return Err(MailError::Field {
                field: "subject",
                why: "it has a line break or another control character; write it in one line",
            });
        }
        if self.subject.len() > SUBJECT_BYTES_MAX {
            return Err(too_much(
                "the subject has",
                format!("more than {SUBJECT_BYTES_MAX} bytes"),
                "shorten it",
            ));
        }
        for text in [&self.text, &self.html].into_iter().flatten() {
            if text.len() > TEXT_BYTES_MAX {
                let bound = format!("more than {} MiB", TEXT_BYTES_MAX >> 20);
                return Err(too_much("the text has", bound, "send it as an attachment"));
            }
        }
        if self.inline.len() + self.attachments.len() > ATTACHMENTS_MAX {
            let bound = format!("more than {ATTACHMENTS_MAX} files");
            return Err(too_much("the message has", bound, "put them into an archive"));
        }
        if !self.inline.is_empty() && self.html.is_none() {
            return Err(MailError::Field {
                field: "inline file",
                why: "only HTML can show it; add --html with cid:NAME where it belongs, or attach the file",
            });
        }
        Ok(())
    }
}

fn too_much(what: &'static str, bound: String, advice: &'static str) -> MailError {
    MailError::Bound { what, bound, advice }
}

impl Message {
    /// Its Message-ID, angle brackets included; empty when it came written without one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its length in bytes, CRLF line ends, dots not stuffed. Known before a file is read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it needs of a server.
    #[must_use]
    pub fn content(&self) -> Content {
        self.content
    }

    /// Appends the next piece to `out`: at most a header with a short text, or a chunk of a long one or of a file.
    ///
    /// # Errors
    /// When a file cannot be read, or is not as long any more as it was when the message was composed.
    pub fn read(&mut self, out: &mut Vec<u8>) -> Result<More, MailError> {
        let begun = out.len();
        if let Some(open) = &mut self.open {
            if open.read(out)? == More::Ended {
                self.open = None;
            }
        } else {
            match self.pieces.pop_front() {
                Some(Piece::Bytes(bytes)) if bytes.len() > FILE_CHUNK_BYTES => {
                    self.open = Some(Open::Bytes { bytes, read: 0 });
                }
                Some(Piece::Bytes(bytes)) => out.extend_from_slice(&bytes),
                Some(Piece::File(attachment)) => {
                    self.open = Some(Open::File(FileReader::open(&attachment)?));
                }
                Some(Piece::Body(body)) => self.open = Some(Open::Body(BodyReader::open(&body)?)),
                None => {}
            }
        }
        let ended = self.open.is_none() && self.pieces.is_empty();
        if let Some(seal) = &mut self.seal {
            seal.read(&out[begun..]);
            if ended && !seal.holds() {
                return Err(MailError::ChangedSinceSigned);
            }
        }
        Ok(if ended { More::Ended } else { More::Follows })
    }

    /// The header, without the empty line that ends it.
    pub(crate) fn header(&self) -> &[u8] {
        let Some(Piece::Bytes(first)) = self.pieces.front() else { return &[] };
        let end = first.windows(4).position(|window| window == b"\r\n\r\n");
        &first[..end.map_or(first.len(), |end| end + 2)]
    }

    /// Reads the whole body beforehand.
    pub(crate) fn body_hash(&self) -> Result<[u8; 32], MailError> {
        let mut hash = BodyHash::default();
        let mut skipped = self.header().len() + 2;
        for piece in &self.pieces {
            let mut open = match piece {
                Piece::Bytes(bytes) => {
                    hash.update(bytes.get(std::mem::take(&mut skipped)..).unwrap_or_default());
                    continue;
                }
                Piece::File(attachment) => Open::File(FileReader::open(attachment)?),
                Piece::Body(body) => Open::Body(BodyReader::open(body)?),
            };
            let mut bytes = Vec::new();
            while open.read(&mut bytes)? == More::Follows {
                hash.update(&bytes);
                bytes.clear();
            }
            hash.update(&bytes);
        }
        Ok(hash.finish())
    }

    /// Puts `field` before the others; the body must be the one of `body_hash` when it is sent.
    pub(crate) fn sealed(&mut self, field: &[u8], body_hash: [u8; 32]) {
        if let Some(Piece::Bytes(first)) = self.pieces.front_mut() {
            first.splice(0..0, field.iter().copied());
            self.bytes += field.len() as u64;
        }
        let header_bytes = self.header().len() + 2;
        self.seal = Some(Seal::new(header_bytes, body_hash));
    }
}

impl Open {
    fn read(&mut self, out: &mut Vec<u8>) -> Result<More, MailError> {
        match self {
            Self::Bytes { bytes, read } => {
                let end = bytes.len().min(*read + FILE_CHUNK_BYTES);
                out.extend_from_slice(&bytes[*read..end]);
                *read = end;
                Ok(if end == bytes.len() { More::Ended } else { More::Follows })
            }
            Self::File(file) => file.read(out),
            Self::Body(body) => body.read(out),
        }
    }
}

impl Piece {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(attachment) => encoding::base64_bytes(attachment.bytes()),
            Self::Body(body) => body.bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
