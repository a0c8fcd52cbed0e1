//! The client's journal: any bytes, entries of any content, and sound journals that are then damaged.
//!
//! Held: a sound journal says exactly what was written; a damaged one is refused, or says what one of its beginnings
//! said, and never less than what a later entry calls durable; a client goes on from whatever is recovered.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use switchboard_call::client::{Config, Machine, Output};
use switchboard_call::id::{CallId, Nonce, ReplyHash};
use switchboard_call::journal::{Binding, Recovered, recover};

use crate::input::Input;
use crate::secrecy;
use crate::wire::{STORE, call_id, checksum};

/// Most outputs that a client may have before anything happened, beside one for each recovered call.
const OUTPUTS_MAX: usize = 64;

/// First byte: what the rest is.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 3 {
        0 => anything(input.rest()),
        1 => entries(&mut input),
        _ => story(&mut input),
    }
}

fn here() -> Binding {
    Binding::new("machine", "operator")
}

fn anything(file: &[u8]) {
    match recover(file, &here()) {
        Ok(recovered) => check(file, recovered),
        // The error may name the binding that it found; it does not quote commands.
        Err(error) => assert!(!secrecy::whole_text(&error).is_empty()),
    }
}

/// Entries whose CBOR is the input's, under right checksums.
fn entries(input: &mut Input<'_>) {
    let mut file = header();
    while let Some(synced) = input.next() {
        append(&mut file, input.piece(), u64::from(synced));
    }
    anything(&file);
}

/// What has to hold of everything that can be recovered.
fn check(file: &[u8], recovered: Recovered) {
    let sound = usize::try_from(recovered.sound_bytes).expect("no longer than the file");
    assert!(sound <= file.len());
    if let Some(cut) = recovered.cut {
        assert_eq!((cut.offset, cut.bytes), (recovered.sound_bytes, as_u64(file.len() - sound)));
        assert!(sound == 0 || !recovered.clean, "a torn journal was not closed in order");
    }
    let again = recover(&file[..sound], &here()).expect("what is sound stays so");
    assert_eq!((again.cut, again.sound_bytes), (None, recovered.sound_bytes));
    assert_same(&again, &recovered);
    go_on(recovered);
}

fn assert_same(one: &Recovered, other: &Recovered) {
    assert_eq!(one.sessions, other.sessions);
    assert_eq!(one.open, other.open);
    assert_eq!(one.answered, other.answered);
}

/// A client that wakes up on it hands over the answers, each once, and nothing else.
fn go_on(recovered: Recovered) {
    let answered: Vec<CallId> = recovered.answered.iter().map(|call| call.id).collect();
    let outputs_max = OUTPUTS_MAX + recovered.open.len() + answered.len();
    let mut machine =
        Machine::recover(Config::durable("fuzz", here()), recovered, Box::new(|bytes| bytes.fill(1)));
    machine.handle_timer(0);
    let mut handed_over = Vec::new();
    for count in 0.. {
        let Some(output) = machine.poll_output() else { break };
        assert!(count < outputs_max, "a client that does not come to rest");
        if let Output::Answer(settled) = output {
            assert!(settled.maybe_seen);
            handed_over.push(settled.id);
        }
    }
    assert_eq!(handed_over, answered);
}

/// A journal as a client writes it.
#[derive(Default)]
struct Written {
    file: Vec<u8>,
    /// Where each entry begins, and what it calls durable.
    entries: Vec<(usize, u64)>,
    synced: u64,
    /// Last sequence of each slot, and how its call stands.
    slots: BTreeMap<u8, (u64, Stage)>,
    /// Calls that are open and calls whose answer nobody has acknowledged, each in order.
    open: Vec<CallId>,
    answered: Vec<CallId>,
    clean: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Answered,
    Over,
}

impl Written {
    fn new() -> Self {
        let mut written = Self { file: header(), ..Self::default() };
        written.add(&cbor((0_u8,)));
        written.add(&cbor((1_u8, call_id(1, 0, 1).session, STORE, 1_u64)));
        written
    }

    fn add(&mut self, payload: &[u8]) {
        self.entries.push((self.file.len(), self.synced));
        append(&mut self.file, payload, self.synced);
        self.clean = payload == cbor((8_u8,));
    }

