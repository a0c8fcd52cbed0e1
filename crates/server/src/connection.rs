//! One connection, one task, one straight line: read, machine, engine, mailbox, write. Everything that decides
//! is in [`switchboard_call::server::Connection`]; here bytes are moved.
//!
//! An idle connection holds no buffers: bytes are read into the thread's scratch space, and what was allocated
//! to answer is given back before waiting.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use switchboard_call::frame::{Goodbye, GoodbyeReason, Hello};
use switchboard_call::server::{Connection, Ending, Introduction, Output};
use switchboard_engine::{Principal, Replies};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until, timeout_at};

use crate::admission::Ticket;
use crate::limits::{IDLE_BUFFER_BYTES_MAX, READ_BYTES_MAX};
use crate::mailbox::{Mailbox, Order};
use crate::principal::{self, Origin};
use crate::run::Node;
use crate::{secure, shed};

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
}

/// Runs the TLS handshake, then serves.
pub(crate) async fn serve_tls(
    node: &Node,
    stream: TcpStream,
    peer: SocketAddr,
    ticket: Ticket,
    begun_ms: u64,
) {
    let Some(config) = &node.config.tls else { return };
    let origin = Origin::Tls(peer);
    let address = peer.to_string();
    let deadline = node.instant(begun_ms.saturating_add(node.config.limits.handshake_ms_max));
    let handshake = timeout_at(deadline, secure::handshake(stream, config, &address));
    let secured = tokio::select! {
        secured = handshake => secured,
        () = ordered_away(ticket.mailbox()) => return,
    };
    match secured {
        Ok(Ok(stream)) => serve(node, stream, origin, ticket, begun_ms).await,
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::info!(%origin, %error, cause, "connection from {origin} refused");
        }
        Err(_) => tracing::info!(%origin, "connection from {origin} refused: no TLS handshake in time"),
    }
}

/// Serves one connection that began at `begun_ms` until it ends.
pub(crate) async fn serve<S>(node: &Node, stream: S, origin: Origin, ticket: Ticket, begun_ms: u64)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut wire = Wire::new(node, stream, origin, Arc::clone(ticket.mailbox()), begun_ms);
    let ended = loop {
        match poll_fn(|cx| wire.poll(cx)).await {
            Ok(Turn::Queued) => {
                // Connections that are ready too hand in first and share the transaction.
                tokio::task::yield_now().await;
                wire.run_queued();
            }
            Ok(Turn::Ended(ending)) => break Ok(ending),
            Err(error) => break Err(error),
        }
    };
    match ended {
        Ok(ending) => {
            match ending {
                // Somebody looked whether a server is here; every command line does.
                Ending::Ended { cut_bytes: 0 } if !wire.greeted => {
                    tracing::debug!(%origin, "connection from {origin} closed before it said anything");
                }
                Ending::Told(_) | Ending::Left(_) | Ending::Ended { .. } | Ending::TooSlow { .. } => {
                    tracing::info!(%origin, "connection from {origin} closed: {ending}");
                }
            }
            part(&mut wire.stream, origin, &ending).await;
        }
        Err(error) => tracing::info!(%origin, %error, "connection from {origin} broke"),
    }
    // The server counts the connection until here, lingering included.
    drop(wire);
    drop(ticket);
}

/// Closes so that what was sent last arrives.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, origin: Origin, ending: &Ending) {
    match (ending, origin) {
        // The peer may be in the middle of sending.
        (Ending::Told(_), Origin::Tcp(_) | Origin::Tls(_) | Origin::Unix { .. }) => {
            shed::linger(stream).await
        }
        // What is in a pipe stays there for the peer, whatever comes the other way.
        (Ending::Told(_), Origin::Pipe) | (Ending::Left(_) | Ending::Ended { .. }, _) => {
            shed::close(stream).await
        }
        (Ending::TooSlow { .. }, _) => {}
    }
}

