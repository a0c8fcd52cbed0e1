//! Messages that come written, from a file or a pipe: sent as they are, but for line ends and blind copies.
//!
//! A first pass checks and measures, a second one sends, so that a file of any size is sent in bounded memory. *Promises* that lines end with
//! CRLF whether the file has CRLF or LF, that the fields Bcc and Resent-Bcc do not leave, and that nothing else is changed: what could not be
//! sent without a change (a bare CR, a NUL, a line that is too long, a header that is none) is refused with the number of its line.
//! *Absent:* fields that are missing; servers of submission add Message-ID (RFC 6409 section 8.3).

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Content, Message, More, Piece};
use crate::MailError;
use crate::address::{Address, list};
use crate::limits::{BODY_LINE_BYTES_MAX, FILE_CHUNK_BYTES, HEADER_BYTES_MAX, TEXT_BYTES_MAX};

/// Fields that a message has at most once (RFC 5322 section 3.6).
const SINGLE: [&str; 10] =
    ["date", "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject"];

/// A message that came written, and to whom it says it is.
#[derive(Debug)]
pub struct Written {
    /// It, without its blind copies.
    pub message: Message,
    /// Who sends it: Sender, or else the first of From.
    pub sender: Address,
    /// Everybody of To, Cc and Bcc.
    pub recipients: Vec<Address>,
}

/// A body in a file.
#[derive(Debug, Clone)]
pub(super) struct Body {
    path: PathBuf,
    /// Where in the file it begins.
    begins: u64,
    /// The length of the file.
    file_bytes: u64,
    /// Its length as it is sent.
    bytes: u64,
}

impl Body {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Reads the message in the file at `path`, or from standard input where that is `-`.
///
/// # Errors
/// When it cannot be read, or cannot be sent as it is.
pub fn read_written(path: &Path) -> Result<Written, MailError> {
    let failed = |action| move |source| MailError::File { action, path: path.into(), source };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let bound = TEXT_BYTES_MAX as u64 + 1;
        std::io::stdin().lock().take(bound).read_to_end(&mut bytes).map_err(failed("read"))?;
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(refused(path, "it has more than 32 MiB; save it to a file and send that"));
        }
        return read_written_bytes(bytes);
    }
    let facts = std::fs::metadata(path).map_err(failed("open"))?;
    if !facts.is_file() {
        return Err(MailError::NotAFile { path: path.into() });
    }
    let file = File::open(path).map_err(failed("open"))?;
    let file_bytes = facts.len();
    read(path, BufReader::with_capacity(FILE_CHUNK_BYTES, file), |begins, bytes, _| {
        Piece::Body(Body { path: path.into(), begins, file_bytes, bytes })
    })
}

/// Reads the message that these bytes are; they came from standard input.
///
/// # Errors
/// When it cannot be sent as it is.
pub fn read_written_bytes(bytes: Vec<u8>) -> Result<Written, MailError> {
    read(Path::new("-"), bytes.as_slice(), |_, _, body| Piece::Bytes(body))
}

fn refused(path: &Path, why: impl Into<String>) -> MailError {
    MailError::Written { path: path.into(), why: why.into() }
}

/// The first pass. `piece` makes the body of where it begins, its length, and its bytes where they are kept.
fn read(
    path: &Path,
    mut source: impl Read,
    piece: impl FnOnce(u64, u64, Vec<u8>) -> Piece,
) -> Result<Written, MailError> {
    let keeps = path == Path::new("-");
    let mut lines = Lines::default();
    let (mut header, mut kept, mut body_bytes) = (Header::default(), Vec::new(), 0);
    let (mut chunk, mut out) = (vec![0; FILE_CHUNK_BYTES], Vec::new());
    let mut is_ascii = true;
    loop {
        let length = source.read(&mut chunk).map_err(|source| MailError::File {
            action: "read",
            path: path.into(),
            source,
        })?;
        let mut came = &chunk[..length];
        if !header.ended {
            came = header.take(came).map_err(|why| refused(path, why))?;
            if header.ended {
                lines.line = header.lines.line;
            }
        }
        if header.ended || length == 0 {
            lines.write(came, &mut out).map_err(|why| refused(path, why))?;
        }
        if length == 0 {
            header.end().map_err(|why| refused(path, why))?;
            lines.end(&mut out).map_err(|why| refused(path, why))?;
        }
        body_bytes += out.len() as u64;
        is_ascii &= out.is_ascii();
        if keeps {
            kept.append(&mut out);
        }
        out.clear();
        if length == 0 {
            break;
        }
    }
    let begins = header.consumed;
    let mut written = header.meaning(path)?;
    if !is_ascii {
        written.message.content = written.message.content.max(Content::EightBit);
    }
    if body_bytes > 0 {
        written.message.bytes += body_bytes;
        written.message.pieces.push_back(piece(begins, body_bytes, kept));
    }
    Ok(written)
}

