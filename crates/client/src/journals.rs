//! The journals of one user: a folder of files of which each running client holds one, what binds a file to its place,
//! and what is unsettled in any of them.
//!
//! Absent: writing a journal (the driver), and settling what is found (the client that opens it).

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use switchboard_call::journal::{
    AnsweredCall, Binding, JournalError as ContentsError, OpenedCall, Recovered, recover,
};

use crate::error::JournalError;
use crate::journal_file::{JournalFile, peek};
use crate::limits::JOURNALS_MAX;

/// Where systemd and most distributions keep the lasting name of a machine (machine-id(5)).
const MACHINE_ID_PATHS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// A locked journal and what it said when it was opened.
#[derive(Debug)]
pub(crate) struct OpenJournal {
    pub(crate) file: JournalFile,
    pub(crate) binding: Binding,
    pub(crate) recovered: Recovered,
}

/// What one file of a folder holds, in use or not.
#[derive(Debug)]
pub struct ListedJournal {
    /// The file.
    pub path: PathBuf,
    /// Calls without an answer, in the order of their beginning. Those of a running client are under way.
    pub open: Vec<OpenedCall>,
    /// Calls whose answer nobody has acknowledged, in the order of their answers.
    pub answered: Vec<AnsweredCall>,
    /// Why a client would not use the file; its calls are listed all the same where they can be read.
    pub refused: Option<JournalError>,
}

/// Opens and locks the journal at `path`, for calls of `principal`; makes it if there is none.
pub(crate) fn open(path: &Path, principal: &str) -> Result<OpenJournal, JournalError> {
    let (mut file, bytes) = JournalFile::open(path)?;
    let binding = binding(path, principal)?;
    let refused = |source| JournalError::Refused { path: path.into(), source };
    let recovered = recover(&bytes, &binding).map_err(refused)?;
    if recovered.sound_bytes < file.length() {
        file.cut(recovered.sound_bytes)?;
    }
    Ok(OpenJournal { file, binding, recovered })
}

/// Opens the first journal of `folder` that is free: several clients of one user run at once. Makes the folder (mode
/// 0700) if there is none.
pub(crate) fn claim(folder: &Path, principal: &str) -> Result<OpenJournal, JournalError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| JournalError::File { action: "make the folder of", path: folder.into(), source })?;
    for number in 0..JOURNALS_MAX {
        let path = folder.join(format!("cli-{number}.journal"));
        match open(&path, principal) {
            Err(JournalError::Locked { .. }) => {}
            // Of another user of a shared folder, or of another machine that mounts it: left as it is, and listed.
            Err(JournalError::Refused {
                source: ContentsError::OtherMachine { .. } | ContentsError::OtherPrincipal { .. },
                ..
            }) => tracing::warn!(path = %path.display(), "a journal that belongs elsewhere is left alone"),
            opened_or_broken => return opened_or_broken,
        }
    }
    Err(JournalError::AllLocked { folder: folder.into(), count: JOURNALS_MAX })
}

/// Every journal of `folder` with the calls in it that are not settled or not acknowledged, in the order of their
/// names. Takes no lock and changes nothing. No folder is no journals.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn list(folder: &Path) -> Result<Vec<ListedJournal>, JournalError> {
    let failed = |source| JournalError::File { action: "list the folder of", path: folder.into(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut paths = Vec::new();
    for entry in entries.take(usize::from(JOURNALS_MAX) * 4) {
        let path = entry.map_err(failed)?.path();
        if path.extension() == Some(OsStr::new("journal")) {
            paths.push(path);
        }
    }
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths.iter().map(|path| look_into(path)).collect()
}

impl ListedJournal {
    /// Why nothing of it can be told: it is damaged. A journal of another machine can be told.
    ///
    /// # Errors
    /// The damage.
    pub fn sound(self) -> Result<Self, JournalError> {
        match self.refused {
            Some(JournalError::Refused { source: ContentsError::OtherMachine { .. }, .. }) | None => Ok(self),
            Some(damage) => Err(damage),
        }
    }
}

fn look_into(path: &Path) -> Result<ListedJournal, JournalError> {
    let bytes = peek(path)?;
    let (recovered, refused) = recover_whoever(&bytes, &binding(path, "")?);
    let refused = refused.map(|source| JournalError::Refused { path: path.into(), source });
    let Recovered { open, answered, .. } = recovered;
    Ok(ListedJournal { path: path.into(), open, answered, refused })
}

/// Reads a journal whoever's it is: the principal does not matter here, another machine is reported.
fn recover_whoever(bytes: &[u8], here: &Binding) -> (Recovered, Option<ContentsError>) {
    let (mut whose, mut elsewhere) = (here.clone(), None);
    loop {
        match recover(bytes, &whose) {
            Ok(recovered) => return (recovered, elsewhere),
            Err(ContentsError::OtherPrincipal { found, .. }) if whose.principal() != found => {
                whose = Binding::new(whose.machine(), found);
            }
            Err(error) => {
                let ContentsError::OtherMachine { found, .. } = &error else {
                    return (Recovered::nothing(), Some(error));
                };
                whose = Binding::new(found, whose.principal());
                // A name that was cut never becomes equal: once is enough.
                if elsewhere.replace(error).is_some() {
                    return (Recovered::nothing(), elsewhere);
                }
            }
        }
    }
}

/// The machine and the place of a journal, so that a copy is noticed on another machine and under another path. The
/// machine id itself is not written: machine-id(5) asks to treat it as confidential.
fn binding(path: &Path, principal: &str) -> Result<Binding, JournalError> {
    let place = path.canonicalize().map_err(|source| JournalError::File {
        action: "find the folder of",
        path: path.into(),
        source,
    })?;
    let mut hash = Sha256::new();
    hash.update(b"switchboard journal\0");
    hash.update(machine_id());
    hash.update(b"\0");
    hash.update(place.as_os_str().as_encoded_bytes());
    let digits: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Binding::new(format!("{digits} ({})", place.display()), principal))
}

/// Empty where there is none, as in some containers: then only the place binds.
fn machine_id() -> Vec<u8> {
    MACHINE_ID_PATHS.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
