//! Bounds of the server side of a connection that no configuration changes, unit last.

/// Longest payload before the hello was understood, in bytes: the longest hello (64 sessions, credential,
/// agent) fits, and a stranger cannot make the server hold more.
pub const HELLO_FRAME_BYTES_MAX: usize = 4 * 1024;

/// With this much unsent the machine takes no further requests, in bytes.
pub const UNSENT_PAUSE_BYTES: usize = 1024 * 1024;

/// How long a goodbye may take to leave before the connection is closed without it, in milliseconds.
pub const GOODBYE_MS_MAX: u64 = 2_000;

/// Buffers up to this size are kept while a connection is idle, in bytes.
pub const IDLE_BUFFER_BYTES_MAX: usize = 256;
