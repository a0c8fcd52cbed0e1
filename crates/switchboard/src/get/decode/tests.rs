//! Coded bodies, whole, cut and damaged.

use std::io::Write as _;

use super::*;

fn arriving(bytes: &[u8], piece: usize) -> Arriving {
    let (sender, receiver) = tokio::sync::mpsc::channel(bytes.len().max(1));
    for piece in bytes.chunks(piece.max(1)) {
        sender.try_send(Bytes::copy_from_slice(piece)).unwrap();
    }
    Arriving::new(receiver)
}

fn decoded(coding: Coding, bytes: &[u8], piece: usize) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    coding.decoder(arriving(bytes, piece)).read_to_end(&mut whole)?;
    Ok(whole)
}

fn text() -> Vec<u8> {
    (0..20_000_u32).flat_map(|number| format!("{number} ").into_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn a_coded_body_is_read_however_it_is_cut_into_pieces() {
    let text = text();
    for (coding, coded) in
        [(Coding::Identity, text.clone()), (Coding::Gzip, gzip(&text)), (Coding::Zstd, zstd(&text))]
    {
        for piece in [1, 7, 1000, 1 << 20] {
            assert!(decoded(coding, &coded, piece).unwrap() == text, "{coding:?} in pieces of {piece}");
        }
    }
    // "hello\n", from the test of the decoder's own crate.
    assert_eq!(decoded(Coding::Brotli, b"\x8f\x02\x80\x68\x65\x6c\x6c\x6f\x0a\x03", 1).unwrap(), b"hello\n");
}

#[test]
fn frames_behind_each_other_are_one_body() {
    for (coding, coder) in [(Coding::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Coding::Zstd, zstd)] {
        let coded = [coder(b"one "), coder(b"two")].concat();
        assert_eq!(decoded(coding, &coded, 3).unwrap(), b"one two", "{coding:?}");
    }
}

#[test]
fn a_coded_body_that_ends_early_or_is_damaged_is_an_error() {
    let text = text();
    for (coding, coded) in [(Coding::Gzip, gzip(&text)), (Coding::Zstd, zstd(&text))] {
        for cut in [1, 5, coded.len() / 2, coded.len() - 1] {
            assert!(decoded(coding, &coded[..cut], 1000).is_err(), "{coding:?} cut to {cut}");
        }
        let mut damaged = coded.clone();
        damaged[coded.len() / 2] ^= 0x55;
        assert!(decoded(coding, &damaged, 1000).is_err(), "{coding:?}");
        assert!(decoded(coding, b"no such coding at all", 1000).is_err(), "{coding:?}");
    }
    assert!(decoded(Coding::Brotli, b"\x8f\x02\x80\x68\x65", 1000).is_err());
}

#[test]
fn codings_are_known_by_their_names() {
    let coding = |values: &[&str]| {
        let pairs = values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
        Coding::of(&pairs.collect())
    };
    assert_eq!(coding(&[]).unwrap(), Coding::Identity);
    assert_eq!(coding(&["BR"]).unwrap(), Coding::Brotli);
    assert_eq!(coding(&["x-gzip"]).unwrap(), Coding::Gzip);
    assert_eq!(coding(&["zstd"]).unwrap(), Coding::Zstd);
    for unknown in [&["compress"][..], &["gzip", "br"], &["gzip, gzip"]] {
        assert!(matches!(coding(unknown), Err(GetError::UnknownCoding { .. })));
    }
}
