//! `switchboard web`: a folder as a web site, until a signal ends it. Absent: what is answered, which is the crate web's.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use switchboard_web::{
    AccessLog, Confinement, Error, Identity, Listener, LogFormat, LogTarget, Running, Server, Settings, Site,
    TlsSettings,
};

mod shown;

pub use shown::Shown;

use super::Invocation;
use crate::config::Web;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::logging;
use crate::screen::{Form, Screen};
use crate::signals::Signals;

/// What is served, where, and to how many.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "It says \"ready\" on standard error when it takes connections. SIGTERM and SIGINT end it when the answers in hand are \
    sent, a second one at once; SIGHUP opens the folder, the certificates and the access log again. The threads that answer \
    may read what is served and nothing else, where the kernel has Landlock. Names with a leading dot are hidden, \
    links that lead out of the folder are not followed, and a file is never older than the request.\n\n\
    Examples:\n  switchboard web /srv/www --listen 0.0.0.0:80 --listen '[::]:80'\n  \
    switchboard web . --access-log -\n  \
    switchboard web /srv/www --listen-tls 0.0.0.0:443 --cert www.crt --key www.key\n  \
    switchboard web /srv/www --listen '[::]:80' --user www-data --metrics 9090\n  \
    switchboard web --config /etc/switchboard.toml\n  \
    switchboard web /srv/www --unix /run/www.sock --access-log /var/log/www.log --log-format json"
)]
pub struct Arguments {
    /// The folder to serve [default: the sites of the configuration]
    #[arg(value_name = "ROOT")]
    pub root: Option<PathBuf>,
    /// Listens for plain HTTP at ADDRESS:PORT; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<SocketAddr>,
    /// Listens for HTTPS at ADDRESS:PORT, with TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2
    #[arg(long, value_name = "ADDRESS")]
    pub listen_tls: Vec<SocketAddr>,
    /// What is shown there.
    #[command(flatten)]
    pub shown: Shown,
    /// Listens on a Unix socket at this path
    #[arg(long, value_name = "PATH")]
    pub unix: Vec<PathBuf>,
    /// Event loops, each a thread [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Writes a line for each request to this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// The form of those lines [default: combined]
    #[arg(long, value_name = "FORM", value_enum)]
    pub log_format: Option<LineForm>,
    /// Tells metrics for Prometheus (/metrics), /health and /ready by plain HTTP there; a port alone is on loopback
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = address_or_port)]
    pub metrics: Option<SocketAddr>,
    /// The user to become when it listens, and the group if not the user's own
    #[arg(long, value_name = "NAME[:GROUP]")]
    pub user: Option<Identity>,
    /// The file that stands for its folder; several are tried in turn [default: index.html]
    #[arg(long, value_name = "NAME", requires = "root", value_parser = index_name)]
    pub index: Vec<String>,
    /// Hides /.well-known/ as well
    #[arg(long, requires = "root")]
    pub no_well_known: bool,
    /// Open connections in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Open connections of one IPv4 address, or of one /64 of IPv6 [default: 1024, or a quarter of all if that is less]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections_per_address: Option<u32>,
    /// Requests per second of such an address; more are answered 429 [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_requests_per_address: Option<u32>,
    /// Sends files as they are, unless compressed ones lie beside them
    #[arg(long)]
    pub no_compress: bool,
    /// Memory for files, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub cache: Option<u32>,
}

/// The form of a line of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineForm {
    /// The common log format
    Common,
    /// Common, with referrer and user agent
    Combined,
    /// One JSON object a line
    Json,
}

/// Serves until a signal.
///
/// # Errors
/// When nothing to serve is named, a folder cannot be served or an address not be had.
pub fn run(on: &Invocation, arguments: &Arguments) -> Result<Exit, Failure> {
    logging::start(&on.config.log);
    let settings = settings(&on.config.web, arguments)?;
    let tls = settings.tls.clone();
    let roots: Vec<String> = settings.sites.iter().map(|site| site.root.display().to_string()).collect();
    // It waits for signals only; the event loops are threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Exit::Internal, "cannot start waiting for signals")
            .because(error)
            .advise("check the limits of this user (ulimit -u, ulimit -n)")
    })?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let running = Server::new(settings).start().map_err(failure)?;
        announce(&on.screen, &tls, &roots, &running)?;
        tell_confinement(&on.screen, &running);
        shown::warn(&on.screen, &tls, &running);
        signals.until_shutdown(|| reload(&on.screen, &tls, &running)).await;
        // Beside the wait for a second signal.
        let ended = tokio::task::spawn_blocking(move || running.shutdown()).await;
        ended.map_err(|error| Failure::new(Exit::Internal, "the server did not end in order").because(error))
    })?;
    Ok(Exit::Done)
}

