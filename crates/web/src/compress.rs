//! Files are compressed once, behind the back of the event loops: one thread with the lowest claim on the processor takes
//! them from a bounded queue, and the loop that asked puts the result into its cache. Until then the file goes out as it is.
//!
//! *Promises* that no request waits for compression, that what comes back was made from exactly the version that the loop
//! has in its cache, and that it is kept only if it saves bytes. *Absent:* zstd, of which there is no well-kept encoder
//! in Rust alone that does more than its fastest level, and whoever takes zstd takes br or gzip; `NAME.zst` beside a file is served.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use brotli::enc::BrotliEncoderParams;

use crate::accept::Coding;
use crate::confine::Readable;
use crate::error::Error;
use crate::event_loop::{Control, Order};
use crate::limits;
use crate::tree::OpenFile;

/// What is to be compressed, and for whom.
#[derive(Debug)]
pub(crate) struct Job {
    /// The bytes, or where they are.
    pub(crate) source: Source,
    /// The loop that asks.
    pub(crate) to: Arc<Control>,
    /// Where its cache has the file.
    pub(crate) place: Place,
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

/// A version of a file.
#[derive(Debug)]
pub(crate) enum Source {
    /// All of it.
    Bytes(Box<[u8]>),
    /// Still to be read.
    File(OpenFile),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Compressed {
    /// Where it belongs.
    pub(crate) place: Place,
    /// The forms that save bytes; perhaps none.
    pub(crate) forms: Vec<(Coding, Box<[u8]>)>,
}

/// The thread. Dropping it ends it when the file in hand is done.
#[derive(Debug)]
pub(crate) struct Compressor {
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

impl Compressor {
    /// Starts the thread, which may read what the event loops may.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(readable: Arc<Readable>) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(limits::COMPRESS_QUEUED_MAX);
        let thread = std::thread::Builder::new()
            .name("compress".to_owned())
            .spawn(move || {
                // Both make it safer or fairer, and neither is needed for right answers.
                let _confined = readable.confine_this_thread();
                let _yielding = rustix::process::setpriority_process(None, NICEST);
                work(&jobs);
            })
            .map_err(|source| Error::Resources { source })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// For an event loop.
    pub(crate) fn queue(&self) -> Queue {
        Queue(self.queue.clone())
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        let _sent = self.queue.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Queue {
    /// Asks for a file to be compressed; false when there is no room, so that it is to be asked again another time.
    pub(crate) fn offer(&self, job: Job) -> bool {
        match self.0.try_send(Message::Job(Box::new(job))) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

/// Linux counts niceness from -20 to 19, for the thread that asks.
const NICEST: i32 = 19;

fn work(jobs: &Receiver<Message>) {
    while let Ok(Message::Job(job)) = jobs.recv() {
        let Job { source, to, place } = *job;
        let bytes = match source {
            Source::Bytes(bytes) => Some(bytes.into_vec()),
            Source::File(file) => file.read_version(),
        };
        let forms = bytes.map(|bytes| forms(&bytes)).unwrap_or_default();
        to.order(Order::Compressed(Compressed { place, forms }));
    }
}

/// Those that save a twentieth at least: less is not worth the work of decoding.
fn forms(bytes: &[u8]) -> Vec<(Coding, Box<[u8]>)> {
    let made = [(Coding::Br, br(bytes)), (Coding::Gzip, gzip(bytes))];
    let saves = |made: &Vec<u8>| made.len() < bytes.len() - bytes.len() / 20;
    made.into_iter()
        .filter_map(|(coding, made)| Some((coding, made.ok().filter(saves)?.into_boxed_slice())))
        .collect()
}

/// Level 9 of 11: the two above take ten times as long for a few percent.
fn br(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let parameters =
        BrotliEncoderParams { quality: 9, size_hint: bytes.len(), ..BrotliEncoderParams::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters)?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        let text = "the same words again and again, ".repeat(1000);
        let forms = forms(text.as_bytes());
        let [(Coding::Br, br), (Coding::Gzip, gzip)] = forms.as_slice() else { panic!("{}", forms.len()) };
        let mut decoded = Vec::new();
        brotli::BrotliDecompress(&mut &br[..], &mut decoded).unwrap();
        assert_eq!(decoded, text.as_bytes());
        let mut decoded = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut decoded).unwrap();
        assert_eq!(decoded, text);
    }

    #[test]
    fn what_saves_nothing_is_not_kept() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        });
        assert!(forms(&noise.take(10_000).collect::<Vec<u8>>()).is_empty());
    }
}
