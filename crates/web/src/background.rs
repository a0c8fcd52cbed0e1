//! What is made of files behind the back of the event loops: one thread with the lowest claim on the processor takes them from a
//! bounded queue, and the loop that asked puts the result into its cache. Until then the file goes out as it is.
//!
//! - Files worth it are compressed.
//! - Of large files that are asked for again and again a snapshot is made, from which the kernel sends without a further copy,
//!   once for all loops.
//!
//! *Promises* that no request waits for it, that what comes back was made from exactly the version that the loop has in its
//! cache, and a bound on the room for snapshots. *Absent:* which files are worth it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::accept::Coding;
use crate::compress;
use crate::confine::Readable;
use crate::error::Error;
use crate::event_loop::{Control, Order};
use crate::limits;
use crate::tree::{OpenFile, Scratch, Snapshot, Stamp};

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
    /// Compress it.
    Compress(Source),
    /// Hold a snapshot of it, which is the form for this coding.
    Hold(Source, Coding),
}

/// Where the bytes of a version are.
#[derive(Debug)]
pub(crate) enum Source {
    /// Here.
    Bytes(Arc<[u8]>),
    /// In a snapshot.
    Snapshot(Arc<Snapshot>),
    /// On disk, if it is still this version.
    File(OpenFile),
}

/// The bytes of a form.
#[derive(Debug)]
pub(crate) enum Form {
    /// Here.
    Bytes(Arc<[u8]>),
    /// In a snapshot.
    Snapshot(Arc<Snapshot>),
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
    pub(crate) forms: Vec<(Coding, Form)>,
}

