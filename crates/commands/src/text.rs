//! The text service: capitals and small letters of a stream cut into chunks, and prime or not. All reads:
//! nothing is kept between two of them, the context of a stream travels with the caller.
//!
//! Absent: the algorithms (services), and joining the answers of one stream.

#[cfg(test)]
mod tests;

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::Commands;

/// Name of the service in a call frame.
pub const SERVICE: &str = "text";

/// Version of the encoding below.
pub const VERSION: u16 = 1;

/// What can be asked. CBOR: `[number, field...]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(flat)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Capitals of one chunk.
    #[n(0)]
    Upper {
        /// The chunk.
        #[n(0)]
        chunk: Chunk,
    },
    /// Small letters of one chunk.
    #[n(1)]
    Lower {
        /// The chunk.
        #[n(0)]
        chunk: Chunk,
    },
    /// Whether a decimal integer is prime.
    #[n(2)]
    Prime {
        /// The number as a person wrote it.
        #[n(0)]
        number: String,
        /// The test to go on with: 0 at first, then what [`Reply::Undecided`] said.
        #[n(1)]
        step: u8,
    },
}

/// A piece of a stream of text.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Chunk {
    /// Its bytes; may begin or end inside a character.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    #[serde(serialize_with = "lossy_text")]
    pub bytes: Vec<u8>,
    /// What the answer to the chunk before said; 0 for the first.
    #[n(1)]
    pub context: u8,
    /// Whether the stream ends with it.
    #[n(2)]
    pub last: bool,
    /// Whether bytes that are not UTF-8 become U+FFFD instead of being refused.
    #[n(3)]
    pub lossy: bool,
}

/// The text may be private: only its length is shown.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, context, last, lossy } = self;
        write!(f, "Chunk({} bytes, context {context}, last {last}, lossy {lossy})", bytes.len())
    }
}

impl Command {
    /// Whether it has no effect and may be asked again without a call id: always.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match self {
            Self::Upper { .. } | Self::Lower { .. } | Self::Prime { .. } => true,
        }
    }

    /// Its name, equal to the tag of the JSON view.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Upper { .. } => "upper",
            Self::Lower { .. } => "lower",
            Self::Prime { .. } => "prime",
        }
    }
}

/// What is answered. CBOR: `[number, field...]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(flat)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// One chunk, mapped.
    #[n(0)]
    Mapped {
        /// What it became.
        #[n(0)]
        text: String,
        /// Bytes of the chunk that it stands for; the rest belongs in front of the next chunk.
        #[n(1)]
        consumed: u32,
        /// What the next chunk has to be sent with.
        #[n(2)]
        context: u8,
        /// The sigma that was open before this chunk stands inside a word: its `ς` has to become `σ`.
        #[n(3)]
        open_sigma_was_medial: bool,
    },
    /// The number is judged.
    #[n(1)]
    Judged {
        /// How.
        #[n(0)]
        verdict: Verdict,
    },
    /// Not settled by the tests that one request may take; probably prime so far.
    #[n(2)]
    Undecided {
        /// The test to ask for next.
        #[n(0)]
        step: u8,
    },
}

/// The answer to "is it prime?".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[cbor(flat)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// Prime: no composite of this size passes the tests that were made.
    #[n(0)]
    Prime,
    /// Not proved: it passed Baillie-PSW and this many Miller-Rabin rounds.
    #[n(1)]
    ProbablyPrime {
        /// Rounds beside the one of Baillie-PSW.
        #[n(0)]
        miller_rabin_rounds: u8,
    },
    /// Not prime: this prime divides it.
    #[n(2)]
    HasFactor {
        /// The smallest one.
        #[n(0)]
        factor: u32,
    },
    /// Not prime: the square of a smaller number.
    #[n(3)]
    Square,
    /// Not prime: it fails a Miller-Rabin test. No factor is known.
    #[n(4)]
    FailsMillerRabin,
    /// Not prime: it fails the strong Lucas test. No factor is known.
    #[n(5)]
    FailsLucas,
    /// Neither prime nor composite: every number divides 0.
    #[n(6)]
    Zero,
    /// Neither prime nor composite: 1 has one divisor.
    #[n(7)]
    One,
    /// Neither prime nor composite: primes are positive.
    #[n(8)]
    Negative,
}

