//! Section `[web]`: what `switchboard web` serves, where, and what it bears. Several sites stand in tables `[[web.site]]`, each
//! with a folder and its hosts; the first one also takes every other host. Absent: TLS (`tls`); anything about calls.

pub mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use switchboard_web::{AccessLog, Listener, LogFormat, LogTarget, Settings, Site};

use crate::commands::web::address_or_port;

use super::ConfigError;
use super::value::{Kind, Setting, Table, Value, Values};

/// The settings of this section.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "web.root",
        kind: Kind::Text,
        default: "",
        meaning: "the folder to serve; several, by host, in tables [[web.site]] with root, hosts, index, well_known",
    },
    Setting {
        key: "web.listen",
        kind: Kind::List,
        default: "",
        meaning: "addresses for plain HTTP; 127.0.0.1:8080 when nothing is configured to listen on",
    },
    Setting {
        key: "web.unix",
        kind: Kind::List,
        default: "",
        meaning: "paths of Unix sockets for plain HTTP",
    },
    Setting {
        key: "web.workers",
        kind: Kind::Number,
        default: "0",
        meaning: "event loops, each a thread; 0 for one on each processor",
    },
    Setting {
        key: "web.index",
        kind: Kind::List,
        default: "index.html",
        meaning: "files that stand for their folder, tried in turn, where a site names none",
    },
    Setting {
        key: "web.well_known",
        kind: Kind::Flag,
        default: "true",
        meaning: "serve /.well-known/, where a site does not say",
    },
    Setting {
        key: "web.access_log",
        kind: Kind::Text,
        default: "",
        meaning: "file with a line for each request; - for standard output, none for no log",
    },
    Setting {
        key: "web.log_format",
        kind: Kind::Text,
        default: "combined",
        meaning: "form of those lines: common, combined or json",
    },
    Setting {
        key: "web.compress",
        kind: Kind::Flag,
        default: "true",
        meaning: "compress files once, into the cache, that have no compressed ones beside them",
    },
    Setting {
        key: "web.metrics",
        kind: Kind::Text,
        default: "",
        meaning: "where /metrics, /health and /ready are told by plain HTTP: a port on loopback, or address and port",
    },
    Setting {
        key: "web.user",
        kind: Kind::Text,
        default: "",
        meaning: "the user to become when it listens, as NAME or NAME:GROUP",
    },
    Setting {
        key: "web.connections",
        kind: Kind::Number,
        default: "16384",
        meaning: "connections at a time; fewer where the process may not have as many descriptors",
    },
    Setting {
        key: "web.connections_per_address",
        kind: Kind::Number,
        default: "0",
        meaning: "connections at a time from one IPv4 address or IPv6 /64; 0 for 1024, or a quarter of all if that is less",
    },
    Setting {
        key: "web.requests_per_address",
        kind: Kind::Number,
        default: "0",
        meaning: "requests per second of such an address, on average; 0 for any number",
    },
    Setting {
        key: "web.requests_burst",
        kind: Kind::Number,
        default: "100",
        meaning: "requests that such an address may send at once above that average",
    },
    Setting { key: "web.cache_mib", kind: Kind::Number, default: "64", meaning: "memory for files, in MiB" },
    Setting {
        key: "web.head_ms",
        kind: Kind::Number,
        default: "10000",
        meaning: "from the first byte of a request's head to its last, in milliseconds",
    },
    Setting {
        key: "web.body_ms",
        kind: Kind::Number,
        default: "30000",
        meaning: "for a request's body, in milliseconds",
    },
    Setting {
        key: "web.idle_ms",
        kind: Kind::Number,
        default: "60000",
        meaning: "from an answer to the next request, in milliseconds",
    },
    Setting {
        key: "web.stall_ms",
        kind: Kind::Number,
        default: "30000",
        meaning: "without a byte of an answer taken, in milliseconds",
    },
    Setting {
        key: "web.drain_ms",
        kind: Kind::Number,
        default: "30000",
        meaning: "how long a stopping server waits for answers in hand, in milliseconds",
    },
];

