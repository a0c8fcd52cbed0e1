//! Somebody who sends what others have sent, again and changed: late copies from any connection, copies under another
//! name, other bytes under a known id, gaps, ids below and beyond, cancels of calls that are not his.
//!
//! What it makes itself carries wishes of its own, so that the model can tell its effects from those of the clients.

use switchboard_call::frame::{Call, Cancel, ClientFrame, Hello, OutcomeQuery, PROTOCOL_VERSION};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_commands::bank;
use switchboard_engine::Principal;

use crate::chance::Chance;
use crate::intent;
use crate::node::START_US;
use crate::plan::What;
use crate::scene::{Overheard, Scene};

/// What is sent on one connection, and as whom.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// For the story.
    pub(crate) what: &'static str,
    /// The frames, the hello among them.
    pub(crate) frames: Vec<ClientFrame>,
}

/// Something to try, if there is anything to build on. Only at the store that the copies were meant for: a hello that
/// names no store is taken at its word.
pub(crate) fn attempt(scene: &mut Scene, chance: &mut Chance) -> Option<Attempt> {
    if scene.store != 0 {
        return None;
    }
    let forges = scene.plan.rogue.is_some_and(|rogue| rogue.forges);
    let choices = if forges { 10 } else { 4 };
    match chance.below(choices) {
        0..=2 => copy(scene, chance),
        3 => copy_as_another(scene, chance),
        4 => other_bytes(scene, chance),
        5 => copied_journal(scene, chance),
        6 => next_in_slot(scene, chance, ReplyHash([7; 8]), 1, "the next call, relying on nothing"),
        7 => next_in_slot(scene, chance, ReplyHash([7; 8]), 3, "a call far ahead"),
        8 => cancel(scene, chance),
        _ => old_session(scene, chance),
    }
}

fn copy(scene: &Scene, chance: &mut Chance) -> Option<Attempt> {
    let (sender, overheard) = overheard(scene, chance)?;
    let frame = match overheard {
        Overheard::Call(call) => ClientFrame::Call(call),
        Overheard::Cancel(cancel) => ClientFrame::Cancel(cancel),
    };
    Some(Attempt { what: "a copy", frames: vec![hello(sender), frame] })
}

/// Only of sessions that have an owner: nobody can know whose a new one was to be.
fn copy_as_another(scene: &Scene, chance: &mut Chance) -> Option<Attempt> {
    let (_, overheard) = overheard(scene, chance)?;
    let owner = scene.model.facts(scene.store).calls.owner(overheard.id().session)?;
    let other = [1, 2, 3].map(crate::client::principal).into_iter().find(|other| *other != owner)?;
    let query = OutcomeQuery { id: overheard.id(), nonce: None };
    let frame = match overheard {
        Overheard::Call(call) => ClientFrame::Call(call),
        Overheard::Cancel(cancel) => ClientFrame::Cancel(cancel),
    };
    Some(Attempt {
        what: "a copy as another",
        frames: vec![hello(other), frame, ClientFrame::Outcome(query)],
    })
}

/// Another command under the id and the nonce of a call: a client that encodes anew. Only of calls that have ended: a
/// cancel names the nonce alone, and cannot tell such bytes from the client's own.
fn other_bytes(scene: &mut Scene, chance: &mut Chance) -> Option<Attempt> {
    let (sender, call) = overheard_call(scene, chance)?;
    let is_put_back = scene.plan.faults.iter().any(|fault| matches!(fault.what, What::Restore { .. }));
    if is_put_back || !scene.model.facts(scene.store).calls.is_recorded(call.id) {
        return None;
    }
    let forged = Call { body: own_command(scene, chance, call.id), ..call };
    Some(Attempt { what: "other bytes", frames: vec![hello(sender), ClientFrame::Call(forged)] })
}

/// Another call under the id of a call: a journal on two machines.
fn copied_journal(scene: &mut Scene, chance: &mut Chance) -> Option<Attempt> {
    let (sender, call) = overheard_call(scene, chance)?;
    let body = own_command(scene, chance, call.id);
    let forged = Call { body, nonce: nonce(chance), not_after_us: None, ..call };
    Some(Attempt { what: "another call", frames: vec![hello(sender), ClientFrame::Call(forged)] })
}

