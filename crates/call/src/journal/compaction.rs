//! A journal in which everything is acknowledged, written anew: only what its sessions still need.

use super::Binding;
use super::entry::{Entry, write_header};
use crate::id::{CallId, Generation, ReplyHash, SessionId, StoreId};

/// What a rewritten journal carries of one session.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) id: SessionId,
    pub(crate) store: StoreId,
    pub(crate) generation: Generation,
    pub(crate) takes_calls: bool,
    /// The last settled call of each slot.
    pub(crate) settled: Vec<(CallId, ReplyHash)>,
}

/// The whole of the new file.
pub(crate) fn rewritten(binding: &Binding, sessions: &[SessionState]) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(binding, &mut out);
    for session in sessions {
        let SessionState { id, store, generation, .. } = *session;
        Entry::Session { id, store, generation }.write(0, &mut out);
        for &(id, hash) in &session.settled {
            Entry::Settled { id, hash }.write(0, &mut out);
        }
        if !session.takes_calls {
            Entry::Stopped { session: id }.write(0, &mut out);
        }
    }
    out
}
