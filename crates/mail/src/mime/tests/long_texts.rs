//! Texts around the length of a piece: all of it comes, and never more than a piece at once.

use super::*;

/// Below, at and above one piece, and several with a rest.
const LENGTHS: [usize; 4] =
    [FILE_CHUNK_BYTES - 1, FILE_CHUNK_BYTES, FILE_CHUNK_BYTES + 1, 3 * FILE_CHUNK_BYTES + 5];

/// A text of so many bytes, its CRLF line ends included, in which no two lines are the same.
fn text_of(bytes: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        let line = format!("line {number} of a text that is long enough\r\n");
        if text.len() + line.len() + 2 > bytes {
            break;
        }
        text.push_str(&line);
    }
    let rest = bytes - text.len() - 2;
    text + &"x".repeat(rest) + "\r\n"
}

/// What the message is, read piece by piece.
fn in_pieces(mut message: Message) -> String {
    let (announced, mut out) = (message.bytes(), Vec::new());
    loop {
        let begun = out.len();
        let more = message.read(&mut out).unwrap();
        assert!(out.len() - begun <= FILE_CHUNK_BYTES, "{} bytes in one piece", out.len() - begun);
        if more == More::Ended {
            break;
        }
    }
    assert_eq!(out.len() as u64, announced);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_long_text_comes_whole_in_pieces() {
    let header_bytes = written(&draft("x")).len() - "hello\r\n".len();
    // The text has such a length, or the message.
    for bytes in LENGTHS.into_iter().chain(LENGTHS.map(|bytes| bytes - header_bytes)) {
        let expected = text_of(bytes);
        assert_eq!(expected.len(), bytes);
        for text in [expected.clone(), expected.replace("\r\n", "\n")] {
            let mut one = draft("x");
            one.text = Some(text);
            let written = in_pieces(one.compose(&stamp()).unwrap());
            assert_eq!(written.split_once("\r\n\r\n").unwrap().1, expected, "{bytes} bytes");
        }
    }
}

#[test]
fn a_long_piped_message_comes_whole_in_pieces() {
    const HEADER: &str =
        "From: ada@example.org\r\nTo: bob@example.org\r\nDate: Sun, 1 Mar 2026 10:00:00 +0100\r\n\r\n";
    for bytes in LENGTHS.into_iter().chain(LENGTHS.map(|bytes| bytes - HEADER.len())) {
        let expected = HEADER.to_owned() + &text_of(bytes);
        for piped in [expected.clone(), expected.replace("\r\n", "\n")] {
            let message = read_written_bytes(piped.into_bytes()).unwrap().message;
            assert_eq!(in_pieces(message), expected, "{bytes} bytes");
        }
    }
}
