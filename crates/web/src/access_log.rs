//! One line for each request, written by one thread of its own.
//!
//! *Promises* that an event loop never waits for the log (it hands over batches on a bounded queue and counts what is not
//! taken), that a request can forge no line (every byte outside printable ASCII, quotes and backslashes are escaped), and
//! that what was handed over is written before [`Writer`] is gone. *Absent:* rotation; the file is opened again at each reload.

mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use crate::error::Error;
use crate::limits;
use crate::settings::{AccessLog, LogFormat, LogTarget};

/// What is known about one answered request; its texts stand in the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// When the answer was made, in microseconds since 1970.
    pub(crate) at_us: i64,
    /// From the request's last byte to the answer's last byte given to the kernel.
    pub(crate) duration_us: u32,
    /// The status sent.
    pub(crate) status: u16,
    /// Bytes of the body sent.
    pub(crate) body_bytes: u64,
    /// The other side; none on a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// The version of the request.
    pub(crate) version: Spoken,
    method_bytes: u8,
    target_bytes: u16,
    referer_bytes: u16,
    agent_bytes: u16,
}

/// A version of HTTP, as it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Spoken {
    const fn number(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
        }
    }
}

/// The texts of a request that are logged, as sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Texts<'a> {
    /// The method's name.
    pub(crate) method: &'a [u8],
    /// The request target.
    pub(crate) target: &'a [u8],
    /// The field Referer.
    pub(crate) referer: Option<&'a [u8]>,
    /// The field User-Agent.
    pub(crate) agent: Option<&'a [u8]>,
}

/// Numbers of a record, when the texts come from a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// See [`Record`].
    pub(crate) at_us: i64,
    /// See [`Record`].
    pub(crate) status: u16,
    /// See [`Record`].
    pub(crate) body_bytes: u64,
    /// See [`Record`].
    pub(crate) peer: Option<IpAddr>,
    /// See [`Record`].
    pub(crate) version: Spoken,
}

/// Records in order, with their texts.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    records: Vec<Record>,
    texts: Vec<u8>,
}

impl Batch {
    /// Notes a request; its duration is still to be told.
    pub(crate) fn push(&mut self, facts: Facts, texts: Texts<'_>) {
        let cut = |text: &[u8]| text.len().min(limits::LOG_TEXT_BYTES_MAX);
        let method = texts.method.get(..texts.method.len().min(limits::METHOD_BYTES_MAX)).unwrap_or_default();
        let (referer, agent) = (texts.referer.unwrap_or_default(), texts.agent.unwrap_or_default());
        self.texts.extend_from_slice(method);
        self.texts.extend_from_slice(&texts.target[..cut(texts.target)]);
        self.texts.extend_from_slice(&referer[..cut(referer)]);
        self.texts.extend_from_slice(&agent[..cut(agent)]);
        let short = |len: usize| u16::try_from(len).expect("texts are cut to less than 64 KiB");
        self.records.push(Record {
            at_us: facts.at_us,
            duration_us: 0,
            status: facts.status,
            body_bytes: facts.body_bytes,
            peer: facts.peer,
            version: facts.version,
            method_bytes: u8::try_from(method.len()).expect("a method is at most 32 bytes long"),
            target_bytes: short(cut(texts.target)),
            referer_bytes: short(cut(referer)),
            agent_bytes: short(cut(agent)),
        });
    }

    /// Records from `index` on were finished now: they took this long.
    pub(crate) fn took(&mut self, index: usize, duration_us: u32) {
        self.records.iter_mut().skip(index).for_each(|record| record.duration_us = duration_us);
    }

    /// Takes the last record back out, to be finished later.
    pub(crate) fn pop(&mut self) -> Option<Kept> {
        let record = self.records.pop()?;
        let texts = self.texts.split_off(self.texts.len() - record.texts_len());
        Some(Kept { record, texts: texts.into() })
    }