/// What is configured, with what the flags say in its place.
fn settings(web: &Web, arguments: &Arguments) -> Result<Settings, Failure> {
    let mut settings = web.settings.clone();
    if let Some(root) = &arguments.root {
        let mut site = Site { root: root.clone(), ..web.unnamed.clone() };
        site.well_known &= !arguments.no_well_known;
        if !arguments.index.is_empty() {
            site.index.clone_from(&arguments.index);
        }
        settings.sites = vec![site];
    }
    if settings.sites.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing is named that is to be served").advise(
            "name a folder, as in `switchboard web .`, or set web.root or [[web.site]] in the configuration",
        ));
    }
    let tcp = arguments.listen.iter().copied().map(Listener::Tcp);
    let tls = arguments.listen_tls.iter().copied().map(Listener::Tls);
    let named: Vec<Listener> =
        tcp.chain(tls).chain(arguments.unix.iter().cloned().map(Listener::Unix)).collect();
    if !named.is_empty() {
        settings.listeners = named;
    }
    arguments.shown.apply(&mut settings)?;
    settings.workers = arguments.workers.map(usize::from).or(settings.workers);
    settings.compress &= !arguments.no_compress;
    if let Some(folder) = std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty()) {
        settings.scratch = folder.into();
    }
    settings.monitor = arguments.metrics.or(settings.monitor);
    settings.identity = arguments.user.clone().or(settings.identity);
    set_log(&mut settings.access_log, arguments);
    set_limits(&mut settings, arguments);
    Ok(settings)
}

fn set_log(log: &mut Option<AccessLog>, arguments: &Arguments) {
    let format = arguments.log_format.map(|form| match form {
        LineForm::Common => LogFormat::Common,
        LineForm::Combined => LogFormat::Combined,
        LineForm::Json => LogFormat::Json,
    });
    if let Some(path) = &arguments.access_log {
        let to =
            if path.as_os_str() == "-" { LogTarget::StandardOutput } else { LogTarget::File(path.clone()) };
        let configured = log.as_ref().map(|log| log.format).unwrap_or_default();
        *log = Some(AccessLog { to, format: configured });
    }
    if let (Some(log), Some(format)) = (log, format) {
        log.format = format;
    }
}

fn set_limits(settings: &mut Settings, arguments: &Arguments) {
    let limits = &mut settings.limits;
    let set = |limit: &mut usize, asked: Option<u32>| {
        *limit = asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(*limit);
    };
    set(&mut limits.connections_max, arguments.max_connections);
    if let Some(max) = arguments.max_connections_per_address {
        limits.connections_per_address_max = usize::try_from(max).ok();
    }
    if let Some(requests) = arguments.max_requests_per_address {
        limits.requests_per_address_per_second_max = requests;
    }
    if let Some(mib) = arguments.cache.and_then(|mib| usize::try_from(mib).ok()) {
        limits.cache_bytes_max = mib.saturating_mul(1024 * 1024);
    }
}

fn announce(screen: &Screen, tls: &TlsSettings, roots: &[String], running: &Running) -> Result<(), Failure> {
    let addresses: Vec<String> = running.addresses().iter().map(ToString::to_string).collect();
    match screen.form() {
        Form::Text => {
            let roots = crate::screen::harmless(&roots.join(" "));
            let keys = shown::about_keys(tls, running);
            let metrics =
                running.monitor().map_or(String::new(), |at| format!(", metrics on http://{at}/metrics"));
            screen.notice(&format!("ready: {roots} on {}{keys}{metrics}", addresses.join(" ")));
            Ok(())
        }
        Form::Json => screen.line(
            &json!({
                "ready": true,
                "pid": std::process::id(),
                "addresses": addresses,
                "roots": roots,
                "metrics": running.monitor(),
                "fingerprints": running.fingerprints().iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
            .to_string(),
        ),
    }
}

fn tell_confinement(screen: &Screen, running: &Running) {
    let missing = match running.confinement() {
        Confinement::Fully => return,
        Confinement::Partly => {
            "this kernel knows an old Landlock: the event loops are confined to its rules only"
        }
        Confinement::None => {
            "this kernel has no Landlock: the event loops are not confined to the folders served"
        }
    };
    screen.notice(missing);
}

/// What `--metrics` takes.
///
/// # Errors
/// When it is neither a port nor an address with one.
pub fn address_or_port(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    port.or_else(|_| text.parse()).map_err(|_| "write it as PORT or ADDRESS:PORT, such as 9090".to_owned())
}

/// What `--index` takes.
///
/// # Errors
/// When it is no plain file name.
fn index_name(text: &str) -> Result<String, String> {
    if Site::is_index(text) {
        return Ok(text.to_owned());
    }
    Err("name one plain file, without slashes or a leading dot, such as index.html".to_owned())
}

fn reload(screen: &Screen, tls: &TlsSettings, running: &Running) {
    match running.reload() {
        Ok(()) => {
            screen.notice("opened the folder, the certificates and the access log again");
            shown::warn(screen, tls, running);
        }
        Err(error) => screen.notice(&format!("nothing was changed: {error}")),
    }
}

fn failure(error: Error) -> Failure {
    if let Error::Tls(error) = error {
        return error.into();
    }
    let exit = match &error {
        Error::RootMissing { .. }
        | Error::RootNotDirectory { .. }
        | Error::RootMoved { .. }
        | Error::UserUnknown { .. }
        | Error::NoSite
        | Error::Index { .. }
        | Error::NotASocket { .. }
        | Error::NoListener
        | Error::AddressNotAvailable { .. } => Exit::Configuration,
        Error::RootNotPermitted { .. }
        | Error::AddressNotPermitted { .. }
        | Error::UserNotPermitted { .. } => Exit::NotPermitted,
        Error::User { .. } => Exit::Internal,
        Error::AddressInUse { .. } => Exit::Unavailable,
        Error::Listen { .. } | Error::AccessLog { .. } => Exit::CannotCreate,
        Error::Root { .. } => Exit::InputOutput,
        Error::Resources { .. } | Error::Tls(_) => Exit::Internal,
    };
    Failure::from_error(exit, error)
}
