//! The C side of the disk: SQLite's tables of functions (sqlite.org/c3ref/vfs.html, io_methods.html), and nothing that
//! decides. Each function turns pointers into references and slices, calls `handle`, and returns its result code.
//!
//! What is relied on, as SQLite documents it: a file is used between the successful `xOpen` and `xClose`, by one
//! thread at a time; buffers are as long as the call says; paths are zero-terminated.
#![expect(
    unsafe_code,
    reason = "SQLite calls a VFS through C function pointers; no safe crate offers all of them"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::Once;

use rusqlite::ffi;

use super::handle::{self, Code, Handle};
use super::locks::{Hold, Level};
use super::registry;

/// The longest path, in bytes.
const PATH_BYTES_MAX: c_int = 512;
/// The Julian day number of 1970-01-01 in milliseconds, SQLite's origin of time.
const EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;
const NAME: &CStr = c"switchboard-sim";

/// What SQLite allocates for an open file; it begins as SQLite demands.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// Makes the disks known to SQLite, once per process.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let vfs = Box::leak(Box::new(vfs()));
        // SAFETY: the table is complete for its version and lives as long as the process.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes every table of functions");
    });
}

fn vfs() -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: c_int::try_from(size_of::<OpenFile>()).expect("two pointers"),
        mxPathname: PATH_BYTES_MAX,
        pNext: null_mut(),
        zName: NAME.as_ptr(),
        pAppData: null_mut(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `file` was opened here and is not closed.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: `open` put a handle there, and only `close` takes it.
    unsafe { &mut *(*file.cast::<OpenFile>()).handle }
}

/// # Safety
/// `path` is zero-terminated.
unsafe fn text<'a>(path: *const c_char) -> Result<&'a str, Code> {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(path) }.to_str().map_err(|_| ffi::SQLITE_CANTOPEN)
}

fn code(result: Result<(), Code>) -> c_int {
    result.map_or_else(|code| code, |()| ffi::SQLITE_OK)
}

fn size(number: impl TryInto<usize>) -> Result<usize, Code> {
    number.try_into().map_err(|_| ffi::SQLITE_IOERR)
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let open_file = file.cast::<OpenFile>();
    // SAFETY: SQLite allocated `szOsFile` bytes; without methods it does not close what was not opened.
    unsafe { (*open_file).base.pMethods = null() };
    // SAFETY: a path that is not null is zero-terminated.
    let path = if path.is_null() { Ok(None) } else { unsafe { text(path) }.map(Some) };
    code(path.and_then(|path| handle::open(path, flags)).map(|opened| {
        // SAFETY: as above; `out_flags` may be null.
        unsafe {
            (*open_file).handle = Box::into_raw(Box::new(opened));
            (*open_file).base.pMethods = &raw const METHODS;
            if let Some(out_flags) = out_flags.as_mut() {
                *out_flags = flags;
            }
        }
    }))
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: the path is zero-terminated.
    code(unsafe { text(path) }.and_then(|path| handle::delete(path, sync_dir & 1 != 0)))
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the path is zero-terminated, `out` is the caller's variable.
    unsafe {
        code(text(path).and_then(|path| handle::access(path, flags)).map(|there| *out = c_int::from(there)))
    }
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: the path is zero-terminated.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if size(room).is_ok_and(|room| bytes.len() <= room) {
        // SAFETY: `out` has room for that many bytes and is not the path.
        unsafe { out.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        return ffi::SQLITE_OK;
    }
    ffi::SQLITE_CANTOPEN
}

unsafe extern "C" fn randomness(_vfs: *mut ffi::sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    let Some(disk) = registry::last_used() else { return 0 };
    // SAFETY: `out` has room for that many bytes.
    let buffer = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), size(count).unwrap_or(0)) };
    disk.lock().fill_random(buffer);
    count
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, us: c_int) -> c_int {
    if let Some(disk) = registry::last_used() {
        disk.lock().counts.slept_us += u64::from(us.unsigned_abs());
    }
    us
}

fn julian_ms() -> i64 {
    let now_us = registry::last_used().map_or(0, |disk| disk.lock().now_us);
    EPOCH_JULIAN_MS.saturating_add(i64::try_from(now_us / 1000).unwrap_or(i64::MAX))
}

