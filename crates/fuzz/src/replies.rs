//! What a server says about a call: the recorded answer, the outcome, and the reply or refusal inside.
//!
//! Held: what decodes is encoded to one canonical form; an answer settles what its code says; a refusal's words are of
//! one line; no error repeats the body.

use minicbor::Decoder;
use switchboard_call::answer::{Answer, Outcome, Settles};
use switchboard_call::client::End;
use switchboard_commands::{bank, text};

use crate::commands::canonical;
use crate::secrecy;

/// First byte: what the rest is.
pub(crate) fn run(bytes: &[u8]) {
    let Some((what, body)) = bytes.split_first() else { return };
    match what % 6 {
        0 => answer(body),
        1 => outcome(body),
        2 => drop(canonical::<bank::Reply>(body)),
        3 => refusal(canonical::<bank::Refusal>(body)),
        4 => drop(canonical::<text::Reply>(body)),
        _ => refusal(canonical::<text::Refusal>(body)),
    }
}

fn answer(body: &[u8]) {
    let answer = match Answer::from_bytes(body) {
        Ok(answer) => answer,
        Err(error) => return secrecy::check(&error, body),
    };
    let bytes = answer.to_bytes();
    assert!(bytes.len() <= body.len());
    assert_eq!(Answer::from_bytes(&bytes).expect("what is encoded decodes"), answer);
    assert_eq!(answer.is_recorded(), answer.code() < 10);
    let ends = End::of(answer.clone()).is_some();
    let expected = match answer.settles() {
        Settles::Ended | Settles::CancelIt => true,
        Settles::Elsewhere | Settles::AskOutcome | Settles::StopSession | Settles::TryAgain => false,
    };
    assert_eq!(ends, expected, "code {}", answer.code());
    if let Answer::Done(reply) | Answer::Refused(reply) = &answer {
        let _ = canonical::<bank::Reply>(reply);
        let _ = canonical::<bank::Refusal>(reply);
    }
}

fn outcome(body: &[u8]) {
    let mut decoder = Decoder::new(body);
    match decoder.decode::<Outcome>() {
        Ok(outcome) => {
            let bytes = minicbor::to_vec(&outcome).expect("encoding into a Vec cannot fail");
            assert!(bytes.len() <= decoder.position());
            assert_eq!(minicbor::decode::<Outcome>(&bytes).expect("what is encoded decodes"), outcome);
        }
        Err(error) => secrecy::check(&error, body),
    }
}

fn refusal(refusal: Option<impl std::error::Error>) {
    if let Some(refusal) = refusal {
        let text = secrecy::whole_text(&refusal);
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
}
