//! Journal bytes into what a restarted client must know. Damage that was once durable is an error, the
//! torn end of a crash is cut. Never panics, whatever the bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{ENTRY_HEAD_BYTES, Entry, HEADER_HEAD_BYTES, JOURNAL_VERSION, MAGIC, checksum};
use super::{AnsweredCall, Binding, JournalError, OpenedCall, Recovered, as_u64};
use crate::flaw::{Flaw, planted};
use crate::id::{CallId, Generation, ReplyHash, Sequence, SessionId, Slot, StoreId};
use crate::limits::JOURNAL_ENTRY_BYTES_MAX;

/// The torn end of a journal: entries that were being written when the process or the machine stopped.
/// Nothing in it was acted upon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

/// A session as the journal knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveredSession {
    /// Its name.
    pub id: SessionId,
    /// The store it belongs to.
    pub store: StoreId,
    /// The generation of that store that it met last.
    pub generation: Generation,
    /// It was stopped, or one of its slots ended without a recorded answer.
    pub stopped: bool,
    /// The last settled call of each slot.
    pub slots: BTreeMap<Slot, (Sequence, ReplyHash)>,
}

/// Reads a whole journal file that must be bound to `here`.
///
/// # Errors
/// When the file is no journal, belongs to another machine or principal, or is damaged before its end.
pub fn recover(file: &[u8], here: &Binding) -> Result<Recovered, JournalError> {
    let Some(header_bytes) = read_header(file, here)? else {
        return Ok(fresh(file));
    };
    let mut story = Story::default();
    let mut offset = header_bytes;
    let cut = loop {
        match next_entry(file, offset) {
            Next::End => break None,
            Next::Entry { payload, end } => {
                let entry = Entry::read(payload).map_err(|error| unknown(offset, &error))?;
                story.tell(&entry).map_err(|what| unknown(offset, &what))?;
                offset = end;
            }
            Next::Damaged(what) => {
                if vouched_for(file, offset) {
                    return Err(JournalError::Rotten { offset: as_u64(offset), what });
                }
                break Some(Cut { offset: as_u64(offset), bytes: as_u64(file.len() - offset) });
            }
        }
    };
    Ok(story.ending(cut, as_u64(offset)))
}

/// A file that never got its header: nothing was ever sent on its account.
fn fresh(file: &[u8]) -> Recovered {
    let cut = (!file.is_empty()).then(|| Cut { offset: 0, bytes: as_u64(file.len()) });
    Recovered { cut, ..Recovered::nothing() }
}

fn unknown(offset: usize, what: &dyn std::fmt::Display) -> JournalError {
    JournalError::UnknownEntry { offset: as_u64(offset), what: what.to_string() }
}

/// Where the entries begin; `None` when the file ends within a header that was being written.
fn read_header(file: &[u8], here: &Binding) -> Result<Option<usize>, JournalError> {
    let refuse = |offset, what| Err(JournalError::NotAJournal { offset, what });
    let shared = file.len().min(MAGIC.len());
    if file[..shared] != MAGIC[..shared] {
        let never_written = file.iter().all(|byte| *byte == 0);
        return if never_written { Ok(None) } else { refuse(0, "its first bytes are others") };
    }
    let Some((head, rest)) = file.split_first_chunk::<HEADER_HEAD_BYTES>() else {
        return Ok(None);
    };
    let cbor = match rest.get(..length_in(&head[8..12])) {
        Some(cbor) if checksum(&head[..12], cbor).to_be_bytes() == head[12..16] => cbor,
        Some(_) | None if vouched_for(file, 0) => return refuse(8, "the header is damaged"),
        Some(_) | None => return Ok(None),
    };
    let Ok((version, machine, principal)) = minicbor::decode::<(u16, String, String)>(cbor) else {
        return refuse(16, "the header is of another kind");
    };
    if version != JOURNAL_VERSION {
        return refuse(16, "it is of another version");
    }
    if machine != here.machine {
        return Err(JournalError::OtherMachine { found: machine, here: here.machine.clone() });
    }
    if principal != here.principal {
        return Err(JournalError::OtherPrincipal { found: principal, here: here.principal.clone() });
    }
    Ok(Some(HEADER_HEAD_BYTES + cbor.len()))
}

enum Next<'a> {
    /// Nothing more, or only room that was set aside and never written.
    End,
    Entry {
        payload: &'a [u8],
        end: usize,
    },
    Damaged(&'static str),
}

fn next_entry(file: &[u8], offset: usize) -> Next<'_> {
    let rest = &file[offset..];
    if rest.iter().all(|byte| *byte == 0) {
        return Next::End;
    }
    let Some((head, after)) = rest.split_first_chunk::<ENTRY_HEAD_BYTES>() else {
        return Next::Damaged("an entry's head is incomplete");
    };
    let length = length_in(&head[..4]);
    if length == 0 || length > JOURNAL_ENTRY_BYTES_MAX {
        return Next::Damaged("an entry's length is impossible");
    }
    let Some(payload) = after.get(..length) else {
        return Next::Damaged("an entry is incomplete");
    };
    if checksum(&head[..12], payload).to_be_bytes() != head[12..16] && !planted(Flaw::RotNotNoticed) {
        return Next::Damaged("an entry's checksum differs");
    }
    Next::Entry { payload, end: offset + ENTRY_HEAD_BYTES + length }
}

