//! Replies as servers write them, and bytes that are none.

use proptest::prelude::*;

use super::*;

fn read_all(bytes: &[u8], piece: usize) -> (Vec<Reply>, Option<ReplyError>) {
    let mut reader = ReplyReader::default();
    let mut replies = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        reader.push(piece);
        loop {
            match reader.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

fn one(text: &str) -> Result<Said, Option<ReplyError>> {
    let (replies, error) = read_all(text.as_bytes(), 7);
    replies.first().map(Reply::said).ok_or(error)
}

#[test]
fn replies_are_read_with_their_enhanced_codes() {
    let rows = [
        ("250 ok\r\n", "250 ok"),
        ("250\r\n", "250"),
        ("250 \r\n", "250"),
        ("550 5.1.1 <x>: no such user\r\n", "550 5.1.1 <x>: no such user"),
        ("550-5.1.1 no\r\n550 5.1.1 such user\r\n", "550 5.1.1 no such user"),
        ("250 2.0.0\r\n", "250 2.0.0"),
        // An enhanced code of another class is text, as is what only looks like one.
        ("550 2.0.0 lie\r\n", "550 2.0.0 lie"),
        ("250 2.0.0.1 host\r\n", "250 2.0.0.1 host"),
        ("450 4.2000.1 x\r\n", "450 4.2000.1 x"),
        ("220 \u{1b}[2Jhello\r\n", "220 \u{fffd}[2Jhello"),
    ];
    for (bytes, expected) in rows {
        assert_eq!(one(bytes).map(|said| said.to_string()), Ok(expected.to_owned()), "{bytes:?}");
    }
    assert_eq!(one("550 2.0.0 lie\r\n").unwrap().enhanced, None);
    assert_eq!(one("450 4.2000.1 x\r\n").unwrap().enhanced, None);
}

#[test]
fn what_is_not_the_grammar_is_an_error() {
    let long = format!("250 {}\r\n", "x".repeat(REPLY_LINE_BYTES_MAX));
    let endless = "250-x\r\n".repeat(REPLY_LINES_MAX + 1);
    let rows = [
        ("hello\r\n", ReplyError::NoCode),
        ("\r\n", ReplyError::NoCode),
        ("25\r\n", ReplyError::NoCode),
        ("150 x\r\n", ReplyError::NoCode),
        ("660 x\r\n", ReplyError::NoCode),
        ("290 x\r\n", ReplyError::NoCode),
        ("2500 x\r\n", ReplyError::NoCode),
        ("250_x\r\n", ReplyError::NoCode),
        ("250-a\r\n251 b\r\n", ReplyError::MixedCodes),
        ("250 a\n", ReplyError::StrayControl),
        ("250 a\rb\r\n", ReplyError::StrayControl),
        ("250 a\0b\r\n", ReplyError::StrayControl),
        (long.as_str(), ReplyError::LineTooLong),
        (endless.as_str(), ReplyError::TooManyLines),
    ];
    for (bytes, expected) in rows {
        assert_eq!(one(bytes), Err(Some(expected)), "{bytes:?}");
    }
}

#[test]
fn only_a_challenge_of_auth_may_be_long() {
    let challenge = format!("334 {}\r\n", "A".repeat(10_000));
    assert!(one(&challenge).is_ok());
    let endless = format!("334 {}", "A".repeat(AUTH_LINE_BYTES_MAX));
    assert_eq!(one(&endless), Err(Some(ReplyError::LineTooLong)));
}

proptest! {
    #[test]
    fn a_stream_means_the_same_however_it_is_cut(text in "([2-5][0-5][0-9][ -]?[a-z.2-5 ]{0,9}\r?\n?){0,6}", piece in 1usize..9) {
        prop_assert_eq!(read_all(text.as_bytes(), piece), read_all(text.as_bytes(), text.len()));
    }

    #[test]
    fn any_bytes_end_in_replies_or_an_error(bytes: Vec<u8>) {
        let _ended = read_all(&bytes, 3);
    }
}
