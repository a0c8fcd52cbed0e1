//! Every bound of the store, unit last.

/// Memory that the writing connection may use for pages, in KiB. With the readers' at most 64 MiB.
pub const PAGE_CACHE_KIB_MAX: i64 = 48 * 1024;

/// Memory that one reading connection may use for pages, in KiB.
pub const READER_PAGE_CACHE_KIB_MAX: i64 = 1024;

/// Reading connections kept open.
pub const READERS_MAX: usize = 16;

/// Databases up to this size are checked page by page when they are opened, in bytes: some 5 ms.
pub const CHECKED_BYTES_MAX: u64 = 1024 * 1024;

/// The write-ahead log is copied into the database after this many transactions; each adds a few pages. A short log is
/// written over and over in memory that is still in the processor's cache.
pub const LOG_COMMITS_MAX: u32 = 256;

/// The write-ahead log is copied into the database after this many written rows.
pub const LOG_ROWS_MAX: u64 = 4 * 1024;

/// Room kept for a full disk, in bytes: what a log of [`LOG_ROWS_MAX`] rows of our own and one more batch, of two bulk calls
/// of the most transfers (8,190), add to the database, at some 120 bytes a row.
pub const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// How long a statement waits for a lock that another connection holds, in milliseconds.
pub const BUSY_MS_MAX: u64 = 2000;

/// Prepared statements kept per connection.
pub const STATEMENTS_CACHED_MAX: usize = 128;

/// Accounts, and slots, that the writer remembers between two transactions.
pub const KNOWN_ROWS_MAX: usize = 32 * 1024;

/// Transfers inserted by one statement.
pub const INSERT_ROWS: usize = 16;

/// Longest name of an embedder's row space, in bytes.
pub const SPACE_NAME_BYTES_MAX: usize = 64;

/// Longest key of an embedder's row, in bytes.
pub const ROW_KEY_BYTES_MAX: usize = 1024;

/// Longest value of an embedder's row, in bytes.
pub const ROW_VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Most rows one scan returns.
pub const SCAN_ROWS_MAX: usize = 10_000;

/// Slot rows deleted in one transaction of the collector.
pub const COLLECT_ROWS_MAX: u32 = 500;

/// Pages copied per step of an online backup; writers go on between steps.
pub const BACKUP_PAGES_PER_STEP: i32 = 1024;

/// Automatic backups (made before a migration) that are kept.
pub const AUTOMATIC_BACKUPS_MAX: usize = 5;
