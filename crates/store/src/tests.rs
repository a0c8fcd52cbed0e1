//! Promises of the store's core: a dropped transaction leaves nothing, claims are conditional, keys and
//! the lock are guarded, a damaged or foreign file is refused, a backup is whole, a restore raises the
//! generation.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use switchboard_call::id::{CallId, ReplyHash, Sequence, SessionId, Slot};

use crate::{
    BoundTo, Digest, Durability, Folder, Options, Store, StoreError, Writer, Written, backup, restore,
};

const NOW_US: u64 = 1_790_000_000_000_000;

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::hold(dir.path(), Durability::Full).unwrap();
    (dir, folder)
}

fn open(folder: &Folder) -> (Store, Writer) {
    Store::open(folder, &Options::default(), NOW_US).unwrap()
}

fn call(slot: u16, sequence: u64) -> CallId {
    let session = SessionId::mint(NOW_US / 1000, [7; 10]);
    CallId { session, slot: Slot(slot), sequence: Sequence::new(sequence).unwrap() }
}

fn digest() -> Digest {
    Digest { nonce_tag: 5, key_id: 6, mac: [7; 16] }
}

#[test]
fn a_dropped_transaction_leaves_nothing() {
    let (_dir, folder) = folder();
    let (store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    tx.rows("seats").unwrap().put(b"1", b"taken").unwrap();
    drop(tx);
    let found = store.snapshot(|view| view.rows("seats")?.find(b"1")).unwrap();
    assert_eq!(found, None);
}

#[test]
fn a_snapshot_sees_committed_rows_only() {
    let (_dir, folder) = folder();
    let (store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    tx.rows("seats").unwrap().put(b"1", b"taken").unwrap();
    assert_eq!(store.snapshot(|view| view.rows("seats")?.find(b"1")).unwrap(), None);
    tx.commit().unwrap();
    let found = store.snapshot(|view| view.rows("seats")?.find(b"1")).unwrap();
    assert_eq!(found.as_deref(), Some(&b"taken"[..]));
}

#[test]
fn a_savepoint_takes_back_only_what_came_after_it() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    tx.rows("s").unwrap().put(b"before", b"").unwrap();
    tx.savepoint().unwrap();
    tx.rows("s").unwrap().put(b"after", b"").unwrap();
    tx.back_to_savepoint().unwrap();
    tx.rows("s").unwrap().put(b"counter", b"").unwrap();
    tx.release_savepoint().unwrap();
    tx.commit().unwrap();
    let rows = writer.view().rows("s").unwrap().scan(b"", 10).unwrap();
    let keys: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"before".to_vec(), b"counter".to_vec()]);
}

#[test]
fn compare_and_put_writes_only_over_what_was_expected() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    let mut rows = tx.rows("s").unwrap();
    assert_eq!(rows.compare_and_put(b"k", None, b"1").unwrap(), Written::Yes);
    assert_eq!(rows.compare_and_put(b"k", None, b"2").unwrap(), Written::No);
    assert_eq!(rows.compare_and_put(b"k", Some(b"0"), b"2").unwrap(), Written::No);
    assert_eq!(rows.compare_and_put(b"k", Some(b"1"), b"2").unwrap(), Written::Yes);
    assert_eq!(rows.delete(b"k").unwrap(), Written::Yes);
    assert_eq!(rows.delete(b"k").unwrap(), Written::No);
    let long = vec![0; crate::limits::ROW_KEY_BYTES_MAX + 1];
    assert!(matches!(rows.put(&long, b""), Err(StoreError::RowTooLarge { .. })));
}

