//! Moves one connection on as far as it goes: send what is left, read, answer everything that is whole, send once.
//!
//! *Promises* one read and one write for a request, or for as many pipelined ones as came together; that nothing is
//! read from a peer that does not take its answers; and that a peer is done with after its turn. *Absent:* deciding answers.

use rustix::io::Errno;

use super::Loop;
use super::answer::Answered;
use super::clock::Clock;
use super::connection::{Connection, Held, Then, Waits};
use super::http2::Http2;
use super::outgoing::Sent;
use super::transport::Follows;
use crate::http1::{self, Drain, Drained, Framing, Head, Parsed};
use crate::http2::{Preface, preface};
use crate::limits;
use crate::status::Status;

/// What is to happen with a connection that had its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits for the kernel, or for its deadline.
    Waits(Waits),
    /// It wants another turn at once.
    Again,
    /// It is over.
    Over,
}

/// What the bytes at hand amounted to.
enum Input {
    /// Everything whole is answered; more has to be read.
    More,
    /// The output has to go first.
    Full,
    /// A file has to settle.
    Settling,
    /// The connection begins with the preface of HTTP/2.
    Http2,
}

impl Loop {
    /// Gives a connection its turn.
    pub(super) fn serve(&mut self, connection: &mut Connection) -> Fate {
        let was_late = self.is_late;
        let fate = if connection.http2.is_some() {
            self.serve_http2(connection)
        } else {
            self.serve_rounds(connection)
        };
        self.is_late = was_late;
        fate
    }

    pub(super) fn serve_rounds(&mut self, connection: &mut Connection) -> Fate {
        let mut rounds = 0;
        loop {
            if connection.outgoing.is_some()
                && let Some(fate) = self.send_on(connection)
            {
                return fate;
            }
            match connection.transport.flush() {
                Ok(()) => {}
                Err(Errno::AGAIN) => return Fate::Waits(Waits::Write),
                Err(_) => return Fate::Over,
            }
            match connection.then {
                Then::Next => {}
                Then::Close => return Fate::Over,
                Then::Linger => {
                    connection.transport.finish();
                    connection.then = Then::Lingering;
                }
                Then::Lingering => return self.linger(connection),
            }
            if connection.then == Then::Lingering {
                continue;
            }
            rounds += 1;
            if rounds > ROUNDS_PER_TURN_MAX {
                return Fate::Again;
            }
            if let Some(fate) = self.take_in(connection) {
                return fate;
            }
            self.is_late = true;
        }
    }

    /// Reads if need be, answers what is whole, sends the answers. None when the connection goes on.
    fn take_in(&mut self, connection: &mut Connection) -> Option<Fate> {
        let mut inbox = std::mem::take(&mut self.inbox);
        let fate = self.take_into(connection, &mut inbox);
        self.inbox = inbox;
        if connection.http2.is_some() { Some(self.serve_http2(connection)) } else { fate }
    }

    fn take_into(&mut self, connection: &mut Connection, inbox: &mut [u8]) -> Option<Fate> {
        let mut filled = connection.unread.len();
        inbox[..filled].copy_from_slice(&connection.unread);
        if connection.incomplete {
            if !connection.readable {
                return Some(Fate::Waits(waits_for(connection)));
            }
            match connection.transport.receive(&mut inbox[filled..]) {
                Ok(0) => return Some(Fate::Over),
                Ok(read) => {
                    // Less than there was room for: all that there was, unless the peer's end is behind it.
                    connection.readable =
                        filled + read == inbox.len() || connection.ended || connection.transport.has_more();
                    filled += read;
                    self.counters.received_bytes.add(u64::try_from(read).unwrap_or(0));
                }
                Err(Errno::AGAIN) => {
                    connection.readable = false;
                    return Some(Fate::Waits(waits_for(connection)));
                }
                Err(Errno::INTR) => return Some(Fate::Again),
                Err(_) => return Some(Fate::Over),
            }
        }
        if connection.transport.is_http2() {
            keep(&mut connection.unread, &inbox[..filled]);
            connection.http2 = Some(Box::new(Http2::new(self.clock.ms())));
            return None;
        }
        let (taken, input) = self.answer_all(connection, &inbox[..filled]);
        keep(&mut connection.unread, &inbox[taken..filled]);
        connection.incomplete = matches!(input, Input::More);
        match input {
            Input::Http2 => {
                connection.http2 = Some(Box::new(Http2::new(self.clock.ms())));
                return None;
            }
            Input::Settling => {
                let sent = self.send_out(connection);
                return Some(sent.unwrap_or(Fate::Waits(Waits::Settling)));
            }
            Input::More => self.count_pieces(connection),
            Input::Full => connection.head_pieces = 0,
        }
        self.send_out(connection)
    }

