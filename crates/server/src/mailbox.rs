//! What the rest of the process has for one connection: answers of the engine, and the order to stop. Posting
//! never blocks and wakes the connection's task; the lock is never held while anything is written.
//!
//! Bounded by the machine: no more answers come than requests were handed in, and the task that hands them in
//! takes the answers first.

use std::sync::PoisonError;
use std::task::{Context, Waker};

use switchboard_call::frame::ServerFrame;
use switchboard_engine::Replies;

use super::sync::{Mutex, MutexGuard};

/// What a connection is told to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Order {
    /// Go on.
    Serve,
    /// Answer what is in flight, say goodbye, close.
    ShutDown,
    /// Close at once.
    Cut,
}

/// The mailbox of one connection.
#[derive(Debug)]
pub(crate) struct Mailbox {
    post: Mutex<Post>,
}

#[derive(Debug)]
struct Post {
    frames: Vec<ServerFrame>,
    order: Order,
    /// The connection is gone; what comes now is dropped.
    closed: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            post: Mutex::new(Post { frames: Vec::new(), order: Order::Serve, closed: false, waker: None }),
        }
    }

    /// Tells the connection what to do; an order is never taken back.
    pub(crate) fn order(&self, order: Order) {
        let mut post = self.post();
        post.order = post.order.max(order);
        let waker = post.waker.take();
        drop(post);
        wake(waker);
    }

    /// Everything posted so far. Until [`Self::park`] nobody is woken: the task is running.
    pub(crate) fn collect(&self) -> (Vec<ServerFrame>, Order) {
        let mut post = self.post();
        post.waker = None;
        (std::mem::take(&mut post.frames), post.order)
    }

    /// Has the task of `cx` woken by the next post. False when something was posted since `seen` was collected.
    pub(crate) fn park(&self, cx: &Context<'_>, seen: Order) -> bool {
        let mut post = self.post();
        if !post.frames.is_empty() || post.order != seen {
            return false;
        }
        post.waker = Some(cx.waker().clone());
        true
    }

    /// The connection is gone.
    pub(crate) fn close(&self) {
        let mut post = self.post();
        post.closed = true;
        post.frames = Vec::new();
        post.waker = None;
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replies for Mailbox {
    fn deliver(&self, frame: ServerFrame) {
        let mut post = self.post();
        if post.closed {
            return;
        }
        post.frames.push(frame);
        let waker = post.waker.take();
        drop(post);
        wake(waker);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