fn next_in_slot(
    scene: &mut Scene,
    chance: &mut Chance,
    wrong: ReplyHash,
    ahead: u64,
    what: &'static str,
) -> Option<Attempt> {
    let slots = scene.model.facts(scene.store).calls.slots();
    if slots.is_empty() {
        return None;
    }
    let (last, hash, owner) = *chance.pick(&slots);
    let sequence = Sequence::new(last.sequence.number() + ahead)?;
    let id = CallId { sequence, ..last };
    let previous = if chance.happens(0.8) { wrong } else { hash };
    let call = own_call(scene, chance, id, previous);
    Some(Attempt { what, frames: vec![hello(owner?), ClientFrame::Call(call)] })
}

fn cancel(scene: &Scene, chance: &mut Chance) -> Option<Attempt> {
    let (sender, call) = overheard_call(scene, chance)?;
    let nonce = if chance.happens(0.5) { Some(call.nonce) } else { None };
    let cancel = Cancel { id: call.id, previous: Some(call.previous), nonce };
    Some(Attempt { what: "a cancel", frames: vec![hello(sender), ClientFrame::Cancel(cancel)] })
}

/// A call in a session that nobody minted, some of them below the horizon.
fn old_session(scene: &mut Scene, chance: &mut Chance) -> Option<Attempt> {
    let age_ms = chance.below(120) * 24 * 3_600_000;
    let birth_ms = ((START_US + scene.now_us) / 1000).saturating_sub(age_ms);
    let mut random = [0; 10];
    chance.fill(&mut random);
    let session = SessionId::mint(birth_ms, random);
    let sequence = Sequence::new(chance.between(1, 2))?;
    let id = CallId { session, slot: Slot(0), sequence };
    let call = own_call(scene, chance, id, ReplyHash::NONE);
    let frames = vec![hello(Principal::Operator), ClientFrame::Call(call)];
    Some(Attempt { what: "a call in a session of its own", frames })
}

fn own_call(scene: &mut Scene, chance: &mut Chance, id: CallId, previous: ReplyHash) -> Call {
    let body = own_command(scene, chance, id);
    Call {
        service: bank::SERVICE.to_owned(),
        id,
        nonce: nonce(chance),
        previous,
        version: bank::VERSION,
        not_after_us: None,
        attempt: 1,
        body,
    }
}

fn own_command(scene: &mut Scene, chance: &mut Chance, id: CallId) -> Vec<u8> {
    let wish = scene.model.wishes.wish(None);
    scene.model.wishes.sent(wish, id);
    minicbor::to_vec(intent::command(wish, chance)).expect("a buffer takes everything")
}

fn nonce(chance: &mut Chance) -> Nonce {
    let mut nonce = [0; 16];
    chance.fill(&mut nonce);
    Nonce(nonce)
}

fn overheard(scene: &Scene, chance: &mut Chance) -> Option<(Principal, Overheard)> {
    if scene.overheard.is_empty() {
        return None;
    }
    Some(scene.overheard[chance.index(scene.overheard.len())].clone())
}

fn overheard_call(scene: &Scene, chance: &mut Chance) -> Option<(Principal, Call)> {
    match overheard(scene, chance)? {
        (sender, Overheard::Call(call)) => Some((sender, call)),
        (_, Overheard::Cancel(_)) => None,
    }
}

fn hello(principal: Principal) -> ClientFrame {
    let number = match principal {
        Principal::Operator => 0,
        Principal::Machine(id) => id.number(),
        Principal::Anonymous => u64::MAX >> 8,
    };
    ClientFrame::Hello(Hello {
        version_min: PROTOCOL_VERSION,
        version_max: PROTOCOL_VERSION,
        store: None,
        sessions: Vec::new(),
        credential: Some(number.to_be_bytes().to_vec().into()),
        agent: "rogue".to_owned(),
    })
}
