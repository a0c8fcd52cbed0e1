//! Every bound of the HTTP client, unit last. Absent: those that the person sets by flags; only their defaults are here.

use std::time::Duration;

/// Length of a URL; what is longer is refused before anything is sent.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// Fields that `-H` may add.
pub const FIELDS_MAX: usize = 64;

/// Length of one added field, or of one file of fields.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;

/// Header fields of an answer.
pub const ANSWER_FIELDS_MAX: usize = 200;

/// Size of the head of an answer.
pub const HEAD_BYTES_MAX: u32 = 256 * 1024;

/// Redirects that are followed unless told otherwise.
pub const REDIRECTS_DEFAULT: u32 = 10;

/// Redirects that can be asked for.
pub const REDIRECTS_MAX: u32 = 100;

/// Attempts beyond the first that can be asked for.
pub const RETRIES_MAX: u32 = 100;

/// Longest pause before another attempt, a server's Retry-After included; a server that asks for more is believed that
/// waiting is in vain.
pub const PAUSE_MAX: Duration = Duration::from_secs(300);

/// First pause before another attempt; doubled each time.
pub const PAUSE_DEFAULT_SECONDS: &str = "1";

/// Wait for a connection, TLS included.
pub const CONNECT_DEFAULT_SECONDS: &str = "30";

/// Wait for the next byte.
pub const STALL_DEFAULT_SECONDS: &str = "60";

/// Bytes per second that a body has to bring on average while it is waited for: less than the slowest modem, more than who
/// only keeps the connection open.
pub const RATE_DEFAULT_BYTES_PER_SECOND: u64 = 100;

/// What an address of a name may take before the next one is tried beside it (RFC 8305 section 8).
pub const HEAD_START: Duration = Duration::from_millis(250);

/// Longest time that a flag can name.
pub const WAIT_SECONDS_MAX: f64 = 30.0 * 24.0 * 3600.0;

/// Addresses of a name that are tried.
pub const ADDRESSES_MAX: usize = 8;

/// Length of a file name made from a URL (NAME_MAX of Linux, less the ending of a part).
pub const NAME_BYTES_MAX: usize = 200;

/// Size of the note beside a part.
pub const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// Wait, at the end, for whoever still writes what has arrived.
pub const WRITING_ENDS_MAX: Duration = Duration::from_secs(1);

/// Buffer of the decoders.
pub const DECODED_PIECE_BYTES: usize = 64 * 1024;

/// Pieces of a body that wait for whoever writes them.
pub const PIECES_WAITING_MAX: usize = 16;
