//! Promises of what connections share, without a socket.

mod admission;
mod schedules;
