//! `switchboard web`: a folder as a web site, until a signal ends it. Absent: what is answered, which is the crate web's.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use switchboard_web::{AccessLog, Error, Listener, LogFormat, LogTarget, Running, Server, Settings, Site};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Form, Screen};
use crate::signals::Signals;

/// What is served, where, and to how many.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "It says \"ready\" on standard error when it takes connections. SIGTERM and SIGINT end it when the answers in hand are \
    sent, a second one at once; SIGHUP opens the folder and the access log again. Names with a leading dot are hidden, \
    links that lead out of the folder are not followed, and a file is never older than the request.\n\n\
    Examples:\n  switchboard web /srv/www --listen 0.0.0.0:80 --listen '[::]:80'\n  \
    switchboard web . --access-log -\n  \
    switchboard web /srv/www --unix /run/www.sock --access-log /var/log/www.log --log-format json"
)]
pub struct Arguments {
    /// The folder to serve
    #[arg(value_name = "ROOT")]
    pub root: PathBuf,
    /// Listens for plain HTTP at ADDRESS:PORT; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<SocketAddr>,
    /// Listens on a Unix socket at this path
    #[arg(long, value_name = "PATH")]
    pub unix: Vec<PathBuf>,
    /// Event loops, each a thread [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Writes a line for each request to this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// The form of those lines
    #[arg(long, value_name = "FORM", value_enum, default_value_t, requires = "access_log")]
    pub log_format: LineForm,
    /// The file that stands for its folder; several are tried in turn [default: index.html]
    #[arg(long, value_name = "NAME")]
    pub index: Vec<String>,
    /// Hides /.well-known/ as well
    #[arg(long)]
    pub no_well_known: bool,
    /// Open connections in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Open connections of one IPv4 address, or of one /64 of IPv6
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections_per_address: Option<u32>,
    /// Requests per second of such an address; more are answered 503 [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_requests_per_address: Option<u32>,
    /// Memory for files, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub cache: Option<u32>,
}

/// The form of a line of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LineForm {
    /// The common log format
    Common,
    /// Common, with referrer and user agent
    #[default]
    Combined,
    /// One JSON object a line
    Json,
}

/// Serves until a signal.
///
/// # Errors
/// When the folder cannot be served or an address not be had.
pub fn run(screen: &Screen, arguments: &Arguments) -> Result<Exit, Failure> {
    // It waits for signals only; the event loops are threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Exit::Internal, "cannot start waiting for signals")
            .because(error)
            .advise("check the limits of this user (ulimit -u, ulimit -n)")
    })?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let running = Server::new(settings(arguments)).start().map_err(failure)?;
        announce(screen, arguments, &running)?;
        signals.until_shutdown(|| reload(screen, &running)).await;
        // Beside the wait for a second signal.
        let ended = tokio::task::spawn_blocking(move || running.shutdown()).await;
        ended.map_err(|error| Failure::new(Exit::Internal, "the server did not end in order").because(error))
    })?;
    Ok(Exit::Done)
}

fn settings(arguments: &Arguments) -> Settings {
    let mut site = Site::new(&arguments.root);
    site.well_known = !arguments.no_well_known;
    if !arguments.index.is_empty() {
        site.index.clone_from(&arguments.index);
    }
    let tcp = arguments.listen.iter().copied().map(Listener::Tcp);
    let mut listeners: Vec<Listener> =
        tcp.chain(arguments.unix.iter().cloned().map(Listener::Unix)).collect();
    if listeners.is_empty() {
        listeners.push(Listener::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080))));
    }
    let mut settings = Settings::new(site, listeners.remove(0));
    settings.listeners.append(&mut listeners);
    settings.workers = arguments.workers.map(usize::from);
    settings.access_log = arguments.access_log.as_ref().map(|path| AccessLog {
        to: if path.as_os_str() == "-" { LogTarget::StandardOutput } else { LogTarget::File(path.clone()) },
        format: match arguments.log_format {
            LineForm::Common => LogFormat::Common,
            LineForm::Combined => LogFormat::Combined,
            LineForm::Json => LogFormat::Json,
        },
    });
    let limits = &mut settings.limits;
    let set = |limit: &mut usize, asked: Option<u32>| {
        *limit = asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(*limit);
    };
    set(&mut limits.connections_max, arguments.max_connections);
    set(&mut limits.connections_per_address_max, arguments.max_connections_per_address);
    limits.requests_per_address_per_second_max = arguments.max_requests_per_address.unwrap_or(0);
    if let Some(mib) = arguments.cache.and_then(|mib| usize::try_from(mib).ok()) {
        limits.cache_bytes_max = mib.saturating_mul(1024 * 1024);
    }
    settings
}

fn announce(screen: &Screen, arguments: &Arguments, running: &Running) -> Result<(), Failure> {
    let addresses: Vec<String> = running.addresses().iter().map(ToString::to_string).collect();
    match screen.form() {
        Form::Text => {
            let root = crate::screen::harmless(&arguments.root.display().to_string());
            screen.notice(&format!("ready: {root} on {}", addresses.join(" ")));
            Ok(())
        }
        Form::Json => screen.line(
            &json!({
                "ready": true,
                "pid": std::process::id(),
                "addresses": addresses,
                "root": arguments.root.display().to_string(),
            })
            .to_string(),
        ),
    }
}

fn reload(screen: &Screen, running: &Running) {
    match running.reload() {
        Ok(()) => screen.notice("opened the folder and the access log again"),
        Err(error) => screen.notice(&format!("nothing was changed: {error}")),
    }
}

fn failure(error: Error) -> Failure {
    let exit = match &error {
        Error::RootMissing { .. } | Error::RootNotDirectory { .. } | Error::NoSite | Error::NoListener => {
            Exit::Configuration
        }
        Error::AddressNotAvailable { .. } => Exit::Configuration,
        Error::RootNotPermitted { .. } | Error::AddressNotPermitted { .. } => Exit::NotPermitted,
        Error::AddressInUse { .. } => Exit::Unavailable,
        Error::Listen { .. } | Error::AccessLog { .. } => Exit::CannotCreate,
        Error::Root { .. } => Exit::InputOutput,
        Error::Resources { .. } => Exit::Internal,
    };
    Failure::from_error(exit, error)
}
