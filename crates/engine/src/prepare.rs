//! Threads with a queue, both bounded: for work that is too slow for a transaction or a connection's task,
//! and for the writer role under sustained load. With no threads, work runs where it is handed in: that is
//! how the simulation stays on one thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use super::limits::PREPARE_QUEUE_MAX;
use super::sync::{Condvar, Mutex, thread};

type Task = Box<dyn FnOnce() + Send>;

/// The threads and their queue.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    inline: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    tasks: VecDeque<Task>,
    closed: bool,
}

/// The queue is full.
pub(crate) struct Full;

impl Pool {
    /// Starts threads named `name-0`, `name-1`, ...
    pub(crate) fn start(name: &str, threads: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let spawned = (0..threads).map(|number| {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || queue.serve())
        });
        let spawned = spawned.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { queue, threads: Mutex::new(spawned), inline: threads == 0 })
    }

    /// Whether tasks run where they are handed in.
    pub(crate) fn is_inline(&self) -> bool {
        self.inline
    }

    /// Hands a task over; whoever waits for what a panic would lose waits for ever.
    pub(crate) fn submit(&self, task: Task) -> Result<(), Full> {
        if self.inline {
            task();
            return Ok(());
        }
        let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.tasks.len() >= PREPARE_QUEUE_MAX || waiting.closed {
            return Err(Full);
        }
        waiting.tasks.push_back(task);
        drop(waiting);
        self.queue.changed.notify_one();
        Ok(())
    }

    /// Finishes what is queued and ends the threads.
    pub(crate) fn close(&self) {
        self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.queue.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for served in threads {
            // The last owner of the engine may be one of these threads: it cannot wait for itself.
            if served.thread().id() != thread::current().id() {
                let _joined = served.join();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn serve(&self) {
        while let Some(task) = self.next() {
            if catch_unwind(AssertUnwindSafe(task)).is_err() {
                tracing::error!("a task panicked on its thread, which goes on");
            }
        }
    }

    fn next(&self) -> Option<Task> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = waiting.tasks.pop_front() {
                return Some(task);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
