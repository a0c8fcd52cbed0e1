//! The text service's encoding is golden, its names agree with its JSON view, and no bytes make it panic.

use expect_test::expect_file;
use proptest::prelude::*;

use super::{Chunk, Command, Refusal, Reply, Verdict};
use crate::golden::{Golden, json_tag};

fn every_command() -> Vec<Command> {
    let chunk = |bytes: &[u8], last| Chunk { bytes: bytes.to_vec(), context: 1, last, lossy: !last };
    vec![
        Command::Upper { chunk: chunk("ß".as_bytes(), true) },
        Command::Lower { chunk: chunk(b"A\xff", false) },
        Command::Prime { number: "91".to_owned(), step: 1 },
    ]
}

fn every_reply() -> Vec<Reply> {
    let text = "SS".to_owned();
    let verdicts = [
        Verdict::Prime,
        Verdict::ProbablyPrime { miller_rabin_rounds: 10 },
        Verdict::HasFactor { factor: 7 },
        Verdict::Square,
        Verdict::FailsMillerRabin,
        Verdict::FailsLucas,
        Verdict::Zero,
        Verdict::One,
        Verdict::Negative,
    ];
    let mapped = Reply::Mapped { text, consumed: 2, context: 1, open_sigma_was_medial: false };
    let judged = verdicts.into_iter().map(|verdict| Reply::Judged { verdict });
    [mapped, Reply::Undecided { step: 2 }].into_iter().chain(judged).collect()
}

fn every_refusal() -> Vec<Refusal> {
    vec![
        Refusal::InvalidUtf8 { offset: 2 },
        Refusal::ChunkTooLong { bytes: 262_145, bytes_max: 262_144 },
        Refusal::UnknownContext { context: 9 },
        Refusal::UnknownStep { step: 200 },
        Refusal::NotAnInteger,
        Refusal::TooLarge { bits_max: 4096 },
    ]
}

#[test]
fn the_encoding_is_golden() {
    let mut golden = Golden::default();
    every_command().iter().for_each(|command| golden.add(&format!("command {}", command.name()), command));
    every_reply().iter().for_each(|reply| golden.add(&format!("reply {}", json_tag(reply, "reply")), reply));
    every_refusal().iter().for_each(|refusal| golden.add(&format!("refusal {}", refusal.code()), refusal));
    expect_file!["../../golden/text.txt"].assert_eq(golden.text());
}

#[test]
fn the_refusals_are_golden_texts() {
    let text: String = every_refusal().iter().map(|r| format!("{}\n  {r}\n", r.code())).collect();
    expect_file!["../../golden/text_refusals.txt"].assert_eq(&text);
}

#[test]
fn names_and_codes_are_the_tags_of_the_json_view() {
    for command in every_command() {
        assert_eq!(json_tag(&command, "command"), command.name());
        assert!(command.is_read());
    }
    for refusal in every_refusal() {
        assert_eq!(json_tag(&refusal, "code"), refusal.code());
    }
}

#[test]
fn a_private_text_is_not_printed() {
    let shown = format!("{:?}", Chunk { bytes: b"my diary".to_vec(), context: 0, last: true, lossy: false });
    assert_eq!(shown, "Chunk(8 bytes, context 0, last true, lossy false)");
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = minicbor::decode::<Command>(&bytes);
        let _ = minicbor::decode::<Reply>(&bytes);
        let _ = minicbor::decode::<Refusal>(&bytes);
    }
}
