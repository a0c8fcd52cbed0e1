//! What the disk promises, shown with SQLite and with the real store on it.

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, ffi};
use switchboard_store::{Options, Store};

use super::{Disk, DiskError, Failure, Fault, Operation, VFS};

const DATABASE: &str = "store.db";
const JOURNAL: &str = "journal";

fn connect(disk: &Disk) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    Connection::open_with_flags_and_vfs(disk.path(DATABASE), flags, VFS)
}

fn open(disk: &Disk, mode: &str, synchronous: &str) -> rusqlite::Result<Connection> {
    let conn = connect(disk)?;
    conn.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS pair (number INTEGER PRIMARY KEY, half INTEGER, filler BLOB)",
    )?;
    Ok(conn)
}

fn wal(disk: &Disk) -> Connection {
    open(disk, "WAL", "FULL").unwrap()
}

/// Two rows that belong together.
fn commit_pair(conn: &Connection, pair: i64) -> rusqlite::Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let written = [2 * pair, 2 * pair + 1].iter().try_for_each(|number| {
        conn.execute("INSERT INTO pair VALUES (?1, ?2, zeroblob(1500))", [number, &pair]).map(drop)
    });
    let done = written.and_then(|()| conn.execute_batch("COMMIT"));
    if done.is_err() && !conn.is_autocommit() {
        let _gone_with_the_disk = conn.execute_batch("ROLLBACK");
    }
    done
}

