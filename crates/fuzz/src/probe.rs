//! Datagrams from strangers: test packets, their extensions, texts, and the reflector that answers them.
//!
//! Held: nothing panics; what is read is written again; a reply is as long as its request; a reply is never answered.

use std::hash::RandomState;

use switchboard_probe::prober::form::{Form, Stamp};
use switchboard_probe::reflector::{Arrival, Options, Protocol, Reflector};
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
    let stamp = Stamp { session: 9, key: key.clone(), length: None, dscp: None, fill: Vec::new() };
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
    let mut reflector = Reflector::new(Options { keys, protocol, ..Options::default() }, &RandomState::new());
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
    let Ok(answer) = reflector.answer(&arrival, &mut buffer, length) else { return };
    reflector.seal(&answer, &mut buffer, now);
    assert_eq!(answer.length, length);
    if plain {
        assert!(reflector.answer(&arrival, &mut buffer, length).is_err(), "a reply was answered");
    }
}
