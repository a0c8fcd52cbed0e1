//! Every bound and every period of this crate, unit last. Absent: the bounds rustls sets itself (64 KiB a handshake message).

/// How long a certificate made here is valid, from its (backdated) first second. Apple's platforms refuse server
/// certificates over 398 days.
pub const CERTIFICATE_LIFETIME_SECONDS: i64 = 397 * DAY_SECONDS;

/// A certificate is renewed when less than this is left of it.
pub const CERTIFICATE_RENEWAL_SECONDS: i64 = 30 * DAY_SECONDS;

/// A certificate starts this long before it is made, so that a client whose clock is behind accepts it.
pub const CERTIFICATE_BACKDATE_SECONDS: i64 = DAY_SECONDS;

/// Names a certificate made here may carry, besides the local ones.
pub const CERTIFICATE_NAMES_MAX: usize = 100;

/// Size of a private key file.
pub const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Size of a file of certificates: a server's chain or the authorities a client trusts (the bundle of a distribution is
/// a quarter of a megabyte).
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Size of the file of known servers, about ten thousand of them.
pub const KNOWN_SERVERS_BYTES_MAX: u64 = 1024 * 1024;

const DAY_SECONDS: i64 = 24 * 60 * 60;
