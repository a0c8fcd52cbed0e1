//! Upper and lower case for all of Unicode (full mapping, root locale), of a stream of any length
//! that is cut anywhere: inside a UTF-8 sequence, beside a sigma, between a letter and its marks.
//!
//! Nothing is kept here between two chunks; what the next one needs travels with the caller:
//!
//! ```text
//!   bytes not consumed + next bytes ──┐
//!                                     ├─ map ─┬─ text ────┐
//!   Context of the chunk before ──────┘       ├─ context ─┴─ Joiner ── finished output
//!                                             └─ consumed
//! ```
//!
//! One character is hard: a capital sigma at the end of a word becomes `ς`, elsewhere `σ`, and
//! which it is may depend on a letter any number of dots and accents later (Unicode 3.13,
//! Final_Sigma). [`map`] never waits for that letter. It answers `ς` and says in the context that
//! the sigma is open; the next answer says when it was wrong, and [`Joiner`] puts it right.
//!
//! Absent: locales (Turkish dotless i, Lithuanian dots, Greek accents), title case, normalisation.

use std::borrow::Cow;

use crate::text::limits::{CASE_CHUNK_BYTES_MAX, SIGMA_RUN_BYTES_MAX, UTF8_TAIL_BYTES_MAX};

/// What a text is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Capitals: `straße` becomes `STRASSE`.
    Upper,
    /// Small letters: `ΟΔΟΣ` becomes `οδος`.
    Lower,
}

/// What happens to bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The chunk is refused with the offset of the first such byte.
    Refuse,
    /// Each becomes U+FFFD as the WHATWG Encoding Standard and [`String::from_utf8_lossy`] do it.
    Lossy,
}

/// Where a chunk stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Another chunk follows, perhaps an empty one.
    More,
    /// The stream ends with this chunk. An incomplete UTF-8 sequence at its end is invalid.
    Last,
}

/// What one chunk has to know of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Context {
    /// No word has begun. Also the context of every stream's start.
    #[default]
    Start,
    /// A cased letter stands before, with nothing but case-ignorable characters after it.
    Cased,
    /// The last cased letter is a sigma that was answered as `ς` and is `σ` should another cased
    /// letter follow before anything else that is not case-ignorable.
    OpenSigma,
}

impl Context {
    /// The context as one small integer, for the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Start => 0,
            Self::Cased => 1,
            Self::OpenSigma => 2,
        }
    }

    /// The context that has this code; none for an integer that no context has.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Start, Self::Cased, Self::OpenSigma].into_iter().find(|context| context.code() == code)
    }

    /// The shortest text that leaves a mapper in this context.
    fn stand_in(self) -> &'static str {
        match self {
            Self::Start => "",
            Self::Cased => "A",
            Self::OpenSigma => "AΣ",
        }
    }
}

/// What one chunk became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The mapped text, at most `CASE_GROWTH_FACTOR_MAX` times as long as the chunk.
    pub text: String,
    /// Bytes of the chunk that the text stands for. The rest, at most `UTF8_TAIL_BYTES_MAX` and
    /// none of the last chunk, belongs in front of the next chunk.
    pub consumed: usize,
    /// What the next chunk has to be mapped with.
    pub context: Context,
    /// The sigma that was open before this chunk stands inside a word: its `ς` has to become `σ`.
    pub open_sigma_was_medial: bool,
}

/// Why a chunk was not mapped or could not be joined. Nothing of it took effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// Only under [`Invalid::Refuse`]. The caller adds where in the stream the chunk began.
    #[error("the text is not UTF-8 from byte {offset} on; send UTF-8, or ask for lossy mapping")]
    InvalidUtf8 {
        /// Bytes of the chunk before the first one that is not UTF-8.
        offset: usize,
    },
    /// The chunk is longer than `CASE_CHUNK_BYTES_MAX`.
    #[error(
        "a chunk of {bytes} bytes is longer than the {bytes_max} that are mapped at once; send it in pieces"
    )]
    ChunkTooLong {
        /// Length of the chunk.
        bytes: usize,
        /// The longest that is mapped.
        bytes_max: usize,
    },
    /// A sigma is followed by more than `SIGMA_RUN_BYTES_MAX` of characters that leave its form open.
    #[error(
        "more than {bytes_max} bytes of dots and accents follow a capital sigma, so its small form stays \
         unknown; end the word with a space or a line"
    )]
    SigmaRunTooLong {
        /// The most that is held back.
        bytes_max: usize,
    },
}

