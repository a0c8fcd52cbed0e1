//! The codec: one encoding for each meaning, one meaning for each encoding, and the octets of the documentation.

use proptest::prelude::*;

use super::*;
use crate::beat::Key;

fn beats() -> impl Strategy<Value = Beat> {
    let kinds = prop_oneof![
        Just(Kind::Beat),
        (1..=PAUSE_S_MAX).prop_map(|seconds| Kind::Pause { seconds }),
        Just(Kind::Goodbye)
    ];
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    (kinds, INTERVAL_MS_MIN..=INTERVAL_MS_MAX, numbers).prop_map(
        |(kind, interval_ms, (host, epoch, sequence, stamp))| Beat {
            kind,
            interval_ms,
            host,
            epoch,
            sequence,
            stamp: Timestamp::from_nanos(stamp),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_signed_octets_cannot_change(beat in beats(), key: [u8; 32], at in 0..PACKET_BYTES, flip in 1..=u8::MAX) {
        let key = Key::new(key);
        let packet = key.seal(&beat);
        prop_assert_eq!(Beat::parse(&packet), Some(beat));
        prop_assert!(key.verify(&packet));
        let mut forged = packet;
        forged[at] ^= flip;
        prop_assert!(!key.verify(&forged));
    }

    #[test]
    fn what_is_read_has_one_encoding(mut bytes: [u8; PACKET_BYTES], valid in beats(), from in 0..PACKET_BYTES, length in 0..16_usize) {
        // Mostly a right datagram, so that what lies behind the first octets is reached.
        let noise = bytes;
        bytes = valid.write();
        let until = (from + length).min(PACKET_BYTES);
        bytes[from..until].copy_from_slice(&noise[from..until]);
        if let Some(beat) = Beat::parse(&bytes) {
            prop_assert_eq!(&beat.write()[..HMAC_OFFSET], &bytes[..HMAC_OFFSET]);
        }
    }

    #[test]
    fn other_lengths_are_no_datagrams(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(bytes.len() == PACKET_BYTES || Beat::parse(&bytes).is_none());
    }
}

/// The example of docs/beat.md, octet by octet.
#[test]
fn the_documented_example_is_what_is_sent() {
    let beat = Beat {
        kind: Kind::Pause { seconds: 600 },
        interval_ms: 1_000,
        host: 0x0102_0304_0506_0708,
        epoch: 0x1112_1314_1516_1718,
        sequence: 42,
        stamp: Timestamp::from_nanos(1_700_000_000_000_000_000),
    };
    let packet = Key::new([0x0b; 32]).seal(&beat);
    let hex: String = packet.iter().map(|octet| format!("{octet:02x}")).collect();
    let document = include_str!("../../../../../docs/beat.md");
    let shown: String = document
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b' '))
        .flat_map(|line| line.split_whitespace())
        .collect();
    assert_eq!(shown, hex);
}
