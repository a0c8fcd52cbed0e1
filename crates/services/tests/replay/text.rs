//! The text service through the door: what is answered, what is refused, who may ask.

use switchboard_call::answer::Answer;
use switchboard_commands::text::{Chunk, Command, Refusal, Reply, Text, Verdict};
use switchboard_engine::Principal;

use crate::laboratory::Laboratory;

fn chunk(bytes: &[u8], context: u8, last: bool) -> Chunk {
    Chunk { bytes: bytes.to_vec(), context, last, lossy: false }
}

#[test]
fn text_is_mapped_with_the_context_of_its_stream() {
    let lab = Laboratory::new();
    let upper = Command::Upper { chunk: chunk("straße".as_bytes(), 0, true) };
    let Ok(Reply::Mapped { text, consumed, .. }) = lab.read::<Text>(&upper) else { panic!("not mapped") };
    assert_eq!((text.as_str(), consumed), ("STRASSE", 7));
    let lower = Command::Lower { chunk: chunk("ΟΔΟΣ".as_bytes(), 0, false) };
    let Ok(Reply::Mapped { text, context, .. }) = lab.read::<Text>(&lower) else { panic!("not mapped") };
    assert_eq!(text, "οδος");
    let next = Command::Lower { chunk: chunk("Α".as_bytes(), context, true) };
    let Ok(Reply::Mapped { open_sigma_was_medial, .. }) = lab.read::<Text>(&next) else {
        panic!("not mapped")
    };
    assert!(open_sigma_was_medial);
}

#[test]
fn text_that_is_none_is_refused_with_its_offset() {
    let lab = Laboratory::new();
    let broken = Command::Upper { chunk: chunk(b"ab\xff", 0, true) };
    assert_eq!(lab.read::<Text>(&broken), Err(Refusal::InvalidUtf8 { offset: 2 }));
    let lossy = Command::Upper { chunk: Chunk { lossy: true, ..chunk(b"ab\xff", 0, true) } };
    assert!(matches!(lab.read::<Text>(&lossy), Ok(Reply::Mapped { text, .. }) if text == "AB\u{fffd}"));
    let context = Command::Upper { chunk: chunk(b"ab", 9, true) };
    assert_eq!(lab.read::<Text>(&context), Err(Refusal::UnknownContext { context: 9 }));
}

#[test]
fn numbers_are_judged() {
    let lab = Laboratory::new();
    let ask = |number: &str| lab.read::<Text>(&Command::Prime { number: number.to_owned(), step: 0 });
    let judged = |verdict| Ok(Reply::Judged { verdict });
    assert_eq!(ask("18446744073709551557"), judged(Verdict::Prime));
    assert_eq!(ask("91"), judged(Verdict::HasFactor { factor: 7 }));
    assert_eq!(ask("0"), judged(Verdict::Zero));
    assert_eq!(ask("1"), judged(Verdict::One));
    assert_eq!(ask("-7"), judged(Verdict::Negative));
    assert_eq!(ask("seven"), Err(Refusal::NotAnInteger));
    assert_eq!(ask(&"9".repeat(5000)), Err(Refusal::TooLarge { bits_max: 4096 }));
    let step = lab.read::<Text>(&Command::Prime { number: "7".to_owned(), step: 200 });
    assert_eq!(step, Err(Refusal::UnknownStep { step: 200 }));
}

#[test]
fn a_large_number_is_judged_over_several_questions() {
    let lab = Laboratory::new();
    // 2^2203 - 1, a Mersenne prime.
    let mut number = vec![1_u8];
    for _ in 0..2203 {
        let mut carry = 0;
        for digit in &mut number {
            let doubled = *digit * 2 + carry;
            (*digit, carry) = (doubled % 10, doubled / 10);
        }
        if carry > 0 {
            number.push(carry);
        }
    }
    number[0] -= 1;
    let number: String = number.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
    let mut step = 0;
    let verdict = loop {
        let reply = lab.read::<Text>(&Command::Prime { number: number.clone(), step }).unwrap();
        if let Reply::Judged { verdict } = reply {
            break verdict;
        }
        let Reply::Undecided { step: next } = reply else { panic!("{reply:?}") };
        assert!(next > step, "no progress");
        step = next;
    };
    assert!(matches!(verdict, Verdict::ProbablyPrime { miller_rabin_rounds: 1.. }), "{verdict:?}");
}

#[test]
fn anybody_may_ask() {
    let lab = Laboratory::new();
    let answer = lab.read_as::<Text>(Principal::Anonymous, &Command::Upper { chunk: chunk(b"a", 0, true) });
    assert!(matches!(Answer::from_bytes(&answer).unwrap(), Answer::Done(_)));
}
