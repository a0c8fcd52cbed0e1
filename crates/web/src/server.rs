//! A server that is started, told to reload, and stopped.
//!
//! *Promises* that what can be wrong with the settings is told at the start, before a thread runs or a request is answered;
//! that it is ready when [`Server::start`] returns; that a reload which fails changes nothing. *Absent:* signals, which are
//! the program's.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use switchboard_tls::{Fingerprint, Identity};

use crate::access_log;
use crate::admission::Admission;
use crate::background::Background;
use crate::confine::{Confinement, Readable};
use crate::descriptors::{self, Division};
use crate::error::Error;
use crate::event_loop::{Address, Bound, Clock, Control, Listening, Loop, Order, Parts, SocketFile, bound};
use crate::identities::Identities;
use crate::limits;
use crate::metrics::{Counters, Metrics};
use crate::monitor::{self, Monitor};
use crate::plan::Policy;
use crate::privileges;
use crate::settings::{Limits, Listener, Settings, Site, TlsSettings};
use crate::tree::{self, Scratch, Share, Sites};

/// A server that is not running yet.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
}

/// A server that is running. Dropping it shuts it down.
#[derive(Debug)]
pub struct Running {
    loops: Vec<(Arc<Control>, JoinHandle<()>)>,
    addresses: Vec<Address>,
    metrics: Metrics,
    sites: Vec<Site>,
    readable: Arc<Readable>,
    confinement: Confinement,
    monitor: Option<Monitor>,
    background: Background,
    identities: Option<Identities>,
    log: Option<access_log::Writer>,
    /// The names of Unix sockets.
    files: Vec<SocketFile>,
    shutdown_time_max: Duration,
}

impl Server {
    /// With these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Opens, listens, and starts the event loops.
    ///
    /// ```no_run
    /// use switchboard_web::{Listener, Server, Settings, Site};
    ///
    /// let settings = Settings::new(Site::new("/srv/www"), Listener::Tcp("[::]:8080".parse()?));
    /// let running = Server::new(settings).start()?;
    /// println!("serving {}", running.addresses()[0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a folder cannot be served, an address not be had, the access log not be opened, or the system is out of
    /// threads or descriptors. Nothing is left behind then.
    pub fn start(self) -> Result<Running, Error> {
        let Settings { sites, listeners, limits, access_log, tls, .. } = &self.settings;
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let loops = self.settings.workers.unwrap_or_else(processors).clamp(1, limits::WORKERS_MAX);
        check(listeners, sites)?;
        let descriptors = descriptors::raised();
        let mut opened = Sites::open(sites)?;
        // Before the user changes: private keys are often for root alone.
        let identities = shown(tls, listeners, sites)?;
        let policy_of_tls = Policy { hsts: tls.hsts.map(hsts), ..Policy::default() };
        let mut bounds =
            listeners.iter().map(|listener| bound(listener, loops)).collect::<Result<Vec<_>, _>>()?;
        let monitor = self.settings.monitor.map(monitor::Listening::at).transpose()?;
        if let Some(identity) = &self.settings.identity {
            privileges::become_user(identity)?;
            // Who is less may have to be told so.
            opened = Sites::open(sites)?;
        }
        let opened = Arc::new(opened);
        let readable = Arc::new(Readable::of(sites)?);
        let of_log: Arc<Counters> = Arc::default();
        let log =
            access_log.as_ref().map(|log| access_log::Writer::start(log, Arc::clone(&of_log))).transpose()?;
        let counters: Vec<Arc<Counters>> = (0..loops).map(|_| Arc::default()).collect();
        let metrics = Metrics::new(counters.iter().cloned().chain([of_log]));
        let addresses = bounds.iter().map(|bound| bound.address.clone()).collect();
        let files = bounds.iter_mut().filter_map(|bound| bound.file.take()).collect();
        let monitor = monitor.map(|monitor| monitor.answer(metrics.clone())).transpose()?;
        let listeners = by_loop(bounds, loops, identities.as_ref());
        let division = divided(limits, descriptors, loops);
        let limits = Limits { connections_max: division.connections_max, ..*limits };
        let scratch = scratch(&self.settings.scratch);
        let room = (tree::held_bytes_max(&limits), division.snapshots_max);
        let background = Background::start(Arc::clone(&readable), scratch, room)?;
        let admission = Arc::new(Admission::new(&limits));
        let share = Share::of(&limits, division.files_max, loops);
        let mut running = Running {
            loops: Vec::new(),
            addresses,
            metrics,
            sites: self.settings.sites,
            readable,
            confinement: Confinement::Fully,
            monitor,
            background,
            identities,
            log,
            files,
            shutdown_time_max: limits.shutdown_time_max,
        };
        for (index, (counters, listeners)) in counters.into_iter().zip(listeners).enumerate() {
            let control = Arc::new(Control::new().map_err(resources)?);
            let parts = Parts {
                listeners,
                sites: Arc::clone(&opened),
                admission: Arc::clone(&admission),
                counters,
                log: running.log.as_ref().map(access_log::Writer::notes),
                background: running.background.queue(),
                compress: self.settings.compress,
                limits,
                share: share.clone(),
                control: Arc::clone(&control),
                policy_of_tls: policy_of_tls.clone(),
            };
            running.begin(index, control, parts)?;
        }
        Ok(running)
    }
}

