//! The thread that writes the access log, and the queue on which it is given what to write.
//!
//! *Promises* that nobody waits for it: neither an event loop that hands over lines, nor a start or a reload that opens a file,
//! a pipe without a reader included, nor a server that ends, for longer than it says. *Absent:* writing, which is the pen's.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};

use super::pen::Pen;
use super::{Lines, Notes};
use crate::error::Error;
use crate::limits;
use crate::metrics::Counters;
use crate::settings::{AccessLog, LogTarget};

/// The thread, and what it is told with.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    log: AccessLog,
    /// Nothing is ever sent; its other end is gone when the thread is. Locked for the sake of `Sync` alone.
    ended: Mutex<Receiver<()>>,
}

/// The end of the queue that an event loop has.
#[derive(Debug)]
pub(super) struct Sender {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Message {
    Lines(Lines),
    /// There is another file.
    Opened,
}

/// What both sides know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The file to go on with.
    next: Mutex<Option<File>>,
    /// Lines that were taken and are not written.
    waiting: AtomicUsize,
    /// Their bytes.
    waiting_bytes: AtomicUsize,
    /// Lines that were not taken, since it was told last.
    dropped: AtomicUsize,
    /// Memory for lines, to be used again.
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Writer {
    /// Opens the target and starts the thread, which counts the lines that it loses.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread made.
    pub(crate) fn start(log: &AccessLog, counters: Arc<Counters>) -> Result<Self, Error> {
        let shared = Arc::<Shared>::default();
        let pen = Pen::new(&log.to, open(&log.to)?, counters, Arc::clone(&shared));
        let of_thread = Arc::clone(&shared);
        let (queue, messages) = sync_channel(limits::LOG_BATCHES_QUEUED_MAX);
        let (ends, ended) = sync_channel(0);
        std::thread::Builder::new()
            .name("web-log".to_owned())
            .spawn(move || {
                write_all(&messages, pen, &of_thread);
                drop::<SyncSender<()>>(ends);
            })
            .map_err(|source| Error::Resources { source })?;
        Ok(Self { queue, shared, log: log.clone(), ended: Mutex::new(ended) })
    }

    /// For an event loop.
    pub(crate) fn notes(&self) -> Notes {
        let sender = Sender { queue: self.queue.clone(), shared: Arc::clone(&self.shared) };
        Notes::new(self.log.format, sender)
    }

    /// Opens the file again, as after its rotation.
    ///
    /// # Errors
    /// When it cannot be opened; the old one is kept.
    pub(crate) fn reopen(&self) -> Result<(), Error> {
        if let LogTarget::File(path) = &self.log.to {
            *lock(&self.shared.next) = Some(open_file(path)?);
            // A thread that has other messages finds the file with the next of them.
            let _told = self.queue.try_send(Message::Opened);
        }
        Ok(())
    }

    /// Lets it write what was handed over, for so long at most. All [`Notes`] have to be gone. A thread that is stuck in
    /// a write, into a pipe that nobody reads perhaps, is left to itself, and what it has is told to be lost.
    pub(crate) fn end(self, patience: Duration) {
        drop(self.queue);
        let ended = self.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            let lines = self.shared.waiting.load(Ordering::Relaxed) + self.shared.dropped();
            tracing::warn!(
                "the last {lines} lines of the access log {} are lost: it did not take them in time",
                name(&self.log.to)
            );
        }
    }
}

impl Sender {
    /// Hands lines over, or returns how many were lost since the thread is too far behind.
    pub(super) fn send(&self, lines: Lines) -> Result<(), usize> {
        let (count, bytes) = (lines.count, lines.bytes.len());
        self.shared.waiting.fetch_add(count, Ordering::Relaxed);
        let waiting_bytes = self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let is_taken = waiting_bytes <= limits::LOG_WAITING_BYTES_MAX
            && self.queue.try_send(Message::Lines(lines)).is_ok();
        if is_taken {
            return Ok(());
        }
        self.shared.written(count, bytes);
        self.shared.dropped.fetch_add(count, Ordering::Relaxed);
        Err(count)
    }

    /// Memory for the next lines.
    pub(super) fn spare(&self) -> Vec<u8> {
        lock(&self.shared.spare).pop().unwrap_or_default()
    }
}

impl Shared {
    /// Lines that were dropped since this was asked last.
    pub(super) fn dropped(&self) -> usize {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Lines that do not wait any more.
    pub(super) fn written(&self, lines: usize, bytes: usize) {
        self.waiting.fetch_sub(lines, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes memory back of lines that are written, unless there is enough of it.
    fn give_back(&self, mut bytes: Vec<u8>) {
        let mut spare = lock(&self.spare);
        if spare.len() < limits::LOG_BATCHES_SPARE_MAX && bytes.capacity() <= 2 * limits::LOG_BATCH_BYTES {
            bytes.clear();
            spare.push(bytes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a person calls it.
pub(super) fn name(target: &LogTarget) -> String {
    match target {
        LogTarget::File(path) => path.display().to_string(),
        LogTarget::StandardOutput => "on standard output".to_owned(),
    }
}

fn open(target: &LogTarget) -> Result<File, Error> {
    match target {
        LogTarget::File(path) => open_file(path),
        LogTarget::StandardOutput => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 0)
            .map(File::from)
            .map_err(|source| Error::AccessLog { path: "-".into(), source: source.into() }),
    }
}

fn open_file(path: &Path) -> Result<File, Error> {
    try_open(path).map_err(|errno| Error::AccessLog { path: path.to_owned(), source: errno.into() })
}

/// Does not wait for somebody who reads from a pipe: whoever opens is there for the signals as well. Writes wait, on the
/// thread that is there for it.
fn try_open(path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file.into())
}

fn write_all(messages: &Receiver<Message>, mut pen: Pen, shared: &Shared) {
    while let Ok(message) = messages.recv() {
        let next = lock(&shared.next).take();
        if let Some(file) = next {
            pen.go_on_in(file);
        }
        if let Message::Lines(lines) = message {
            pen.write(&lines);
            shared.give_back(lines.bytes);
        }
    }
    pen.end();
}