/// Commits until the power goes or `pairs` are done; how many were acknowledged. Folds the log now and then.
fn script(disk: &Disk, mode: &str, synchronous: &str, pairs: i64) -> i64 {
    let Ok(conn) = open(disk, mode, synchronous) else { return 0 };
    for pair in 0..pairs {
        if commit_pair(&conn, pair).is_err() {
            return pair;
        }
        if pair % 3 == 2 {
            let _folded = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
    pairs
}

#[derive(Debug)]
struct Left {
    verdict: String,
    pairs: i64,
    halves: i64,
}

fn look(conn: &Connection) -> rusqlite::Result<Left> {
    let verdict = conn.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
    let sql = "SELECT coalesce(sum(n = 2), 0), coalesce(sum(n <> 2), 0) FROM (SELECT count(*) n FROM pair GROUP BY half)";
    let (pairs, halves) = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Left { verdict, pairs, halves })
}

/// Cuts the power at every change of the script until it gets through; `judge` hears the seed, what was acknowledged,
/// and what is left.
fn cut_everywhere(mode: &str, synchronous: &str, mut judge: impl FnMut(u32, i64, rusqlite::Result<Left>)) {
    for cut_at in 1.. {
        let disk = Disk::new(u64::from(cut_at));
        disk.cut_power_after(cut_at);
        let acknowledged = script(&disk, mode, synchronous, 8);
        if !disk.is_off() {
            assert!(cut_at > 40, "the script is longer than {cut_at} changes");
            return;
        }
        disk.power_on();
        let left = open(&disk, mode, synchronous).and_then(|conn| look(&conn));
        judge(cut_at, acknowledged, left);
    }
}

#[track_caller]
fn check_nothing_is_lost(mode: &str, synchronous: &str) {
    let mut unacknowledged_kept = 0;
    cut_everywhere(mode, synchronous, |cut_at, acknowledged, left| {
        let left = left.unwrap_or_else(|error| panic!("cut at {cut_at}: {error}"));
        assert_eq!((left.verdict.as_str(), left.halves), ("ok", 0), "cut at {cut_at}: {left:?}");
        assert!(left.pairs >= acknowledged, "cut at {cut_at}: {left:?} of {acknowledged}");
        assert!(left.pairs <= acknowledged + 1, "cut at {cut_at}: {left:?} of {acknowledged}");
        unacknowledged_kept += left.pairs - acknowledged;
    });
    assert!(unacknowledged_kept > 0, "an ambiguous commit never happened");
}

#[test]
fn a_power_cut_loses_no_acknowledged_commit_of_a_write_ahead_log() {
    check_nothing_is_lost("WAL", "FULL");
}

#[test]
fn a_power_cut_loses_no_acknowledged_commit_of_a_rollback_journal() {
    // FULL does not sync the folder after the deletion of the journal, which is the commit.
    check_nothing_is_lost("DELETE", "EXTRA");
}

#[test]
fn a_power_cut_bites_who_does_not_sync() {
    let mut lost = 0;
    let mut damaged = 0;
    cut_everywhere("WAL", "OFF", |_, acknowledged, left| match left {
        Ok(left) if left.verdict == "ok" && left.halves == 0 => lost += u32::from(left.pairs < acknowledged),
        Ok(_) | Err(_) => damaged += 1,
    });
    assert!(lost > 0, "nothing was ever lost");
    assert!(damaged > 0, "a checkpoint without a sync never damaged anything");
}

#[test]
fn a_killed_process_loses_its_handles_and_locks_but_no_bytes() {
    let disk = Disk::new(1);
    let conn = open(&disk, "WAL", "OFF").unwrap();
    commit_pair(&conn, 0).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO pair VALUES (9, 9, NULL)").unwrap();
    let log = disk.read("store.db-wal").unwrap();
    disk.detach();
    let next = wal(&disk);
    commit_pair(&next, 1).unwrap();
    let error = conn.execute_batch("COMMIT").unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    drop(conn);
    assert!(disk.read("store.db-wal").unwrap().len() >= log.len(), "the log of the new life is untouched");
    commit_pair(&next, 2).unwrap();
    let left = look(&wal(&disk)).unwrap();
    assert_eq!((left.pairs, left.halves), (3, 0));
}

#[test]
fn a_handle_from_before_a_power_cut_reaches_nothing() {
    let disk = Disk::new(2);
    let old = wal(&disk);
    commit_pair(&old, 0).unwrap();
    disk.cut_power();
    assert!(connect(&disk).and_then(|conn| conn.execute_batch("CREATE TABLE t (a)")).is_err());
    disk.power_on();
    let new = wal(&disk);
    commit_pair(&new, 1).unwrap();
    assert!(commit_pair(&old, 7).is_err());
    assert!(look(&old).is_err());
    drop(old);
    commit_pair(&new, 2).unwrap();
    assert_eq!(look(&new).unwrap().pairs, 3);
    drop(new);
    assert_eq!(disk.read("store.db-wal"), None, "the last connection folds and deletes its own log");
}

#[test]
fn two_writers_lock_each_other_out_and_wait_in_nobodys_time() {
    let disk = Disk::new(3);
    let (one, two) = (wal(&disk), wal(&disk));
    one.busy_timeout(std::time::Duration::ZERO).unwrap();
    two.busy_timeout(std::time::Duration::from_secs(3_600)).unwrap();
    one.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = two.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    let slept_us = disk.counts().slept_us;
    assert!((3_500_000_000..3_700_000_000).contains(&slept_us), "{slept_us}");
    one.execute_batch("COMMIT").unwrap();
    two.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = one.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    two.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn writers_of_a_rollback_journal_lock_each_other_and_readers_out() {
    let disk = Disk::new(4);
    let (one, two) = (open(&disk, "DELETE", "FULL").unwrap(), open(&disk, "DELETE", "FULL").unwrap());
    for conn in [&one, &two] {
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
    }
    two.execute_batch("BEGIN; SELECT count(*) FROM pair").unwrap();
    one.execute_batch("BEGIN IMMEDIATE; INSERT INTO pair VALUES (1, 1, NULL)").unwrap();
    let error = one.execute_batch("COMMIT").unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "a reader is there");
    two.execute_batch("COMMIT").unwrap();
    assert!(
        two.execute_batch("SELECT count(*) FROM pair").is_err(),
        "a writer waits for the readers to leave"
    );
    one.execute_batch("COMMIT").unwrap();
    two.execute_batch("SELECT count(*) FROM pair").unwrap();
}

#[test]
fn readers_see_their_snapshot_while_a_writer_writes() {
    let disk = Disk::new(5);
    let (writer, reader) = (wal(&disk), wal(&disk));
    commit_pair(&writer, 0).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(look(&reader).unwrap().pairs, 1);
    for pair in 1..200 {
        commit_pair(&writer, pair).unwrap();
    }
    assert_eq!(look(&reader).unwrap().pairs, 1);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(look(&reader).unwrap().pairs, 200);
    let busy: i64 = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!((busy, disk.read("store.db-wal")), (0, Some(Vec::new())));
    assert_eq!(look(&reader).unwrap().pairs, 200);
}

#[track_caller]
fn check_fault(operation: Operation, failure: Failure, expected: i32) {
    let disk = Disk::new(6);
    let conn = wal(&disk);
    conn.busy_timeout(std::time::Duration::ZERO).unwrap();
    commit_pair(&conn, 0).unwrap();
    disk.inject(Fault { operation, after: 0, times: 1, failure });
    match commit_pair(&conn, 1) {
        Err(Error::SqliteFailure(error, _)) => assert_eq!(error.extended_code, expected),
        other => panic!("{operation:?} {failure:?}: {other:?}"),
    }
    assert_eq!(disk.counts().faults.get(&(operation, failure)), Some(&1));
    commit_pair(&conn, 2).unwrap();
    assert_eq!(look(&conn).unwrap().halves, 0);
}

#[test]
fn faults_reach_the_one_who_commits() {
    check_fault(Operation::Write, Failure::Io, ffi::SQLITE_IOERR_WRITE);
    check_fault(Operation::Write, Failure::Full, ffi::SQLITE_FULL);
    check_fault(Operation::Sync, Failure::Io, ffi::SQLITE_IOERR_FSYNC);
    check_fault(Operation::Sync, Failure::SyncLost, ffi::SQLITE_IOERR_FSYNC);
    check_fault(Operation::Lock, Failure::Io, ffi::SQLITE_IOERR_SHMLOCK);
}

#[test]
fn a_lock_that_another_holds_is_met_or_gone_around() {
    let met = |after| {
        let disk = Disk::new(14);
        let conn = wal(&disk);
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        commit_pair(&conn, 0).unwrap();
        disk.inject(Fault { operation: Operation::Lock, after, times: 1, failure: Failure::Busy });
        let error = commit_pair(&conn, 1).err()?;
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        commit_pair(&conn, 2).unwrap();
        Some(after)
    };
    // Of the locks for reading SQLite tries another; there is one lock for writing.
    let met: Vec<u32> = (0..10).filter_map(met).collect();
    assert!((1..5).contains(&met.len()), "{met:?}");
}

#[test]
fn faults_of_opening_reading_and_deleting_reach_who_asks() {
    let disk = Disk::new(7);
    let conn = wal(&disk);
    commit_pair(&conn, 0).unwrap();
    disk.inject(Fault { operation: Operation::Open, after: 0, times: 1, failure: Failure::Io });
    let error = connect(&disk).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen));
    let reader = wal(&disk);
    disk.inject(Fault { operation: Operation::Read, after: 0, times: 1, failure: Failure::Io });
    let error = reader.execute_batch("SELECT count(*) FROM pair").unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    assert_eq!(look(&reader).unwrap().pairs, 1);
    drop((conn, reader));
    let conn = open(&disk, "DELETE", "FULL").unwrap();
    disk.inject(Fault { operation: Operation::Delete, after: 0, times: 1, failure: Failure::Io });
    assert!(commit_pair(&conn, 1).is_err(), "the deletion of the journal is the commit");
}