impl Running {
    fn begin(&mut self, index: usize, control: Arc<Control>, parts: Parts) -> Result<(), Error> {
        let (thread, confinement) = spawn(index, parts, Arc::clone(&self.readable))?;
        self.loops.push((control, thread));
        self.confinement = self.confinement.min(confinement);
        Ok(())
    }

    /// Where it can be reached, in the order of the settings.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Where metrics and health are told, if anywhere.
    #[must_use]
    pub fn monitor(&self) -> Option<std::net::SocketAddr> {
        self.monitor.as_ref().map(Monitor::address)
    }

    /// How far the event loops are confined to the folders that they serve.
    #[must_use]
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    /// The fingerprints of the keys that are shown under TLS, in the order of the settings; none without a listener for it.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.identities().iter().map(Identity::fingerprint).collect()
    }

    /// Who it says it is under TLS, in the order of the settings; nobody without a listener for it.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        self.identities.as_ref().map(Identities::shown).unwrap_or_default()
    }

    /// Its counters, which may be kept longer than the server.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens the folders, the certificates and the access log again: a link that leads to the root is followed anew, a log that was
    /// rotated begins a new file. Connections stay, requests in hand are answered from what they found.
    ///
    /// # Errors
    /// When a folder, a certificate or the log cannot be opened; everything stays as it was then.
    pub fn reload(&self) -> Result<(), Error> {
        let sites = Arc::new(Sites::open(&self.sites)?);
        if self.confinement != Confinement::None {
            self.readable.covers(&self.sites)?;
        }
        let fresh = self.identities.as_ref().map(|shown| shown.read_again(&self.sites)).transpose()?;
        if let Some(log) = &self.log {
            log.reopen()?;
        }
        if let (Some(shown), Some(fresh)) = (&self.identities, fresh) {
            shown.show(&fresh);
        }
        for (control, _) in &self.loops {
            control.order(Order::Serve(Arc::clone(&sites)));
        }
        Ok(())
    }

    /// Takes no more connections, closes idle ones, lets answers end for as long as the settings say, and returns when
    /// all is over and every line of the log is written, or told to be lost when that takes longer.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let begun_ns = Clock::new().ns();
        self.monitor.iter().for_each(Monitor::drain);
        for (control, _) in &self.loops {
            control.order(Order::Stop);
        }
        for (_, thread) in self.loops.drain(..) {
            // A loop that panicked has said so on standard error.
            let _ended = thread.join();
        }
        self.files.clear();
        // After the threads, so that their last lines are written.
        if let Some(log) = self.log.take() {
            let taken = Duration::from_nanos(Clock::new().ns().saturating_sub(begun_ns));
            let least = Duration::from_millis(limits::LOG_END_MS_MIN);
            let most = Duration::from_millis(limits::LOG_END_MS_MAX);
            log.end(self.shutdown_time_max.saturating_sub(taken).clamp(least, most));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Who it says it is under TLS; nobody without a listener for it.
fn shown(tls: &TlsSettings, listeners: &[Listener], sites: &[Site]) -> Result<Option<Identities>, Error> {
    let has_tls = listeners.iter().any(|listener| matches!(listener, Listener::Tls(_)));
    Ok(has_tls.then(|| Identities::load(tls, sites)).transpose()?)
}

/// For a year or whatever else, and for this host alone: its subdomains may be others'.
fn hsts(time: Duration) -> Cow<'static, str> {
    format!("max-age={}", time.as_secs()).into()
}