/// Why the text service says no. CBOR: `[number, field...]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, thiserror::Error)]
#[cbor(flat)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// Bytes that are no text, without the lossy flag.
    #[n(0)]
    #[error(
        "the text is not UTF-8 from byte {offset} of this chunk on; send UTF-8, or ask for lossy mapping"
    )]
    InvalidUtf8 {
        /// Bytes of the chunk before the first one that is not UTF-8.
        #[n(0)]
        offset: u32,
    },
    /// A chunk over the bound.
    #[n(1)]
    #[error(
        "a chunk of {bytes} bytes is longer than the {bytes_max} that are mapped at once; send it in pieces"
    )]
    ChunkTooLong {
        /// Its length.
        #[n(0)]
        bytes: u32,
        /// The bound.
        #[n(1)]
        bytes_max: u32,
    },
    /// A context that no answer carries.
    #[n(2)]
    #[error(
        "no chunk has the context {context}; send what the answer to the chunk before said, 0 for the first"
    )]
    UnknownContext {
        /// What was sent.
        #[n(0)]
        context: u8,
    },
    /// A test that does not exist.
    #[n(3)]
    #[error("there is no test {step}; send what the answer before said, 0 at first")]
    UnknownStep {
        /// What was sent.
        #[n(0)]
        step: u8,
    },
    /// Not a number to judge.
    #[n(4)]
    #[error("not an integer number; write it in decimal digits, with a sign if need be")]
    NotAnInteger,
    /// A number over the bound.
    #[n(5)]
    #[error("too large a number; integers up to {bits_max} bits are judged")]
    TooLarge {
        /// The bound.
        #[n(0)]
        bits_max: u32,
    },
}

impl Refusal {
    /// Stable name, equal to the tag of the JSON view.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::ChunkTooLong { .. } => "chunk_too_long",
            Self::UnknownContext { .. } => "unknown_context",
            Self::UnknownStep { .. } => "unknown_step",
            Self::NotAnInteger => "not_an_integer",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// For a person: completes "NUMBER is ...".
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prime => write!(f, "prime (proved)"),
            Self::ProbablyPrime { miller_rabin_rounds: rounds } => write!(
                f,
                "probably prime (not proved: it passed Baillie-PSW, which no composite is known to pass, and \
                 {rounds} Miller-Rabin rounds, which a composite passes with probability at most 4^-{rounds})"
            ),
            Self::HasFactor { factor } => write!(f, "not prime ({factor} divides it)"),
            Self::Square => write!(f, "not prime (it is a square)"),
            Self::FailsMillerRabin => {
                write!(f, "not prime (it fails a Miller-Rabin test; no factor is known)")
            }
            Self::FailsLucas => write!(f, "not prime (it fails a strong Lucas test; no factor is known)"),
            Self::Zero => write!(f, "neither prime nor composite (every number divides 0)"),
            Self::One => write!(f, "neither prime nor composite (1 has one divisor, a prime has two)"),
            Self::Negative => write!(f, "neither prime nor composite (primes are positive)"),
        }
    }
}

/// The types of this service.
#[derive(Clone, Copy, Debug)]
pub enum Text {}

impl Commands for Text {
    const SERVICE: &'static str = SERVICE;
    const VERSION: u16 = VERSION;
    type Command = Command;
    type Reply = Reply;
    type Refusal = Refusal;

    fn is_read(command: &Command) -> bool {
        command.is_read()
    }

    fn name(command: &Command) -> &'static str {
        command.name()
    }
}

fn lossy_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}
