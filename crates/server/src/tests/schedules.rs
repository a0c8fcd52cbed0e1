//! Mailbox and admission under a schedule explorer: the same files compiled once more with the explorer's
//! locks. A connection's task is stood in for by the same steps without its socket: collect, obey, write, park.
//! Somebody who waits and is never woken is a deadlock, which the explorer reports.

#[expect(clippy::duplicate_mod, reason = "once with each set of primitives")]
#[path = "../admission.rs"]
mod admission;
#[path = "../../../engine/src/tests/schedules/explorer.rs"]
mod explorer;
#[expect(clippy::duplicate_mod, reason = "once with each set of primitives")]
#[path = "../mailbox.rs"]
mod mailbox;

mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
}

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use switchboard_call::frame::{Reference, Reply, ServerFrame};
use switchboard_engine::Replies;
use tokio::sync::Notify;

use crate::limits;
use admission::{Admission, Ticket};
use explorer::{explore, must_fail};
use mailbox::{Mailbox, Order};

const REPLIES: u64 = 2;

/// How a task goes to sleep.
type Park = fn(&Mailbox, &Context<'_>, Order) -> bool;

/// A connection with so many answers in flight; ends with what it wrote.
fn serve(ticket: Ticket, in_flight: usize, park: Park) -> thread::JoinHandle<Vec<u64>> {
    thread::spawn(move || {
        let mut written = Vec::new();
        block_on(poll_fn(|cx| {
            loop {
                let (frames, order) = ticket.mailbox().collect();
                written.extend(frames.iter().map(tag));
                let ended = match order {
                    Order::Serve => false,
                    Order::ShutDown => written.len() == in_flight,
                    Order::Cut => true,
                };
                if ended {
                    return Poll::Ready(());
                }
                if park(ticket.mailbox(), cx, order) {
                    return Poll::Pending;
                }
            }
        }));
        drop(ticket);
        written
    })
}

/// A thread of the engine with answers for a connection.
fn deliver(mailbox: &Arc<Mailbox>, first: u64) -> thread::JoinHandle<()> {
    let mailbox = Arc::clone(mailbox);
    thread::spawn(move || (first..first + REPLIES).for_each(|tag| mailbox.deliver(frame(tag))))
}

fn frame(tag: u64) -> ServerFrame {
    let answer = vec![0x80];
    ServerFrame::Reply(Reply { reference: Reference::Read(tag), attempt: 0, replayed: false, answer })
}

fn tag(frame: &ServerFrame) -> u64 {
    let ServerFrame::Reply(Reply { reference: Reference::Read(tag), .. }) = frame else {
        panic!("nobody sent {frame:?}");
    };
    *tag
}

fn admit(admission: &Arc<Admission>) -> Ticket {
    admission.admit(Some(IpAddr::V4(Ipv4Addr::LOCALHOST))).unwrap()
}

fn admission() -> Arc<Admission> {
    Arc::new(Admission::new(&limits::Limits::default()))
}

fn shuts_down_gracefully(park: Park) {
    let admission = admission();
    let ticket = admit(&admission);
    let mailbox = Arc::clone(ticket.mailbox());
    let connection = serve(ticket, 4, park);
    let engine = [deliver(&mailbox, 0), deliver(&mailbox, 10)];
    admission.order_all(Order::ShutDown);
    block_on(admission.emptied());
    let written = connection.join().unwrap();
    for first in [0, 10] {
        let from_one: Vec<_> =
            written.iter().copied().filter(|tag| (first..first + REPLIES).contains(tag)).collect();
        assert_eq!(from_one, [first, first + 1], "in the order of one thread");
    }
    engine.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(Arc::strong_count(&mailbox), 1, "something still holds a mailbox without a connection");
}

#[test]
fn replies_in_flight_are_written_before_a_graceful_end() {
    explore(3_000, || shuts_down_gracefully(Mailbox::park));
}

#[test]
fn a_task_that_sleeps_although_something_was_posted_is_found() {
    must_fail(3_000, || {
        shuts_down_gracefully(|mailbox, cx, seen| {
            let _parked = mailbox.park(cx, seen);
            true
        });
    });
}

/// The bound of a shutdown is a clock's affair; here the order to stop waiting comes at any moment.
#[test]
fn a_cut_connection_drops_what_comes_and_nobody_who_delivers_waits() {
    explore(3_000, || {
        let admission = admission();
        let ticket = admit(&admission);
        let mailbox = Arc::clone(ticket.mailbox());
        let connection = serve(ticket, 5, Mailbox::park);
        let engine = [deliver(&mailbox, 0), deliver(&mailbox, 10)];
        admission.order_all(Order::ShutDown);
        admission.order_all(Order::Cut);
        // One answer never comes; only the cut ends this.
        block_on(admission.emptied());
        let mut written = connection.join().unwrap();
        engine.into_iter().for_each(|thread| thread.join().unwrap());
        mailbox.deliver(frame(20));
        let (kept, order) = mailbox.collect();
        assert!(kept.is_empty(), "a mailbox without a connection keeps {kept:?}");
        assert_eq!(order, Order::Cut, "an order is never taken back");
        let count = written.len();
        written.sort_unstable();
        written.dedup();
        assert_eq!(written.len(), count, "a frame was written twice");
    });
}

#[test]
fn everybody_who_waits_for_the_last_connection_sees_it_end() {
    explore(2_000, || {
        let admission = admission();
        let connections =
            [serve(admit(&admission), 1, Mailbox::park), serve(admit(&admission), 1, Mailbox::park)];
        let waiters = [0, 1].map(|_| {
            let admission = Arc::clone(&admission);
            thread::spawn(move || block_on(admission.emptied()))
        });
        // Orders from two sides, and an answer that never comes: the stronger order stays, in whatever order.
        let cutter = thread::spawn({
            let admission = Arc::clone(&admission);
            move || admission.order_all(Order::Cut)
        });
        admission.order_all(Order::ShutDown);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        connections.into_iter().for_each(|connection| assert!(connection.join().unwrap().is_empty()));
        cutter.join().unwrap();
        assert_eq!(admission.count(), 0);
    });
}

#[test]
fn who_counts_before_listening_for_the_end_is_found() {
    must_fail(2_000, || {
        let open = Arc::new((AtomicUsize::new(1), Notify::new()));
        let connection = thread::spawn({
            let open = Arc::clone(&open);
            move || {
                open.0.fetch_sub(1, Ordering::SeqCst);
                open.1.notify_waiters();
            }
        });
        block_on(async {
            while open.0.load(Ordering::SeqCst) > 0 {
                thread::yield_now();
                open.1.notified().await;
            }
        });
        connection.join().unwrap();
    });
}
