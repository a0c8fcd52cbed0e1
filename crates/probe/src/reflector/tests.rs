//! The reflector as a function: what is answered, with which bytes, and what is met with silence.

use std::hash::RandomState;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::stamp::tlv::{self, ClassOfService, DirectMeasurement, Kind};
use crate::stamp::{Key, packet};

const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

fn reflector(options: Options) -> Reflector {
    Reflector::new(options, &RandomState::new())
}

fn arrival(source: &str) -> Arrival {
    Arrival {
        source: source.parse().unwrap(),
        destination: None,
        port: 862,
        received: NOW,
        at: Moment::from_nanos(0),
        ttl: Some(57),
        traffic_class: Some(46 << 2 | 1),
    }
}

fn request(sequence: u32, session: u16) -> Request {
    let sent = WireTime::new(Timestamp::from_nanos(NOW.nanos() - 1_000_000), Format::Ntp);
    Request { sequence, sent, error: ErrorEstimate::from_bytes([0x99, 7]), session }
}

fn packet(request: &Request, mode: Mode, tlvs: &[u8], key: Option<&Key>) -> Vec<u8> {
    let mut packet = vec![0; mode.fixed_bytes()];
    assert!(request.write(mode, &mut packet));
    if let Some(key) = key {
        key.sign(&mut packet);
    }
    packet.extend_from_slice(tlvs);
    packet
}

fn plain(sequence: u32) -> Vec<u8> {
    packet(&request(sequence, 9), Mode::Unauthenticated, &[], None)
}

/// The reply, sealed a microsecond later.
fn reflected(reflector: &mut Reflector, arrival: &Arrival, packet: &[u8]) -> Result<Vec<u8>, Silence> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len().max(200), 0xee);
    let answer = reflector.answer(arrival, &mut buffer, packet.len())?;
    buffer.truncate(answer.length);
    reflector.seal(&answer, &mut buffer, Timestamp::from_nanos(NOW.nanos() + 1_000));
    Ok(buffer)
}

fn sequences(reflector: &mut Reflector, source: &str, requests: &[u32]) -> Vec<u32> {
    let reply = |sequence: &u32| {
        let bytes = reflected(reflector, &arrival(source), &plain(*sequence)).unwrap();
        Reply::parse(Mode::Unauthenticated, &bytes).unwrap().sequence
    };
    requests.iter().map(reply).collect()
}

#[test]
fn a_reply_tells_all_four_times_and_the_ttl() {
    let mut reflector = reflector(Options::default());
    reflector.set_error(ErrorEstimate::new(true, Format::Ptp, std::time::Duration::from_millis(3)));
    let reply = reflected(&mut reflector, &arrival("192.0.2.1:4000"), &plain(5)).unwrap();
    assert_eq!(reply.len(), packet::UNAUTHENTICATED_BYTES);
    let reply = Reply::parse(Mode::Unauthenticated, &reply).unwrap();
    let asked = request(5, 9);
    assert_eq!((reply.sequence, reply.session, reply.request_ttl), (0, 9, 57));
    assert_eq!(
        (reply.request_sequence, reply.request_sent, reply.request_error),
        (5, asked.sent, asked.error)
    );
    assert_eq!(reply.received.timestamp(Format::Ntp), NOW);
    assert_eq!(reply.sent.timestamp(Format::Ntp).nanos_since(NOW), 1_000);
    assert!(reply.error.synchronized);
    assert_eq!(reply.error.format, Format::Ntp, "stamps and their format go together");
}

#[test]
fn a_stateful_reflector_counts_each_session_and_a_stateless_one_copies() {
    let mut stateful = reflector(Options::default());
    assert_eq!(sequences(&mut stateful, "192.0.2.1:4000", &[0, 3, 3, 7]), [0, 1, 2, 3]);
    assert_eq!(sequences(&mut stateful, "192.0.2.1:4001", &[8]), [0]);
    let mut stateless = reflector(Options { counting: Counting::Stateless, ..Options::default() });
    assert_eq!(sequences(&mut stateless, "192.0.2.1:4000", &[0, 3, 3, 7]), [0, 3, 3, 7]);
}

