//! What is asked of probes and reflectors: the matrix of cases.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Datagrams on their way at once under load.
pub const WINDOW: u16 = 64;
/// From one probe to the next where round trips are measured.
pub const ROUND_TRIP_INTERVAL: Duration = Duration::from_millis(1);
/// Hosts that beat for one monitor.
pub const HOSTS: u32 = 100_000;
/// From one beat of a host to its next.
pub const BEAT_INTERVAL: Duration = Duration::from_secs(10);
/// The same for fping, which takes no less from everybody.
pub const FPING_INTERVAL: Duration = Duration::from_millis(10);

/// A measurement that is taken of the peers one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Case {
    /// A reflector under load, 64 octets.
    Load64,
    /// The same, 128 octets.
    Load128,
    /// One datagram of 64 octets on its way at a time.
    Alone,
    /// Round trips as a prober tells them.
    RoundTrip,
    /// When a prober sends that is asked for a probe each millisecond.
    Send1ms,
    /// The same, each 100 microseconds.
    Send100us,
    /// A monitor of many hosts that beat.
    Beats,
}

/// All of them, in the order in which they are run and shown.
pub const MATRIX: &[Case] =
    &[Case::Load64, Case::Load128, Case::Alone, Case::RoundTrip, Case::Send1ms, Case::Send100us, Case::Beats];

/// What kind of measurement a case is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Datagrams of so many octets to a reflector, so many on their way at once.
    Reflect {
        /// Octets of a datagram and of its reply.
        octets: u16,
        /// On their way at once.
        window: u16,
    },
    /// A prober's own figures.
    RoundTrip,
    /// What is heard of a prober's sending, asked for a probe in each such time.
    Send {
        /// From one probe to the next.
        interval: Duration,
    },
    /// A monitor of [`HOSTS`], ten times as long as other cases, for each beats but once in [`BEAT_INTERVAL`].
    Watch,
}

impl Case {
    /// Of which kind it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Load64 => Kind::Reflect { octets: 64, window: WINDOW },
            Self::Load128 => Kind::Reflect { octets: 128, window: WINDOW },
            Self::Alone => Kind::Reflect { octets: 64, window: 1 },
            Self::RoundTrip => Kind::RoundTrip,
            Self::Send1ms => Kind::Send { interval: Duration::from_millis(1) },
            Self::Send100us => Kind::Send { interval: Duration::from_micros(100) },
            Self::Beats => Kind::Watch,
        }
    }

    /// For a reader.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::Load64 => format!("Reflector, 64 octets, {WINDOW} on their way"),
            Self::Load128 => format!("Reflector, 128 octets, {WINDOW} on their way"),
            Self::Alone => "Reflector, 64 octets, one on its way".to_owned(),
            Self::RoundTrip => "Round trip as the prober tells it".to_owned(),
            Self::Send1ms => "Behind the schedule when sending each millisecond".to_owned(),
            Self::Send100us => "Behind the schedule when sending each 100 µs".to_owned(),
            Self::Beats => {
                format!("Monitor of {HOSTS} hosts, each beating every {} s", BEAT_INTERVAL.as_secs())
            }
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load64 => "load-64",
            Self::Load128 => "load-128",
            Self::Alone => "alone",
            Self::RoundTrip => "rtt",
            Self::Send1ms => "send-1ms",
            Self::Send100us => "send-100us",
            Self::Beats => "beats",
        })
    }
}

crate::by_name::by_name!(Case, "case", MATRIX);
