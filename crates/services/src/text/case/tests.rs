//! Every cut of a stream gives what the standard library makes of the whole text.

use proptest::prelude::*;

use super::*;
use crate::text::limits::CASE_GROWTH_FACTOR_MAX;

/// Maps `bytes` cut after each of `cuts` (positions, in any order), as a caller does.
fn map_cut(
    bytes: &[u8],
    cuts: &[usize],
    direction: Direction,
    invalid: Invalid,
) -> Result<String, CaseError> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let (mut output, mut joiner, mut context, mut begin) =
        (String::new(), Joiner::default(), Context::Start, 0);
    for (index, &end) in ends.iter().enumerate() {
        let part = if index + 1 == ends.len() { Part::Last } else { Part::More };
        let mapped = map(&bytes[begin..end], context, part, direction, invalid).map_err(|error| {
            let CaseError::InvalidUtf8 { offset } = error else { return error };
            CaseError::InvalidUtf8 { offset: begin + offset }
        })?;
        begin += mapped.consumed;
        assert!(end - begin <= UTF8_TAIL_BYTES_MAX, "progress");
        assert!(mapped.text.len() <= CASE_GROWTH_FACTOR_MAX * mapped.consumed.max(1));
        context = Context::from_code(mapped.context.code()).unwrap();
        output += &joiner.push(&mapped)?;
    }
    assert_eq!(begin, bytes.len(), "the last chunk is consumed whole");
    Ok(output + &joiner.finish())
}

fn whole(text: &str, direction: Direction) -> String {
    match direction {
        Direction::Upper => text.to_uppercase(),
        Direction::Lower => text.to_lowercase(),
    }
}

fn check(direction: Direction, input: &str, expected: &str) {
    let every_byte: Vec<usize> = (0..input.len()).collect();
    for cuts in [&[][..], &every_byte] {
        assert_eq!(map_cut(input.as_bytes(), cuts, direction, Invalid::Refuse).unwrap(), expected);
    }
}

#[test]
fn special_casing_of_the_unicode_standard() {
    for (input, expected) in [
        ("straße", "STRASSE"),
        ("ﬃ ﬄ ﬅ", "FFI FFL ST"),
        ("ŉ ǰ ΐ", "ʼN J\u{30c} Ι\u{308}\u{301}"),
        ("ᾳ ᾷ", "ΑΙ Α\u{342}Ι"),
        ("և", "ԵՒ"),
        ("i ı", "I I"),
        ("σς", "ΣΣ"),
        ("𐐨", "𐐀"),
    ] {
        check(Direction::Upper, input, expected);
    }
    for (input, expected) in [
        ("ΌΣΟΣ ΟΔΟΣ", "όσος οδος"),
        ("Σ ΣΑ ΑΣ", "σ σα ας"),
        ("ΑΣ.", "ας."),
        ("ΑΣ.Α", "ασ.α"),
        ("Α.Σ", "α.ς"),
        ("ΑΣ\u{301}\u{302}Α ΑΣ\u{301}\u{302} Α", "ασ\u{301}\u{302}α ας\u{301}\u{302} α"),
        ("ΑΣΣ'Σ", "ασσ'ς"),
        ("ΑΣΣ' Σ", "ασς' σ"),
        ("ΑΣ5Σ", "ας5σ"),
        ("İI", "i\u{307}i"),
        ("ẞ \u{212a} \u{212b}", "ß k å"),
        ("𐐀", "𐐨"),
    ] {
        check(Direction::Lower, input, expected);
    }
}

#[test]
fn sigma_before_an_endless_run_holds_no_input() {
    let run = ".'\u{301}".repeat(30_000);
    let cuts: Vec<usize> = (0..130).map(|chunk| chunk * 1000).collect();
    for tail in ["", "Α", " Α", "Σ", "Σ Α"] {
        let text = ["ΑΣ", &run, tail].concat();
        let mapped = map_cut(text.as_bytes(), &cuts, Direction::Lower, Invalid::Refuse).unwrap();
        assert!(mapped == text.to_lowercase(), "tail {tail:?}");
    }
}

#[test]
fn sigma_run_beyond_the_bound_is_an_error() {
    let mut joiner = Joiner::default();
    let sigma = map("ΑΣ".as_bytes(), Context::Start, Part::More, Direction::Lower, Invalid::Refuse).unwrap();
    assert_eq!(joiner.push(&sigma).unwrap(), "α");
    let dots = Mapped {
        text: ".".repeat(SIGMA_RUN_BYTES_MAX / 8),
        consumed: SIGMA_RUN_BYTES_MAX / 8,
        context: Context::OpenSigma,
        open_sigma_was_medial: false,
    };
    let refused = (0..8).find_map(|_| joiner.push(&dots).err());
    assert_eq!(refused, Some(CaseError::SigmaRunTooLong { bytes_max: SIGMA_RUN_BYTES_MAX }));
}