/// The thread. Dropping it ends it when the file in hand is done; one that a disk keeps waiting is left to itself after a while.
#[derive(Debug)]
pub(crate) struct Background {
    queue: SyncSender<Message>,
    is_ending: Arc<AtomicBool>,
    /// Nothing is ever sent; its other end is gone when the thread is. Locked for the sake of `Sync` alone.
    ended: Mutex<Receiver<()>>,
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
    /// Starts the thread, which may read what the event loops may, and hold so many bytes in so many snapshots that it makes
    /// there.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(
        readable: Arc<Readable>,
        scratch: Scratch,
        (bytes_max, files_max): (usize, usize),
    ) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(limits::BACKGROUND_QUEUED_MAX);
        let is_ending = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&is_ending);
        let (over, ended) = sync_channel(0);
        std::thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || {
                // Both make it safer or fairer, and neither is needed for right answers.
                let _confined = readable.confine_this_thread(scratch.folder());
                let _yielding = rustix::process::setpriority_process(None, NICEST);
                work(&jobs, &ends, Held { scratch, files: Vec::new(), bytes_max, files_max });
                drop::<SyncSender<()>>(over);
            })
            .map_err(|source| Error::Resources { source })?;
        Ok(Self { queue, is_ending, ended: Mutex::new(ended) })
    }

    /// For an event loop.
    pub(crate) fn queue(&self) -> Queue {
        Queue(self.queue.clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        // Wakes it; with a full queue it is awake, and looks at the flag before each job.
        let _sent = self.queue.try_send(Message::End);
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ended = ended.recv_timeout(Duration::from_millis(limits::BACKGROUND_END_MS_MAX));
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

fn work(jobs: &Receiver<Message>, ends: &AtomicBool, mut held: Held) {
    while let Ok(Message::Job(job)) = jobs.recv()
        && !ends.load(Ordering::Relaxed)
    {
        let Job { task, to, place } = *job;
        let (is_compressed, forms) = match task {
            Task::Compress(source) => (true, compressed(source)),
            Task::Hold(source, coding) => {
                let form = held.hold(source).map(|snapshot| (coding, Form::Snapshot(snapshot)));
                (false, form.into_iter().collect())
            }
        };
        to.order(Order::Keep(Made { is_compressed, place, forms }));
    }
}

fn compressed(source: Source) -> Vec<(Coding, Form)> {
    let bytes = match source {
        Source::Bytes(bytes) => Ok(bytes),
        Source::Snapshot(snapshot) => snapshot.read_whole(),
        Source::File(file) => file.read_whole(),
    };
    let forms = bytes.map(|bytes| compress::forms(&bytes)).unwrap_or_default();
    forms.into_iter().map(|(coding, form)| (coding, Form::Bytes(form.into()))).collect()
}

/// The files that some loop holds. One that no loop holds any more takes no room.
#[derive(Debug)]
struct Held {
    scratch: Scratch,
    files: Vec<HeldFile>,
    bytes_max: usize,
    files_max: usize,
}

#[derive(Debug)]
struct HeldFile {
    /// Which version it is, where that is known.
    stamp: Option<Stamp>,
    len: usize,
    snapshot: Weak<Snapshot>,
}

impl Held {
    /// A snapshot of this version, if there is room for it and it is still the version on disk.
    fn hold(&mut self, source: Source) -> Option<Arc<Snapshot>> {
        self.files.retain(|file| file.snapshot().is_some());
        let (stamp, len) = match &source {
            Source::Bytes(bytes) => (None, bytes.len()),
            Source::File(file) => (Some(*file.stamp()), usize::try_from(file.stamp().len).ok()?),
            Source::Snapshot(snapshot) => return Some(Arc::clone(snapshot)),
        };
        if let Some(same) = self.files.iter().find_map(|file| file.of(&source, len)) {
            return Some(same);
        }
        let taken: usize = self.files.iter().map(|file| file.len).sum();
        let is_too_much = taken + len > self.bytes_max || len > self.bytes_max / limits::HELD_FILE_SHARE;
        if is_too_much || self.files.len() >= self.files_max {
            return None;
        }
        let snapshot = Arc::new(match &source {
            Source::Bytes(bytes) => self.scratch.of_bytes(bytes)?,
            Source::File(file) => self.scratch.of_file(file)?,
            Source::Snapshot(_) => return None,
        });
        self.files.push(HeldFile { stamp, len, snapshot: Arc::downgrade(&snapshot) });
        Some(snapshot)
    }
}

impl HeldFile {
    /// The snapshot, if somebody has it and it has its bytes.
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.upgrade().filter(|snapshot| !snapshot.is_broken())
    }

    /// The snapshot, if `source` is of the same bytes; another loop asked for it.
    fn of(&self, source: &Source, len: usize) -> Option<Arc<Snapshot>> {
        if self.len != len {
            return None;
        }
        let snapshot = self.snapshot()?;
        let is_same = match source {
            Source::Bytes(bytes) => snapshot.read_whole().is_ok_and(|own| own == *bytes),
            Source::File(file) => self.stamp.as_ref() == Some(file.stamp()),
            Source::Snapshot(_) => false,
        };
        is_same.then_some(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_held_once_and_their_room_is_bounded_and_freed() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, name.repeat(1000)).unwrap();
            let file = fs::File::open(path).unwrap();
            Source::File(OpenFile::of(file.into()).unwrap())
        };
        let bytes = |name: &str| Source::Bytes(name.repeat(1000).into_bytes().into());
        let held =
            |bytes_max| Held { scratch: Scratch::in_memory(), files: Vec::new(), bytes_max, files_max: 10 };
        let (mut small, mut held) = (held(2500), held(3500));
        let first = held.hold(open("a")).unwrap();
        assert_eq!(&*first.read_whole().unwrap(), "a".repeat(1000).as_bytes());
        let second = held.hold(bytes("b")).unwrap();
        assert_eq!(&*second.read_whole().unwrap(), "b".repeat(1000).as_bytes());
        assert!(Arc::ptr_eq(&second, &held.hold(bytes("b")).unwrap()), "a second loop shares it");
        let third = held.hold(bytes("c")).unwrap();
        assert!(held.hold(bytes("d")).is_none(), "there is no room");
        drop(third);
        assert!(held.hold(bytes("d")).is_some(), "there is room again");
        assert!(small.hold(bytes("a")).is_none(), "one file takes a third at most");
    }
}