/// The settings of a table `[[web.site]]`.
const SITE_SETTINGS: &[Setting] = &[
    Setting { key: "web.site.root", kind: Kind::Text, default: "", meaning: "the folder of the site" },
    Setting {
        key: "web.site.hosts",
        kind: Kind::List,
        default: "",
        meaning: "host names of the site, without port",
    },
    Setting {
        key: "web.site.index",
        kind: Kind::List,
        default: "",
        meaning: "files that stand for their folder",
    },
    Setting { key: "web.site.well_known", kind: Kind::Flag, default: "true", meaning: "serve /.well-known/" },
];

/// Most connections that can be configured.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// Highest rate of requests that can be configured.
const REQUESTS_MAX: u64 = 1_000_000;
/// Largest cache that can be configured, 1 TiB.
const CACHE_MIB_MAX: u64 = 1024 * 1024;
/// Longest time that can be configured, one day.
const TIME_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Most event loops that can be configured.
const WORKERS_MAX: u64 = 256;

/// Where it listens when nobody says where.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// What is served, and how.
#[derive(Clone, Debug)]
pub struct Web {
    /// All of it; without a site when none is configured.
    pub settings: Settings,
    /// What a site is that the command line names: everything but its folder.
    pub unnamed: Site,
}

impl Web {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let mut unnamed = Site::new(PathBuf::new());
        unnamed.index = values.list("web.index").to_vec();
        unnamed.well_known = values.flag("web.well_known");
        check_index(&unnamed.index).map_err(|wanted| values.wrong("web.index", wanted))?;
        let mut settings = Settings::new(unnamed.clone(), Listener::Tcp(DEFAULT_ADDRESS));
        settings.sites = sites(values, &unnamed)?;
        let addresses =
            |key| values.parsed_list(key, "a list of IP address and port, as in [\"0.0.0.0:80\"]");
        let (tcp, tls) = (addresses("web.listen")?, addresses("web.listen_tls")?);
        let unix = values.list("web.unix").iter().map(|path| Listener::Unix(values.absolute(path)));
        let tls = tls.into_iter().map(Listener::Tls);
        let configured: Vec<Listener> = tcp.into_iter().map(Listener::Tcp).chain(tls).chain(unix).collect();
        if !configured.is_empty() {
            settings.listeners = configured;
        }
        let workers: usize = values.number("web.workers", 0..=WORKERS_MAX)?;
        settings.workers = (workers > 0).then_some(workers);
        settings.access_log = access_log(values)?;
        settings.compress = values.flag("web.compress");
        settings.monitor = optional(values, "web.metrics", address_or_port)?;
        settings.identity = optional(values, "web.user", str::parse)?;
        settings.tls = tls::settings(values)?;
        set_limits(values, &mut settings)?;
        Ok(Self { settings, unnamed })
    }
}

fn optional<T>(
    values: &Values,
    key: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let text = values.text(key);
    let wanted = |wanted: String| values.wrong(key, wanted.replacen("write it as ", "", 1));
    if text.is_empty() { Ok(None) } else { parse(text).map(Some).map_err(wanted) }
}

fn set_limits(values: &Values, settings: &mut Settings) -> Result<(), ConfigError> {
    let time = |key, least| values.number(key, least..=TIME_MS_MAX).map(Duration::from_millis);
    let mib: usize = values.number("web.cache_mib", 1..=CACHE_MIB_MAX)?;
    let limits = &mut settings.limits;
    limits.connections_max = values.number("web.connections", 1..=CONNECTIONS_MAX)?;
    let of_address: usize = values.number("web.connections_per_address", 0..=CONNECTIONS_MAX)?;
    limits.connections_per_address_max = (of_address > 0).then_some(of_address);
    limits.requests_per_address_per_second_max =
        values.number("web.requests_per_address", 0..=REQUESTS_MAX)?;
    limits.requests_per_address_burst = values.number("web.requests_burst", 1..=REQUESTS_MAX)?;
    limits.cache_bytes_max = mib.saturating_mul(1024 * 1024);
    limits.head_time_max = time("web.head_ms", 100)?;
    limits.body_time_max = time("web.body_ms", 100)?;
    limits.idle_time_max = time("web.idle_ms", 100)?;
    limits.write_stall_max = time("web.stall_ms", 100)?;
    limits.shutdown_time_max = time("web.drain_ms", 0)?;
    Ok(())
}

