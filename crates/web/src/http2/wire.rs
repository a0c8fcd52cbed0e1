//! The two ends of a connection that is nothing but memory. Absent: waking; who puts bytes in polls who waits for them.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits;

/// What has come and what is to go.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Received and not yet read.
    pub(super) inbox: Vec<u8>,
    /// Nothing follows.
    pub(super) is_ended: bool,
    /// Written and not yet sent.
    pub(super) out: Vec<u8>,
}

/// The end that h2 holds for a socket.
#[derive(Debug)]
pub(super) struct End(Rc<RefCell<Wire>>);

impl End {
    pub(super) fn new(wire: Rc<RefCell<Wire>>) -> Self {
        Self(wire)
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &mut *self.0.borrow_mut();
        if wire.inbox.is_empty() && !wire.is_ended {
            return Poll::Pending;
        }
        let count = wire.inbox.len().min(into.remaining());
        into.put_slice(&wire.inbox[..count]);
        if count == wire.inbox.len() {
            wire.inbox.clear();
            // An idle connection holds no buffer.
            wire.inbox.shrink_to(0);
        } else {
            wire.inbox.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let out = &mut self.0.borrow_mut().out;
        if out.len() >= limits::OUTBOX_BYTES {
            return Poll::Pending;
        }
        let before = out.len();
        slices.iter().for_each(|slice| out.extend_from_slice(slice));
        Poll::Ready(Ok(out.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sent when all that can be answered is: one write for many answers.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
