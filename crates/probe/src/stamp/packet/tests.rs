//! Packets against bytes that scapy made (`golden/stamp.py`), and against any bytes at all.

use proptest::prelude::*;

use super::*;
use crate::stamp::clock::Format;
use crate::time::Timestamp;

const SCAPY: &str = include_str!("../../../golden/stamp.txt");
const STAMP_SUITE: &str = include_str!("../../../golden/stamp_suite.txt");

/// The packet of this name.
fn golden(name: &str) -> Vec<u8> {
    of(SCAPY, name)
}

fn of(packets: &str, name: &str) -> Vec<u8> {
    let line = packets.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    let (pairs, rest) = line.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn request(format: Format) -> Request {
    let sent = WireTime::new(Timestamp::from_nanos(1_700_000_000_500_000_000), format);
    let error = ErrorEstimate { synchronized: true, format, scale: 25, multiplier: 128 };
    Request { sequence: 0x0102_0304, sent, error, session: 0xbeef }
}

fn reply() -> Reply {
    let at =
        |nanos: u64| WireTime::new(Timestamp::from_nanos(1_700_000_001_000_000_000 + nanos), Format::Ntp);
    Reply {
        sequence: 7,
        sent: at(750_000_000),
        error: ErrorEstimate { synchronized: false, format: Format::Ntp, scale: 3, multiplier: 1 },
        session: 0xbeef,
        received: at(250_000_000),
        request_sequence: 0x0102_0304,
        request_sent: request(Format::Ptp).sent,
        request_error: request(Format::Ptp).error,
        request_ttl: 63,
    }
}

#[test]
fn packets_are_those_of_scapy_byte_for_byte() {
    for (name, format) in [("request-ntp", Format::Ntp), ("request-ptp", Format::Ptp)] {
        let mut packet = [0xff; UNAUTHENTICATED_BYTES];
        assert!(request(format).write(Mode::Unauthenticated, &mut packet));
        assert_eq!(packet[..], golden(name)[..UNAUTHENTICATED_BYTES], "{name}");
        assert_eq!(Request::parse(Mode::Unauthenticated, &golden(name)), Some(request(format)));
    }
    let mut packet = [0xff; UNAUTHENTICATED_BYTES];
    assert!(reply().write(Mode::Unauthenticated, &mut packet));
    assert_eq!(packet[..], golden("reply")[..]);
    assert_eq!(Reply::parse(Mode::Unauthenticated, &golden("reply")), Some(reply()));
}

#[test]
fn extensions_are_those_of_scapy_byte_for_byte() {
    use crate::stamp::tlv::{self, Kind};
    let mut tlvs = Vec::new();
    tlv::push(&mut tlvs, Kind::DirectMeasurement, &[0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    tlv::push(&mut tlvs, Kind::ExtraPadding, b"abc");
    assert_eq!(golden("request-ntp-tlvs")[UNAUTHENTICATED_BYTES..], tlvs);
}

/// Offsets counted by hand from figures 5 and 7 of RFC 8762; scapy has no authenticated packets.
#[test]
fn authenticated_packets_have_their_fields_where_rfc_8762_draws_them() {
    let mut packet = [0xff; AUTHENTICATED_BYTES];
    assert!(request(Format::Ntp).write(Mode::Authenticated, &mut packet));
    let plain = golden("request-ntp");
    let mut drawn = [0; AUTHENTICATED_BYTES];
    drawn[..4].copy_from_slice(&plain[..4]);
    drawn[16..28].copy_from_slice(&plain[4..16]);
    assert_eq!(packet, drawn);

    assert!(reply().write(Mode::Authenticated, &mut packet));
    let plain = golden("reply");
    let mut drawn = [0; AUTHENTICATED_BYTES];
    for (at, from, length) in
        [(0, 0, 4), (16, 4, 12), (32, 16, 8), (48, 24, 4), (64, 28, 8), (72, 36, 2), (80, 40, 1)]
    {
        drawn[at..at + length].copy_from_slice(&plain[from..from + length]);
    }
    assert_eq!(packet, drawn);
    assert_eq!(Reply::parse(Mode::Authenticated, &packet), Some(reply()));
}

/// What stamp-suite sent and answered on loopback (`golden/stamp_suite.py`): each packet is read, and written again as it was.
#[test]
fn packets_of_stamp_suite_are_written_again_byte_for_byte() {
    use crate::stamp::tlv::{self, Kind};
    let key =
        crate::stamp::Key::new(&std::array::from_fn::<u8, 32, _>(|n| u8::try_from(n).unwrap())).unwrap();
    for (name, mode) in [("open", Mode::Unauthenticated), ("authenticated", Mode::Authenticated)] {
        let keyed = mode == Mode::Authenticated;
        let (asked, replied) =
            (of(STAMP_SUITE, &format!("request-{name}")), of(STAMP_SUITE, &format!("reply-{name}")));
        let request = Request::parse(mode, &asked).unwrap();
        assert_eq!((request.sequence, request.session), (0, 0xbeef), "{name}");
        let reply = Reply::parse(mode, &replied).unwrap();
        assert_eq!((reply.sequence, reply.request_sequence), (0, 0), "{name}");
        for (packet, hmac_sequence) in [(&asked, request.sequence), (&replied, reply.sequence)] {
            let mut again = vec![0xff; mode.fixed_bytes()];
            let written = if packet == &asked {
                request.write(mode, &mut again)
            } else {
                reply.write(mode, &mut again)
            };
            assert!(written);
            if keyed {
                key.sign(&mut again);
            }
            assert_eq!(packet[..mode.fixed_bytes()], again, "{name}");
            let tlvs = &packet[mode.fixed_bytes()..];
            let hmac = tlv::parse(tlvs).map(Result::unwrap).find(|tlv| tlv.kind() == Some(Kind::Hmac));
            assert_eq!(hmac.is_some(), keyed, "{name}");
            if let Some(hmac) = hmac {
                assert!(key.verify_tlvs(hmac_sequence.to_be_bytes(), &tlvs[..hmac.at], hmac.value), "{name}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_again(bytes: [u8; AUTHENTICATED_BYTES]) {
        for mode in [Mode::Unauthenticated, Mode::Authenticated] {
            let request = Request::parse(mode, &bytes).unwrap();
            let mut again = [0xff; AUTHENTICATED_BYTES];
            prop_assert!(request.write(mode, &mut again));
            prop_assert_eq!(Request::parse(mode, &again), Some(request));
            let reply = Reply::parse(mode, &bytes).unwrap();
            prop_assert!(reply.write(mode, &mut again));
            prop_assert_eq!(Reply::parse(mode, &again), Some(reply));
        }
    }

    #[test]
    fn short_packets_are_refused_and_none_panics(bytes in prop::collection::vec(any::<u8>(), 0..AUTHENTICATED_BYTES)) {
        let long_enough = bytes.len() >= UNAUTHENTICATED_BYTES;
        prop_assert_eq!(Request::parse(Mode::Unauthenticated, &bytes).is_some(), long_enough);
        prop_assert_eq!(Reply::parse(Mode::Unauthenticated, &bytes).is_some(), long_enough);
        prop_assert_eq!(Request::parse(Mode::Authenticated, &bytes), None);
        prop_assert_eq!(Request::parse_short(&bytes).is_some(), bytes.len() >= TWAMP_LIGHT_BYTES);
    }
}