#[test]
fn bytes_that_a_failed_sync_dropped_are_seen_until_the_power_goes() {
    let disk = Disk::new(8);
    disk.append(JOURNAL, b"safe.").unwrap();
    disk.sync(JOURNAL).unwrap();
    disk.append(JOURNAL, b"lost.").unwrap();
    disk.inject(Fault { operation: Operation::Sync, after: 0, times: 1, failure: Failure::SyncLost });
    assert_eq!(disk.sync(JOURNAL), Err(DiskError::Failed(Operation::Sync)));
    disk.append(JOURNAL, b"later").unwrap();
    disk.sync(JOURNAL).unwrap();
    assert_eq!(disk.read(JOURNAL).unwrap(), b"safe.lost.later");
    disk.cut_power();
    disk.power_on();
    assert_eq!(disk.read(JOURNAL).unwrap(), b"safe.\0\0\0\0\0later");
}

#[test]
fn a_full_disk_takes_no_more_until_there_is_room() {
    let disk = Disk::new(9);
    let conn = wal(&disk);
    commit_pair(&conn, 0).unwrap();
    disk.set_capacity_bytes(Some(disk.used_bytes() + 10_000));
    let full = (1..100).find_map(|pair| commit_pair(&conn, pair).err()).expect("it gets full");
    assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
    let before = look(&conn).unwrap();
    disk.set_capacity_bytes(None);
    commit_pair(&conn, 200).unwrap();
    let left = look(&conn).unwrap();
    assert_eq!((left.verdict.as_str(), left.pairs, left.halves), ("ok", before.pairs + 1, 0));
    assert!(disk.counts().refused_full > 0);
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    // The salts of a log are SQLite's own chance, so the log itself is compared by its length.
    let run = |seed| {
        let disk = Disk::new(seed);
        let conn = open(&disk, "WAL", "OFF").unwrap();
        for pair in 0..20 {
            commit_pair(&conn, pair).unwrap();
            disk.append(JOURNAL, &[u8::try_from(pair).unwrap(); 700]).unwrap();
            if pair == 12 {
                conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
            }
        }
        disk.cut_power();
        let log = disk.read("store.db-wal").map(|log| log.len());
        (disk.read(DATABASE), log, disk.read(JOURNAL), disk.counts())
    };
    let seeds = 0..20;
    let runs: Vec<_> = seeds.clone().map(run).collect();
    assert!(runs == seeds.map(run).collect::<Vec<_>>(), "a seed does not repeat");
    assert!(runs.iter().any(|one| *one != runs[0]), "the seed decides nothing");
}