/// Maps one chunk. The same arguments give the same answer; any cut of a stream, down to single
/// bytes, gives after [`Joiner`] what [`str::to_lowercase`] or [`str::to_uppercase`] makes of the
/// whole text.
///
/// # Errors
/// [`CaseError::ChunkTooLong`], and under [`Invalid::Refuse`] [`CaseError::InvalidUtf8`].
pub fn map(
    chunk: &[u8],
    before: Context,
    part: Part,
    direction: Direction,
    invalid: Invalid,
) -> Result<Mapped, CaseError> {
    if chunk.len() > CASE_CHUNK_BYTES_MAX {
        return Err(CaseError::ChunkTooLong { bytes: chunk.len(), bytes_max: CASE_CHUNK_BYTES_MAX });
    }
    let consumed = match part {
        Part::More => chunk.len() - incomplete_tail_bytes(chunk),
        Part::Last => chunk.len(),
    };
    let text = decode(&chunk[..consumed], invalid)?;
    Ok(match direction {
        Direction::Upper => {
            Mapped { text: text.to_uppercase(), consumed, context: before, open_sigma_was_medial: false }
        }
        Direction::Lower => lower(&text, before, consumed),
    })
}

/// Length of the UTF-8 sequence that the end of the chunk cuts through; 0 when it cuts none.
fn incomplete_tail_bytes(chunk: &[u8]) -> usize {
    (1..=UTF8_TAIL_BYTES_MAX.min(chunk.len()))
        .find(|tail| {
            std::str::from_utf8(&chunk[chunk.len() - tail..])
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

fn decode(bytes: &[u8], invalid: Invalid) -> Result<Cow<'_, str>, CaseError> {
    match invalid {
        Invalid::Lossy => Ok(String::from_utf8_lossy(bytes)),
        Invalid::Refuse => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(CaseError::InvalidUtf8 { offset: error.valid_up_to() }),
        },
    }
}

/// Asks the standard library twice: once for the text as it is, once with another sigma behind
/// it. That sigma comes out as `ς` exactly when the text ends inside a word, and it changes the
/// text before it exactly when a sigma there is open. So there is one table of what is cased or
/// case-ignorable, and it is the one that maps.
fn lower(text: &str, before: Context, consumed: usize) -> Mapped {
    let stand_in = before.stand_in();
    let lowered = [stand_in, text].concat().to_lowercase();
    let probed = [stand_in, text, "Σ"].concat().to_lowercase();
    let context = if !probed.starts_with(&lowered) {
        Context::OpenSigma
    } else if probed.ends_with('ς') {
        Context::Cased
    } else {
        Context::Start
    };
    let (earlier, text) = lowered.split_at(stand_in.len());
    Mapped { text: text.to_owned(), consumed, context, open_sigma_was_medial: earlier.ends_with('σ') }
}

/// Puts the answers of one stream together, in order. Holds back an open sigma and what follows
/// it, and nothing else.
#[derive(Debug, Default)]
pub struct Joiner {
    /// Empty, or begins with the `ς` that is open.
    held: String,
}

impl Joiner {
    /// Takes the next answer and gives all output that is final by now.
    ///
    /// # Errors
    /// [`CaseError::SigmaRunTooLong`].
    pub fn push(&mut self, mapped: &Mapped) -> Result<String, CaseError> {
        if mapped.open_sigma_was_medial && self.held.starts_with('ς') {
            self.held.replace_range(..'ς'.len_utf8(), "σ");
        }
        self.held.push_str(&mapped.text);
        // Behind an open sigma stands no other `ς`: that would be a cased letter.
        let finished = match mapped.context {
            Context::OpenSigma => self.held.rfind('ς').unwrap_or(self.held.len()),
            Context::Start | Context::Cased => self.held.len(),
        };
        if self.held.len() - finished > SIGMA_RUN_BYTES_MAX {
            return Err(CaseError::SigmaRunTooLong { bytes_max: SIGMA_RUN_BYTES_MAX });
        }
        let open = self.held.split_off(finished);
        Ok(std::mem::replace(&mut self.held, open))
    }

    /// The rest, once the stream has ended: a sigma that is still open ends its word.
    #[must_use]
    pub fn finish(self) -> String {
        self.held
    }
}

#[cfg(test)]
mod tests;
