//! One open call: what it is, where it stands, how many copies of it left and on which connection.
//! Absent: what an answer means.

use super::config::{CallKey, CallState, CallView, NotAfter};
use super::exchange::Exchange;
use super::output::{End, Unresolved};
use crate::answer::Door;
use crate::frame;
use crate::id::{CallId, Nonce, ReplyHash};
use crate::journal::BegunRef;

/// An open call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) service: String,
    pub(super) version: u16,
    /// Absent for a secret command recovered from the journal.
    pub(super) body: Option<Body>,
    pub(super) secret: bool,
    pub(super) label: String,
    pub(super) not_after: Option<NotAfter>,
    pub(super) ticket: Option<Ticket>,
    pub(super) deadline_ms: Option<u64>,
    /// When the application is told that the outcome is not known.
    pub(super) report_ms: Option<u64>,
    pub(super) stage: Stage,
    /// It is to end unexecuted: what is sent from now on is a cancel.
    pub(super) cancelling: bool,
    /// It was open when the process before this one ended.
    pub(super) recovered: bool,
    pub(super) exchange: Exchange,
    /// Copies ever sent.
    pub(super) copies: u32,
    /// The connection that the first copy left on.
    pub(super) first_connection: Option<u64>,
    /// The door's answer to a copy.
    pub(super) door: Option<Door>,
    /// The door's answer to the cancel on this connection.
    pub(super) cancel_door: Option<Door>,
    /// Room kept in the journal for its answer, in bytes.
    pub(super) answer_bytes_max: usize,
}

/// An encoded command; not printed.
pub(super) struct Body(pub(super) Vec<u8>);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} B)", self.0.len())
    }
}

/// What a call gets with its slot; bound to its bytes for ever once sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) id: CallId,
    pub(super) nonce: Nonce,
    pub(super) previous: ReplyHash,
    pub(super) not_after_us: Option<u64>,
    /// The id that a copied journal spoilt for it.
    pub(super) replaces: Option<CallId>,
}

/// Where an open call stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for a slot.
    Queued,
    /// Its beginning is being made durable.
    Journalling,
    /// To be sent, or sent.
    Open,
    /// Its outcome is being asked for, because of this answer.
    Asking(Unresolved),
    /// Its answer is being made durable.
    Settling { end: End, hash: Option<ReplyHash> },
    /// Nothing more to be done from here.
    Parked(Unresolved),
}

impl Call {
    /// What the journal keeps.
    pub(super) fn begun(&self) -> Option<BegunRef<'_>> {
        let Ticket { id, nonce, previous, not_after_us, replaces } = self.ticket?;
        let (service, version, label) = (self.service.as_str(), self.version, self.label.as_str());
        let body = self.body.as_ref().filter(|_| !self.secret).map(|body| body.0.as_slice());
        Some(BegunRef { id, nonce, previous, service, version, not_after_us, body, label, replaces })
    }

    /// The next copy of the call, or the cancel; `None` before it has an id.
    pub(super) fn next_frame(&self) -> Option<frame::ClientFrame> {
        let Ticket { id, nonce, previous, not_after_us, .. } = self.ticket?;
        if self.cancelling {
            return Some(frame::ClientFrame::Cancel(frame::Cancel {
                id,
                previous: Some(previous),
                nonce: Some(nonce),
            }));
        }
        let body = self.body.as_ref()?.0.clone();
        let (service, version, attempt) = (self.service.clone(), self.version, self.copies + 1);
        let call = frame::Call { service, id, nonce, previous, version, not_after_us, attempt, body };
        Some(frame::ClientFrame::Call(call))
    }

    /// The attempt number that the answer to the next frame echoes.
    pub(super) fn next_attempt(&self) -> u32 {
        if self.cancelling { 0 } else { self.copies + 1 }
    }

    /// When it wants attention next.
    pub(super) fn alarm_ms(&self) -> Option<u64> {
        let sending = match self.stage {
            Stage::Open => self.exchange.alarm_ms(),
            Stage::Queued
            | Stage::Journalling
            | Stage::Asking(_)
            | Stage::Settling { .. }
            | Stage::Parked(_) => None,
        };
        [sending, self.deadline_ms, self.report_ms].into_iter().flatten().min()
    }

    /// Whether an answer of the server can still settle it.
    pub(super) fn can_settle(&self) -> bool {
        match self.stage {
            Stage::Open | Stage::Asking(_) | Stage::Parked(_) => true,
            Stage::Queued | Stage::Journalling | Stage::Settling { .. } => false,
        }
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.0.len())
    }

    pub(super) fn view(&self, key: CallKey) -> CallView {
        let state = match &self.stage {
            Stage::Queued | Stage::Journalling => CallState::Waiting,
            Stage::Open | Stage::Asking(_) if self.cancelling => CallState::Cancelling,
            Stage::Open | Stage::Asking(_) => CallState::Open,
            Stage::Settling { .. } => CallState::Answered,
            Stage::Parked(why) => CallState::Unresolved(why.clone()),
        };
        let id = self.ticket.map(|ticket| ticket.id);
        CallView { key, id, service: self.service.clone(), label: self.label.clone(), state }
    }
}