#[test]
fn a_claim_names_everything_it_relies_on() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let owner = BoundTo::Principal(9);
    let mut tx = writer.begin().unwrap();
    let claimed = tx.claim_first(call(0, 1), owner).unwrap().unwrap();
    tx.record(claimed, Some(&digest()), b"reply", 1).unwrap();
    assert_eq!(tx.claim_first(call(0, 1), owner).unwrap(), None);
    let hash = ReplyHash::of(call(0, 1), b"reply");
    assert_eq!(tx.claim_next(call(0, 2), 8, hash).unwrap(), None, "another principal");
    assert_eq!(tx.claim_next(call(0, 2), 9, ReplyHash::NONE).unwrap(), None, "another reply");
    assert_eq!(tx.claim_next(call(0, 3), 9, hash).unwrap(), None, "a gap");
    assert_eq!(tx.claim_next(call(1, 2), 9, hash).unwrap(), None, "another slot");
    let claimed = tx.claim_next(call(0, 2), 9, hash).unwrap().unwrap();
    tx.record(claimed, None, b"cancelled", 2).unwrap();
    let row = tx.slot_row(call(0, 2).session, Slot(0)).unwrap().unwrap();
    assert_eq!((row.sequence, row.bound_to, row.digest), (2, owner, None));
    assert_eq!(row.reply_hash, ReplyHash::of(call(0, 2), b"cancelled"));
    let again = tx.record(claimed, None, b"cancelled", 3);
    assert!(matches!(again, Err(StoreError::Impossible(_))), "a claim holds once");
}

#[test]
fn what_another_connection_committed_is_not_taken_for_what_was_known() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    let claimed = tx.claim_first(call(0, 1), BoundTo::Principal(9)).unwrap().unwrap();
    tx.record(claimed, None, b"cancelled", 1).unwrap();
    tx.commit().unwrap();
    let other = rusqlite::Connection::open(folder.database()).unwrap();
    other.execute_batch("UPDATE slot SET sequence = 2").unwrap();
    let mut tx = writer.begin().unwrap();
    let hash = ReplyHash::of(call(0, 1), b"cancelled");
    assert_eq!(tx.claim_next(call(0, 2), 9, hash).unwrap(), None);
    assert!(tx.claim_next(call(0, 3), 9, hash).unwrap().is_some());
}

#[test]
fn what_was_rolled_back_is_not_known_any_more() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    let claimed = tx.claim_first(call(0, 1), BoundTo::Principal(9)).unwrap().unwrap();
    tx.record(claimed, None, b"cancelled", 1).unwrap();
    drop(tx);
    let mut tx = writer.begin().unwrap();
    assert!(tx.claim_first(call(0, 1), BoundTo::Principal(9)).unwrap().is_some());
}

#[test]
fn old_slot_rows_go_in_small_batches_and_young_ones_stay() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let old = SessionId::mint(1000, [1; 10]);
    let young = SessionId::mint(5000, [1; 10]);
    let mut tx = writer.begin().unwrap();
    for slot in 0..5 {
        for session in [old, young] {
            let id = CallId { session, slot: Slot(slot), sequence: Sequence::FIRST };
            let claimed = tx.claim_first(id, BoundTo::Nobody).unwrap().unwrap();
            tx.record(claimed, None, b"cancelled", 1).unwrap();
        }
    }
    assert_eq!(tx.collect_slots(5000, 3).unwrap(), 3);
    assert_eq!(tx.collect_slots(5000, 3).unwrap(), 2);
    assert_eq!(tx.collect_slots(5000, 3).unwrap(), 0);
    assert!(tx.slot_row(young, Slot(4)).unwrap().is_some());
}

#[test]
fn the_horizon_only_rises() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let born = writer.view().horizon_ms().unwrap();
    let mut tx = writer.begin().unwrap();
    tx.raise_horizon(born + 5).unwrap();
    tx.raise_horizon(born + 1).unwrap();
    assert_eq!(tx.horizon_ms().unwrap(), born + 5);
}

#[test]
fn a_second_holder_of_the_folder_is_told_who_has_it() {
    let (dir, _folder) = folder();
    let refused = Folder::hold(dir.path(), Durability::Full).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains(&std::process::id().to_string()), "{text}");
}

