//! One line of a person's text with a bound on its length: names and memos. Parsed once; whoever holds a
//! [`Line`] may print it on a terminal.
//!
//! Absent: any change of what was written; nothing is trimmed, folded or normalised.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};
use serde::{Serialize, Serializer};

use crate::InputError;

/// 1 to `BYTES_MAX` bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line<const BYTES_MAX: usize>(Box<str>);

impl<const BYTES_MAX: usize> Line<BYTES_MAX> {
    /// The line with this text.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, InputError> {
        let text = text.into();
        if text.is_empty() {
            return Err(InputError::LineEmpty);
        }
        if text.len() > BYTES_MAX {
            return Err(InputError::LineLong { bytes: text.len(), bytes_max: BYTES_MAX });
        }
        match text.chars().find(|character| breaks_a_line(*character)) {
            Some(character) => Err(InputError::LineControl(character)),
            None => Ok(Self(text.into_boxed_str())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters (C0, C1), the two Unicode separators of lines and paragraphs, and the marks that
/// turn the direction of what follows (UAX #9): none may reach a terminal or a list from a member's name.
fn breaks_a_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<const BYTES_MAX: usize> FromStr for Line<BYTES_MAX> {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        Self::new(text)
    }
}

impl<const BYTES_MAX: usize> fmt::Display for Line<BYTES_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const BYTES_MAX: usize> fmt::Debug for Line<BYTES_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const BYTES_MAX: usize> Serialize for Line<BYTES_MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// CBOR: a text string.
impl<C, const BYTES_MAX: usize> Encode<C> for Line<BYTES_MAX> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C, const BYTES_MAX: usize> Decode<'b, C> for Line<BYTES_MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        Self::new(d.str()?).map_err(|error| DecodeError::message(error).at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::Line;
    use crate::InputError;

    #[test]
    fn a_line_is_bounded_and_cannot_move_the_cursor() {
        type Short = Line<5>;
        assert_eq!("Zoë ".parse::<Short>().map(|line| line.to_string()), Ok("Zoë ".to_owned()));
        assert_eq!(Short::new(""), Err(InputError::LineEmpty));
        assert_eq!(Short::new("123456"), Err(InputError::LineLong { bytes: 6, bytes_max: 5 }));
        for bad in ['\n', '\u{1b}', '\u{9b}', '\u{2028}', '\u{202e}'] {
            assert_eq!(Short::new(format!("a{bad}")), Err(InputError::LineControl(bad)));
        }
    }

    #[test]
    fn a_line_on_the_wire_is_checked_when_it_is_decoded() {
        let long = minicbor::to_vec("123456").unwrap();
        let error = minicbor::decode::<Line<5>>(&long).unwrap_err();
        assert!(error.to_string().contains("6 bytes"), "{error}");
    }
}