fn by_loop(bounds: Vec<Bound>, loops: usize, identities: Option<&Identities>) -> Vec<Vec<Listening>> {
    let mut own: Vec<Vec<_>> = (0..loops).map(|_| Vec::new()).collect();
    for bound in bounds {
        let tls = match bound.address {
            Address::Tls(_) => identities.map(Identities::config),
            Address::Tcp(_) | Address::Unix(_) => None,
        };
        for (listeners, socket) in own.iter_mut().zip(bound.sockets) {
            listeners.push(Listening { socket, tls: tls.clone() });
        }
    }
    own
}

fn spawn(
    index: usize,
    parts: Parts,
    readable: Arc<Readable>,
) -> Result<(JoinHandle<()>, Confinement), Error> {
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name(format!("web-{index}"))
        .spawn(move || {
            let confined = readable.confine_this_thread(None);
            let made = confined.and_then(|confinement| Ok((confinement, Loop::new(parts)?)));
            match made {
                Ok((confinement, made)) => {
                    let _told = ready.send(Ok(confinement));
                    made.run();
                }
                Err(error) => {
                    let _told = ready.send(Err(error));
                }
            }
        })
        .map_err(|source| Error::Resources { source })?;
    match is_ready.recv() {
        Ok(Ok(confinement)) => Ok((thread, confinement)),
        Ok(Err(source)) => Err(Error::Resources { source }),
        Err(_) => Err(resources(rustix::io::Errno::NOMEM)),
    }
}

fn resources(errno: rustix::io::Errno) -> Error {
    Error::Resources { source: errno.into() }
}

/// Where snapshots are made; says so when that is not the folder that was named.
fn scratch(folder: &Path) -> Scratch {
    let scratch = Scratch::at(folder);
    if scratch.folder().is_none() {
        tracing::info!(
            "{} is no folder on disk for files without a name, so copies of popular large files are in memory, from which \
             sending costs more; set TMPDIR to one that is",
            folder.display()
        );
    }
    scratch
}

/// Who may have how many descriptors; says so when that is fewer connections than are wanted.
fn divided(limits: &Limits, descriptors: usize, loops: usize) -> Division {
    let wanted = limits.connections_max;
    let division = Division::of(descriptors, descriptors::open_now(), loops, wanted);
    let connections_max = division.connections_max;
    if connections_max < wanted {
        tracing::warn!(
            "this process may open {descriptors} files and sockets (ulimit -n), so {connections_max} connections are taken at \
             a time instead of {wanted}; allow it more (LimitNOFILE= in systemd), or configure fewer"
        );
    }
    division
}

fn check(listeners: &[Listener], sites: &[Site]) -> Result<(), Error> {
    if listeners.is_empty() {
        return Err(Error::NoListener);
    }
    let mut names = sites.iter().flat_map(|site| &site.index);
    match names.find(|name| !Site::is_index(name)) {
        Some(name) => Err(Error::Index { name: name.clone() }),
        None => Ok(()),
    }
}
