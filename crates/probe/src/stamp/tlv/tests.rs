//! TLVs of any bytes, and the values in them.

use proptest::prelude::*;

use super::*;

#[test]
fn values_have_the_octets_of_rfc_8972() {
    let class = ClassOfService { wanted_dscp: 46, seen_dscp: 10, seen_ecn: 1, kept: 2 };
    assert_eq!(class.to_bytes(), [0b1011_1000, 0b1010_0110, 0, 0]);
    let counters = DirectMeasurement { sent: 1, received: 2, replied: 0x0304_0506 };
    assert_eq!(counters.to_bytes(), [0, 0, 0, 1, 0, 0, 0, 2, 3, 4, 5, 6]);
}

#[test]
fn what_is_cut_short_is_told_once_and_ends_the_list() {
    let bytes = [0x80, 1, 0, 1, 7, 0x80, 1, 0, 9, 7];
    let mut tlvs = parse(&bytes);
    assert_eq!(tlvs.next(), Some(Ok(Tlv { at: 0, flags: 0x80, code: 1, value: &[7] })));
    assert_eq!(tlvs.next(), Some(Err(CutShort { at: 5 })));
    assert_eq!(tlvs.next(), None);
}

proptest! {
    #[test]
    fn any_octets_are_a_list_that_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut covered = 0;
        for tlv in parse(&bytes) {
            match tlv {
                Ok(tlv) => {
                    prop_assert_eq!(tlv.at, covered);
                    covered += HEADER_BYTES + tlv.value.len();
                }
                Err(CutShort { at }) => {
                    prop_assert_eq!(at, covered);
                    covered = bytes.len();
                }
            }
        }
        prop_assert_eq!(covered, bytes.len());
    }

    #[test]
    fn values_survive_the_wire(bytes: [u8; 12], class: [u8; 2]) {
        prop_assert_eq!(DirectMeasurement::from_bytes(bytes).to_bytes(), bytes);
        let class = [class[0], class[1], 0, 0];
        prop_assert_eq!(ClassOfService::from_bytes(class).to_bytes(), class);
    }
}