    /// Each piece of a head is read again with those before it: a peer that sends byte after byte is not waited for.
    fn count_pieces(&mut self, connection: &mut Connection) {
        if waits_for(connection) != Waits::Head {
            connection.head_pieces = 0;
            return;
        }
        connection.head_pieces += 1;
        if connection.head_pieces > limits::HEAD_PIECES_MAX {
            self.counters.timeout_head.one();
            self.dismiss(connection, Status::RequestTimeout);
        }
    }

    /// Answers every whole request in `bytes`; says how many bytes it took.
    fn answer_all(&mut self, connection: &mut Connection, bytes: &[u8]) -> (usize, Input) {
        let mut at = 0;
        let mut is_current = false;
        loop {
            if connection.then != Then::Next {
                if at < bytes.len() {
                    connection.then = Then::Linger;
                }
                return (bytes.len(), Input::Full);
            }
            if connection.outgoing.is_some() || self.out.len() >= limits::OUTBOX_BYTES {
                return (at, Input::Full);
            }
            let rest = &bytes[at..];
            if let Some(held) = connection.held.take() {
                let (taken, input) = self.answer_held(connection, held, rest);
                at += taken;
                match input {
                    Some(input) => return (at, input),
                    None => continue,
                }
            }
            if rest.is_empty() {
                return (at, Input::More);
            }
            if !connection.served {
                match preface(rest) {
                    Preface::Whole => return (at, Input::Http2),
                    Preface::Begun => return (at, Input::More),
                    Preface::Other => {}
                }
            }
            // Behind the first request, more may have come since the kernel was asked what has changed.
            if !is_current && (self.is_late || at > 0) {
                self.tree.drain();
                self.turn += 1;
                is_current = true;
            }
            match http1::parse(rest) {
                Ok(Parsed::Incomplete) => return (at, Input::More),
                Ok(Parsed::Whole(head)) if has_body(&head) => {
                    let (bytes, drain) = (rest[..head.len()].into(), Drain::new(head.framing));
                    connection.held = Some(Box::new(Held { bytes, drain }));
                    at += head.len();
                }
                Ok(Parsed::Whole(head)) => match self.answer(connection, &head) {
                    Answered::Later => return (at, Input::Settling),
                    Answered::Yes => at += head.len(),
                },
                Err(refusal) => self.refuse(connection, None, &refusal),
            }
        }
    }

    /// Takes the body of a request, and answers it when the body has ended as it should. Says how many bytes it took.
    fn answer_held(
        &mut self,
        connection: &mut Connection,
        mut held: Box<Held>,
        bytes: &[u8],
    ) -> (usize, Option<Input>) {
        let drained = held.drain.feed(bytes);
        if let Ok(Drained::More) = drained {
            connection.held = Some(held);
            return (bytes.len(), Some(Input::More));
        }
        let Ok(Parsed::Whole(head)) = http1::parse(&held.bytes) else { return (0, None) };
        match drained {
            Ok(Drained::More) => (bytes.len(), Some(Input::More)),
            Ok(Drained::Done { taken }) => match self.answer(connection, &head) {
                Answered::Yes => (taken, None),
                Answered::Later => {
                    connection.held = Some(held);
                    (taken, Some(Input::Settling))
                }
            },
            Err(refusal) => {
                self.refuse(connection, Some(&head), &refusal);
                connection.then = Then::Linger;
                (bytes.len(), None)
            }
        }
    }

