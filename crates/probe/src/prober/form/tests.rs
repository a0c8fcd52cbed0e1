//! Probes through a reflector and back, whole and spoiled.

use std::hash::RandomState;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::reflector::{Arrival, Options, Reflector};
use crate::stamp::{Format, Keys};
use crate::time::Moment;

fn stamp(key: Option<Key>, length: Option<usize>, dscp: Option<u8>) -> Stamp {
    Stamp { session: 9, key, length, dscp, fill: Vec::new(), follow_up: false }
}

fn particulars(sequence: u64) -> Particulars {
    let error = ErrorEstimate::new(true, Format::Ntp, Duration::from_millis(1));
    Particulars { sequence, sent: Timestamp::from_nanos(1_700_000_000_000_000_000), error }
}

fn reflect(packet: &mut [u8], key: Option<&Key>) {
    let mut keys = Keys::default();
    if let Some(key) = key {
        keys.insert(9, key.clone());
    }
    let mut reflector = Reflector::new(Options { keys, ..Options::default() }, &RandomState::new());
    let arrival = arrival();
    let length = packet.len();
    let answer = reflector.answer(&arrival, packet, length).unwrap();
    assert_eq!(answer.length, length);
    reflector.seal(&answer, packet, arrival.received);
}

fn arrival() -> Arrival {
    Arrival {
        source: "192.0.2.1:4000".parse().unwrap(),
        destination: None,
        port: 862,
        received: Timestamp::from_nanos(1_700_000_000_000_500_000),
        at: Moment::default(),
        ttl: Some(60),
        traffic_class: Some(0),
    }
}

fn answer(form: &Form, packet: &[u8]) -> Option<Answer> {
    match form.read(packet) {
        Reading::Answer(answer) => Some(answer),
        Reading::Damaged { .. } | Reading::Foreign => None,
    }
}

#[test]
fn a_probe_of_any_length_comes_back_with_the_reflectors_counters() {
    let key = Key::new(&[3; 32]).unwrap();
    for (key, dscp, lengths) in [
        (None, None, [None, Some(44), Some(60), Some(64), Some(1_472)]),
        (None, Some(46), [None, Some(68), Some(72), Some(1_000), Some(9_000)]),
        (Some(key.clone()), None, [None, Some(112), Some(148), Some(152), Some(65_507)]),
        (Some(key.clone()), Some(46), [None, Some(156), Some(160), Some(1_000), Some(65_507)]),
    ] {
        for length in lengths {
            let stamp = stamp(key.clone(), length, dscp);
            assert_eq!(stamp.check_length(), Ok(()));
            let form = Form::Stamp(stamp);
            let mut packet = Vec::new();
            form.write(&particulars(7), &mut packet);
            assert!(length.is_none_or(|length| packet.len() == length), "{length:?}: {}", packet.len());
            reflect(&mut packet, key.as_ref());
            let answer = answer(&form, &packet).unwrap();
            assert!(answer.echo.repeats(particulars(7).sent));
            let reflected = answer.reflected.unwrap();
            assert_eq!((answer.sequence, reflected.ttl, reflected.sequence), (7, 60, 0));
            let bare = length == Some(44) || length == Some(112);
            assert_eq!(
                reflected.counters.map(|counters| (counters.sent, counters.received)),
                (!bare).then_some((8, 1))
            );
        }
    }
}

#[test]
fn an_answer_tells_when_an_earlier_one_left_and_only_who_asked_pays_for_it() {
    for key in [None, Key::new(&[3; 32])] {
        let asking = Form::Stamp(Stamp { follow_up: true, ..stamp(key.clone(), None, None) });
        let mut keys = Keys::default();
        key.iter().for_each(|key| keys.insert(9, key.clone()));
        let mut reflector = Reflector::new(Options { keys, ..Options::default() }, &RandomState::new());
        let left = Timestamp::from_nanos(1_700_000_000_000_777_000);
        let mut told = Vec::new();
        for sequence in 0..3 {
            let mut packet = Vec::new();
            asking.write(&particulars(sequence), &mut packet);
            let arrival = arrival();
            let length = packet.len();
            let reply = reflector.answer(&arrival, &mut packet, length).unwrap();
            reflector.seal(&reply, &mut packet, arrival.received);
            reflector.departed(&reply, left);
            let reflected = answer(&asking, &packet).unwrap().reflected.unwrap();
            told.push(reflected.previous.map(|left| (left.sequence, left.at.nanos_since(arrival.received))));
            if let (Some(at), Some(_)) = (packet.len().checked_sub(30), &key) {
                packet[at] ^= 1;
                let reflected = answer(&asking, &packet).unwrap().reflected.unwrap();
                assert_eq!((reflected.previous, reflected.counters), (None, None), "not believed");
            }
        }
        assert_eq!(told, [None, Some((0, 277_000)), Some((1, 277_000))], "{}", key.is_some());
        let lengths = [false, true].map(|follow_up| {
            let mut packet = Vec::new();
            Form::Stamp(Stamp { follow_up, ..stamp(key.clone(), None, None) })
                .write(&particulars(0), &mut packet);
            packet.len()
        });
        assert_eq!(lengths[1], lengths[0] + 20);
    }
}

#[test]
fn lengths_that_no_probe_can_have_are_refused_in_words() {
    for wrong in [0, 43, 45, 59, 61, 63, 65_508] {
        let told = stamp(None, Some(wrong), None).check_length().unwrap_err();
        assert_eq!(told, format!("a probe cannot be {wrong} octets long: 44, 60, or 64 to 65507"));
    }
    let asking = |follow_up, dscp, length| {
        Stamp { follow_up, ..stamp(None, Some(length), dscp) }.check_length().unwrap_err()
    };
    for (follow_up, dscp, full) in [(true, None, 80), (false, Some(46), 68), (true, Some(46), 88)] {
        let told = asking(follow_up, dscp, 44);
        assert!(told.starts_with("a probe of 44 octets has no room to ask"), "{told}");
        assert!(told.contains(&format!("at least {full} ")), "{told}");
        let told = asking(follow_up, dscp, 45);
        assert!(told.ends_with(&format!("long: {full}, or {} to 65507", full + 4)), "{told}");
    }
}

#[test]
fn answers_of_others_and_forged_ones_are_not_taken() {
    let key = Key::new(&[3; 32]).unwrap();
    let form = Form::Stamp(stamp(Some(key.clone()), None, None));
    let mut packet = Vec::new();
    form.write(&particulars(7), &mut packet);
    reflect(&mut packet, Some(&key));
    assert!(answer(&form, &packet).is_some());
    for at in 0..112 {
        packet[at] ^= 1;
        assert_eq!(answer(&form, &packet), None, "octet {at}");
        packet[at] ^= 1;
    }
    packet[10] ^= 1;
    assert_eq!(form.read(&packet), Reading::Damaged { sequence: 7 });
    packet[10] ^= 1;
    packet[120] ^= 1;
    assert_eq!(
        answer(&form, &packet).unwrap().reflected.unwrap().counters,
        None,
        "extensions are not believed"
    );
    let other = Form::Stamp(Stamp { session: 10, ..stamp(None, None, None) });
    let mut packet = Vec::new();
    Form::Stamp(stamp(None, None, None)).write(&particulars(7), &mut packet);
    reflect(&mut packet, None);
    assert_eq!(other.read(&packet), Reading::Foreign);
}

proptest! {
    #[test]
    fn any_octets_are_an_answer_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for key in [None, Key::new(&[3; 32])] {
            let _read = Form::Stamp(stamp(key, None, None)).read(&bytes);
        }
        let _read = Form::Text.read(&bytes);
    }
}
