//! Texts of people and of other machines: addresses, ids, money, lines, letters, numbers.
//!
//! Held: what parses is shown as a text that parses to the same; a mapped stream is what the standard library makes of the
//! whole, wherever it is cut; a small number is prime when nothing divides it; no message is long.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use switchboard_call::id::{CallId, SessionId, StoreId};
use switchboard_client::Address;
use switchboard_commands::Line;
use switchboard_commands::bank::{AccountId, TransferId};
use switchboard_commands::money::{Amount, Currency};
use switchboard_server::ListenAddress;
use switchboard_services::text::case::{self, CaseError, Context, Direction, Invalid, Joiner, Part};
use switchboard_services::text::prime::{self, Judgement, Neither, Proof, Reason, Step, Verdict};

/// Longest message about a text, in bytes: it may quote a whole address.
const MESSAGE_BYTES_MAX: usize = 4096;

/// First byte: what the rest is.
pub(crate) fn run(bytes: &[u8]) {
    let Some((what, rest)) = bytes.split_first() else { return };
    match what % 8 {
        0 => letters(rest),
        1 => with_text(rest, number),
        2 => with_text(rest, round_trip::<Address>),
        3 => with_text(rest, round_trip::<ListenAddress>),
        4 => with_text(rest, ids),
        5 => with_text(rest, amount),
        6 => with_text(rest, line),
        _ => with_text(rest, |text| {
            round_trip::<AccountId>(text);
            round_trip::<TransferId>(text);
            round_trip::<Currency>(text);
        }),
    }
}

fn with_text(bytes: &[u8], check: impl Fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
}

fn round_trip<T>(text: &str)
where
    T: FromStr<Err: Error> + Display + PartialEq + Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            let shown = value.to_string();
            let again = shown.parse::<T>();
            assert!(again.as_ref().is_ok_and(|again| *again == value), "{value:?} is shown as {shown:?}");
        }
        Err(error) => message(&error),
    }
}

fn message(error: &dyn Error) {
    let text = crate::secrecy::whole_text(error);
    assert!(!text.is_empty() && text.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "a message that steers the terminal: {text:?}");
}

fn ids(text: &str) {
    round_trip::<SessionId>(text);
    round_trip::<CallId>(text);
    round_trip::<StoreId>(text);
}

fn line(text: &str) {
    match Line::<64>::new(text) {
        Ok(line) => {
            assert_eq!(line.as_str(), text);
            assert!(!text.is_empty() && text.len() <= 64 && !text.chars().any(char::is_control));
        }
        Err(error) => message(&error),
    }
}

/// The currency in the first three letters, the amount behind them.
fn amount(text: &str) {
    let Some((code, text)) = text.split_at_checked(3) else { return };
    let currency =
        code.parse::<Currency>().unwrap_or_else(|_| Currency::from_code(b"EUR").expect("a currency"));
    match Amount::parse(text, currency) {
        Ok(amount) => {
            assert!(amount.in_bounds());
            let shown = amount.of(currency).decimal();
            assert_eq!(Amount::parse(&shown, currency), Ok(amount), "{shown}");
            let (sum, difference) = (amount.checked_add(amount), amount.checked_sub(amount));
            assert_eq!(difference, Some(Amount::ZERO));
            assert_eq!(sum.map(Amount::minor), amount.minor().checked_mul(2).filter(|sum| in_bounds(*sum)));
        }
        Err(error) => message(&error),
    }
}

fn in_bounds(minor: i64) -> bool {
    Amount::from_minor(minor).in_bounds()
}

/// First byte: direction and manner; second: where it is cut.
fn letters(bytes: &[u8]) {
    let (Some(how), Some(cut)) = (bytes.first(), bytes.get(1)) else { return };
    let text = &bytes[2..];
    let direction = if how & 1 == 0 { Direction::Upper } else { Direction::Lower };
    let invalid = if how & 2 == 0 { Invalid::Refuse } else { Invalid::Lossy };
    let mapped = |text: &str| match direction {
        Direction::Upper => text.to_uppercase(),
        Direction::Lower => text.to_lowercase(),
    };
    let expected = match (std::str::from_utf8(text), invalid) {
        (Ok(text), _) => Some(mapped(text)),
        (Err(_), Invalid::Lossy) => Some(mapped(&String::from_utf8_lossy(text))),
        (Err(_), Invalid::Refuse) => None,
    };
    let pieces = text.chunks(1 + usize::from(*cut));
    assert_eq!(
        joined(pieces, direction, invalid).ok(),
        expected,
        "cut every {} bytes",
        1 + usize::from(*cut)
    );
}

fn joined<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    direction: Direction,
    invalid: Invalid,
) -> Result<String, CaseError> {
    let (mut joiner, mut context, mut waiting, mut out) =
        (Joiner::default(), Context::default(), Vec::new(), String::new());
    for piece in pieces {
        waiting.extend_from_slice(piece);
        let mapped = case::map(&waiting, context, Part::More, direction, invalid)?;
        out.push_str(&joiner.push(&mapped)?);
        context = Context::from_code(mapped.context.code()).expect("every context has a code");
        waiting.drain(..mapped.consumed);
    }
    let mapped = case::map(&waiting, context, Part::Last, direction, invalid)?;
    assert_eq!(mapped.consumed, waiting.len());
    out.push_str(&joiner.push(&mapped)?);
    out.push_str(&joiner.finish());
    Ok(out)
}

/// Every step up to the verdict, compared with division where that is quick.
fn number(text: &str) {
    let mut step = Step::FIRST;
    let verdict = loop {
        match prime::judge(text, step) {
            Judgement::Verdict(verdict) => break verdict,
            Judgement::Continue(next) => {
                assert!(next.code() > step.code(), "a step that does not go on");
                step = next;
            }
        }
    };
    let signed = text.trim();
    let digits = signed.strip_prefix(['-', '+']).unwrap_or(signed);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    assert_eq!(verdict == Verdict::NotAnInteger, !is_integer);
    if let Ok(number) = signed.parse::<i32>().or_else(|_| digits.parse::<i32>())
        && is_integer
    {
        assert_eq!(small(verdict), smallest_factor(number), "{number}");
    }
}

/// What a verdict says about a small number: its smallest factor, itself for a prime, none for what is neither.
fn small(verdict: Verdict) -> Option<u32> {
    match verdict {
        Verdict::Prime(Proof::Deterministic) => Some(0),
        Verdict::Composite(Reason::Factor(factor)) => Some(factor),
        Verdict::Neither(Neither::Zero | Neither::One | Neither::Negative) => None,
        Verdict::Prime(Proof::Probable { .. })
        | Verdict::Composite(Reason::Square | Reason::MillerRabin | Reason::Lucas)
        | Verdict::NotAnInteger
        | Verdict::TooLarge => panic!("a small number is judged for sure, not {verdict:?}"),
    }
}

/// The same by division: 0 for a prime.
fn smallest_factor(number: i32) -> Option<u32> {
    let number = u32::try_from(number).ok().filter(|number| *number >= 2)?;
    Some((2..=number.isqrt()).find(|factor| number.is_multiple_of(*factor)).unwrap_or(0))
}