async fn ordered_away(mailbox: &Mailbox) {
    poll_fn(|cx| if mailbox.park(cx, Order::Serve) { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// A stream, its machine, and the bytes between them.
struct Wire<'n, S> {
    node: &'n Node,
    stream: S,
    origin: Origin,
    machine: Connection,
    principal: Principal,
    /// A hello came.
    greeted: bool,
    mailbox: Arc<Mailbox>,
    /// The mailbox, as the engine sees it.
    replies: Arc<dyn Replies>,
    order: Order,
    /// Bytes that the stream has not taken, from `written` on.
    writing: Vec<u8>,
    written: usize,
    flush_due: bool,
    /// Requests were handed in that nobody may be running yet.
    queued: bool,
    /// The peer's bytes have ended.
    read_ended: bool,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires; later deadlines are armed only then.
    armed_ms: Option<u64>,
}

/// What was handed in is run, however the connection ends.
impl<S> Drop for Wire<'_, S> {
    fn drop(&mut self) {
        self.run_queued();
    }
}

impl<S> Wire<'_, S> {
    /// Runs what this connection handed in before, unless another thread does.
    fn run_queued(&mut self) {
        if std::mem::take(&mut self.queued) {
            self.node.engine.run_queued();
        }
    }
}

/// Why a connection's turn is over.
enum Turn {
    /// Requests were handed in.
    Queued,
    /// It has ended.
    Ended(Ending),
}

/// Whether a step changed anything, so that the others have to be tried again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    Stuck,
}

impl<'n, S: AsyncRead + AsyncWrite + Unpin> Wire<'n, S> {
    fn new(node: &'n Node, stream: S, origin: Origin, mailbox: Arc<Mailbox>, begun_ms: u64) -> Self {
        Self {
            node,
            stream,
            origin,
            machine: Connection::new(node.machine_config(), begun_ms),
            principal: Principal::Anonymous,
            greeted: false,
            replies: Arc::<Mailbox>::clone(&mailbox),
            mailbox,
            order: Order::Serve,
            writing: Vec::new(),
            written: 0,
            flush_due: false,
            queued: false,
            read_ended: false,
            timer: Box::pin(sleep_until(node.instant(begun_ms))),
            armed_ms: None,
        }
    }

