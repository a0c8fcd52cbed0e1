//! A file -> its compressed forms. Absent: when that is done ([`crate::background`]), and zstd, of which there is no well-kept
//! encoder in Rust alone that does more than its fastest level, and whoever takes zstd takes br or gzip; `NAME.zst` beside a
//! file is served.

use std::io::{self, Write as _};

use brotli::enc::BrotliEncoderParams;

use crate::accept::Coding;

/// Those that save a twentieth at least: less is not worth the work of decoding.
pub(crate) fn forms(bytes: &[u8]) -> Vec<(Coding, Vec<u8>)> {
    let made = [(Coding::Br, br(bytes)), (Coding::Gzip, gzip(bytes))];
    let saves = |made: &Vec<u8>| made.len() < bytes.len() - bytes.len() / 20;
    made.into_iter().filter_map(|(coding, made)| Some((coding, made.ok().filter(saves)?))).collect()
}

/// Level 9 of 11: the two above take ten times as long for a few percent.
fn br(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let parameters =
        BrotliEncoderParams { quality: 9, size_hint: bytes.len(), ..BrotliEncoderParams::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters)?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        let text = "the same words again and again, ".repeat(1000);
        let forms = forms(text.as_bytes());
        let [(Coding::Br, br), (Coding::Gzip, gzip)] = forms.as_slice() else { panic!("{}", forms.len()) };
        let mut decoded = Vec::new();
        brotli::BrotliDecompress(&mut &br[..], &mut decoded).unwrap();
        assert_eq!(decoded, text.as_bytes());
        let mut decoded = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut decoded).unwrap();
        assert_eq!(decoded, text);
    }

    #[test]
    fn what_saves_nothing_is_not_kept() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        });
        assert!(forms(&noise.take(10_000).collect::<Vec<u8>>()).is_empty());
    }
}
