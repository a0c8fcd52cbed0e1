//! Connections of HTTP/2 in the loop: their requests are answered as those of HTTP/1 are, by the same plan from the same cache.
//!
//! *Promises* that all requests that have come are answered before anything is sent, so that their answers leave together;
//! that a body from disk is of one version, or its stream is reset before the last byte; that such bodies are read no
//! faster than the peer takes them, a little of each in turn. *Absent:* frames.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use rustix::io::Errno;

use super::Loop;
use super::clock::Clock;
use super::connection::{Connection, Pace, Settling, Then, Waits};
use super::outgoing::Piece;
use super::serve::Fate;
use crate::access_log::Kept;
use crate::http2::{Chunk, Event, Gauge, Session, Stream};
use crate::limits;

mod answer;

/// A connection's session, and the answers that are not whole yet.
#[derive(Debug)]
pub(crate) struct Http2 {
    session: Session,
    /// Requests whose files were changed just now, and how each waits.
    held: VecDeque<(Box<Stream>, Settling)>,
    sending: VecDeque<Sending>,
    /// Requests that wait until the peer has taken more of the answers before them: what it does not take holds memory.
    parked: VecDeque<Box<Stream>>,
    /// Bytes of bodies that had moved at `progress_ms`, and since when there is something to move.
    moved: u64,
    progress_ms: u64,
    since_ms: u64,
    moved_before: u64,
    is_over: bool,
}

/// An answer whose body is read piece by piece.
#[derive(Debug)]
struct Sending {
    stream: SendStream<Chunk>,
    pieces: VecDeque<Piece>,
    record: Option<Kept>,
    since_ns: u64,
}

/// How far a body came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// By so many bytes.
    Some(usize),
    /// The peer's windows are closed.
    Blocked,
    /// To the end, or it was given up.
    Ended,
}

impl Http2 {
    /// A session that begins.
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            session: Session::new(now_ms),
            held: VecDeque::new(),
            sending: VecDeque::new(),
            parked: VecDeque::new(),
            moved: 0,
            progress_ms: now_ms,
            since_ms: now_ms,
            moved_before: 0,
            is_over: false,
        }
    }

    /// Takes no more requests.
    pub(super) fn end_gracefully(&mut self) {
        self.session.end_gracefully();
    }

    /// Says why it ends. Returns what is to be sent.
    pub(super) fn end(&mut self, reason: Reason) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.is_over {
            self.is_over = true;
            self.session.end(reason);
            self.session.take_back(&mut out);
        }
        out
    }

    /// Nothing of a request is there, and nothing of an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.parked.is_empty() && !self.is_sending() && !self.session.is_amid()
    }

    /// How fast the peer opens its windows.
    pub(super) const fn pace(&self) -> Pace {
        let (since_ms, progress_ms) = (self.since_ms, self.progress_ms);
        Pace { since_ms, progress_ms, taken: self.moved - self.moved_before }
    }

    fn is_sending(&self) -> bool {
        !self.sending.is_empty() || self.session.gauge().waiting() > 0
    }

    /// Whether the peer has to take more before it is answered more.
    fn is_full(&self) -> bool {
        self.session.gauge().waiting() >= limits::STREAMS_WAITING_BYTES_MAX
            || self.sending.len() >= limits::STREAMS_SENDING_MAX
    }

    fn waits(&self) -> Waits {
        if !self.held.is_empty() {
            Waits::Settling
        } else if self.is_sending() {
            Waits::Write
        } else if self.session.is_amid() {
            Waits::Head
        } else {
            Waits::Idle
        }
    }

    fn note_progress(&mut self, was_sending: bool, now_ms: u64) {
        let moved = self.session.gauge().moved();
        if !was_sending {
            self.since_ms = now_ms;
            self.moved_before = self.moved;
        }
        if moved != self.moved || !was_sending {
            self.progress_ms = now_ms;
        }
        self.moved = moved;
    }
}

impl Loop {
    /// Gives a connection of HTTP/2 its turn.
    pub(super) fn serve_http2(&mut self, connection: &mut Connection) -> Fate {
        let Some(mut http2) = connection.http2.take() else { return Fate::Over };
        let was_sending = http2.is_sending();
        let fate = self.serve_streams(connection, &mut http2);
        http2.note_progress(was_sending, self.clock.ms());
        let is_over = http2.is_over;
        connection.http2 = Some(http2);
        if fate == Fate::Over && is_over {
            return self.linger_behind(connection);
        }
        fate
    }

