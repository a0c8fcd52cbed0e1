//! HTTP/2 (RFC 9113) as a machine over bytes: what a peer sent goes in, requests and bytes to send come out.
//!
//! The crate h2 keeps the protocol: frames, HPACK, windows, states of streams. It asks for a socket and a runtime and is
//! given neither: its socket is a pair of buffers ([`wire`]) and its task is polled whenever one of them has changed. So a
//! connection of HTTP/2 lives in the same event loop as the others, with the same cache, clock, limits and log, many answers
//! leave in one write, and no request costs a task or a thread's wake-up.
//!
//! *Promises* bounds on what a peer can make this side keep or do: streams, the list of fields, frames that ask for work
//! without asking for a file ([`screen`]); an answer is dropped or held by reference while the peer does not take it.
//!
//! *Absent:* sockets, clocks, files, answers; push, priorities, trailers, extended CONNECT. Bodies of requests are refused by
//! ending their stream.

mod body;
pub(crate) mod request;
mod screen;
mod wire;

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;

use crate::limits;

pub(crate) use body::{Chunk, Gauge};
use screen::Screen;
use wire::{End, Wire};

/// How much of the preface's first line stands at the beginning of a connection (RFC 9113 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preface {
    /// All of it.
    Whole,
    /// As much as there is.
    Begun,
    /// None.
    Other,
}

/// Looks for the preface.
pub(crate) fn preface(bytes: &[u8]) -> Preface {
    const LINE: &[u8] = b"PRI * HTTP/2.0\r\n";
    if bytes.starts_with(LINE) {
        Preface::Whole
    } else if LINE.starts_with(bytes) {
        Preface::Begun
    } else {
        Preface::Other
    }
}

/// One connection.
pub(crate) struct Session {
    wire: Rc<RefCell<Wire>>,
    state: State,
    screen: Screen,
    gauge: Rc<Gauge>,
    moved_seen: u64,
}

enum State {
    /// The preface and the first SETTINGS are awaited.
    Opening(Box<Handshake<End, Chunk>>),
    Open(Box<Connection<End, Chunk>>),
    Over,
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Method, target and fields; the body is not read.
    pub(crate) request: Request<RecvStream>,
    /// For the answer.
    pub(crate) respond: SendResponse<Chunk>,
}

/// What a session has to say when it was moved on.
#[derive(Debug)]
pub(crate) enum Event {
    /// A request.
    Asked(Box<Stream>),
    /// Nothing, until more was received or taken.
    Waits,
    /// The connection is over, when what is left was sent.
    Over,
}

impl Session {
    /// A connection that begins at `now_ms`. The first thing it has to send is its SETTINGS.
    pub(crate) fn new(now_ms: u64) -> Self {
        let wire = Rc::new(RefCell::new(Wire::default()));
        let handshake = Builder::new()
            .max_concurrent_streams(limits::STREAMS_MAX)
            .max_header_list_size(limits::FIELD_LIST_BYTES_MAX)
            .max_concurrent_reset_streams(limits::STREAMS_RESET_MAX)
            .max_pending_accept_reset_streams(limits::STREAMS_RESET_MAX)
            .max_local_error_reset_streams(Some(limits::STREAM_ERRORS_MAX))
            .max_send_buffer_size(limits::STREAM_BUFFER_BYTES_MAX)
            .handshake(End::new(Rc::clone(&wire)));
        Self {
            wire,
            state: State::Opening(Box::new(handshake)),
            screen: Screen::new(now_ms),
            gauge: Rc::default(),
            moved_seen: 0,
        }
    }

    /// Takes what was read. A peer that asks for too much work is told so, and the connection is over.
    pub(crate) fn receive(&mut self, bytes: &[u8], now_ms: u64) {
        let moved = self.gauge.moved();
        self.screen.earn_bytes(moved.wrapping_sub(self.moved_seen));
        self.moved_seen = moved;
        if self.screen.feed(bytes, now_ms).is_err() {
            return self.end(Reason::ENHANCE_YOUR_CALM);
        }
        self.wire.borrow_mut().inbox.extend_from_slice(bytes);
    }

    /// The peer sends nothing more.
    pub(crate) fn receive_end(&mut self) {
        self.wire.borrow_mut().is_ended = true;
    }

    /// Whether more may be received: what came before is understood.
    pub(crate) fn has_room(&self) -> bool {
        self.wire.borrow().inbox.is_empty()
    }

    /// Moves on.
    pub(crate) fn turn(&mut self) -> Event {
        let context = &mut Context::from_waker(Waker::noop());
        loop {
            match &mut self.state {
                State::Opening(handshake) => match Pin::new(handshake.as_mut()).poll(context) {
                    Poll::Pending => return Event::Waits,
                    Poll::Ready(Ok(connection)) => self.state = State::Open(Box::new(connection)),
                    Poll::Ready(Err(_)) => self.state = State::Over,
                },
                State::Open(connection) => match connection.poll_accept(context) {
                    Poll::Pending => return Event::Waits,
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        self.screen.earn_request();
                        return Event::Asked(Box::new(Stream { request, respond }));
                    }
                    // GOAWAY is written, or nobody is there to read it.
                    Poll::Ready(Some(Err(_)) | None) => self.state = State::Over,
                },
                State::Over => return Event::Over,
            }
        }
    }

    /// Lends the session a buffer to write into, so that it holds none while it waits.
    pub(crate) fn lend(&mut self, out: &mut Vec<u8>) {
        let wire = &mut self.wire.borrow_mut().out;
        out.append(wire);
        std::mem::swap(wire, out);
    }

    /// Takes the buffer back, with what is to be sent.
    pub(crate) fn take_back(&mut self, out: &mut Vec<u8>) {
        std::mem::swap(&mut self.wire.borrow_mut().out, out);
    }

    /// Whether more may be made to be sent.
    pub(crate) fn has_output_room(&self) -> bool {
        self.wire.borrow().out.len() < limits::OUTBOX_BYTES
    }

    /// Says GOAWAY and takes no more requests; those in hand are answered.
    pub(crate) fn end_gracefully(&mut self) {
        match &mut self.state {
            State::Open(connection) => connection.graceful_shutdown(),
            State::Opening(_) => self.state = State::Over,
            State::Over => {}
        }
    }

    /// Says GOAWAY with `reason`, and is over.
    pub(crate) fn end(&mut self, reason: Reason) {
        // What the peer sent meanwhile is not looked at.
        self.wire.borrow_mut().inbox.clear();
        let context = &mut Context::from_waker(Waker::noop());
        match &mut self.state {
            State::Open(connection) => {
                connection.abrupt_shutdown(reason);
                // Written as far as there is room.
                let _over = connection.poll_closed(context);
            }
            State::Opening(handshake) => {
                // SETTINGS come before everything else (RFC 9113 section 3.4); then GOAWAY (section 6.8), by hand.
                let _begun = Pin::new(handshake.as_mut()).poll(context);
                let out = &mut self.wire.borrow_mut().out;
                out.extend_from_slice(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                out.extend_from_slice(&u32::from(reason).to_be_bytes());
            }
            State::Over => {}
        }
        self.state = State::Over;
    }

    /// What counts the bytes of bodies.
    pub(crate) fn gauge(&self) -> &Rc<Gauge> {
        &self.gauge
    }

    /// Whether the peer has sent the beginning of something and not its end: its preface, a frame, a list of fields.
    pub(crate) fn is_amid(&self) -> bool {
        matches!(self.state, State::Opening(_)) || self.screen.is_amid()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("screen", &self.screen)
            .field("gauge", &self.gauge)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
