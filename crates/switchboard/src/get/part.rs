//! A file that is not whole yet: `NAME.sb-part` beside its place, and beside it `NAME.sb-part.json`, the note that says of which
//! version of which URL it is a part. Only a part whose note names a strong validator is gone on with.
//!
//! *Promises:* what stands under the name is changed in one step, after the new bytes are on the disk. *Absent:* the network.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hyper::header::{DATE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::error::GetError;
use super::limits::NOTE_BYTES_MAX;
use super::retry::date;

/// Endings that no other program gives to its own parts.
const PART_ENDING: &str = ".sb-part";
const NOTE_ENDING: &str = ".sb-part.json";

/// Which version of which URL a part is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    url: String,
    /// A strong ETag, or a Last-Modified that is strong by RFC 9110 section 8.8.2.2.
    validator: String,
    /// Bytes of the whole, where the server told.
    pub(super) length: Option<u64>,
}

impl Note {
    /// What the answer says about its version; `None` when it says nothing that a part could be held to.
    pub(super) fn of(url: &Url, fields: &HeaderMap, length: Option<u64>) -> Option<Self> {
        let validator = validator(fields)?;
        Some(Self { url: url.to_string(), validator, length })
    }

    /// The field If-Range of a request that goes on (RFC 9110 section 13.1.5).
    pub(super) fn if_range(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.validator).ok()
    }

    /// Whether an answer with these fields says itself that it is of this version.
    pub(super) fn is_named_by(&self, fields: &HeaderMap) -> bool {
        let name = if self.validator.starts_with('"') { ETAG } else { LAST_MODIFIED };
        fields.get(name).is_some_and(|value| value.as_bytes() == self.validator.as_bytes())
    }

    /// Whether an answer with these fields is not known to be of another version.
    pub(super) fn agrees(&self, fields: &HeaderMap, length: Option<u64>) -> bool {
        let same_tag = match (self.validator.starts_with('"'), fields.get(ETAG)) {
            (true, Some(tag)) => tag.as_bytes() == self.validator.as_bytes(),
            (true, None) | (false, _) => true,
        };
        let same_length = match (self.length, length) {
            (Some(noted), Some(told)) => noted == told,
            (None, _) | (_, None) => true,
        };
        same_tag && same_length
    }
}

fn validator(fields: &HeaderMap) -> Option<String> {
    let text = |name| fields.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(tag) = text(ETAG) {
        return (tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')).then(|| tag.to_owned());
    }
    let modified = text(LAST_MODIFIED)?;
    let told = date(text(DATE)?)?;
    (told.as_second() > date(modified)?.as_second()).then(|| modified.to_owned())
}

/// Where a file is to stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// A file, or nothing so far.
    File(PathBuf),
    /// A device, a pipe: there is nothing to replace in one step.
    Device(PathBuf),
}

/// Looks, before anything is sent, whether a file can stand there. A link is followed: what it points to is replaced.
pub(super) fn target(path: &Path) -> Result<Target, GetError> {
    let place = |why| GetError::Place { path: path.into(), why };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(place("is a folder")),
        Ok(found) if found.is_file() => {
            let resolved = fs::canonicalize(path);
            let failed = |source| GetError::File { action: "find", path: path.into(), source };
            resolved.map(Target::File).map_err(failed)
        }
        Ok(_device) => Ok(Target::Device(path.into())),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            Err(place("is a link that leads in a circle"))
        }
        Err(_absent) if path.is_symlink() => Err(place("is a link to something that is not there")),
        Err(_absent) if path.file_name().is_none() => Err(place("is no name of a file")),
        Err(_absent) if !folder_of(path).is_dir() => Err(place("is in a folder that is not there")),
        Err(_absent) => Ok(Target::File(path.into())),
    }
}

/// The part of one file, held by this process alone.
#[derive(Debug)]
pub(super) struct Part {
    target: PathBuf,
    path: PathBuf,
    file: File,
}