    /// All is said. What the peer sends until it has read that, windows say, is read and thrown away: the kernel would answer it
    /// with a reset, at which the peer loses what it has not read.
    fn linger_behind(&mut self, connection: &mut Connection) -> Fate {
        self.part(connection, Reason::NO_ERROR);
        connection.then = Then::Linger;
        self.serve_rounds(connection)
    }

    fn serve_streams(&mut self, connection: &mut Connection, http2: &mut Http2) -> Fate {
        for _ in 0..ROUNDS_PER_TURN_MAX {
            if connection.outgoing.is_some()
                && let Some(fate) = self.send_on(connection)
            {
                return fate;
            }
            if connection.transport.flush() == Err(Errno::AGAIN) {
                return Fate::Waits(Waits::Write);
            }
            if http2.is_over {
                return Fate::Over;
            }
            let Ok(received) = self.receive_frames(connection, http2) else { return Fate::Over };
            http2.session.lend(&mut self.out);
            self.answer_held_streams(connection, http2);
            self.answer_streams(connection, http2);
            http2.session.take_back(&mut self.out);
            if received == 0 && self.out.is_empty() && !http2.is_over {
                return Fate::Waits(http2.waits());
            }
            if let Some(fate) = self.send_out(connection) {
                return fate;
            }
        }
        Fate::Again
    }

    /// Answers requests that have waited for their files.
    fn answer_held_streams(&mut self, connection: &mut Connection, http2: &mut Http2) {
        let now_ms = self.clock.ms();
        for (stream, settling) in std::mem::take(&mut http2.held) {
            if settling.is_due(now_ms) {
                self.answer_stream(connection, http2, stream, settling);
            } else {
                http2.held.push_back((stream, settling));
            }
        }
    }

    /// Answers requests that waited for the peer to take more.
    fn answer_parked_streams(&mut self, connection: &mut Connection, http2: &mut Http2) {
        while !http2.is_full() {
            let Some(stream) = http2.parked.pop_front() else { return };
            self.answer_stream(connection, http2, stream, Settling::default());
        }
    }

