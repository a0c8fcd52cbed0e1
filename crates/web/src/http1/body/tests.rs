//! Bodies of every framing, whole and in pieces.

use proptest::prelude::*;

use super::*;

/// The verdict on `bytes` fed in pieces of at most `size`: what was taken, if the body ended.
fn drain(framing: Framing, bytes: &[u8], size: usize) -> Result<Option<usize>, Refusal> {
    let mut drain = Drain::new(framing);
    let mut before = 0;
    for piece in bytes.chunks(size) {
        match drain.feed(piece)? {
            Drained::More => before += piece.len(),
            Drained::Done { taken } => return Ok(Some(before + taken)),
        }
    }
    match drain.feed(b"")? {
        Drained::More => Ok(None),
        Drained::Done { .. } => Ok(Some(before)),
    }
}

#[test]
fn a_body_without_bytes_is_over_at_once() {
    assert_eq!(drain(Framing::Nothing, b"GET", 9), Ok(Some(0)));
    assert_eq!(drain(Framing::Length(0), b"GET", 9), Ok(Some(0)));
}

#[test]
fn a_length_is_counted() {
    assert_eq!(drain(Framing::Length(5), b"12345GET", 9), Ok(Some(5)));
    assert_eq!(drain(Framing::Length(5), b"12345", 2), Ok(Some(5)));
    assert_eq!(drain(Framing::Length(5), b"1234", 2), Ok(None));
}

#[test]
fn chunks_are_counted() {
    let body = b"3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n";
    let more = [&body[..], b"GET"].concat();
    for size in 1..more.len() {
        assert_eq!(drain(Framing::Chunked, &more, size), Ok(Some(body.len())));
        assert_eq!(drain(Framing::Chunked, &body[..body.len() - 1], size), Ok(None));
    }
}

#[test]
fn chunks_together_are_bounded() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let right = [chunk.repeat(16), "0\r\n\r\n".into()].concat();
    assert_eq!(drain(Framing::Chunked, right.as_bytes(), 4096), Ok(Some(right.len())));
    let long = [chunk.repeat(16), "1\r\nx\r\n0\r\n\r\n".into()].concat();
    assert_eq!(drain(Framing::Chunked, long.as_bytes(), 4096).unwrap_err().status, Status::ContentTooLarge);
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "3\r\nabc\r\n",
            "0\r\n",
            "\r\n",
            "a",
            ";x=y",
            "; x = \"y\"",
            "\"",
            "\\",
            " ",
            "X: y\r\n",
            "X",
            ":",
            "\n",
            "\r",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn chunks_of_any_size_come_to_their_end(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        size in 1_usize..64,
    ) {
        let mut body = Vec::new();
        for chunk in &chunks {
            body.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            body.extend(chunk);
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\n\r\n");
        prop_assert_eq!(drain(Framing::Chunked, &body, size), Ok(Some(body.len())));
    }

    #[test]
    fn pieces_change_no_verdict(bytes in soup(), size in 1_usize..16) {
        prop_assert_eq!(drain(Framing::Chunked, &bytes, size), drain(Framing::Chunked, &bytes, bytes.len().max(1)));
    }
}
