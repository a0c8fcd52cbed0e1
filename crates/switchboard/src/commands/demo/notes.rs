//! What the client knows for sure: one line for each answer it has taken over, on the disk before the journal may forget it.
//! Whoever reads it after any number of kills finds each call once. Absent: anything learnt from the ledger.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use switchboard_call::id::CallId;

use crate::lab::verdict::Note;

/// The notes, open for more.
pub(super) struct Notes {
    file: File,
    known: BTreeMap<CallId, Note>,
}

impl Notes {
    /// Opens the file, makes it if there is none, and cuts a line that a kill tore.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let known = read(path)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let text = std::fs::read(path)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
        Ok(Self { file, known })
    }

    /// How many calls are known.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// Whether this call is known.
    pub(super) fn holds(&self, id: CallId) -> bool {
        self.known.contains_key(&id)
    }

    /// Notes what became of a call; true when it is news. On the disk when this returns.
    pub(super) fn add(&mut self, id: CallId, note: Note) -> io::Result<bool> {
        if self.known.contains_key(&id) {
            return Ok(false);
        }
        let line = match &note {
            Note::Drawn { transfer } => format!("{id} drawn {transfer}\n"),
            Note::Other(text) => format!("{id} other {}\n", text.replace('\n', " ")),
        };
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        self.known.insert(id, note);
        Ok(true)
    }
}

/// Every whole line of the file; no file is no notes.
pub(super) fn read(path: &Path) -> io::Result<BTreeMap<CallId, Note>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines
        .map(|line| parse(line.trim_end()).ok_or_else(|| io::Error::other(format!("not a note: {line:?}"))))
        .collect()
}

fn parse(line: &str) -> Option<(CallId, Note)> {
    let mut words = line.splitn(3, ' ');
    let id = words.next()?.parse().ok()?;
    let (kind, rest) = (words.next()?, words.next()?);
    match kind {
        "drawn" => Some((id, Note::Drawn { transfer: rest.parse().ok()? })),
        "other" => Some((id, Note::Other(rest.to_owned()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> CallId {
        format!("0190a2c4-0000-7000-8000-000000000000/0/{number}").parse().unwrap()
    }

    #[test]
    fn a_call_is_noted_once_and_a_torn_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let mut notes = Notes::open(&path).unwrap();
        assert!(notes.add(id(1), Note::Drawn { transfer: 5 }).unwrap());
        assert!(!notes.add(id(1), Note::Drawn { transfer: 6 }).unwrap());
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"0190a2c4-0000".to_vec()].concat()).unwrap();
        let mut notes = Notes::open(&path).unwrap();
        assert_eq!(notes.count(), 1);
        assert!(notes.add(id(2), Note::Other("refused\nfor good".to_owned())).unwrap());
        let expected =
            [(id(1), Note::Drawn { transfer: 5 }), (id(2), Note::Other("refused for good".to_owned()))];
        assert_eq!(read(&path).unwrap(), BTreeMap::from(expected));
    }
}