fn access_log(values: &Values) -> Result<Option<AccessLog>, ConfigError> {
    let format = match values.text("web.log_format") {
        "common" => LogFormat::Common,
        "combined" => LogFormat::Combined,
        "json" => LogFormat::Json,
        _ => return Err(values.wrong("web.log_format", "common, combined or json".to_owned())),
    };
    let to = match values.text("web.access_log") {
        "-" => Some(LogTarget::StandardOutput),
        _ => values.path("web.access_log").map(LogTarget::File),
    };
    Ok(to.map(|to| AccessLog { to, format }))
}

fn sites(values: &Values, unnamed: &Site) -> Result<Vec<Site>, ConfigError> {
    let tables: Vec<&Table> = values.tables("web.site").collect();
    match (values.path("web.root"), tables.is_empty()) {
        (None, _) => tables.into_iter().map(|table| site(values, unnamed, table)).collect(),
        (Some(root), true) => Ok(vec![Site { root, ..unnamed.clone() }]),
        (Some(_), false) => Err(ConfigError::Together(
            "web.root and [[web.site]] cannot both be set; make the folder of web.root a site of its own"
                .to_owned(),
        )),
    }
}

fn site(values: &Values, unnamed: &Site, table: &Table) -> Result<Site, ConfigError> {
    let mut site = unnamed.clone();
    for (key, value, origin) in &table.entries {
        let wrong = |wanted: &str| ConfigError::value(key, origin, wanted.to_owned());
        match (*key, value) {
            ("web.site.root", Value::Text(root)) if !root.is_empty() => site.root = values.absolute(root),
            ("web.site.root", _) => return Err(wrong("the path of a folder")),
            ("web.site.hosts", Value::List(hosts)) => {
                if !hosts.iter().all(|host| is_host(host)) {
                    return Err(wrong("a list of host names without port, as in [\"example.org\"]"));
                }
                site.hosts.clone_from(hosts);
            }
            ("web.site.index", Value::List(index)) => {
                check_index(index).map_err(|wanted| wrong(&wanted))?;
                site.index.clone_from(index);
            }
            ("web.site.well_known", Value::Flag(well_known)) => site.well_known = *well_known,
            _ => return Err(wrong("of the type that `switchboard config show` tells")),
        }
    }
    if site.root.as_os_str().is_empty() {
        return Err(ConfigError::value("web.site.root", &table.origin, "the path of a folder".to_owned()));
    }
    Ok(site)
}

/// A name or an IPv6 address in brackets; a port would make it match no request.
fn is_host(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(allowed),
    }
}

fn check_index(index: &[String]) -> Result<(), String> {
    if index.iter().all(|name| Site::is_index(name)) {
        return Ok(());
    }
    Err("a list of plain file names, without slashes or a leading dot".to_owned())
}

/// The tables of which there may be several, by what stands in their brackets.
const REPEATED: [(&str, &[Setting]); 2] =
    [("web.site", SITE_SETTINGS), ("web.certificate", tls::CERTIFICATE_SETTINGS)];

/// The table of this name, of which there may be several, and its settings.
pub(super) fn repeated(name: &str) -> Option<(&'static str, &'static [Setting])> {
    REPEATED.into_iter().find(|(known, _)| *known == name)
}

/// Every setting of such a table.
pub(super) fn of_tables() -> impl Iterator<Item = &'static Setting> {
    REPEATED.into_iter().flat_map(|(_, settings)| settings)
}