#[test]
fn extensions_are_filled_in_and_unknown_ones_flagged() {
    let mut tlvs = Vec::new();
    let counters = DirectMeasurement { sent: 6, received: 0, replied: 0 };
    tlv::push(&mut tlvs, Kind::DirectMeasurement, &counters.to_bytes());
    let class = ClassOfService { wanted_dscp: 10, ..ClassOfService::default() };
    tlv::push(&mut tlvs, Kind::ClassOfService, &class.to_bytes());
    tlv::push(&mut tlvs, Kind::TimestampInformation, &[0; 4]);
    tlv::push(&mut tlvs, Kind::Location, &[0; 4]);
    tlv::push(&mut tlvs, Kind::ExtraPadding, &[1, 2, 3]);
    tlvs.extend_from_slice(&[0x80, 200, 0, 1, 9]);
    let bytes = packet(&request(5, 9), Mode::Unauthenticated, &tlvs, None);
    let mut buffer = bytes.clone();
    let mut reflector = reflector(Options::default());
    let answer = reflector.answer(&arrival("192.0.2.1:4000"), &mut buffer, bytes.len()).unwrap();
    assert_eq!((answer.length, answer.dscp), (bytes.len(), Some(10)));
    let tlvs: Vec<_> = tlv::parse(&buffer[44..]).map(Result::unwrap).collect();
    let seen = ClassOfService { wanted_dscp: 10, seen_dscp: 46, seen_ecn: 1, kept: 0 };
    let counted = DirectMeasurement { sent: 6, received: 1, replied: 1 };
    let expected: [(u8, u8, &[u8]); 6] = [
        (0, 5, &counted.to_bytes()),
        (0, 4, &seen.to_bytes()),
        (0, 3, &[5, 2, 5, 2]),
        (0, 2, &[862_u16.to_be_bytes(), 4_000_u16.to_be_bytes()].concat()),
        (0, 1, &[1, 2, 3]),
        (0x80, 200, &[9]),
    ];
    for (tlv, (flags, code, value)) in tlvs.iter().zip(expected) {
        assert_eq!((tlv.flags, tlv.code, tlv.value), (flags, code, value));
    }
    assert_eq!(tlvs.len(), 6);
}

#[test]
fn what_is_asked_of_addresses_is_flagged_as_not_understood() {
    // Two within the location, then one that is cut short.
    let inner = [0x80, 1, 0, 2, 7, 7, 0x80, 2, 0, 0, 0x80, 3, 0, 9, 7];
    let mut tlvs = Vec::new();
    tlv::push(&mut tlvs, Kind::Location, &[&[0; 4][..], &inner].concat());
    let bytes = packet(&request(5, 9), Mode::Unauthenticated, &tlvs, None);
    let reply = reflected(&mut reflector(Options::default()), &arrival("192.0.2.1:4000"), &bytes).unwrap();
    assert_eq!(reply[44], 0, "ports are understood");
    assert_eq!(reply[52..], [0x80, 1, 0, 2, 7, 7, 0x80, 2, 0, 0, 0x40, 3, 0, 9, 7]);
}

#[test]
fn follow_up_telemetry_tells_when_the_previous_reply_left() {
    let mut tlvs = Vec::new();
    tlv::push(&mut tlvs, Kind::FollowUpTelemetry, &[0xee; 16]);
    let left = Timestamp::from_nanos(NOW.nanos() + 25_000);
    let told = |reflector: &mut Reflector| {
        let bytes = packet(&request(5, 9), Mode::Unauthenticated, &tlvs, None);
        let mut buffer = bytes.clone();
        let answer = reflector.answer(&arrival("192.0.2.1:4000"), &mut buffer, bytes.len()).unwrap();
        reflector.departed(&answer, left);
        assert_eq!(buffer[44], 0, "understood");
        buffer[48..].to_vec()
    };
    let mut stateful = reflector(Options::default());
    assert_eq!(told(&mut stateful), [0; 16], "there was none before");
    for sequence in 0..2_u32 {
        let sent = WireTime::new(left, Format::Ntp).0.to_be_bytes();
        let expected = [&sequence.to_be_bytes()[..], &sent, &[2, 0, 0, 0]].concat();
        assert_eq!(told(&mut stateful), expected);
    }
    let mut stateless = reflector(Options { counting: Counting::Stateless, ..Options::default() });
    assert_eq!([told(&mut stateless), told(&mut stateless)], [[0; 16]; 2], "RFC 8972 section 4.7");
}

