//! THE transaction: claim a call id, run the rule, record the reply, commit; and what surrounds it.
//!
//! ```text
//!   door.rs ----> prepare.rs ----> writer.rs ----> batch.rs ----> claim.rs, Service::run, store::Tx
//!   permit,       slow work on     who finds it    one BEGIN ..   the rules of exactly-once,
//!   digest,       its own threads  free runs all   COMMIT for     one conditional write each
//!   copies attach                  that is queued  many calls
//!      |                                               |
//!      +--> reads over a snapshot                      +--> Replies::deliver, only after COMMIT
//! ```
//!
//! Synchronisation of that line is in rooms of its own (role.rs, prepare.rs, in_hand.rs), which know no call.
//!
//! The engine knows no service by name, no socket and no clock: services are registered, answers leave
//! through [`Replies`], time comes from the [`Clock`] that the driver passes in.

mod batch;
mod claim;
mod digest;
mod door;
mod housekeeping;
mod in_hand;
pub mod limits;
mod mint_rate;
mod outcome;
mod prepare;
mod principal;
mod role;
mod service;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

pub use digest::DigestKeys;
pub use door::{Clock, Config, Engine, Replies, StoreFacts};
pub use principal::{MachineId, Principal, permit};
pub use service::{
    Allowed, CallContext, CommandSpec, Effect, Prepare, ReadContext, Registry, Ruling, Service,
};
pub use switchboard_call::flaw::{Flaw, planted};
pub use switchboard_call::server::Request;
