//! Section `[limits]`: what the server bears before it turns clients away. Absent: limits of the protocol itself, which are
//! constants of the call crate.

use super::ConfigError;
use super::value::{Kind, Setting, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "limits.connections",
        kind: Kind::Number,
        default: "16384",
        meaning: "connections at a time",
    },
    Setting {
        key: "limits.connections_per_address",
        kind: Kind::Number,
        default: "1024",
        meaning: "connections at a time from one IPv4 address or IPv6 /64",
    },
    Setting {
        key: "limits.in_flight",
        kind: Kind::Number,
        default: "256",
        meaning: "calls of one connection that may await their answers",
    },
    Setting {
        key: "limits.idle_ms",
        kind: Kind::Number,
        default: "120000",
        meaning: "silence after which a connection ends, in milliseconds",
    },
    Setting {
        key: "limits.handshake_ms",
        kind: Kind::Number,
        default: "10000",
        meaning: "time for TLS and the hello, in milliseconds",
    },
    Setting {
        key: "limits.drain_ms",
        kind: Kind::Number,
        default: "10000",
        meaning: "how long a stopping server waits for answers in flight, in milliseconds",
    },
    Setting {
        key: "limits.slots",
        kind: Kind::Number,
        default: "64",
        meaning: "calls in flight that one session may have",
    },
];

/// Most connections that can be configured.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// Most calls in flight on a connection that can be configured.
const IN_FLIGHT_MAX: u64 = 65_536;
/// Longest time that can be configured, one day.
const TIME_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// What the server bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of connections.
    pub server: switchboard_server::Limits,
    /// Slots of a session.
    pub slots: u16,
}

impl Limits {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let slots_max = u64::from(switchboard_call::limits::SLOTS_MAX_CEILING);
        let server = switchboard_server::Limits {
            connections_max: values.number("limits.connections", 1..=CONNECTIONS_MAX)?,
            connections_per_address_max: values
                .number("limits.connections_per_address", 1..=CONNECTIONS_MAX)?,
            in_flight_max: values.number("limits.in_flight", 1..=IN_FLIGHT_MAX)?,
            idle_ms_max: values.number("limits.idle_ms", 1000..=TIME_MS_MAX)?,
            handshake_ms_max: values.number("limits.handshake_ms", 100..=TIME_MS_MAX)?,
            drain_ms_max: values.number("limits.drain_ms", 0..=TIME_MS_MAX)?,
            ..switchboard_server::Limits::default()
        };
        Ok(Self { server, slots: values.number("limits.slots", 1..=slots_max)? })
    }
}