    /// Everything that can be done now; ready when requests want to be run, or the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        loop {
            let now_ms = self.node.now_ms();
            let collected = self.collect(now_ms)?;
            if let Some(ending) = self.obey(now_ms) {
                return Poll::Ready(Ok(Turn::Ended(ending)));
            }
            let wrote = self.write(cx, now_ms)?;
            let read = self.read(cx, now_ms)?;
            let ticked = self.tick(cx, now_ms);
            if [collected, wrote, read, ticked].contains(&Step::Moved) {
                continue;
            }
            if self.queued {
                return Poll::Ready(Ok(Turn::Queued));
            }
            if self.mailbox.park(cx, self.order) {
                self.release_buffers();
                return Poll::Pending;
            }
        }
    }

    /// Mailbox to machine.
    fn collect(&mut self, now_ms: u64) -> io::Result<Step> {
        let (frames, order) = self.mailbox.collect();
        let mut step = Step::Stuck;
        for frame in &frames {
            self.machine.reply(now_ms, frame);
            step = Step::Moved;
        }
        if order != self.order {
            self.order = order;
            step = Step::Moved;
            match order {
                Order::Serve => {}
                Order::ShutDown => self.machine.shut_down(now_ms, self.node.config.limits.retry_after_ms),
                Order::Cut => return Err(io::Error::other("the server stops and did not wait any longer")),
            }
        }
        Ok(step)
    }

    /// Machine to engine.
    fn obey(&mut self, now_ms: u64) -> Option<Ending> {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Greet(hello) => self.greet(now_ms, &hello),
                Output::Requests(requests) => {
                    self.queued = true;
                    self.node.engine.take_in(self.principal, requests, &self.replies);
                }
                Output::Close(ending) => return Some(ending),
            }
        }
        None
    }

    fn greet(&mut self, now_ms: u64, hello: &Hello) {
        self.greeted = true;
        let origin = self.origin;
        let credential = hello.credential.as_ref().map(|bytes| bytes.as_slice());
        let decided = principal::decide(&self.node.config, origin, credential)
            .and_then(|principal| Ok((principal, self.introduction(principal)?)));
        match decided {
            Ok((principal, introduction)) => {
                // The agent is the peer's word: shown escaped.
                let agent = &hello.agent;
                tracing::info!(%origin, %principal, ?agent, "connection from {origin} ({principal})");
                self.principal = principal;
                self.machine.accept(now_ms, introduction);
            }
            Err(goodbye) => self.machine.refuse(now_ms, goodbye),
        }
    }

    fn introduction(&self, principal: Principal) -> Result<Introduction, Goodbye> {
        let facts = self.node.engine.facts().map_err(|error| {
            tracing::error!(%error, "the store does not tell its facts");
            let text = "the store behind this server cannot be read now; come back later or use another node";
            let retry_after_ms = self.node.config.limits.retry_after_ms;
            Goodbye { retry_after_ms, ..Goodbye::new(GoodbyeReason::Overloaded, text) }
        })?;
        Ok(Introduction {
            generation: facts.generation,
            server_time_us: facts.server_time_us,
            mint_time_ms: facts.mint_time_ms,
            slots_max: facts.slots_max,
            services: facts.services,
            greeting: self.node.config.greeting.clone(),
            principal: principal.to_string(),
        })
    }

    /// Machine to stream.
    fn write(&mut self, cx: &mut Context<'_>, now_ms: u64) -> io::Result<Step> {
        if self.writing.is_empty() {
            self.machine.transmit(&mut self.writing);
        }
        if self.writing.is_empty() {
            return self.flush(cx);
        }
        let rest = &self.writing[self.written..];
        let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, rest)? else {
            return Ok(Step::Stuck);
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += written;
        if self.written == self.writing.len() {
            self.writing.clear();
            self.written = 0;
        }
        self.flush_due = true;
        self.machine.handle_written(now_ms, written);
        Ok(Step::Moved)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<Step> {
        if self.flush_due && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.flush_due = false;
        }
        Ok(Step::Stuck)
    }

    /// Stream to machine.
    fn read(&mut self, cx: &mut Context<'_>, now_ms: u64) -> io::Result<Step> {
        if self.read_ended || !self.machine.wants_read() {
            return Ok(Step::Stuck);
        }
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let result = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let read = result.map(|()| buffer.filled().len());
            if read.is_ok() {
                self.machine.handle_bytes(now_ms, buffer.filled());
            }
            Poll::Ready(read)
        });
        match read {
            Poll::Pending => return Ok(Step::Stuck),
            Poll::Ready(Ok(1..)) => {}
            Poll::Ready(Ok(0)) => self.end_reading(now_ms),
            // A TLS peer that closes without close_notify; a cut frame shows as such.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.end_reading(now_ms)
            }
            Poll::Ready(Err(error)) => return Err(error),
        }
        Ok(Step::Moved)
    }

    fn end_reading(&mut self, now_ms: u64) {
        self.read_ended = true;
        self.machine.handle_end(now_ms);
    }

    /// Time to machine. The timer is set anew only to fire earlier: deadlines that move away with every frame
    /// cost nothing.
    fn tick(&mut self, cx: &mut Context<'_>, now_ms: u64) -> Step {
        let Some(wanted_ms) = self.machine.poll_timeout() else { return Step::Stuck };
        if self.armed_ms.is_none_or(|armed_ms| wanted_ms < armed_ms) {
            self.timer.as_mut().reset(self.node.instant(wanted_ms));
            self.armed_ms = Some(wanted_ms);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return Step::Stuck;
        }
        self.armed_ms = None;
        self.machine.handle_timer(now_ms.max(self.node.now_ms()));
        Step::Moved
    }

    fn release_buffers(&mut self) {
        self.machine.release_buffers();
        if self.writing.is_empty() && self.writing.capacity() > IDLE_BUFFER_BYTES_MAX {
            self.writing = Vec::new();
        }
    }
}