/// Makes every line end with CRLF, and refuses what is no text line.
#[derive(Debug, Clone, Default)]
struct Lines {
    /// How many lines ended.
    line: u64,
    width: usize,
    after_return: bool,
}

impl Lines {
    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = bytes;
        while let Some(&next) = rest.first() {
            if self.after_return || next == b'\n' {
                if next != b'\n' {
                    return Err(self.wrong("has a bare CR; encode the text as quoted-printable or base64"));
                }
                out.extend_from_slice(b"\r\n");
                (self.line, self.width, self.after_return) = (self.line + 1, 0, false);
                rest = &rest[1..];
                continue;
            }
            let stop = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..stop]);
            self.width += stop;
            if self.width > BODY_LINE_BYTES_MAX {
                return Err(
                    self.wrong("has more than 998 bytes; encode the text as quoted-printable or base64")
                );
            }
            rest = &rest[stop..];
            match rest.first() {
                Some(b'\r') => {
                    self.after_return = true;
                    rest = &rest[1..];
                }
                Some(0) => return Err(self.wrong("has a NUL; encode the text as base64")),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// The end of the text: its last line ends too.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.after_return {
            return Err(self.wrong("ends with a bare CR; encode the text as quoted-printable or base64"));
        }
        if self.width > 0 {
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {} {what}", self.line + 1)
    }
}

/// The header as it is read.
#[derive(Debug, Default)]
struct Header {
    bytes: Vec<u8>,
    lines: Lines,
    /// How many bytes of the source it has, the empty line included.
    consumed: u64,
    ended: bool,
}

/// A field: its name in small letters, its value unfolded, and its bytes.
struct Field<'a> {
    name: String,
    value: String,
    bytes: &'a [u8],
}

impl Header {
    /// Takes what belongs to it; returns the rest.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        for (at, byte) in bytes.iter().enumerate() {
            self.lines.write(std::slice::from_ref(byte), &mut self.bytes)?;
            self.consumed += 1;
            if self.bytes.len() > HEADER_BYTES_MAX {
                return Err("its header has more than 256 KiB".to_owned());
            }
            if *byte == b'\n' && (self.bytes == b"\r\n" || self.bytes.ends_with(b"\r\n\r\n")) {
                self.ended = true;
                // The empty line is written behind the fields that are kept.
                self.bytes.truncate(self.bytes.len() - 2);
                return Ok(&bytes[at + 1..]);
            }
        }
        Ok(&[])
    }

    fn end(&mut self) -> Result<(), String> {
        if self.ended { Ok(()) } else { self.lines.end(&mut self.bytes) }
    }

    fn meaning(&self, path: &Path) -> Result<Written, MailError> {
        let refuse = |why: String| refused(path, why);
        let fields = fields(&self.bytes).map_err(refuse)?;
        for name in SINGLE {
            if fields.iter().filter(|field| field.name == name).count() > 1 {
                return Err(refuse(format!("it has more than one field {name}; keep the right one")));
            }
        }
        let value =
            |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.value.as_str());
        if value("date").is_none() {
            return Err(refuse("it has no field Date; add one".to_owned()));
        }
        let from = value("from").ok_or_else(|| refuse("it has no field From; add one".to_owned()))?;
        let sender = list::addresses(value("sender").unwrap_or(from))?.into_iter().next();
        let sender = sender.ok_or_else(|| refuse("its field From names nobody".to_owned()))?;
        let mut recipients = Vec::new();
        for field in fields.iter().filter(|field| ["to", "cc", "bcc"].contains(&field.name.as_str())) {
            recipients.extend(list::addresses(&field.value)?);
        }
        let shown = fields.iter().filter(|field| !["bcc", "resent-bcc"].contains(&field.name.as_str()));
        let mut bytes = shown.map(|field| field.bytes).collect::<Vec<_>>().concat();
        bytes.extend_from_slice(b"\r\n");
        let content = if bytes.is_ascii() { Content::SevenBit } else { Content::Internationalized };
        let message = Message {
            id: value("message-id").unwrap_or_default().trim().to_owned(),
            bytes: bytes.len() as u64,
            content,
            pieces: [Piece::Bytes(bytes)].into(),
            open: None,
            seal: None,
        };
        Ok(Written { message, sender, recipients })
    }
}

