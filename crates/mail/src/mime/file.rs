//! Files of a message: their name and type as told, and their bytes as base64, read piece by piece.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{More, encoding};
use crate::MailError;
use crate::limits::{FILE_CHUNK_BYTES, FILE_NAME_BYTES_MAX};

/// A file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    path: PathBuf,
    name: String,
    media_type: String,
    bytes: u64,
}

impl Attachment {
    /// The file at `path`, told under its own name, typed by its extension.
    ///
    /// # Errors
    /// When it cannot be read or is no ordinary file.
    pub fn at(path: &Path) -> Result<Self, MailError> {
        let file = open(path)?;
        let facts = file.metadata().map_err(|source| failed("examine", path, source))?;
        if !facts.is_file() {
            return Err(MailError::NotAFile { path: path.into() });
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self {
            path: path.into(),
            name: told_name(&name),
            media_type: media_type(path),
            bytes: facts.len(),
        })
    }

    /// The name that the recipient sees.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A name without what no file system of a recipient should see.
fn told_name(name: &str) -> String {
    let mut told: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    while told.len() > FILE_NAME_BYTES_MAX {
        told.pop();
    }
    if told.is_empty() { "file".to_owned() } else { told }
}

fn media_type(path: &Path) -> String {
    const UNKNOWN: &str = "application/octet-stream";
    let guess = mime_guess::from_path(path).first_raw().unwrap_or(UNKNOWN);
    // Messages and multiparts may not be base64 (RFC 2046 section 5.2.1), and that is what keeps their bytes.
    if guess.starts_with("message/") || guess.starts_with("multipart/") { UNKNOWN } else { guess }.to_owned()
}

/// A file being sent.
#[derive(Debug)]
pub(super) struct FileReader {
    file: File,
    path: PathBuf,
    announced: u64,
    left: u64,
    chunk: Vec<u8>,
}

impl FileReader {
    pub(super) fn open(attachment: &Attachment) -> Result<Self, MailError> {
        let file = open(&attachment.path)?;
        let path = attachment.path.clone();
        let chunk = vec![0; FILE_CHUNK_BYTES];
        Ok(Self { file, path, announced: attachment.bytes, left: attachment.bytes, chunk })
    }

    /// Appends the next lines of base64.
    pub(super) fn read(&mut self, out: &mut Vec<u8>) -> Result<More, MailError> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(FILE_CHUNK_BYTES);
        let chunk = &mut self.chunk[..wanted];
        if let Err(error) = self.file.read_exact(chunk) {
            let ended = error.kind() == ErrorKind::UnexpectedEof;
            return Err(if ended { self.changed() } else { failed("read", &self.path, error) });
        }
        encoding::base64_lines(chunk, out);
        self.left -= wanted as u64;
        if self.left > 0 {
            return Ok(More::Follows);
        }
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(More::Ended),
            Ok(_) => Err(self.changed()),
            Err(error) => Err(failed("read", &self.path, error)),
        }
    }

    fn changed(&self) -> MailError {
        MailError::FileChanged { path: self.path.clone(), announced: self.announced }
    }
}

fn open(path: &Path) -> Result<File, MailError> {
    // A named pipe would block until somebody writes to it.
    let facts = std::fs::metadata(path).map_err(|source| failed("open", path, source))?;
    if !facts.is_file() {
        return Err(MailError::NotAFile { path: path.into() });
    }
    File::open(path).map_err(|source| failed("open", path, source))
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> MailError {
    MailError::File { action, path: path.into(), source }
}
