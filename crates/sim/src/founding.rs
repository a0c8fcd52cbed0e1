//! What a new store of the simulation begins with: four accounts with some money, made by ordinary calls.

use std::sync::{Arc, Mutex, PoisonError};

use switchboard_call::frame::{Call, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_call::server::Request;
use switchboard_commands::bank::{self, Command};
use switchboard_engine::{Engine, Principal, Replies};

use crate::intent::{self, ACCOUNTS};
use crate::scene::Scene;

const BEGINNING_MINOR_UNITS: i64 = 3_000;

/// The calls, each in a session of its own.
#[must_use]
pub(crate) fn requests(scene: &mut Scene, birth_ms: u64) -> Vec<Request> {
    let opening = (1..=ACCOUNTS).map(|number| (number, true));
    let paying_in = (1..=ACCOUNTS).map(|number| (number, false));
    opening.chain(paying_in).map(|(number, opens)| request(scene, birth_ms, number, opens)).collect()
}

fn request(scene: &mut Scene, birth_ms: u64, number: i64, opens: bool) -> Request {
    let wish = scene.model.wishes.wish(None);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&wish.to_be_bytes());
    let session = SessionId::mint(birth_ms, random);
    let id = CallId { session, slot: Slot(0), sequence: Sequence::FIRST };
    scene.model.wishes.sent(wish, id);
    let text = intent::mark(wish);
    let command = if opens {
        Command::OpenAccount {
            owner: text.parse().expect("a mark is a short line"),
            floor: intent::money(0, number),
        }
    } else {
        Command::Deposit {
            account: intent::account(number),
            money: intent::money(BEGINNING_MINOR_UNITS, number),
            memo: Some(text.parse().expect("a mark is a short line")),
        }
    };
    Request::Call(Call {
        service: bank::SERVICE.to_owned(),
        id,
        nonce: Nonce([1; 16]),
        previous: ReplyHash::NONE,
        version: bank::VERSION,
        not_after_us: None,
        attempt: 1,
        body: minicbor::to_vec(command).expect("a buffer takes everything"),
    })
}

/// What the engine answers to it.
#[must_use]
pub(crate) fn hand_in(engine: &Engine, request: Request) -> Vec<ServerFrame> {
    let answers = Arc::new(Answers::default());
    let replies: Arc<dyn Replies> = Arc::<Answers>::clone(&answers);
    engine.hand_in(Principal::Operator, vec![request], &replies);
    std::mem::take(&mut *answers.0.lock().unwrap_or_else(PoisonError::into_inner))
}

#[derive(Default)]
struct Answers(Mutex<Vec<ServerFrame>>);

impl Replies for Answers {
    fn deliver(&self, frame: ServerFrame) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
    }
}