/// The fields of a header whose lines end with CRLF.
fn fields(header: &[u8]) -> Result<Vec<Field<'_>>, String> {
    let text = std::str::from_utf8(header).map_err(|_| {
        "its header is neither ASCII nor UTF-8; encode names and subject (RFC 2047)".to_owned()
    })?;
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive("\r\n").enumerate() {
        let end = at + line.len();
        let content = line.strip_suffix("\r\n").unwrap_or(line);
        if content.starts_with([' ', '\t']) {
            let last = fields.last_mut().ok_or("line 1 is no header field: it begins with a space")?;
            last.value.push_str(content);
            last.bytes = &header[at - last.bytes.len()..end];
        } else {
            let (name, value) = content.split_once(':').unwrap_or_default();
            // Spaces before the colon are obsolete, and some servers do not read past them.
            if name.is_empty() || !name.bytes().all(|byte| matches!(byte, b'!'..=b'9' | b';'..=b'~')) {
                return Err(format!("line {} is no header field; an empty line ends the header", number + 1));
            }
            fields.push(Field {
                name: name.to_ascii_lowercase(),
                value: value.to_owned(),
                bytes: &header[at..end],
            });
        }
        at = end;
    }
    Ok(fields)
}

/// The second pass over a body.
#[derive(Debug)]
pub(super) struct BodyReader {
    body: Body,
    file: File,
    lines: Lines,
    /// How many bytes of the file are left.
    unread: u64,
    written: u64,
    chunk: Vec<u8>,
}

impl BodyReader {
    pub(super) fn open(body: &Body) -> Result<Self, MailError> {
        let failed = |source| MailError::File { action: "open", path: body.path.clone(), source };
        let mut file = File::open(&body.path).map_err(failed)?;
        file.seek(SeekFrom::Start(body.begins)).map_err(failed)?;
        Ok(Self {
            body: body.clone(),
            file,
            lines: Lines::default(),
            unread: body.file_bytes.saturating_sub(body.begins),
            written: 0,
            chunk: vec![0; FILE_CHUNK_BYTES],
        })
    }

    pub(super) fn read(&mut self, out: &mut Vec<u8>) -> Result<More, MailError> {
        let begun = out.len();
        let path = &self.body.path;
        let changed = || MailError::FileChanged { path: path.clone(), announced: self.body.file_bytes };
        let length = self.file.read(&mut self.chunk).map_err(|source| MailError::File {
            action: "read",
            path: path.clone(),
            source,
        })?;
        self.lines.write(&self.chunk[..length], out).map_err(|_| changed())?;
        if length == 0 {
            self.lines.end(out).map_err(|_| changed())?;
        }
        self.unread = self.unread.checked_sub(length as u64).ok_or_else(changed)?;
        self.written += (out.len() - begun) as u64;
        if self.written > self.body.bytes {
            return Err(changed());
        }
        if length > 0 {
            return Ok(More::Follows);
        }
        if self.unread > 0 || self.written != self.body.bytes {
            return Err(changed());
        }
        Ok(More::Ended)
    }
}

#[cfg(test)]
mod tests;