unsafe extern "C" fn current_time_ms(_vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: `out` is the caller's variable.
    unsafe { *out = julian_ms() };
    ffi::SQLITE_OK
}

#[expect(clippy::cast_precision_loss, reason = "SQLite's older clock is a float of days")]
unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: `out` is the caller's variable.
    unsafe { *out = julian_ms() as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let open_file = file.cast::<OpenFile>();
    // SAFETY: `open` made the handle from a box, and SQLite closes a file once.
    let handle = unsafe { Box::from_raw((*open_file).handle) };
    handle.close();
    // SAFETY: the memory is SQLite's until it returns from here.
    unsafe {
        (*open_file).handle = null_mut();
        (*open_file).base.pMethods = null();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open, the buffer as long as told.
    unsafe {
        code(size(count).and_then(|count| {
            let buffer = slice::from_raw_parts_mut(buffer.cast::<u8>(), count);
            handle(file).read(size(offset)?, buffer)
        }))
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open, the buffer as long as told.
    unsafe {
        code(size(count).and_then(|count| {
            handle(file).write(size(offset)?, slice::from_raw_parts(bytes.cast::<u8>(), count))
        }))
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: ffi::sqlite3_int64) -> c_int {
    // SAFETY: the file is open.
    code(size(length).and_then(|length| unsafe { handle(file) }.truncate(length)))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: the file is open.
    code(unsafe { handle(file) }.sync())
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: the file is open, `out` the caller's variable.
    unsafe {
        let size = handle(file).size();
        code(size.map(|size| *out = i64::try_from(size).expect("a length in memory fits 63 bits")))
    }
}

fn level(lock: c_int) -> Result<Level, Code> {
    match lock {
        ffi::SQLITE_LOCK_NONE => Ok(Level::None),
        ffi::SQLITE_LOCK_SHARED => Ok(Level::Shared),
        ffi::SQLITE_LOCK_RESERVED => Ok(Level::Reserved),
        ffi::SQLITE_LOCK_PENDING => Ok(Level::Pending),
        ffi::SQLITE_LOCK_EXCLUSIVE => Ok(Level::Exclusive),
        _ => Err(ffi::SQLITE_MISUSE),
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, lock: c_int) -> c_int {
    // SAFETY: the file is open.
    code(level(lock).and_then(|level| unsafe { handle(file) }.lock(level)))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, lock: c_int) -> c_int {
    // SAFETY: the file is open.
    code(level(lock).and_then(|level| unsafe { handle(file) }.unlock(level)))
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: the file is open, `out` the caller's variable.
    unsafe { code(handle(file).is_reserved().map(|reserved| *out = c_int::from(reserved))) }
}

/// Nothing beyond what SQLite does by itself.
unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _op: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    c_int::try_from(unsafe { handle(file) }.sector_bytes()).expect("a few thousand")
}

/// What `medium` keeps: bytes outside a torn write are whole. Nothing is promised about order or atomic writes.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is open, `out` the caller's variable. The handle keeps the memory until it is unmapped.
    unsafe {
        *out = null_mut();
        let mapped = size(region)
            .and_then(|region| handle(file).map_memory(region, size(bytes)?, extend != 0))
            .map(|region| region.map_or(null_mut(), |region| region.as_ptr().cast_mut().cast::<c_void>()));
        code(mapped.map(|address| *out = address))
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: the file is open.
    let handle = unsafe { handle(file) };
    let locks = (first..first.saturating_add(count)).try_fold(0_u8, |locks, lock| {
        let lock = u32::try_from(lock).ok().and_then(|lock| 1_u8.checked_shl(lock));
        lock.map(|lock| locks | lock).ok_or(ffi::SQLITE_MISUSE)
    });
    let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    code(locks.and_then(|locks| match flags & ffi::SQLITE_SHM_LOCK != 0 {
        true => handle.lock_memory(locks, if exclusive { Hold::Exclusive } else { Hold::Shared }),
        false => handle.unlock_memory(locks),
    }))
}

/// The locks around each call order the memory of different threads.
unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: the file is open.
    let _ordered = unsafe { handle(file) }.sector_bytes();
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe { handle(file) }.unmap_memory();
    ffi::SQLITE_OK
}
