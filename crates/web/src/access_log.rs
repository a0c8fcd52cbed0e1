//! One line for each request, made by the event loop that answered it, put into the file by one thread of its own.
//!
//! *Promises* that an event loop never waits for the log (it hands lines over on a bounded queue and counts what is not
//! taken), that a request can forge no line (every byte outside printable ASCII, quotes and backslashes are escaped), and
//! that what was handed over is written at the end, or told to be lost ([`Writer`]). *Absent:* rotation; the file is opened
//! again at each reload.

mod line;
mod notes;
mod pen;
mod writer;

use std::net::IpAddr;

use crate::limits;
use crate::settings::LogFormat;

pub(crate) use notes::Notes;
pub(crate) use writer::Writer;

/// What is known about one answered request; its texts stand beside it.
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
struct Records {
    records: Vec<Record>,
    texts: Vec<u8>,
}

impl Records {
    /// Notes a request; its duration is still to be told.
    fn push(&mut self, facts: Facts, texts: Texts<'_>) {
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

    /// Takes the last record back out, to be finished later.
    fn pop(&mut self) -> Option<Kept> {
        let record = self.records.pop()?;
        let texts = self.texts.split_off(self.texts.len() - record.texts_len());
        Some(Kept { record, texts: texts.into() })
    }

    /// Puts a record in that was finished.
    fn put(&mut self, kept: &Kept) {
        self.records.push(kept.record);
        self.texts.extend_from_slice(&kept.texts);
    }

    /// Makes lines of all of them, and keeps none. Those without a duration took `duration_us`.
    fn write(&mut self, format: LogFormat, duration_us: u32, clock: &mut line::Clock, lines: &mut Lines) {
        let mut texts = self.texts.as_slice();
        for record in &mut self.records {
            let (own, rest) = texts.split_at(record.texts_len());
            texts = rest;
            record.duration_us = record.duration_us.max(duration_us);
            line::write(format, record, &record.texts(own), clock, &mut lines.bytes);
        }
        lines.count += self.records.len();
        self.records.clear();
        self.texts.clear();
    }
}

/// Lines as they will stand in the file.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: usize,
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
