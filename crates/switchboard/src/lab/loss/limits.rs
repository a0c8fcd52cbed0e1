//! Every bound of the experiment in one place, unit last.

/// Most withdrawals at a point.
pub(crate) const CALLS_MAX: u32 = 1_000_000;
/// Most points on the axis.
pub(crate) const POINTS_MAX: usize = 100;
/// Largest share of messages lost, in per mille: beyond it a withdrawal needs hundreds of attempts.
pub(crate) const LOSS_PERMILLE_MAX: u16 = 950;
/// Largest share lost that is tried on sockets, in per mille.
pub(crate) const SOCKETS_PERMILLE_MAX: u16 = 700;
/// Longest round trip of the simulated link, in milliseconds.
pub(crate) const ROUND_TRIP_MS_MAX: u64 = 1_000;
/// A withdrawal on sockets that has no answer after this nominal time ends the experiment, in seconds. At the largest loss
/// about six are usual; that a sound run takes so many has a chance below one in 10^20.
pub(crate) const ANSWER_NOMINAL_S_MAX: u64 = 600;
/// Longest wait for the proxy's handshake, in milliseconds of the wall clock.
pub(crate) const HANDSHAKE_MS_MAX: u64 = 5_000;
/// Most clients at a time on sockets.
pub(crate) const CLIENTS_MAX: usize = 16;
/// Bytes read from a socket at a time.
pub(crate) const READ_BYTES: usize = 16 * 1024;