#[test]
fn a_key_is_made_once_and_refused_when_others_can_read_it() {
    let (_dir, folder) = folder();
    let key = folder.key("digest").unwrap();
    assert_eq!(folder.key("digest").unwrap(), key);
    assert_ne!(folder.key("operator").unwrap(), key);
    let path = folder.keys().join("digest.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(folder.key("digest"), Err(StoreError::KeyExposed { mode: 0o640, .. })));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, b"short").unwrap();
    assert!(matches!(folder.key("digest"), Err(StoreError::KeyDamaged { bytes: 5, .. })));
}

#[test]
fn nobody_else_can_read_the_database_or_its_log() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    put(&mut writer, b"k");
    for ending in ["", "-wal"] {
        let path = format!("{}{ending}", folder.database().display());
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_store_keeps_its_id_when_it_is_opened_again() {
    let (_dir, folder) = folder();
    let first = open(&folder).0.meta().unwrap();
    assert_eq!(open(&folder).0.meta().unwrap(), first);
}

#[test]
fn damaged_foreign_and_newer_files_are_refused_in_plain_words() {
    let (_dir, folder) = folder();
    drop(open(&folder));
    set_pragma(&folder.database(), "user_version = 999");
    assert!(matches!(refusal(&folder), StoreError::NewerSchema { found: 999, .. }));
    set_pragma(&folder.database(), "application_id = 1");
    assert!(matches!(refusal(&folder), StoreError::Foreign { .. }));
    std::fs::write(folder.database(), vec![0x55; 8192]).unwrap();
    let text = refusal(&folder).to_string();
    assert!(text.contains("damaged") && text.contains("switchboard restore"), "{text}");
}

#[test]
fn a_backup_of_a_store_in_use_is_whole_and_restore_raises_the_generation() {
    let (dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    put(&mut writer, b"kept");
    let file = dir.path().join("copy.backup");
    let made = backup(&folder.database(), &file, |_, _| {}).unwrap();
    put(&mut writer, b"lost");
    let existing = backup(&folder.database(), &file, |_, _| {});
    assert!(matches!(existing, Err(StoreError::Folder { action: "creating", .. })), "never overwritten");
    drop(writer);
    let restored = restore(&folder, &file, NOW_US).unwrap();
    assert_eq!(restored.store, made.store);
    assert!(restored.generation > made.generation);
    let (_store, writer) = open(&folder);
    assert_eq!(writer.view().meta().unwrap().generation, restored.generation);
    let rows = writer.view().rows("s").unwrap().scan(b"", 9).unwrap();
    assert_eq!(rows, [(b"kept".to_vec(), Vec::new())]);
    drop(writer);
    let again = restore(&folder, &file, NOW_US).unwrap();
    assert!(again.generation > restored.generation, "higher than what it replaces, too");
}

#[test]
fn a_damaged_backup_is_refused_and_the_store_stays() {
    let (dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    put(&mut writer, b"kept");
    let file = dir.path().join("copy.backup");
    backup(&folder.database(), &file, |_, _| {}).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert!(restore(&folder, &file, NOW_US).is_err());
    assert_eq!(writer.view().rows("s").unwrap().scan(b"", 9).unwrap().len(), 1);
}

#[test]
fn a_generation_is_never_given_out_twice_even_if_the_replaced_database_cannot_be_read() {
    let (dir, folder) = folder();
    let (store, mut writer) = open(&folder);
    put(&mut writer, b"kept");
    let file = dir.path().join("copy.backup");
    backup(&folder.database(), &file, |_, _| {}).unwrap();
    drop((store, writer));
    let first = restore(&folder, &file, NOW_US).unwrap();
    std::fs::write(folder.database(), vec![0xa5; 100_000]).unwrap();
    let second = restore(&folder, &file, NOW_US + 1_000_000).unwrap();
    assert!(second.generation > first.generation);
}

#[test]
fn an_interrupted_restore_is_finished_before_a_store_opens() {
    let (dir, folder) = folder();
    let (store, mut writer) = open(&folder);
    put(&mut writer, b"kept");
    let id = store.meta().unwrap().store;
    let file = dir.path().join("copy.backup");
    backup(&folder.database(), &file, |_, _| {}).unwrap();
    drop((store, writer));
    std::fs::rename(folder.database(), dir.path().join("switchboard.db.restoring")).unwrap();
    let text = refusal(&folder).to_string();
    assert!(text.contains("interrupted") && text.contains("switchboard restore FILE again"), "{text}");
    restore(&folder, &file, NOW_US).unwrap();
    assert_eq!(open(&folder).0.meta().unwrap().store, id);
}

#[test]
fn the_database_that_a_restore_replaces_is_kept_with_its_log() {
    let (dir, folder) = folder();
    let (store, mut writer) = open(&folder);
    put(&mut writer, b"kept");
    let file = dir.path().join("copy.backup");
    backup(&folder.database(), &file, |_, _| {}).unwrap();
    // Somebody reads an older state, so the log cannot be folded into the database.
    let reader = rusqlite::Connection::open(folder.database()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM row").unwrap();
    put(&mut writer, b"acknowledged");
    drop((store, writer));
    restore(&folder, &file, NOW_US).unwrap();
    drop(reader);
    let kept = rusqlite::Connection::open(dir.path().join("switchboard.db.before-restore")).unwrap();
    let rows: i64 = kept.query_row("SELECT count(*) FROM row", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn a_slot_that_nobody_owns_goes_to_the_owner_of_its_session_only() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    let nobodys = tx.claim_first(call(0, 1), BoundTo::Nobody).unwrap().unwrap();
    tx.record(nobodys, None, b"cancelled", 1).unwrap();
    let sevens = tx.claim_first(call(1, 1), BoundTo::Principal(7)).unwrap().unwrap();
    tx.record(sevens, None, b"cancelled", 1).unwrap();
    let hash = ReplyHash::of(call(0, 1), b"cancelled");
    assert_eq!(tx.claim_next(call(0, 2), 9, hash).unwrap(), None);
    assert!(tx.claim_next(call(0, 2), 7, hash).unwrap().is_some());
}

#[test]
fn nothing_is_written_after_an_error_ended_the_transaction() {
    let (_dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    tx.rows("s").unwrap().put(b"before", b"").unwrap();
    // What SQLite does by itself when the disk is full.
    tx.conn.execute_batch("ROLLBACK").unwrap();
    assert!(tx.rows("s").unwrap().put(b"after", b"").is_err());
    assert!(tx.commit().is_err());
    assert_eq!(writer.view().rows("s").unwrap().scan(b"", 9).unwrap(), []);
}

#[test]
fn a_backup_under_load_is_made_of_one_snapshot() {
    let (dir, folder) = folder();
    let (_store, mut writer) = open(&folder);
    let mut tx = writer.begin().unwrap();
    for number in 0..20u32 {
        tx.rows("s").unwrap().put(&number.to_be_bytes(), &vec![1; 900_000]).unwrap();
    }
    tx.commit().unwrap();
    let mut done_before = 0;
    let report = backup(&folder.database(), &dir.path().join("copy.backup"), |done, _| {
        assert!(done >= done_before, "the copy started over");
        done_before = done;
        put(&mut writer, &done.to_be_bytes());
    });
    report.unwrap();
    let copy = rusqlite::Connection::open(dir.path().join("copy.backup")).unwrap();
    let rows: i64 = copy.query_row("SELECT count(*) FROM row", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 20);
}

fn put(writer: &mut Writer, key: &[u8]) {
    let mut tx = writer.begin().unwrap();
    tx.rows("s").unwrap().put(key, b"").unwrap();
    tx.commit().unwrap();
}

fn set_pragma(path: &Path, pragma: &str) {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.execute_batch(&format!("PRAGMA {pragma}")).unwrap();
}

fn refusal(folder: &Folder) -> StoreError {
    Store::open(folder, &Options::default(), NOW_US).unwrap_err()
}
