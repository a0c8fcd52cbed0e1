//! Section `[probe]`: how `switchboard reflect` answers probes. Absent: faults on purpose, which are asked for on the command
//! line each time, and `switchboard ping`, which needs no settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use switchboard_probe::reflector::{Counting, Network};
use switchboard_probe::stamp::Format;

use super::ConfigError;
use super::value::{Kind, Setting, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "probe.listen",
        kind: Kind::List,
        default: "",
        meaning: "addresses for STAMP probes; 127.0.0.1:862 when none is configured",
    },
    Setting {
        key: "probe.twamp_light",
        kind: Kind::List,
        default: "",
        meaning: "networks whose requests may be shorter than the replies (TWAMP Light), as in [\"192.0.2.0/24\"]",
    },
    Setting {
        key: "probe.rate",
        kind: Kind::Number,
        default: "20000",
        meaning: "probes answered per second and address; 0 for any number",
    },
    Setting {
        key: "probe.network_rate",
        kind: Kind::Number,
        default: "100000",
        meaning: "probes answered per second and network (/24 or /48); 0 for any number",
    },
    Setting {
        key: "probe.keys",
        kind: Kind::Text,
        default: "",
        meaning: "file with a line SESSION HEXADECIMAL for each session; then only these are answered",
    },
    Setting {
        key: "probe.stateless",
        kind: Kind::Flag,
        default: "false",
        meaning: "copy the sequence of each probe instead of counting the replies of each session",
    },
    Setting {
        key: "probe.ptp",
        kind: Kind::Flag,
        default: "false",
        meaning: "write stamps in the format of PTP instead of NTP",
    },
    Setting {
        key: "probe.fault_for",
        kind: Kind::List,
        default: "",
        meaning: "networks that `reflect --fault` may spoil, beside loopback and sessions with a key",
    },
];

/// How probes are answered.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where; empty for the usual place.
    pub listen: Vec<SocketAddr>,
    /// Who may send short requests.
    pub twamp_light: Vec<Network>,
    /// Probes answered per second and address; zero for any number.
    pub rate: u32,
    /// Probes answered per second and network; zero for any number.
    pub network_rate: u32,
    /// The file with keys.
    pub keys: Option<PathBuf>,
    /// Whether replies are counted.
    pub counting: Counting,
    /// The format of stamps.
    pub format: Format,
    /// Who may be subject to faults on purpose.
    pub fault_for: Vec<Network>,
}

impl Probe {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        const ADDRESS: &str = "a list of IP address and port, as in [\"0.0.0.0:862\", \"[::]:862\"]";
        const NETWORK: &str = "a list of ADDRESS/BITS, as in [\"192.0.2.0/24\"]";
        let stateless = values.flag("probe.stateless");
        Ok(Self {
            listen: values.parsed_list("probe.listen", ADDRESS)?,
            twamp_light: values.parsed_list("probe.twamp_light", NETWORK)?,
            rate: values.number("probe.rate", 0..=u64::from(u32::MAX))?,
            network_rate: values.number("probe.network_rate", 0..=u64::from(u32::MAX))?,
            keys: values.path("probe.keys"),
            counting: if stateless { Counting::Stateless } else { Counting::Stateful },
            format: if values.flag("probe.ptp") { Format::Ptp } else { Format::Ntp },
            fault_for: values.parsed_list("probe.fault_for", NETWORK)?,
        })
    }
}
