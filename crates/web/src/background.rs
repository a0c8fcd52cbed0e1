//! What is made of files behind the back of the event loops: one thread with the lowest claim on the processor takes them from a
//! bounded queue, and the loop that asked puts the result into its cache. Until then the file goes out as it is.
//!
//! - Files worth it are compressed.
//! - Large files that are asked for again and again are read into memory, once for all loops: to send memory costs half of
//!   what reading and sending does.
//!
//! *Promises* that no request waits for it, that what comes back was made from exactly the version that the loop has in its
//! cache, and a bound on the memory for large files. *Absent:* which files are worth it.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use crate::accept::Coding;
use crate::compress;
use crate::confine::Readable;
use crate::error::Error;
use crate::event_loop::{Control, Order};
use crate::limits;
use crate::tree::{OpenFile, Stamp};

/// What is to be done, and for whom.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is to be done.
    pub(crate) task: Task,
    /// The loop that asks.
    pub(crate) to: Arc<Control>,
    /// Where its cache has the file.
    pub(crate) place: Place,
}

/// What is to be done with a version of a file.
#[derive(Debug)]
pub(crate) enum Task {
    /// Compress what was read already,
    CompressBytes(Arc<[u8]>),
    /// or what is still to be read.
    CompressFile(OpenFile),
    /// Read it, to hold it in memory.
    Hold(OpenFile, Coding),
}

/// Which entry of a cache is meant.
#[derive(Debug)]
pub(crate) struct Place {
    /// The site.
    pub(crate) site: usize,
    /// The key in the cache.
    pub(crate) key: Box<[u8]>,
    /// Told apart from earlier and later entries under that key.
    pub(crate) ticket: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Made {
    /// Whether it was to be compressed, or to be held.
    pub(crate) is_compressed: bool,
    /// Where it belongs.
    pub(crate) place: Place,
    /// The bytes in each form; none when nothing could be done, or it was not worth it.
    pub(crate) forms: Vec<(Coding, Arc<[u8]>)>,
}

/// The thread. Dropping it ends it when the file in hand is done.
#[derive(Debug)]
pub(crate) struct Background {
    queue: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// The end of the queue that an event loop has.
#[derive(Debug, Clone)]
pub(crate) struct Queue(SyncSender<Message>);

#[derive(Debug)]
enum Message {
    Job(Box<Job>),
    End,
}

impl Background {
    /// Starts the thread, which may read what the event loops may, and hold so many bytes of large files.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(readable: Arc<Readable>, held_bytes_max: usize) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(limits::BACKGROUND_QUEUED_MAX);
        let thread = std::thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || {
                // Both make it safer or fairer, and neither is needed for right answers.
                let _confined = readable.confine_this_thread();
                let _yielding = rustix::process::setpriority_process(None, NICEST);
                work(&jobs, Held { files: Vec::new(), bytes_max: held_bytes_max });
            })
            .map_err(|source| Error::Resources { source })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// For an event loop.
    pub(crate) fn queue(&self) -> Queue {
        Queue(self.queue.clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _sent = self.queue.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Queue {
    /// Asks for a job to be done; false when there is no room, so that it is to be asked again another time.
    pub(crate) fn offer(&self, job: Job) -> bool {
        match self.0.try_send(Message::Job(Box::new(job))) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

/// Linux counts niceness from -20 to 19, for the thread that asks.
const NICEST: i32 = 19;

fn work(jobs: &Receiver<Message>, mut held: Held) {
    while let Ok(Message::Job(job)) = jobs.recv() {
        let Job { task, to, place } = *job;
        let is_compressed = !matches!(task, Task::Hold(..));
        let forms = match task {
            Task::CompressBytes(bytes) => compressed(&bytes),
            Task::CompressFile(file) => {
                file.read_version().map(|bytes| compressed(&bytes)).unwrap_or_default()
            }
            Task::Hold(file, coding) => held.hold(&file).map(|bytes| (coding, bytes)).into_iter().collect(),
        };
        to.order(Order::Keep(Made { is_compressed, place, forms }));
    }
}

fn compressed(bytes: &[u8]) -> Vec<(Coding, Arc<[u8]>)> {
    compress::forms(bytes).into_iter().map(|(coding, form)| (coding, form.into())).collect()
}

/// The large files that some loop holds. One that no loop holds any more takes no room.
#[derive(Debug)]
struct Held {
    files: Vec<(Stamp, Weak<[u8]>)>,
    bytes_max: usize,
}

impl Held {
    /// The bytes of this version, if there is room for them and it is still the version on disk.
    fn hold(&mut self, file: &OpenFile) -> Option<Arc<[u8]>> {
        self.files.retain(|(_, bytes)| bytes.strong_count() > 0);
        let same = self.files.iter().find(|(stamp, _)| stamp == file.stamp());
        if let Some(bytes) = same.and_then(|(_, bytes)| bytes.upgrade()) {
            return Some(bytes);
        }
        let taken: usize = self.files.iter().filter_map(|(_, bytes)| Some(bytes.upgrade()?.len())).sum();
        let len = usize::try_from(file.stamp().len).ok()?;
        if taken.saturating_add(len) > self.bytes_max {
            return None;
        }
        let bytes = file.read_version()?;
        self.files.push((*file.stamp(), Arc::downgrade(&bytes)));
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn large_files_are_held_once_and_their_room_is_bounded_and_freed() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, name.repeat(1000)).unwrap();
            OpenFile::of(fs::File::open(path).unwrap().into()).unwrap()
        };
        let (one, other) = (open("a"), open("b"));
        let mut held = Held { files: Vec::new(), bytes_max: 1500 };
        let first = held.hold(&one).unwrap();
        assert_eq!(&*first, "a".repeat(1000).as_bytes());
        assert!(Arc::ptr_eq(&first, &held.hold(&one).unwrap()), "a second loop shares it");
        assert!(held.hold(&other).is_none(), "there is no room");
        drop(first);
        assert!(held.hold(&other).is_some(), "there is room again");
    }

    #[test]
    fn a_version_that_is_gone_is_not_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "before").unwrap();
        let file = OpenFile::of(fs::File::open(&path).unwrap().into()).unwrap();
        fs::write(&path, "after that").unwrap();
        let mut held = Held { files: Vec::new(), bytes_max: 1500 };
        assert!(held.hold(&file).is_none());
    }
}