#[test]
fn a_stamp_that_comes_late_does_not_take_the_place_of_a_newer_one() {
    let mut tlvs = Vec::new();
    tlv::push(&mut tlvs, Kind::FollowUpTelemetry, &[0; 16]);
    let mut stateful = reflector(Options::default());
    let mut exchange = |departed: &[(usize, u64)], answers: &mut Vec<Answer>| {
        for (place, nanos) in departed {
            stateful.departed(&answers[*place], Timestamp::from_nanos(NOW.nanos() + nanos));
        }
        let bytes = packet(&request(5, 9), Mode::Unauthenticated, &tlvs, None);
        let mut buffer = bytes.clone();
        answers.push(stateful.answer(&arrival("192.0.2.1:4000"), &mut buffer, bytes.len()).unwrap());
        u32::from_be_bytes(buffer[48..52].try_into().unwrap())
    };
    let mut answers = Vec::new();
    exchange(&[], &mut answers);
    exchange(&[], &mut answers);
    assert_eq!(exchange(&[(1, 9), (0, 10)], &mut answers), 1);
    assert_eq!(exchange(&[(2, 11)], &mut answers), 2);
}

#[test]
fn a_malformed_extension_ends_the_work_on_them() {
    // Counters of a wrong length, then padding; and a last one that is cut short.
    for (tlvs, flags) in [
        (&[0x80, 5, 0, 1, 0, 0x80, 1, 0, 0][..], [(0, 0x40), (5, 0x80)].as_slice()),
        (&[0x80, 1, 0, 0, 0x80, 1, 0, 9, 7], &[(0, 0), (4, 0x40)]),
        (&[0x80, 1, 0], &[(0, 0x40)]),
    ] {
        let bytes = packet(&request(0, 9), Mode::Unauthenticated, tlvs, None);
        let reply =
            reflected(&mut reflector(Options::default()), &arrival("192.0.2.1:4000"), &bytes).unwrap();
        for &(at, flag) in flags {
            assert_eq!(reply[44 + at], flag, "{tlvs:?} at {at}");
        }
        assert_eq!(reply.len(), bytes.len());
    }
}

#[test]
fn only_authentic_requests_are_answered_where_there_are_keys() {
    let (key, other) = (Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap());
    let mut keys = Keys::default();
    keys.insert(9, key.clone());
    let mut reflector = reflector(Options { keys, ..Options::default() });
    let from = arrival("192.0.2.1:4000");
    let mut tlvs = Vec::new();
    tlv::push(&mut tlvs, Kind::DirectMeasurement, &[0; 12]);
    tlv::push_hmac(&mut tlvs, 5, &key);
    let mode = Mode::Authenticated;
    let good = packet(&request(5, 9), mode, &tlvs, Some(&key));
    let reply = reflected(&mut reflector, &from, &good).unwrap();
    assert!(key.verify(&reply), "the reply is authenticated, its time of sending included");
    let [counters, hmac] = [0, 1].map(|n| tlv::parse(&reply[112..]).nth(n).unwrap().unwrap());
    assert_eq!((counters.flags, hmac.flags), (0, 0));
    assert!(key.verify_tlvs(0_u32.to_be_bytes(), &reply[112..128], hmac.value));

    let mut forged = good.clone();
    forged[125] ^= 1;
    let reply = reflected(&mut reflector, &from, &forged).unwrap();
    assert_eq!((reply[112], reply[128]), (0xa0, 0xa0), "the flag I on every extension");
    let unsigned = packet(&request(5, 9), mode, &tlvs[..16], Some(&key));
    assert_eq!(reflected(&mut reflector, &from, &unsigned).unwrap()[112], 0xa0);

    for (bytes, reason) in [
        (packet(&request(5, 9), mode, &[], Some(&other)), Silence::BadHmac),
        (packet(&request(5, 8), mode, &[], Some(&key)), Silence::UnknownSession),
        (plain(5), Silence::TooShort),
    ] {
        assert_eq!(reflected(&mut reflector, &from, &bytes), Err(reason));
    }
    assert_eq!(reflector.counts().silent(Silence::BadHmac), 1);
}

