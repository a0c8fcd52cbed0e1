//! Every bound of the server in one place, unit last: what the configuration may change, and what it may not.

/// Bounds that an operator may set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections from the network at a time.
    pub connections_max: usize,
    /// Connections at a time from one IPv4 address or one IPv6 /64.
    pub connections_per_address_max: usize,
    /// From accepting a connection to its hello, a TLS handshake included, in milliseconds.
    pub handshake_ms_max: u64,
    /// Without a whole frame from the peer, which is pinged at half of it, in milliseconds.
    pub idle_ms_max: u32,
    /// With bytes waiting of which the peer takes none, in milliseconds.
    pub stall_ms_max: u64,
    /// Requests of one connection without an answer; beyond it the connection is not read.
    pub in_flight_max: u32,
    /// Answers that wait for one slow peer, in bytes; beyond it the connection is cut.
    pub outbox_bytes_max: usize,
    /// How long a stopping server waits for answers in flight, in milliseconds.
    pub drain_ms_max: u64,
    /// What a client is told that is sent away for lack of room, in milliseconds.
    pub retry_after_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_address_max: 1_024,
            handshake_ms_max: 10_000,
            idle_ms_max: 120_000,
            stall_ms_max: 30_000,
            in_flight_max: 256,
            outbox_bytes_max: 32 * 1024 * 1024,
            drain_ms_max: 10_000,
            retry_after_ms: 1_000,
        }
    }
}

/// Connections over Unix-domain sockets beyond [`Limits::connections_max`], so that an operator gets in while
/// the network is flooded.
pub const LOCAL_RESERVE_MAX: usize = 64;

/// Received bytes taken per system call; the buffer is the thread's, not the connection's.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// A write buffer up to this size is kept while a connection is idle, in bytes.
pub const IDLE_BUFFER_BYTES_MAX: usize = 256;

/// After our goodbye, how long what the peer still sends is read and dropped, in milliseconds. Closing with
/// bytes unread would reset the connection and could take the goodbye away from the peer.
pub const LINGER_MS_MAX: u64 = 1_000;

/// The same in bytes.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Connections that are being sent away at a time; beyond it they are closed without a word.
pub const SHEDDING_MAX: usize = 64;

/// Pause in accepting when the process or the system is out of file descriptors or memory, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;

/// Time beyond the drain in which a stopping server lets goodbyes leave, in milliseconds.
pub const FAREWELL_MS_MAX: u64 = 3_000;

/// Longest path of a Unix-domain socket, in bytes: `sun_path` of unix(7) less its terminating zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Connections that the kernel holds for a listener until they are accepted.
pub const LISTEN_BACKLOG: i32 = 4_096;
