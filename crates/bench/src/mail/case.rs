//! What is asked of mail clients: the matrix of cases.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A round trip of the line that stands for a distance.
pub const ROUND_TRIP: Duration = Duration::from_millis(20);
/// The text of a short message.
pub const SHORT_BYTES: usize = 5 << 10;
const LARGE_BYTES: usize = 1 << 20;
const MANY: u16 = 20;

/// A measurement that is taken of the peers one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Case {
    /// One short message, from exec to exit.
    Short,
    /// One with an attachment of 10 MiB.
    Attachment,
    /// One with an attachment of 1 GiB, and the memory it takes.
    Huge,
    /// The first message with TLS and a login, over a long line.
    First,
    /// Short messages over one connection to smtp-sink.
    Sink1,
    /// The same over twenty.
    Sink20,
    /// Short messages over one connection to a sink that takes BDAT.
    Bdat1,
    /// The same over twenty.
    Bdat20,
    /// As `Sink1` over a long line.
    FarSink1,
    /// As `Sink20` over a long line.
    FarSink20,
    /// As `Bdat1` over a long line.
    FarBdat1,
    /// As `Bdat20` over a long line.
    FarBdat20,
    /// Messages of 1 MiB over twenty connections to smtp-sink.
    Large20,
    /// Short messages over one connection to a real server, which keeps them.
    Postfix1,
    /// The same over twenty.
    Postfix20,
}

/// All of them, in the order in which they are run and shown.
pub const MATRIX: &[Case] = &[
    Case::Short,
    Case::Attachment,
    Case::Huge,
    Case::First,
    Case::Sink1,
    Case::Sink20,
    Case::Bdat1,
    Case::Bdat20,
    Case::FarSink1,
    Case::FarSink20,
    Case::FarBdat1,
    Case::FarBdat20,
    Case::Large20,
    Case::Postfix1,
    Case::Postfix20,
];

/// What kind of measurement a case is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A process that sends one message.
    Whole(Content),
    /// The same with TLS and a login, over a long line.
    First,
    /// Many messages.
    Load(Load),
}

/// What the one message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// A text.
    Short,
    /// A text, and a file of so many bytes.
    File(u64),
}

/// Many messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// To whom.
    pub target: Target,
    /// Connections at a time.
    pub sessions: u16,
    /// Of the text of each.
    pub bytes: usize,
    /// How long the line is.
    pub distance: Distance,
}

/// Who takes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Postfix's smtp-sink, which has no BDAT.
    SmtpSink,
    /// A sink of this program, which has it.
    Chunking,
    /// Postfix.
    Postfix,
}

/// How far away the server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distance {
    /// On this machine.
    Near,
    /// A round trip of 20 ms.
    Far,
}

impl Case {
    /// Of which kind it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        const fn load(target: Target, sessions: u16, distance: Distance) -> Kind {
            Kind::Load(Load { target, sessions, bytes: SHORT_BYTES, distance })
        }
        match self {
            Self::Short => Kind::Whole(Content::Short),
            Self::Attachment => Kind::Whole(Content::File(10 << 20)),
            Self::Huge => Kind::Whole(Content::File(1 << 30)),
            Self::First => Kind::First,
            Self::Sink1 => load(Target::SmtpSink, 1, Distance::Near),
            Self::Sink20 => load(Target::SmtpSink, MANY, Distance::Near),
            Self::Bdat1 => load(Target::Chunking, 1, Distance::Near),
            Self::Bdat20 => load(Target::Chunking, MANY, Distance::Near),
            Self::FarSink1 => load(Target::SmtpSink, 1, Distance::Far),
            Self::FarSink20 => load(Target::SmtpSink, MANY, Distance::Far),
            Self::FarBdat1 => load(Target::Chunking, 1, Distance::Far),
            Self::FarBdat20 => load(Target::Chunking, MANY, Distance::Far),
            Self::Large20 => Kind::Load(Load {
                target: Target::SmtpSink,
                sessions: MANY,
                bytes: LARGE_BYTES,
                distance: Distance::Near,
            }),
            Self::Postfix1 => load(Target::Postfix, 1, Distance::Near),
            Self::Postfix20 => load(Target::Postfix, MANY, Distance::Near),
        }
    }

    /// For a reader.
    #[must_use]
    pub fn title(self) -> String {
        let load = match self.kind() {
            Kind::Whole(Content::Short) => {
                return "One message of 5 KiB, whole process, to smtp-sink".to_owned();
            }
            Kind::Whole(Content::File(bytes)) if bytes >= 1 << 30 => {
                return "One attachment of 1 GiB, whole process, to smtp-sink".to_owned();
            }
            Kind::Whole(Content::File(_)) => {
                return "One attachment of 10 MiB, whole process, to smtp-sink".to_owned();
            }
            Kind::First => {
                return "The first message with TLS and a login, to Dovecot, round trip 20 ms".to_owned();
            }
            Kind::Load(load) => load,
        };
        let size = if load.bytes >= LARGE_BYTES { "1 MiB" } else { "5 KiB" };
        let sessions =
            if load.sessions == 1 { "one connection".to_owned() } else { format!("{MANY} connections") };
        let target = match load.target {
            Target::SmtpSink => "smtp-sink",
            Target::Chunking => "a sink with BDAT",
            Target::Postfix => "Postfix",
        };
        let distance = match load.distance {
            Distance::Near => "",
            Distance::Far => ", round trip 20 ms",
        };
        format!("Messages of {size} over {sessions} to {target}{distance}")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "short",
            Self::Attachment => "10m",
            Self::Huge => "1g",
            Self::First => "first",
            Self::Sink1 => "sink-1",
            Self::Sink20 => "sink-20",
            Self::Bdat1 => "bdat-1",
            Self::Bdat20 => "bdat-20",
            Self::FarSink1 => "far-sink-1",
            Self::FarSink20 => "far-sink-20",
            Self::FarBdat1 => "far-bdat-1",
            Self::FarBdat20 => "far-bdat-20",
            Self::Large20 => "1m-20",
            Self::Postfix1 => "postfix-1",
            Self::Postfix20 => "postfix-20",
        })
    }
}

crate::by_name::by_name!(Case, "case", MATRIX);