impl Part {
    /// Opens the part of `target`, or begins it; nothing in it is changed.
    pub(super) fn open(target: &Path) -> Result<Self, GetError> {
        let path = with_ending(target, PART_ENDING);
        let no_link =
            i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).expect("the flags of open fit an int");
        let failed = |source| GetError::File { action: "write", path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(no_link)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GetError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Whoever held the lock may have put the file in its place meanwhile.
        let is_there =
            fs::symlink_metadata(&path).and_then(|found| Ok(found.ino() == file.metadata()?.ino()));
        match is_there.unwrap_or(false) {
            true => Ok(Self { target: target.into(), path, file }),
            false => Err(GetError::InUse { path }),
        }
    }

    /// Its length and note, when it is a part of `url` that can be gone on with.
    pub(super) fn begun(&self, url: &Url) -> Option<(u64, Note)> {
        let length = self.file.metadata().ok()?.len();
        let note = read_note(&with_ending(&self.target, NOTE_ENDING))?;
        (length > 0 && note.url == url.as_str()).then_some((length, note))
    }

    /// Empties it, for a version that `note` names.
    pub(super) fn begin(&mut self, note: Option<&Note>) -> Result<(), GetError> {
        // The old note goes first: a crash in between leaves a part that nobody goes on with.
        let noted = with_ending(&self.target, NOTE_ENDING);
        remove(&noted)?;
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(self.failed("write"))?;
        let Some(note) = note else { return Ok(()) };
        let text = serde_json::to_vec(note).expect("a note has only text and numbers");
        // The query of a URL may be a secret.
        let mut noting = OpenOptions::new();
        let file = noting.write(true).create_new(true).mode(0o600).open(&noted);
        file.and_then(|mut file| file.write_all(&text)).map_err(|source| GetError::File {
            action: "write",
            path: noted,
            source,
        })
    }

    /// Goes to its end; returns the hash of what is in it.
    pub(super) fn go_on(&mut self) -> Result<Sha256, GetError> {
        let mut hash = Sha256::new();
        let mut piece = vec![0; super::limits::DECODED_PIECE_BYTES];
        self.file.seek(SeekFrom::Start(0)).map_err(self.failed("read"))?;
        loop {
            match self.file.read(&mut piece).map_err(self.failed("read"))? {
                0 => return Ok(hash),
                count => hash.update(&piece[..count]),
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), GetError> {
        self.file.write_all(bytes).map_err(self.failed("write"))
    }

    /// Puts the whole file under its name, in one step.
    pub(super) fn finish(self) -> Result<(), GetError> {
        if let Ok(old) = fs::metadata(&self.target) {
            self.file.set_permissions(old.permissions()).map_err(self.failed("write"))?;
        }
        self.file.sync_all().map_err(self.failed("write to the disk"))?;
        fs::rename(&self.path, &self.target).map_err(self.failed("put in its place"))?;
        remove(&with_ending(&self.target, NOTE_ENDING))?;
        let folder = File::open(folder_of(&self.target)).and_then(|folder| folder.sync_all());
        folder.map_err(self.failed("write to the disk the folder of"))
    }

    /// Leaves nothing that this run has made and not filled.
    pub(super) fn leave(self) {
        if self.file.metadata().is_ok_and(|found| found.len() == 0) {
            // What cannot be removed does no harm.
            let _removed = fs::remove_file(&self.path);
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> GetError + use<> {
        let path = self.path.clone();
        move |source| GetError::File { action, path: path.clone(), source }
    }
}

/// After a fetch that did not end well: how many bytes can be gone on with. A part of no use is removed.
pub(super) fn left_behind(target: &Path, url: &Url) -> Option<u64> {
    let path = with_ending(target, PART_ENDING);
    if !path.is_file() {
        return None;
    }
    // A part that another run writes is that run's.
    let begun = Part::open(target).ok()?.begun(url);
    if begun.is_none() {
        // What cannot be removed does no harm.
        let _removed =
            fs::remove_file(&path).and_then(|()| fs::remove_file(with_ending(target, NOTE_ENDING)));
    }
    begun.map(|(length, _)| length)
}

fn read_note(path: &Path) -> Option<Note> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(NOTE_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn remove(path: &Path) -> Result<(), GetError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(GetError::File { action: "remove", path: path.into(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