#[test]
fn what_a_journal_did_not_sync_is_kept_dropped_or_torn() {
    let (mut whole, mut gone, mut partly, mut damaged) = (0, 0, 0, 0);
    for seed in 0..200 {
        let disk = Disk::new(seed);
        disk.append(JOURNAL, &[1; 900]).unwrap();
        disk.sync(JOURNAL).unwrap();
        disk.append(JOURNAL, &[2; 3_000]).unwrap();
        disk.cut_power();
        assert_eq!(disk.append(JOURNAL, b"x"), Err(DiskError::Off));
        disk.power_on();
        let left = disk.read(JOURNAL).unwrap();
        assert_eq!(left[..900], [1; 900], "what was synced is untouched");
        match left[900..].iter().position(|byte| *byte != 2) {
            None if left.len() == 900 => gone += 1,
            None if left.len() == 3_900 => whole += 1,
            None => partly += 1,
            Some(_) => damaged += 1,
        }
    }
    assert!(
        whole > 0 && gone > 0 && partly + damaged > 0 && damaged > 0,
        "{whole} {gone} {partly} {damaged}"
    );
}

#[test]
fn a_file_that_was_never_synced_may_be_gone() {
    let left = |seed| {
        let disk = Disk::new(seed);
        disk.append(JOURNAL, b"x").unwrap();
        disk.cut_power();
        disk.read(JOURNAL).is_some()
    };
    let there = (0..50).filter(|seed| left(*seed)).count();
    assert!((1..50).contains(&there), "{there}");
}