    /// Sends what the answers made, and keeps what the kernel does not take.
    pub(super) fn send_out(&mut self, connection: &mut Connection) -> Option<Fate> {
        if self.out.is_empty() {
            return None;
        }
        if let Some(outgoing) = &mut connection.outgoing {
            // What follows goes with it.
            outgoing.bytes.extend_from_slice(&self.out);
            self.out.clear();
            return self.send_on(connection);
        }
        let follows = if connection.then == Then::Close { Follows::End } else { Follows::Nothing };
        let sent = match connection.transport.send(&self.out, follows) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => {
                self.out.clear();
                return Some(Fate::Over);
            }
        };
        self.counters.sent_bytes.add(u64::try_from(sent).unwrap_or(0));
        if sent < self.out.len() || !connection.transport.is_flushed() {
            let mut outgoing = self.spare.pop().unwrap_or_default();
            outgoing.bytes.extend_from_slice(&self.out[sent..]);
            (outgoing.since_ns, outgoing.progress_ms) = (self.clock.ns(), self.clock.ms());
            connection.outgoing = Some(outgoing);
        }
        self.out.clear();
        None
    }

    /// Sends of what is left. None when nothing is left.
    pub(super) fn send_on(&mut self, connection: &mut Connection) -> Option<Fate> {
        let outgoing = connection.outgoing.as_mut()?;
        let (before, moved) = (outgoing.taken, connection.transport.moved());
        let sent = outgoing.send(&mut connection.transport, &mut self.scratch);
        if outgoing.taken > before || connection.transport.moved() > moved {
            outgoing.progress_ms = self.clock.ms();
            self.counters.sent_bytes.add(outgoing.taken - before);
        }
        match sent {
            Sent::All => {
                self.finish(connection);
                None
            }
            Sent::Turn => Some(Fate::Again),
            Sent::Blocked => Some(Fate::Waits(Waits::Write)),
            Sent::Changed => {
                self.counters.cut_changed.one();
                Some(Fate::Over)
            }
            Sent::Gone => {
                self.counters.cut_peer.one();
                Some(Fate::Over)
            }
        }
    }

    /// An answer has ended, whole or cut: its line goes to the log.
    pub(super) fn finish(&mut self, connection: &mut Connection) {
        let Some(mut outgoing) = connection.outgoing.take() else { return };
        if let (Some(mut record), Some(log)) = (outgoing.record.take(), &mut self.log) {
            let left = outgoing.left();
            record.record.body_bytes = record.record.body_bytes.saturating_sub(left);
            record.record.duration_us = Clock::elapsed_us(outgoing.since_ns);
            log.put(&record);
        }
        if self.spare.len() < limits::SPARE_MAX && outgoing.bytes.capacity() <= limits::INLINE_BODY_BYTES_MAX
        {
            outgoing.empty();
            self.spare.push(outgoing);
        }
    }

    fn linger(&mut self, connection: &mut Connection) -> Fate {
        loop {
            match connection.transport.receive(&mut self.scratch) {
                Ok(0) => return Fate::Over,
                Ok(read) => connection.lingered_bytes += read,
                Err(Errno::AGAIN) => return Fate::Waits(Waits::Lingering),
                Err(Errno::INTR) => {}
                Err(_) => return Fate::Over,
            }
            if connection.lingered_bytes > limits::LINGER_BYTES_MAX {
                return Fate::Over;
            }
        }
    }
}

/// Reads and answers of a connection before it is the others' turn.
const ROUNDS_PER_TURN_MAX: u32 = 4;

/// Who waits to be told whether to send a body is answered without it.
fn has_body(head: &Head<'_>) -> bool {
    match head.framing {
        Framing::Nothing => false,
        Framing::Length(_) | Framing::Chunked => !head.expects_continue,
    }
}

fn waits_for(connection: &Connection) -> Waits {
    if connection.transport.is_handshaking() {
        Waits::Handshake
    } else if connection.held.is_some() {
        Waits::Body
    } else if connection.unread.is_empty() {
        Waits::Idle
    } else {
        Waits::Head
    }
}

/// Keeps `bytes`, without holding memory for an idle connection.
fn keep(unread: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        *unread = Vec::new();
    } else {
        unread.clear();
        unread.extend_from_slice(bytes);
    }
}
