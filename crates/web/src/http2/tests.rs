//! Sessions without a socket: what a client writes is what the session is given, in any pieces.

use super::*;

fn settings() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()
}

fn output(session: &mut Session) -> Vec<u8> {
    let mut out = Vec::new();
    session.take_back(&mut out);
    out
}

#[test]
fn the_settings_are_said_first() {
    let mut session = Session::new(0);
    assert!(matches!(session.turn(), Event::Waits));
    let first = output(&mut session);
    assert_eq!(first.get(3), Some(&4), "a frame of SETTINGS");
}

#[test]
fn a_preface_is_understood_in_any_pieces_and_a_wrong_one_ends_it() {
    for cut in 1..33 {
        let mut session = Session::new(0);
        assert!(session.is_amid());
        for part in settings().chunks(cut) {
            session.receive(part, 0);
            assert!(matches!(session.turn(), Event::Waits));
        }
        assert!(!session.is_amid());
        assert!(session.has_room());
    }
    let mut session = Session::new(0);
    session.receive(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 0);
    assert!(matches!(session.turn(), Event::Over));
}

#[test]
fn the_end_says_why() {
    let mut session = Session::new(0);
    session.receive(&settings(), 0);
    assert!(matches!(session.turn(), Event::Waits));
    let _before = output(&mut session);
    session.end(Reason::ENHANCE_YOUR_CALM);
    assert!(matches!(session.turn(), Event::Over));
    let last = output(&mut session);
    assert_eq!((last[3], last[16]), (7, 11), "GOAWAY, ENHANCE_YOUR_CALM");
}