    /// Reads once, if there is room. How many bytes came, or that the connection broke.
    fn receive_frames(&mut self, connection: &mut Connection, http2: &mut Http2) -> Result<usize, Errno> {
        let now_ms = self.clock.ms();
        let mut received = connection.unread.len();
        if received > 0 {
            http2.session.receive(&std::mem::take(&mut connection.unread), now_ms);
        }
        if connection.readable && http2.session.has_room() {
            match connection.transport.receive(&mut self.inbox) {
                Ok(0) => {
                    connection.readable = false;
                    http2.session.receive_end();
                    // So that the session is moved on.
                    received += 1;
                }
                Ok(read) => {
                    connection.readable =
                        read == self.inbox.len() || connection.ended || connection.transport.has_more();
                    self.counters.received_bytes.add(u64::try_from(read).unwrap_or(0));
                    http2.session.receive(&self.inbox[..read], now_ms);
                    received += read;
                }
                Err(Errno::AGAIN) => connection.readable = false,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        if received > 0 && self.is_late {
            // More may have come since the kernel was asked what has changed.
            self.tree.drain();
            self.turn += 1;
        }
        self.is_late = true;
        Ok(received)
    }

    /// Answers every request that is there, and reads of files what the peer will take.
    fn answer_streams(&mut self, connection: &mut Connection, http2: &mut Http2) {
        let mut budget = limits::STREAMS_READ_BYTES;
        loop {
            self.answer_parked_streams(connection, http2);
            match http2.session.turn() {
                Event::Asked(stream) if http2.is_full() => http2.parked.push_back(stream),
                Event::Asked(stream) => {
                    self.answer_stream(connection, http2, stream, Settling::default());
                }
                Event::Over => {
                    http2.is_over = true;
                    self.give_up(http2);
                    return;
                }
                Event::Waits => {
                    let read = if http2.session.has_output_room() { self.read_files(http2) } else { 0 };
                    let has_parked = !http2.parked.is_empty() && !http2.is_full();
                    if (read == 0 && !has_parked) || budget == 0 {
                        return;
                    }
                    budget = budget.saturating_sub(read);
                }
            }
        }
    }

    /// Reads a little of each body that the peer has windows for.
    fn read_files(&mut self, http2: &mut Http2) -> usize {
        let mut bytes = 0;
        for _ in 0..http2.sending.len() {
            let Some(mut sending) = http2.sending.pop_front() else { break };
            match self.read_some(&mut sending, http2.session.gauge()) {
                Read::Some(read) => {
                    bytes += read;
                    http2.sending.push_back(sending);
                }
                Read::Blocked => http2.sending.push_back(sending),
                Read::Ended => {
                    bytes += 1;
                    self.end_stream(sending);
                }
            }
            if bytes >= limits::STREAMS_READ_BYTES {
                break;
            }
        }
        bytes
    }

    fn read_some(&mut self, sending: &mut Sending, gauge: &Rc<Gauge>) -> Read {
        let Some(mut piece) = sending.pieces.pop_front() else { return Read::Ended };
        let is_gone = |stream: &mut SendStream<Chunk>| {
            matches!(stream.poll_reset(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
        };
        if is_gone(&mut sending.stream) {
            sending.pieces.push_front(piece);
            return Read::Ended;
        }
        let chunk = match &mut piece {
            Piece::Bytes(bytes) => Chunk::own(std::mem::take(bytes), gauge),
            Piece::Memory(memory, range) => {
                let whole = range.clone();
                range.start = range.end;
                Chunk::shared(Arc::clone(memory), whole, gauge)
            }
            Piece::Snapshot(..) | Piece::File(..) => {
                let wanted = piece.left().min(STREAM_PIECE_BYTES);
                sending.stream.reserve_capacity(wanted);
                let count = sending.stream.capacity().min(wanted);
                if count == 0 {
                    sending.pieces.push_front(piece);
                    return Read::Blocked;
                }
                let mut bytes = vec![0; count];
                if piece.read(&mut bytes).is_err() {
                    sending.pieces.push_front(piece);
                    sending.stream.send_reset(Reason::INTERNAL_ERROR);
                    self.counters.cut_changed.one();
                    return Read::Ended;
                }
                Chunk::own(bytes, gauge)
            }
        };
        let count = bytes::Buf::remaining(&chunk);
        if piece.left() > 0 {
            sending.pieces.push_front(piece);
        }
        let is_end = sending.pieces.is_empty();
        match sending.stream.send_data(chunk, is_end) {
            Ok(()) if !is_end => Read::Some(count),
            Ok(()) | Err(_) => Read::Ended,
        }
    }

    /// The end of the connection is the end of its answers.
    fn give_up(&mut self, http2: &mut Http2) {
        for sending in std::mem::take(&mut http2.sending) {
            self.end_stream(sending);
        }
    }

    /// An answer has ended, whole or cut: its line goes to the log.
    fn end_stream(&mut self, sending: Sending) {
        let left: usize = sending.pieces.iter().map(Piece::left).sum();
        if left > 0 {
            self.counters.cut_peer.one();
        }
        if let (Some(mut record), Some(log)) = (sending.record, &mut self.log) {
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            record.record.body_bytes = record.record.body_bytes.saturating_sub(left);
            record.record.duration_us = Clock::elapsed_us(sending.since_ns);
            log.put(&record);
        }
    }

    /// A connection that is closed whatever its streams wait for says why, as far as there is room.
    pub(super) fn part(&mut self, connection: &mut Connection, reason: Reason) {
        let Some(mut http2) = connection.http2.take() else { return };
        self.give_up(&mut http2);
        let last = http2.end(reason);
        if connection.outgoing.is_none() && !last.is_empty() {
            let _sent = connection.transport.send(&last, super::transport::Follows::Nothing);
        }
    }
}

/// Bytes of a file that are read for a stream at once.
const STREAM_PIECE_BYTES: usize = 32 * 1024;

/// Reads and sends of a connection before it is the others' turn.
const ROUNDS_PER_TURN_MAX: u32 = 4;

/// A response with these fields and the date.
fn response(status: StatusCode, mut fields: HeaderMap, date: HeaderValue) -> Response<()> {
    fields.insert(header::DATE, date);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
