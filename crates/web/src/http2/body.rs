//! Bodies of answers as h2 takes them: by reference where they are in memory, and counted.
//! Absent: reading files.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Buf;

/// How many bytes of bodies wait for the peer, and how many it took; the clones of a chunk's count are one.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    waiting: Cell<u64>,
    moved: Cell<u64>,
}

impl Gauge {
    /// Bytes that wait for a window, or for room to send.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.get()
    }

    /// Bytes that found both since the connection began.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.get()
    }
}

/// A part of a body.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Held,
    range: Range<usize>,
    gauge: Rc<Gauge>,
}

#[derive(Debug)]
enum Held {
    Text(&'static str),
    Shared(Arc<[u8]>),
    Own(Vec<u8>),
}

impl Chunk {
    /// Words of this program.
    pub(crate) fn text(text: &'static str, gauge: &Rc<Gauge>) -> Self {
        Self::new(Held::Text(text), 0..text.len(), gauge)
    }

    /// A part of a file in memory. A small one is copied, so that it does not keep the whole.
    pub(crate) fn shared(bytes: Arc<[u8]>, range: Range<usize>, gauge: &Rc<Gauge>) -> Self {
        if range.len() < bytes.len() / 4 {
            return Self::own(bytes[range].to_vec(), gauge);
        }
        Self::new(Held::Shared(bytes), range, gauge)
    }

    /// Bytes read or made up for this answer.
    pub(crate) fn own(bytes: Vec<u8>, gauge: &Rc<Gauge>) -> Self {
        let range = 0..bytes.len();
        Self::new(Held::Own(bytes), range, gauge)
    }

    fn new(bytes: Held, range: Range<usize>, gauge: &Rc<Gauge>) -> Self {
        gauge.waiting.set(gauge.waiting.get() + count(range.len()));
        Self { bytes, range, gauge: Rc::clone(gauge) }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.range.len()
    }

    fn chunk(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Held::Text(text) => text.as_bytes(),
            Held::Shared(bytes) => bytes,
            Held::Own(bytes) => bytes,
        };
        &bytes[self.range.clone()]
    }

    fn advance(&mut self, taken: usize) {
        assert!(taken <= self.range.len(), "no more is taken than there is");
        self.range.start += taken;
        self.gauge.waiting.set(self.gauge.waiting.get() - count(taken));
        self.gauge.moved.set(self.gauge.moved.get() + count(taken));
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.gauge.waiting.set(self.gauge.waiting.get() - count(self.range.len()));
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length fits in 64 bits")
}
