//! Every bound of the client in one place, unit last. Those of the protocol are in `switchboard_call::limits`.

/// Most nodes in a client's list.
pub const NODES_MAX: usize = 32;

/// Longest text of an address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 4096;

/// Longest path of a Unix-domain socket, in bytes: `sun_path` less its closing zero (unix(7)).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// Wishes of the application that may wait for the driver; who has one more waits.
pub const QUEUE_ENTRIES_MAX: usize = 1024;

/// Wishes taken from the queue before the journal is flushed: they share one flush.
pub const WISHES_PER_FLUSH_MAX: usize = 256;

/// Bytes read from a connection at a time.
pub const READ_BYTES: usize = 64 * 1024;

/// Bytes that may wait to be written to a connection before no more wishes are taken from the queue.
pub const UNSENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Time for a connection to be made, TLS included, before the next node is tried, in milliseconds.
pub const CONNECT_MS_MAX: u64 = 5_000;

/// Time for the last bytes and the goodbye of a connection that we close, in milliseconds.
pub const CLOSE_MS_MAX: u64 = 1_000;

/// Journal files that one folder may hold: so many clients of one user can run at once.
pub const JOURNALS_MAX: u16 = 256;

/// Times the opening of a journal starts again because another process replaced the file meanwhile.
pub const OPEN_ATTEMPTS_MAX: u32 = 16;

/// Disk space is reserved in steps of this many bytes.
pub const RESERVE_STEP_BYTES: u64 = 64 * 1024;

/// Longest journal file, in bytes: room for the answers to come on top of what the call layer allows for calls.
pub const JOURNAL_FILE_BYTES_MAX: u64 = 2 * switchboard_call::limits::JOURNAL_BYTES_MAX;

/// Longest wait for a server's greeting, in milliseconds: the machine's `pong_ms_max`.
pub const GREETING_MS_MAX: u64 = 5_000;