    /// One thing that happens to a client.
    fn happen(&mut self, what: u8, body: &[u8]) {
        let slot = what >> 4;
        let (sequence, stage) = self.slots.get(&slot).copied().unwrap_or((0, Stage::Over));
        let id = call_id(1, slot, sequence);
        let answer = ByteVec::from(switchboard_call::answer::Answer::Done(body.to_vec()).to_bytes());
        let hash = ReplyHash::of(id, &answer);
        match (what % 16, stage) {
            (0..=4, Stage::Over) => {
                let id = call_id(1, slot, sequence + 1);
                self.slots.insert(slot, (sequence + 1, Stage::Open));
                self.open.push(id);
                let body = (what % 16 != 4).then(|| ByteVec::from(body.to_vec()));
                let previous = ReplyHash([sequence.to_be_bytes()[7]; 8]);
                let call = (2_u8, id, Nonce([3; 16]), previous, "bank", 1_u16, None::<u64>, body, "label");
                self.add(&begun(call));
            }
            (5..=8, Stage::Open) => {
                self.slots.insert(slot, (sequence, Stage::Answered));
                self.open.retain(|open| *open != id);
                self.answered.push(id);
                self.add(&cbor((4_u8, id, answer, Some(hash))));
            }
            (9..=11, Stage::Answered) => {
                self.slots.insert(slot, (sequence, Stage::Over));
                self.answered.retain(|answered| *answered != id);
                self.add(&cbor((5_u8, id)));
            }
            (12, Stage::Open) => self.add(&cbor((3_u8, id))),
            (13, _) => self.add(&cbor((8_u8,))),
            (14, _) => self.add(&cbor((0_u8,))),
            _ => self.synced = as_u64(self.file.len()),
        }
    }
}

type Begun<'a> = (u8, CallId, Nonce, ReplyHash, &'a str, u16, Option<u64>, Option<ByteVec>, &'a str);

/// Ten parts: `replaces` is none.
fn begun(call: Begun<'_>) -> Vec<u8> {
    let (kind, id, nonce, previous, service, version, not_after, body, label) = call;
    cbor((kind, id, nonce, previous, service, version, not_after, body, label, None::<CallId>))
}

/// First a damage, then what happened before it: a byte of what, a piece of body, each.
fn story(input: &mut Input<'_>) {
    let (how, at, bits) =
        (input.byte(), input.number(), [input.byte(), input.byte(), input.byte(), input.byte()]);
    let mut written = Written::new();
    while let Some(what) = input.next() {
        written.happen(what, input.piece());
    }
    let sound = recover(&written.file, &here()).expect("what is written is sound");
    assert_eq!(sound.sound_bytes, as_u64(written.file.len()));
    assert_eq!(sound.open.iter().map(|call| call.id).collect::<Vec<_>>(), written.open);
    assert_eq!(sound.answered.iter().map(|call| call.id).collect::<Vec<_>>(), written.answered);
    assert_eq!((sound.clean, sound.cut), (written.clean, None));
    go_on(sound);
    damaged(&written, how, usize::from(at) % written.file.len(), bits);
}

/// Four bytes changed anywhere, a cut anywhere, room behind the end.
fn damaged(written: &Written, how: u8, at: usize, bits: [u8; 4]) {
    let mut file = written.file.clone();
    let touched = match how % 4 {
        0 => at..at,
        1 => {
            file.truncate(at);
            at..written.file.len()
        }
        2 => {
            file.truncate(at);
            file.resize(at + usize::from(how), 0);
            at..written.file.len()
        }
        _ => {
            file.iter_mut().skip(at).zip(bits).for_each(|(byte, bits)| *byte ^= bits);
            at..(at + bits.len()).min(written.file.len())
        }
    };
    let Ok(recovered) = recover(&file, &here()) else {
        assert!(how % 4 > 1, "a journal that was only cut is never refused");
        return;
    };
    let sound = usize::try_from(recovered.sound_bytes).expect("no longer than the file");
    let prefix = recover(&written.file[..sound], &here()).expect("a beginning of what was written");
    assert_same(&recovered, &prefix);
    assert!(recovered.sound_bytes >= durable(written, &touched), "a durable entry was taken for torn");
    check(&file, recovered);
}

/// How much of the file the entries that are still whole call durable.
fn durable(written: &Written, touched: &std::ops::Range<usize>) -> u64 {
    let ends = written.entries.iter().skip(1).map(|(start, _)| *start).chain([written.file.len()]);
    let whole = written
        .entries
        .iter()
        .zip(ends)
        .filter(|((start, _), end)| touched.is_empty() || *end <= touched.start || touched.end <= *start);
    // Past a cut everything is gone, whole or not.
    whole.map(|((_, synced), _)| *synced).max().unwrap_or(0)
}

fn header() -> Vec<u8> {
    let cbor = cbor((1_u16, here().machine(), here().principal()));
    let mut file = b"SBJOURN1".to_vec();
    file.extend_from_slice(&length(&cbor));
    let sum = checksum(&file, &cbor);
    file.extend_from_slice(&sum.to_be_bytes());
    file.extend_from_slice(&cbor);
    file
}

fn append(file: &mut Vec<u8>, payload: &[u8], synced: u64) {
    let mut head = length(payload).to_vec();
    head.extend_from_slice(&synced.to_be_bytes());
    let sum = checksum(&head, payload);
    file.extend_from_slice(&head);
    file.extend_from_slice(&sum.to_be_bytes());
    file.extend_from_slice(payload);
}

fn length(payload: &[u8]) -> [u8; 4] {
    u32::try_from(payload.len()).expect("inputs are far below 4 GiB").to_be_bytes()
}

fn cbor(parts: impl minicbor::Encode<()>) -> Vec<u8> {
    minicbor::to_vec(parts).expect("encoding into a Vec cannot fail")
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length in memory fits 64 bits")
}
