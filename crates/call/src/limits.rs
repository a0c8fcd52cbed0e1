//! Every bound of the call layer in one place, unit last.

/// Longest frame payload in bytes, both directions; told in the welcome.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Longest command or reply body in bytes: a frame less the room for its envelope.
pub const BODY_BYTES_MAX: usize = FRAME_BYTES_MAX - 1024;

/// Slots per session that a server grants unless configured otherwise.
pub const SLOTS_MAX_DEFAULT: u16 = 64;

/// Most slots per session that a server can be configured to grant.
pub const SLOTS_MAX_CEILING: u16 = 1024;

/// Longest name of a service in bytes.
pub const SERVICE_NAME_BYTES_MAX: usize = 64;

/// Longest text that a peer may send us to show to a person (greeting, reason), in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Most sessions that a hello may name.
pub const HELLO_SESSIONS_MAX: usize = 64;

/// Longest credential in a hello, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 256;

/// Most services whose limits a welcome lists.
pub const WELCOME_SERVICES_MAX: usize = 256;

/// A row is kept this long behind its session's birth before the horizon may pass it, in milliseconds.
pub const HORIZON_LAG_MS: u64 = 30 * DAY_MS;

/// Rows are deleted this far behind the horizon, in milliseconds.
pub const COLLECT_LAG_MS: u64 = 30 * DAY_MS;

/// The horizon rises by at most this many milliseconds per millisecond of uptime.
pub const HORIZON_RISE_PER_MS: u64 = 2;

/// From this age on a session takes no new calls and drains, in milliseconds.
pub const SESSION_AGE_MS_MAX: u64 = 7 * DAY_MS;

/// One day in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Most calls that a client keeps waiting for a slot.
pub const CALLS_QUEUED_MAX: usize = 65_536;

/// Most bytes of command bodies that a client keeps in memory, queued and open together.
pub const CALL_BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Most reads and most outcome queries, each, that a client keeps open.
pub const QUESTIONS_OPEN_MAX: usize = 65_536;

/// Longest label that an application gives a call, in bytes.
pub const LABEL_BYTES_MAX: usize = 1024;

/// Most sessions without open calls that a client remembers, so that a store that lost them is noticed.
pub const SESSIONS_KEPT_MAX: usize = 16;

/// Lower bound of the retransmission timeout on a lossy link, in milliseconds.
pub const RETRANSMISSION_MS_MIN: u64 = 20;

/// Upper bound of the retransmission timeout on a lossy link, in milliseconds.
pub const RETRANSMISSION_MS_MAX: u64 = 1000;

/// Most copies of one call whose sending times are remembered to measure round trips.
pub const SENDING_TIMES_MAX: usize = 8;

/// Silence after which a client gives up a lossy connection, in milliseconds.
pub const LOSSY_SILENCE_MS_MAX: u64 = 30_000;

/// Shortest wait before a call that met a transient refusal is sent again, in milliseconds.
pub const RETRY_MS_MIN: u64 = 10;

/// Longest wait before a call that met a transient refusal is sent again, in milliseconds.
pub const RETRY_MS_MAX: u64 = 30_000;

/// Longest journal entry in bytes: a command body and its envelope.
pub const JOURNAL_ENTRY_BYTES_MAX: usize = FRAME_BYTES_MAX + 4096;

/// Bytes of a journal entry beside the body it carries, at most.
pub const JOURNAL_ENVELOPE_BYTES_MAX: usize = 2048;

/// An idle journal that has grown by more than this is rewritten, in bytes.
pub const JOURNAL_REWRITE_BYTES: u64 = 1024 * 1024;

/// A journal of this size takes no new calls until it could be rewritten, in bytes.
pub const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest name of the machine in a journal's header, in bytes.
pub const MACHINE_NAME_BYTES_MAX: usize = 256;
