//! Journal files: what comes back from sound, torn, rotten, foreign and hostile bytes.

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::id::{CallId, Generation, Nonce, ReplyHash, Sequence, SessionId, Slot, StoreId};

fn here() -> Binding {
    Binding::new("machine-1", "operator")
}

fn session() -> SessionId {
    SessionId::mint(1_800_000_000_000, [5; 10])
}

fn call(slot: u16, number: u64) -> CallId {
    CallId { session: session(), slot: Slot(slot), sequence: Sequence::new(number).unwrap() }
}

fn minted() -> Entry<'static> {
    Entry::Session { id: session(), store: StoreId([7; 16]), generation: Generation(1) }
}

fn begun(id: CallId, body: Option<&'static [u8]>) -> Entry<'static> {
    Entry::Begun(BegunRef {
        id,
        nonce: Nonce([3; 16]),
        previous: ReplyHash::NONE,
        service: "bank",
        version: 1,
        not_after_us: Some(99),
        body,
        label: "beer",
        replaces: None,
    })
}

/// The bytes of a new file, every entry synced before the next is written, and where each begins.
fn written(entries: &[Entry<'_>]) -> (Vec<u8>, Vec<usize>) {
    let mut journal = Journal::new(here(), 0);
    let mut file = journal.append(&[&Entry::Opened]).bytes;
    let mut starts = Vec::new();
    for entry in entries {
        journal.synced(u64::MAX);
        starts.push(file.len());
        file.extend(journal.append(&[entry]).bytes);
    }
    (file, starts)
}

fn sound(entries: &[Entry<'_>]) -> Recovered {
    let (file, _) = written(entries);
    let recovered = recover(&file, &here()).unwrap();
    assert_eq!(recovered.sound_bytes, file.len() as u64);
    recovered
}

#[test]
fn a_call_goes_from_begun_over_answered_to_acknowledged() {
    let (id, answer) = (call(0, 1), Answer::Done(b"r".to_vec()).to_bytes());
    let hash = ReplyHash::of(id, &answer);
    let answered = Entry::Answered { id, answer: &answer, hash: Some(hash) };

    let open = sound(&[minted(), begun(id, Some(b"body"))]);
    let [opened] = &open.open[..] else { panic!("{open:?}") };
    assert_eq!((opened.id, opened.body.as_deref(), opened.not_after_us), (id, Some(&b"body"[..]), Some(99)));
    assert!(!open.clean && !opened.cancel_wanted);

    let done = sound(&[minted(), begun(id, Some(b"body")), answered.clone()]);
    assert!(done.open.is_empty());
    let [kept] = &done.answered[..] else { panic!("{done:?}") };
    assert_eq!((kept.id, &kept.answer, kept.label.as_str()), (id, &answer, "beer"));
    assert_eq!(done.sessions[0].slots[&Slot(0)], (id.sequence, hash));

    let over = sound(&[minted(), begun(id, None), answered, Entry::Acknowledged { id }, Entry::Closed]);
    assert!(over.open.is_empty() && over.answered.is_empty() && over.clean);
    assert_eq!(over.sessions[0].slots.len(), 1);
}

#[test]
fn a_clean_mark_holds_only_at_the_end() {
    assert!(sound(&[minted(), Entry::Closed]).clean);
    assert!(!sound(&[minted(), Entry::Closed, Entry::Opened]).clean);
    assert!(!sound(&[minted()]).clean);
}

#[test]
fn an_end_without_a_recorded_answer_stops_the_session() {
    let (id, answer) = (call(0, 1), Answer::Expired.to_bytes());
    let expired = Entry::Answered { id, answer: &answer, hash: None };
    assert!(sound(&[minted(), begun(id, None), expired]).sessions[0].stopped);
    assert!(sound(&[minted(), begun(id, None), Entry::Abandoned { id }]).sessions[0].stopped);
    assert!(sound(&[minted(), Entry::Stopped { session: session() }]).sessions[0].stopped);
    assert!(!sound(&[minted()]).sessions[0].stopped);
    assert!(sound(&[minted(), Entry::Forgotten { session: session() }]).sessions.is_empty());
}

#[test]
fn a_torn_end_is_cut_at_every_byte_and_reported() {
    let (file, starts) = written(&[minted(), begun(call(0, 1), Some(b"one")), begun(call(1, 1), None)]);
    let last = starts[2];
    // Up to three bytes are the zeros of its length: like room that was set aside.
    for length in last + 4..file.len() {
        let recovered = recover(&file[..length], &here()).unwrap();
        assert_eq!(recovered.cut, Some(Cut { offset: last as u64, bytes: (length - last) as u64 }));
        assert_eq!(recovered.sound_bytes, last as u64);
        assert_eq!(recovered.open.len(), 1);
    }
}

#[test]
fn room_that_was_set_aside_and_never_written_is_no_damage() {
    let (mut file, _) = written(&[minted(), Entry::Closed]);
    let sound_bytes = file.len() as u64;
    file.extend([0; 5_000]);
    let recovered = recover(&file, &here()).unwrap();
    assert_eq!((recovered.cut, recovered.sound_bytes, recovered.clean), (None, sound_bytes, true));
}

#[test]
fn damage_before_the_end_stops_with_its_offset() {
    let entries = [minted(), begun(call(0, 1), Some(b"one")), begun(call(1, 1), Some(b"two")), Entry::Closed];
    let (file, starts) = written(&entries);
    for at in starts[1]..starts[2] {
        let mut rotten = file.clone();
        rotten[at] ^= 1;
        match recover(&rotten, &here()) {
            Err(JournalError::Rotten { offset, .. }) => assert_eq!(offset, starts[1] as u64),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    let text = JournalError::Rotten { offset: 77, what: "an entry's checksum differs" }.to_string();
    assert!(
        text.contains("at byte 77") && text.contains("restore it") && text.contains("move the file aside")
    );
}

#[test]
fn a_hole_that_nothing_vouches_for_is_a_torn_end() {
    // Two entries of one unsynced write: the second page reached the disk, the first did not.
    let mut journal = Journal::new(here(), 0);
    let mut file = journal.append(&[&Entry::Opened, &minted()]).bytes;
    journal.synced(u64::MAX);
    let hole = file.len();
    file.extend(journal.append(&[&begun(call(0, 1), None), &begun(call(1, 1), None)]).bytes);
    file[hole + 20] ^= 1;
    let recovered = recover(&file, &here()).unwrap();
    assert_eq!(recovered.cut.unwrap().offset, hole as u64);
    assert!(recovered.open.is_empty());
}

#[test]
fn another_machine_and_another_principal_are_refused() {
    let (file, _) = written(&[minted()]);
    let machine = recover(&file, &Binding::new("machine-2", "operator")).unwrap_err();
    assert!(matches!(&machine, JournalError::OtherMachine { found, .. } if found == "machine-1"));
    assert!(machine.to_string().contains("must not be copied"));
    let principal = recover(&file, &Binding::new("machine-1", "till 7")).unwrap_err();
    assert!(matches!(&principal, JournalError::OtherPrincipal { found, .. } if found == "operator"));
}

#[test]
fn other_files_are_refused_and_unborn_ones_begin_anew() {
    assert!(matches!(recover(b"SQLite format 3\0", &here()), Err(JournalError::NotAJournal { .. })));
    let (file, starts) = written(&[]);
    assert!(starts.is_empty());
    for length in 0..16 {
        let recovered = recover(&file[..length], &here()).unwrap();
        assert_eq!((recovered.sound_bytes, recovered.clean), (0, true));
    }
    assert_eq!(recover(&[0; 4096], &here()).unwrap().sound_bytes, 0);
}

#[test]
fn a_damaged_header_of_a_journal_in_use_is_refused() {
    let (file, _) = written(&[minted()]);
    for at in 0..16 {
        let mut rotten = file.clone();
        rotten[at] ^= 1;
        assert!(matches!(recover(&rotten, &here()), Err(JournalError::NotAJournal { .. })), "byte {at}");
    }
}

#[test]
fn an_entry_of_the_future_is_named() {
    let (mut file, _) = written(&[]);
    let at = file.len() as u64;
    let cbor = minicbor::to_vec([99u8]).unwrap();
    let mut head = Vec::from(u32::try_from(cbor.len()).unwrap().to_be_bytes());
    head.extend([0; 8]);
    let sum = entry::checksum(&head, &cbor);
    file.extend(head);
    file.extend(sum.to_be_bytes());
    file.extend(cbor);
    let error = recover(&file, &here()).unwrap_err();
    assert!(matches!(error, JournalError::UnknownEntry { offset, .. } if offset == at));
}

#[test]
fn room_is_kept_for_every_open_answer() {
    let mut journal = Journal::new(here(), 0);
    journal.reserve(1_000);
    journal.reserve(50);
    let first = journal.append(&[&Entry::Opened]).reserve_bytes;
    journal.release(50);
    let second = journal.append(&[&Entry::Opened]).reserve_bytes;
    assert_eq!((first - second, second), (50 + 2_048, 1_000 + 2_048));
}

#[test]
fn an_entry_made_between_a_rewrite_and_its_failure_belongs_behind_the_old_file() {
    let mut journal = Journal::new(here(), 0);
    let mut file = journal.append(&[&Entry::Opened, &minted()]).bytes;
    journal.synced(u64::MAX);
    let durable = file.len() as u64;
    let never_written = journal.rewrite(&[]);
    assert!(!journal.is_long(), "one rewrite at a time");
    let meanwhile = journal.append(&[&begun(call(0, 1), None)]);
    journal.keep_old_file();
    file.extend(meanwhile.bytes);
    assert_eq!(journal.file_bytes(), file.len() as u64);
    assert!(meanwhile.position > never_written.position);
    let at = file.len();
    file.extend(journal.append(&[&Entry::Closed]).bytes);
    assert_eq!(file[at + 4..at + 12], durable.to_be_bytes());
    journal.synced(meanwhile.position);
    let next = journal.append(&[&Entry::Opened]).bytes;
    assert_eq!(next[4..12], (at as u64).to_be_bytes());
    assert_eq!(recover(&file, &here()).unwrap().open.len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = recover(&bytes, &here());
        let (mut file, _) = written(&[minted()]);
        file.extend(bytes);
        let _ = recover(&file, &here());
    }

    #[test]
    fn no_mutation_panics_or_invents_a_call(at in 0usize..1_000, flip in 1u8..) {
        let (mut file, _) = written(&[minted(), begun(call(0, 1), Some(b"one")), begun(call(1, 1), None)]);
        let at = at % file.len();
        file[at] ^= flip;
        if let Ok(recovered) = recover(&file, &here()) {
            prop_assert!(recovered.cut.is_some());
            prop_assert!(recovered.open.len() < 2);
        }
    }
}