    /// Puts a record in that was finished.
    pub(crate) fn put(&mut self, kept: &Kept) {
        self.records.push(kept.record);
        self.texts.extend_from_slice(&kept.texts);
    }

    /// Moves the records of `other` behind its own.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.records.append(&mut other.records);
        self.texts.append(&mut other.texts);
    }

    /// Records in it.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    fn write(&self, format: LogFormat, clock: &mut line::Clock, lines: &mut Vec<u8>) {
        let mut texts = self.texts.as_slice();
        for record in &self.records {
            let (own, rest) = texts.split_at(record.texts_len());
            texts = rest;
            line::write(format, record, &record.texts(own), clock, lines);
        }
    }
}

/// A record whose answer is still being sent.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its numbers.
    pub(crate) record: Record,
    texts: Box<[u8]>,
}

impl Record {
    fn texts_len(&self) -> usize {
        usize::from(self.method_bytes)
            + usize::from(self.target_bytes)
            + usize::from(self.referer_bytes)
            + usize::from(self.agent_bytes)
    }

    fn texts<'a>(&self, own: &'a [u8]) -> Texts<'a> {
        let (method, rest) = own.split_at(usize::from(self.method_bytes));
        let (target, rest) = rest.split_at(usize::from(self.target_bytes));
        let (referer, agent) = rest.split_at(usize::from(self.referer_bytes));
        let some = |text: &'a [u8]| (!text.is_empty()).then_some(text);
        Texts { method, target, referer: some(referer), agent: some(agent) }
    }
}

/// The thread that writes. Dropping it writes what was handed over, once every [`Sender`] is gone.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: SyncSender<Message>,
    target: LogTarget,
    thread: Option<JoinHandle<()>>,
}

/// The end of the queue that an event loop has.
#[derive(Debug, Clone)]
pub(crate) struct Sender(SyncSender<Message>);

#[derive(Debug)]
enum Message {
    Batch(Batch),
    To(File),
    End,
}

impl Writer {
    /// Opens the target and starts the thread.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread made.
    pub(crate) fn start(log: &AccessLog) -> Result<Self, Error> {
        let file = open(&log.to)?;
        let (queue, batches) = sync_channel(limits::LOG_BATCHES_QUEUED_MAX);
        let format = log.format;
        let thread = std::thread::Builder::new()
            .name("web-log".to_owned())
            .spawn(move || write_all(&batches, format, file))
            .map_err(|source| Error::Resources { source })?;
        Ok(Self { queue, target: log.to.clone(), thread: Some(thread) })
    }

    /// For an event loop.
    pub(crate) fn sender(&self) -> Sender {
        Sender(self.queue.clone())
    }

    /// Opens the file again, as after its rotation.
    ///
    /// # Errors
    /// When it cannot be opened; the old one is kept.
    pub(crate) fn reopen(&self) -> Result<(), Error> {
        if let LogTarget::File(path) = &self.target {
            // The writer lives as long as this does.
            let _sent = self.queue.send(Message::To(open_file(path)?));
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _sent = self.queue.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Sender {
    /// Hands a batch over, or returns how many lines were lost since the writer is too far behind.
    pub(crate) fn send(&self, batch: Batch) -> Result<(), usize> {
        let lines = batch.len();
        match self.0.try_send(Message::Batch(batch)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(lines),
        }
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
    let failed = |source| Error::AccessLog { path: path.to_owned(), source };
    OpenOptions::new().append(true).create(true).open(path).map_err(failed)
}

fn write_all(messages: &Receiver<Message>, format: LogFormat, mut file: File) {
    let mut lines = Vec::new();
    let mut clock = line::Clock::default();
    loop {
        match messages.recv() {
            Ok(Message::Batch(batch)) => {
                lines.clear();
                batch.write(format, &mut clock, &mut lines);
                // A full disk must not stop the server; the lines are lost, and the next batch is tried again.
                let _written: io::Result<()> = file.write_all(&lines);
            }
            Ok(Message::To(other)) => file = other,
            Ok(Message::End) | Err(_) => return,
        }
    }
}
