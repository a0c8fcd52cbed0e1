//! Datagrams from strangers: test packets, their extensions, texts, and the reflector that answers them.
//!
//! Held: nothing panics; what is read is written again; a reply is as long as its request, also where packets are spoiled on
//! purpose; a reply is never answered.

use std::hash::RandomState;
use std::time::Duration;

use switchboard_probe::fault::{Fault, Faults, Kind, Share, Way};
use switchboard_probe::prober::form::{Form, Stamp};
use switchboard_probe::reflector::{Arrival, Faulty, Options, Protocol, Reflector};
use switchboard_probe::stamp::{Key, Keys, Mode, Reply, Request, tlv};
use switchboard_probe::{Moment, Timestamp, text};

/// First byte: bit 0 with a key, bit 1 the text protocol. The rest is the datagram.
pub(crate) fn run(bytes: &[u8]) {
    let Some((what, packet)) = bytes.split_first() else { return };
    let key = Key::new(&[1; 32]).filter(|_| what & 1 != 0);
    for mode in [Mode::Unauthenticated, Mode::Authenticated] {
        again(mode, packet);
    }
    assert!(tlv::parse(packet).count() <= packet.len() + 1);
    let _text = text::parse(packet);
    let stamp =
        Stamp { session: 9, key: key.clone(), length: None, dscp: None, fill: Vec::new(), follow_up: false };
    let _answer = Form::Stamp(stamp).read(packet);
    reflect(packet, key, what & 2 != 0);
}

fn again(mode: Mode, packet: &[u8]) {
    let mut written = [0; 112];
    if let Some(request) = Request::parse(mode, packet) {
        assert!(request.write(mode, &mut written));
        assert_eq!(Request::parse(mode, &written), Some(request));
    }
    if let Some(reply) = Reply::parse(mode, packet) {
        assert!(reply.write(mode, &mut written));
        assert_eq!(Reply::parse(mode, &written), Some(reply));
    }
}

fn reflect(packet: &[u8], key: Option<Key>, text: bool) {
    let mut keys = Keys::default();
    let mut buffer = packet.to_vec();
    if let Some(key) = key {
        // Nobody guesses an HMAC: it is made, so that what lies behind it is reached.
        if buffer.len() >= 112 {
            buffer[26..28].copy_from_slice(&9_u16.to_be_bytes());
            key.sign(&mut buffer);
        }
        keys.insert(9, key);
    }
    let plain = keys.is_empty() && !text;
    let protocol = if text { Protocol::Text } else { Protocol::Stamp };
    let options = Options { keys, protocol, ..Options::default() };
    let mut reflector = Reflector::new(options.clone(), &RandomState::new());
    let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let arrival = Arrival {
        source: ([192, 0, 2, 1], 4_000).into(),
        destination: None,
        port: 862,
        received: now,
        at: Moment::default(),
        ttl: Some(64),
        traffic_class: Some(0),
    };
    let length = buffer.len();
    spoil(Reflector::new(options, &RandomState::new()), &arrival, &buffer);
    let Ok(answer) = reflector.answer(&arrival, &mut buffer, length) else { return };
    reflector.seal(&answer, &mut buffer, now);
    assert_eq!(answer.length, length);
    if plain {
        assert!(reflector.answer(&arrival, &mut buffer, length).is_err(), "a reply was answered");
    }
}

/// The same packet again and again, of which a third suffers each kind of fault.
fn spoil(reflector: Reflector, arrival: &Arrival, packet: &[u8]) {
    let share: Share = "1/3".parse().expect("a third is a share");
    let wish = |(way, kind)| Fault { way, kind, share, delay: Duration::from_millis(1) };
    let wishes: Vec<Fault> =
        Way::ALL.into_iter().flat_map(|way| Kind::ALL.map(|kind| (way, kind))).map(wish).collect();
    let hashing = RandomState::new();
    let mut faulty = Faulty::new(reflector, Faults::new(&wishes, 1), Vec::new(), &hashing);
    let local = Arrival { source: ([127, 0, 0, 1], 4_000).into(), ..*arrival };
    for _again in 0..8 {
        faulty.request(&local, packet, local.received);
    }
    while let Some(departure) = faulty.poll(Moment::from_nanos(u64::MAX), local.received) {
        assert_eq!(departure.packet.len(), packet.len());
        assert!(departure.copies <= 2);
    }
}