/// Whether a sound entry behind `damaged` says that the bytes at `damaged` were durable.
fn vouched_for(file: &[u8], damaged: usize) -> bool {
    let mut candidates = (damaged + 1)..file.len().saturating_sub(ENTRY_HEAD_BYTES);
    candidates.any(|offset| {
        let synced = file[offset + 4..offset + 12].try_into().map(u64::from_be_bytes).unwrap_or(0);
        // An entry never vouches for bytes behind itself: spares the checksum of most offsets.
        let plausible = synced > as_u64(damaged) && synced <= as_u64(offset);
        plausible && matches!(next_entry(file, offset), Next::Entry { .. })
    })
}

fn length_in(four: &[u8]) -> usize {
    let length = four.try_into().map_or(0, u32::from_be_bytes);
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// What the entries told so far add up to.
#[derive(Default)]
struct Story {
    sessions: BTreeMap<SessionId, RecoveredSession>,
    /// In the order of their beginning.
    open: BTreeMap<u64, OpenedCall>,
    open_at: BTreeMap<CallId, u64>,
    answered: BTreeMap<u64, AnsweredCall>,
    answered_at: BTreeMap<CallId, u64>,
    told: u64,
    /// Nothing after the mark, or nothing at all.
    closed: bool,
}

impl Story {
    fn tell(&mut self, entry: &Entry<'_>) -> Result<(), &'static str> {
        self.told += 1;
        self.closed = matches!(entry, Entry::Closed);
        match *entry {
            Entry::Opened | Entry::Closed => {}
            Entry::Session { id, store, generation } => self.session(id, store, generation),
            Entry::Begun(call) => {
                if let Some(replaced) = call.replaces {
                    self.end_unrecorded(replaced);
                }
                if self.open_at.insert(call.id, self.told).is_some() {
                    return Err("a call that was begun twice");
                }
                self.open.insert(self.told, call.to_opened());
                // The session of a successor is used for nothing else.
                if let Some(session) = self.sessions.get_mut(&call.id.session)
                    && call.replaces.is_some()
                {
                    session.stopped = true;
                }
            }
            Entry::CancelWanted { id } => {
                if let Some(call) = self.open_at.get(&id).and_then(|at| self.open.get_mut(at)) {
                    call.cancel_wanted = true;
                }
            }
            Entry::Answered { id, answer, hash } => self.answered(id, answer, hash)?,
            Entry::Acknowledged { id } => {
                if let Some(at) = self.answered_at.remove(&id) {
                    self.answered.remove(&at);
                }
            }
            Entry::Settled { id, hash } => self.settled(id, hash)?,
            Entry::Abandoned { id } => self.end_unrecorded(id),
            Entry::Stopped { session } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.stopped = true;
                }
            }
            Entry::Forgotten { session } => {
                self.sessions.remove(&session);
            }
        }
        Ok(())
    }

    fn session(&mut self, id: SessionId, store: StoreId, generation: Generation) {
        let fresh = || RecoveredSession { id, store, generation, stopped: false, slots: BTreeMap::new() };
        self.sessions.entry(id).or_insert_with(fresh).generation = generation;
    }

    fn take_open(&mut self, id: CallId) -> Option<OpenedCall> {
        self.open_at.remove(&id).and_then(|at| self.open.remove(&at))
    }

    fn end_unrecorded(&mut self, id: CallId) {
        self.take_open(id);
        if let Some(session) = self.sessions.get_mut(&id.session) {
            session.stopped = true;
        }
    }

    fn answered(&mut self, id: CallId, answer: &[u8], hash: Option<ReplyHash>) -> Result<(), &'static str> {
        let call = self.take_open(id).ok_or("an answer to a call that was never begun")?;
        self.answered_at.insert(id, self.told);
        let (service, version, label) = (call.service, call.version, call.label);
        self.answered
            .insert(self.told, AnsweredCall { id, service, version, label, answer: answer.to_vec() });
        match hash {
            Some(hash) => self.settled(id, hash),
            None => {
                self.end_unrecorded(id);
                Ok(())
            }
        }
    }

    fn settled(&mut self, id: CallId, hash: ReplyHash) -> Result<(), &'static str> {
        let session = self.sessions.get_mut(&id.session).ok_or("a call of an unknown session")?;
        if !(planted(Flaw::SequenceNotAdvanced) && session.slots.contains_key(&id.slot)) {
            session.slots.insert(id.slot, (id.sequence, hash));
        }
        Ok(())
    }

    fn ending(self, cut: Option<Cut>, sound_bytes: u64) -> Recovered {
        let known: BTreeSet<SessionId> = self.sessions.keys().copied().collect();
        let open = self.open.into_values().filter(|call| known.contains(&call.id.session));
        Recovered {
            sessions: self.sessions.into_values().collect(),
            open: open.collect(),
            answered: self.answered.into_values().collect(),
            clean: (self.closed || self.told == 0) && cut.is_none(),
            cut,
            sound_bytes,
        }
    }
}
