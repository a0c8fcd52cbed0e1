//! STAMP on the wire: test packets of RFC 8762, their extensions of RFC 8972, authentication, timestamp formats. Each is a
//! pure view of bytes. Absent: when a packet is sent or answered; that is decided by the prober and the reflector.

pub mod auth;
pub mod clock;
pub mod packet;
pub mod tlv;

pub use auth::{Key, Keys};
pub use clock::{ErrorEstimate, Format, WireTime};
pub use packet::{Mode, Reply, Request};

/// The port that IANA gave to STAMP and TWAMP tests.
pub const PORT: u16 = 862;