#[test]
fn a_short_request_is_answered_only_where_that_is_allowed_by_name() {
    let short = &plain(1)[..14];
    let mut strict = reflector(Options::default());
    assert_eq!(reflected(&mut strict, &arrival("127.0.0.1:4000"), short), Err(Silence::TooShort));
    let twamp_light = vec!["192.0.2.0/24".parse().unwrap()];
    let mut lenient = reflector(Options { twamp_light, ..Options::default() });
    assert_eq!(reflected(&mut lenient, &arrival("192.0.2.1:4000"), short).unwrap().len(), 44);
    assert_eq!(reflected(&mut lenient, &arrival("192.0.3.1:4000"), short), Err(Silence::TooShort));
    assert_eq!(reflected(&mut lenient, &arrival("192.0.2.1:4000"), &short[..13]), Err(Silence::TooShort));
}

#[test]
fn nothing_is_answered_that_could_begin_a_loop() {
    let mut reflector = reflector(Options { reflector_ports: vec![8620], ..Options::default() });
    for source in ["192.0.2.1:862", "192.0.2.1:7", "192.0.2.1:8620"] {
        assert_eq!(reflected(&mut reflector, &arrival(source), &plain(1)), Err(Silence::FromReflector));
    }
    for source in ["255.255.255.255:4000", "224.0.0.1:4000", "0.0.0.0:4000", "[ff02::1]:4000", "192.0.2.1:0"]
    {
        assert_eq!(reflected(&mut reflector, &arrival(source), &plain(1)), Err(Silence::NotUnicast));
    }
    let to_all = Arrival { destination: Some(Ipv4Addr::BROADCAST.into()), ..arrival("192.0.2.1:4000") };
    assert_eq!(reflected(&mut reflector, &to_all, &plain(1)), Err(Silence::NotUnicast));
    let reply = reflected(&mut reflector, &arrival("192.0.2.1:4000"), &plain(1)).unwrap();
    assert_eq!(reflected(&mut reflector, &arrival("192.0.2.1:4000"), &reply), Err(Silence::IsReply));
}

#[test]
fn a_sender_that_is_too_fast_is_slowed_down_and_others_are_not() {
    let mut reflector = reflector(Options { address_rate: Some(10), ..Options::default() });
    let at = |source: &str, ms: u64| Arrival { at: Moment::from_nanos(ms * 1_000_000), ..arrival(source) };
    let mut answered = |source: &str, ms| reflected(&mut reflector, &at(source, ms), &plain(1)).is_ok();
    assert_eq!((0..50).filter(|_| answered("192.0.2.1:4000", 1_000)).count(), 10);
    assert!(answered("192.0.2.2:4000", 1_000));
    assert!(!answered("192.0.2.1:4001", 1_050), "the port makes no difference");
    assert!(answered("192.0.2.1:4000", 1_100));
    assert!(!answered("192.0.2.1:4000", 1_100));
    assert_eq!((0..50).filter(|_| answered("192.0.2.1:4000", 9_000)).count(), 10);
}

/// Some octets that are no request, or a request, from an address that is never the same twice, of either family.
fn forged(round: u32, junk: &mut [u8; 44]) -> SocketAddr {
    let spread = round.wrapping_mul(0x9e37_79b1);
    if round.is_multiple_of(4) {
        junk.fill(0);
        junk[..4].copy_from_slice(&round.to_be_bytes());
    } else {
        junk[usize::try_from(spread % 44).unwrap()] ^= 0x5a;
    }
    let port = 1_024 + u16::try_from(spread % 60_000).unwrap();
    if round.is_multiple_of(2) {
        return SocketAddr::new(Ipv4Addr::from_bits(0x0a00_0000 | spread >> 8).into(), port);
    }
    let network = 0x2001_0db8_0000_0000_0000_0000_0000_0000 | u128::from(spread) << 64;
    SocketAddr::new(Ipv6Addr::from_bits(network).into(), port)
}