#[test]
fn answers_of_a_lying_server_do_not_panic() {
    for context in [Context::Start, Context::Cased, Context::OpenSigma] {
        let lie = Mapped { text: "a".to_owned(), consumed: 9, context, open_sigma_was_medial: true };
        let mut joiner = Joiner::default();
        let output = joiner.push(&lie).unwrap() + &joiner.push(&lie).unwrap() + &joiner.finish();
        assert_eq!(output, "aa");
    }
}

#[test]
fn too_long_a_chunk_is_refused_and_the_longest_is_mapped() {
    let bytes = vec![b'a'; CASE_CHUNK_BYTES_MAX + 1];
    let upper = |bytes| map(bytes, Context::Start, Part::Last, Direction::Upper, Invalid::Refuse);
    assert_eq!(
        upper(&bytes),
        Err(CaseError::ChunkTooLong { bytes: bytes.len(), bytes_max: CASE_CHUNK_BYTES_MAX })
    );
    assert_eq!(upper(&bytes[1..]).unwrap().text.len(), CASE_CHUNK_BYTES_MAX);
}

#[test]
fn an_incomplete_sequence_waits_and_is_invalid_only_at_the_end() {
    let euro = "a€".as_bytes();
    let refuse = |part| map(&euro[..3], Context::Start, part, Direction::Upper, Invalid::Refuse);
    assert_eq!(refuse(Part::More).unwrap().consumed, 1);
    assert_eq!(refuse(Part::Last), Err(CaseError::InvalidUtf8 { offset: 1 }));
    let lossy = map(&euro[..3], Context::Start, Part::Last, Direction::Upper, Invalid::Lossy).unwrap();
    assert_eq!((lossy.text.as_str(), lossy.consumed), ("A\u{fffd}", 3));
}

#[test]
fn unknown_context_codes_are_refused() {
    let known: Vec<u8> = (0..=u8::MAX).filter(|&code| Context::from_code(code).is_some()).collect();
    assert_eq!(known, [0, 1, 2]);
}

#[test]
fn every_character_stays_within_the_growth_bound() {
    let worst = ('\0'..=char::MAX)
        .map(|letter| {
            let upper: usize = letter.to_uppercase().map(char::len_utf8).sum();
            let lower: usize = letter.to_lowercase().map(char::len_utf8).sum();
            upper.max(lower).div_ceil(letter.len_utf8())
        })
        .max();
    assert_eq!(worst, Some(CASE_GROWTH_FACTOR_MAX));
}

/// Text in which what is hard stands close together; characters that are both cased and
/// case-ignorable (U+02B0, U+0345) among them.
fn hard_text() -> impl Strategy<Value = String> {
    let letters = "ΣΣΣΣσςΑαßİıﬃŉΐ.'\u{301}\u{345}\u{2b0}\u{ad} 5\n€𐐀😀";
    let hard = prop::sample::select(letters.chars().collect::<Vec<_>>());
    prop::collection::vec(prop_oneof![9 => hard, 1 => any::<char>()], 0..40)
        .prop_map(|letters| letters.into_iter().collect())
}

/// Bytes most of which begin, continue or break a UTF-8 sequence.
fn hard_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("Σ".as_bytes().to_vec()),
        Just("a.€😀".as_bytes().to_vec()),
        prop::sample::select(&b"\xce\xa3\xe2\x82\xf0\x9f\xed\xa0\xc0\xf8\xff\x80A "[..])
            .prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Upper), Just(Direction::Lower)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_cut_equals_the_whole(
        text in hard_text(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        direction in direction(),
    ) {
        let mapped = map_cut(text.as_bytes(), &cuts, direction, Invalid::Refuse).unwrap();
        prop_assert_eq!(mapped, whole(&text, direction));
    }

    #[test]
    fn single_bytes_equal_the_whole(text in hard_text(), direction in direction()) {
        let cuts: Vec<usize> = (0..=text.len()).collect();
        let mapped = map_cut(text.as_bytes(), &cuts, direction, Invalid::Refuse).unwrap();
        prop_assert_eq!(mapped, whole(&text, direction));
    }

    #[test]
    fn lossy_and_refused_bytes_are_the_same_however_cut(
        bytes in hard_bytes(),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        direction in direction(),
    ) {
        let lossy = map_cut(&bytes, &cuts, direction, Invalid::Lossy).unwrap();
        prop_assert_eq!(lossy, whole(&String::from_utf8_lossy(&bytes), direction));
        let expected = match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(whole(text, direction)),
            Err(error) => Err(CaseError::InvalidUtf8 { offset: error.valid_up_to() }),
        };
        prop_assert_eq!(map_cut(&bytes, &cuts, direction, Invalid::Refuse), expected);
    }
}
