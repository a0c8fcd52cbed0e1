//! The relaxed canonicalizations of RFC 6376 section 3.4. *Promises* that the hash of a body is the same however its bytes are cut. Absent:
//! the simple ones, which do not survive servers that fold.

use sha2::{Digest as _, Sha256};

/// What is gathered before it is hashed.
const GATHERED_BYTES: usize = 8 << 10;

/// The hash of a body (section 3.4.4): runs of spaces are one, those at the end of a line and empty lines at the end of the body are none.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyHash {
    hash: Sha256,
    gathered: Vec<u8>,
    /// Empty lines that count when something follows.
    empty_lines: u64,
    /// A space that counts when something follows in its line.
    space: bool,
    in_line: bool,
}

impl BodyHash {
    /// The next bytes of the body, whose lines end with CRLF.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(&next) = rest.first() {
            match next {
                b'\n' => {
                    if self.in_line {
                        self.gather(b"\r\n");
                    } else {
                        self.empty_lines += 1;
                    }
                    (self.space, self.in_line) = (false, false);
                    rest = &rest[1..];
                }
                b'\r' => rest = &rest[1..],
                b' ' | b'\t' => {
                    self.space = true;
                    rest = &rest[1..];
                }
                _ => {
                    let stop = rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
                    let (word, after) = rest.split_at(stop.unwrap_or(rest.len()));
                    self.word(word);
                    rest = after;
                }
            }
        }
    }

    fn word(&mut self, word: &[u8]) {
        for _ in 0..std::mem::take(&mut self.empty_lines) {
            self.gather(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.gather(b" ");
        }
        self.in_line = true;
        self.gather(word);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.len() + bytes.len() > GATHERED_BYTES {
            self.hash.update(&self.gathered);
            self.gathered.clear();
        }
        self.gathered.extend_from_slice(bytes);
    }

    /// The hash; a last line without an end has one.
    pub(crate) fn finish(mut self) -> [u8; 32] {
        if self.in_line {
            self.gather(b"\r\n");
        }
        self.hash.update(&self.gathered);
        self.hash.finalize().into()
    }
}

/// A field as it is hashed (section 3.4.2): its name in small letters, unfolded, runs of spaces one, none about the colon and at the end; with
/// CRLF.
pub(super) fn relaxed_field(field: &[u8]) -> Vec<u8> {
    let colon = field.iter().position(|&byte| byte == b':').unwrap_or(field.len());
    let (name, value) = field.split_at(colon);
    let mut out = name.trim_ascii_end().to_ascii_lowercase();
    out.push(b':');
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let words = value.get(1..).unwrap_or_default().split(is_space).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The names of the fields of a header, in small letters.
pub(super) fn field_names(header: &[u8]) -> Vec<String> {
    fields(header).into_iter().map(|(name, _)| name).collect()
}

/// The fields of these names as they are hashed. Of several of one name the last comes first; a name that is there no more adds nothing
/// (section 5.4.2).
pub(super) fn chosen(header: &[u8], names: &[&str]) -> Vec<u8> {
    let mut unused = fields(header);
    let mut out = Vec::new();
    for name in names {
        if let Some(at) = unused.iter().rposition(|(other, _)| other == name) {
            let (_, field) = unused.remove(at);
            out.extend(relaxed_field(field));
        }
    }
    out
}

/// Each field with its name in small letters.
fn fields(header: &[u8]) -> Vec<(String, &[u8])> {
    let mut fields: Vec<(String, &[u8])> = Vec::new();
    let mut at = 0;
    for line in header.split_inclusive(|&byte| byte == b'\n') {
        let end = at + line.len();
        match fields.last_mut() {
            Some((_, last)) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                *last = &header[at - last.len()..end];
            }
            Some(_) | None => {
                let name = line.split(|&byte| byte == b':').next().unwrap_or_default().trim_ascii_end();
                fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), line));
            }
        }
        at = end;
    }
    fields
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashed(body: &[u8]) -> [u8; 32] {
        let mut hash = BodyHash::default();
        hash.update(body);
        hash.finish()
    }

    #[test]
    fn the_example_of_the_standard_holds() {
        // Section 3.4.5.
        let header = b"A: X\r\nB : Y\t\r\n\tZ  \r\n";
        assert_eq!(chosen(header, &["a", "b"]), b"a:X\r\nb:Y Z\r\n");
        let expected: [u8; 32] = Sha256::digest(b" C\r\nD E\r\n").into();
        assert_eq!(hashed(b" C \r\nD \t E\r\n\r\n\r\n"), expected);
        let nothing: [u8; 32] = Sha256::digest(b"").into();
        assert_eq!(hashed(b""), nothing);
        assert_eq!(hashed(b"\r\n \r\n"), nothing);
    }

    #[test]
    fn of_several_fields_the_last_is_signed_first() {
        let header = b"A: 1\r\nB: x\r\nA: 2\r\n";
        assert_eq!(chosen(header, &["a", "a", "a", "c"]), b"a:2\r\na:1\r\n");
    }

    proptest! {
        #[test]
        fn a_body_is_hashed_the_same_however_it_is_cut(body in "([ab \t]|\r\n){0,30}", cut in 0usize..30) {
            let bytes = body.as_bytes();
            let cut = cut.min(bytes.len());
            let mut hash = BodyHash::default();
            hash.update(&bytes[..cut]);
            hash.update(&bytes[cut..]);
            prop_assert_eq!(hash.finish(), hashed(bytes));
        }
    }
}