#[test]
fn a_replacement_is_all_or_nothing_wherever_the_power_goes() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..30 {
        for cut_at in 1..=6 {
            let disk = Disk::new(seed);
            disk.append(JOURNAL, &[1; 5_000]).unwrap();
            disk.sync(JOURNAL).unwrap();
            disk.cut_power_after(cut_at);
            let replaced = disk.replace(JOURNAL, &[2; 3_000]);
            assert_eq!(replaced.is_err(), disk.is_off());
            disk.cut_power();
            disk.power_on();
            match disk.read(JOURNAL).unwrap() {
                left if left == [2; 3_000] => new += 1,
                left => {
                    assert!(replaced.is_err() && left == [1; 5_000], "seed {seed}, cut at {cut_at}");
                    old += 1;
                }
            }
        }
    }
    assert!(old > 0 && new > 30, "{old} {new}");
}

#[test]
fn a_replacement_that_fails_leaves_the_old_file() {
    let disk = Disk::new(10);
    disk.append(JOURNAL, b"old").unwrap();
    for (operation, failure) in [(Operation::Write, Failure::Full), (Operation::Sync, Failure::Io)] {
        disk.inject(Fault { operation, after: 0, times: 1, failure });
        assert!(disk.replace(JOURNAL, b"new").is_err());
        assert_eq!((disk.read(JOURNAL).unwrap(), disk.used_bytes()), (b"old".to_vec(), 3));
    }
    disk.replace(JOURNAL, b"newer").unwrap();
    assert_eq!((disk.read(JOURNAL).unwrap(), disk.used_bytes()), (b"newer".to_vec(), 5));
}

#[test]
fn an_operator_copies_truncates_and_removes() {
    let disk = Disk::new(11);
    disk.append(JOURNAL, b"yesterday").unwrap();
    disk.copy(JOURNAL, "kept");
    disk.append(JOURNAL, b" and today").unwrap();
    disk.truncate(JOURNAL, 4).unwrap();
    assert_eq!(disk.read(JOURNAL).unwrap(), b"yest");
    disk.copy("kept", JOURNAL);
    disk.copy("nothing", JOURNAL);
    disk.cut_power();
    assert_eq!(disk.read(JOURNAL).unwrap(), b"yesterday");
    disk.power_on();
    disk.remove(JOURNAL);
    assert_eq!((disk.read(JOURNAL), disk.sync(JOURNAL)), (None, Err(DiskError::Missing)));
}

#[test]
fn sqlite_is_told_the_time_it_was_given() {
    let disk = Disk::new(12);
    let conn = connect(&disk).unwrap();
    conn.execute_batch("CREATE TABLE t (a)").unwrap();
    disk.set_time_us(1_790_000_000_000_000);
    let now: String = conn.query_row("SELECT datetime('now')", [], |row| row.get(0)).unwrap();
    assert_eq!(now, "2026-09-21 14:13:20");
}

#[test]
fn the_store_survives_power_cuts_on_it() {
    let disk = Disk::new(13);
    let options = Options { vfs: Some(VFS.to_owned()), ..Options::default() };
    for round in 0..20_u8 {
        let (store, mut writer) =
            Store::open_file(&disk.path(DATABASE), None, &options, 1_790_000_000_000_000).unwrap();
        for earlier in 0..round {
            let found = store.snapshot(|view| view.rows("rounds")?.find(&[earlier])).unwrap();
            assert_eq!(found.as_deref(), Some(&b"done"[..]), "round {earlier} is lost in round {round}");
        }
        assert!(store.snapshot(|view| view.audit()).unwrap().sound);
        let mut tx = writer.begin().unwrap();
        tx.rows("rounds").unwrap().put(&[round], b"done").unwrap();
        tx.commit().unwrap();
        disk.cut_power_after(u32::from(round % 4));
        let mut tx = writer.begin();
        if let Ok(tx) = &mut tx {
            let _lost = tx.rows("rounds").map(|mut rows| rows.put(&[round, round], b"begun"));
        }
        let _in_doubt = tx.and_then(|tx| tx.commit());
        disk.cut_power();
        drop((store, writer));
        disk.power_on();
    }
    assert!(!std::path::Path::new(&disk.path(DATABASE)).exists(), "the real disk is not touched");
}
