//! Every bound of the engine, unit last.

/// Calls that may wait for the writer on this node.
pub const QUEUED_CALLS_MAX: usize = 64 * 1024;

/// Bytes of bodies, as they came, with which no further call is queued. A list of transfers takes up to ten times as much
/// memory as its body.
pub const QUEUED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Cancels that may wait on top of the calls: they are admitted when calls no longer are.
pub const QUEUED_CANCELS_MAX: usize = 16 * 1024;

/// Longest body and reply of a command that declares no others, in bytes.
pub const SMALL_BODY_BYTES_MAX: u32 = 4096;

/// Calls executed in one transaction.
pub const BATCH_CALLS_MAX: usize = 1024;

/// Bytes of bodies after which a transaction takes no further call: a bulk transfer of the most transfers ends it.
pub const BATCH_BYTES_MAX: usize = 32 * 1024;

/// Transactions that a thread with other duties runs in one tenure of the writer role before the relief
/// thread takes over.
pub const TENURE_BATCHES_MAX: u32 = 4;

/// Calls and reads that may wait for a preparing thread.
pub const PREPARE_QUEUE_MAX: usize = 1024;

/// Preparing threads.
pub const PREPARE_THREADS_MAX: usize = 4;

/// Copies of one call that may wait for its answer on this node.
pub const COPIES_PER_CALL_MAX: usize = 64;

/// Times a claim starts again when the row changed between the write and the look.
pub const CLAIM_ROUNDS_MAX: u32 = 3;

/// Store failures in a row after which the rest of a batch is answered transiently, untried.
pub const STORE_FAILURES_MAX: u32 = 3;

/// What a client is told to wait before it sends again when a queue is full, in milliseconds.
pub const OVERLOADED_RETRY_MS: u32 = 100;

/// What a client is told to wait when the store failed, in milliseconds.
pub const STORE_RETRY_MS: u32 = 500;

/// What a client is told to wait when a rule failed, in milliseconds.
pub const FAULT_RETRY_MS: u32 = 1000;

/// What a client is told to wait when this node shuts down, in milliseconds.
pub const SHUTDOWN_RETRY_MS: u32 = 1000;

/// First calls of slots that one principal may have at once, and the rate per second at which that
/// allowance grows back.
pub const NEW_SLOTS_BURST_MAX: u64 = 100_000;

/// See [`NEW_SLOTS_BURST_MAX`].
pub const NEW_SLOTS_PER_SECOND_MAX: u64 = 10_000;

/// Small transactions in which one housekeeping deletes old rows. Run every minute, that is as many rows as one
/// principal may make.
pub const COLLECT_BATCHES_MAX: usize = 1200;

/// Principals whose rate of new slots is remembered.
pub const MINT_RATE_PRINCIPALS_MAX: usize = 10_000;