#[test]
fn an_honest_sender_is_counted_amid_a_million_packets_a_second_from_everywhere() {
    const PACKETS_PER_S: u32 = 1_000_000;
    let options = Options { address_rate: Some(100), network_rate: Some(1_000), ..Options::default() };
    let mut reflector = reflector(options);
    let room = reflector.sessions.sets();
    let mut answered = Vec::new();
    let (mut junk, mut buffer) = ([0; 44], [0; 112]);
    for round in 0..PACKETS_PER_S {
        let at = Moment::from_nanos(u64::from(round) * 1_000_000_000 / u64::from(PACKETS_PER_S));
        let source = forged(round, &mut junk);
        buffer[..44].copy_from_slice(&junk);
        let length = usize::try_from(round % 45).unwrap().max(usize::from(round % 4 == 0) * 44);
        let stranger = Arrival { source, at, ..arrival("192.0.2.1:4000") };
        let _maybe = reflector.answer(&stranger, &mut buffer, length);
        if round % 10_000 == 0 {
            let honest = Arrival { at, ..arrival("198.51.100.1:4000") };
            let reply = reflected(&mut reflector, &honest, &plain(round)).unwrap();
            answered.push(Reply::parse(Mode::Unauthenticated, &reply).unwrap().sequence);
        }
    }
    assert_eq!(answered, (0..100).collect::<Vec<u32>>(), "its session was never forgotten");
    assert_eq!(reflector.sessions.sets(), room, "nothing grew");
    assert!(reflector.counts().silent(Silence::TooShort) > 100_000);
}

#[test]
fn copies_and_packets_out_of_order_are_answered_each_by_itself() {
    let key = Key::new(&[1; 32]).unwrap();
    let mut keys = Keys::default();
    keys.insert(9, key.clone());
    let mut reflector = reflector(Options { keys, ..Options::default() });
    let from = arrival("192.0.2.1:4000");
    let numbers = [5_u32, 5, 4, 900, 5].map(|sequence| {
        let bytes = packet(&request(sequence, 9), Mode::Authenticated, &[], Some(&key));
        let reply =
            Reply::parse(Mode::Authenticated, &reflected(&mut reflector, &from, &bytes).unwrap()).unwrap();
        (reply.request_sequence, reply.sequence)
    });
    assert_eq!(
        numbers,
        [(5, 0), (5, 1), (4, 2), (900, 3), (5, 4)],
        "a sender sees the copies by their numbers"
    );
}

#[test]
fn the_text_protocol_answers_any_datagram_with_capitals_of_the_same_length() {
    let mut reflector = reflector(Options { protocol: Protocol::Text, ..Options::default() });
    let from = arrival("127.0.0.1:4000");
    assert_eq!(reflected(&mut reflector, &from, b"Ping 1 hello\n").unwrap(), b"PING 1 HELLO\n");
    assert_eq!(reflected(&mut reflector, &from, &[0xff, b'a']).unwrap(), [0xff, b'A']);
    assert_eq!(reflected(&mut reflector, &from, b""), Err(Silence::TooShort));
}

proptest! {
    #[test]
    fn no_octets_make_it_panic_and_no_reply_is_longer_than_its_request(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        tlvs in prop::collection::vec((0_u8..12, 0_u8..20, any::<u8>()), 0..8),
        authenticated: bool,
        text: bool,
    ) {
        let mut keys = Keys::default();
        let key = Key::new(&[1; 32]).unwrap();
        if authenticated {
            keys.insert(9, key.clone());
        }
        let protocol = if text { Protocol::Text } else { Protocol::Stamp };
        let mut reflector = reflector(Options { keys, protocol, ..Options::default() });
        let tlvs: Vec<u8> = tlvs.iter().flat_map(|(code, length, fill)| {
            let mut tlv = vec![0x80, *code, 0, *length];
            tlv.resize(4 + usize::from(*length), *fill);
            tlv
        }).chain(bytes.iter().copied()).collect();
        let mode = if authenticated { Mode::Authenticated } else { Mode::Unauthenticated };
        for packet in [bytes, packet(&request(1, 9), mode, &tlvs, authenticated.then_some(&key))] {
            if let Ok(reply) = reflected(&mut reflector, &arrival("192.0.2.1:4000"), &packet) {
                prop_assert_eq!(reply.len(), packet.len());
            }
        }
    }
}
