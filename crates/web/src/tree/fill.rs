//! A path -> an entry, from the disk. Absent: the cache.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::entry::{Compression, Content, Entry, Holding, Thing};
use super::root::Opened;
use super::stamp::Stamp;
use super::version::OpenFile;
use super::watch::{Coverage, Stale, Watches};
use super::{Now, OpenSite, Patience, Trouble};
use crate::accept::Coding;
use crate::conditional::EntityTag;
use crate::date::UnixSeconds;
use crate::descriptors::OpenFiles;
use crate::limits;
use crate::media;
use crate::plan::{Facts, Variant};
use crate::target::Path;

const SIDECARS: [(Coding, &[u8]); 3] =
    [(Coding::Br, b".br"), (Coding::Zstd, b".zst"), (Coding::Gzip, b".gz")];

/// What a look needs beside the site.
pub(super) struct Disk<'a> {
    /// What is to be told of changes.
    pub(super) watches: &'a mut Watches,
    /// Where files that stay open are counted.
    pub(super) open: &'a OpenFiles,
}

/// Looks at the disk until it stands still for as long as that takes.
pub(super) fn fill(
    site: &OpenSite,
    index: usize,
    path: &Path<'_>,
    disk: Disk<'_>,
    now: Now,
    patience: Patience,
) -> Result<Entry, Trouble> {
    let mut tries = limits::READ_TRIES_MAX;
    let Disk { watches, open } = disk;
    loop {
        let look = Look {
            site,
            index,
            watches: &mut *watches,
            open,
            now,
            patience,
            stale: Stale::default(),
            coverage: Coverage::Watched,
            seen: Vec::new(),
        };
        let entry = look.finish(path)?;
        // What changed while it was read has sent its event by now.
        watches.drain();
        if !entry.is_stale() {
            return Ok(entry);
        }
        tries -= 1;
        if tries == 0 {
            return Err(Trouble::Unsettled);
        }
    }
}

struct Look<'a> {
    site: &'a OpenSite,
    index: usize,
    watches: &'a mut Watches,
    open: &'a OpenFiles,
    now: Now,
    patience: Patience,
    stale: Stale,
    coverage: Coverage,
    seen: Vec<(Box<[u8]>, Option<Stamp>)>,
}

type Contents = Vec<(Coding, Content)>;

impl Look<'_> {
    fn finish(mut self, path: &Path<'_>) -> Result<Entry, Trouble> {
        let (thing, contents) = self.thing(path)?;
        if self.coverage == Coverage::Watched && !matches!(thing, Thing::Missing) {
            self.seen.retain(|(_, stamp)| stamp.is_some());
        }
        let compression = if is_fit(&thing) { Compression::Wanted } else { Compression::Unfit };
        Ok(Entry {
            thing,
            holding: Cell::new(Holding::of(&contents)),
            contents,
            answers: RefCell::default(),
            compression: Cell::new(compression),
            stale: self.stale,
            coverage: self.coverage,
            seen: self.seen,
            checked: Cell::new((self.now.ms, self.now.turn)),
        })
    }

    fn thing(&mut self, path: &Path<'_>) -> Result<(Thing, Contents), Trouble> {
        let relative = path.relative();
        if is_hidden(path, self.site.well_known) {
            return Ok((Thing::Refused, Vec::new()));
        }
        let thing = match self.open(relative)? {
            Opened::File(file, stamp) if !path.has_trailing_slash() => {
                return self.file(relative, file, stamp);
            }
            Opened::Directory if path.has_trailing_slash() => return self.index_of(relative),
            Opened::Directory => Thing::Directory,
            Opened::File(..) | Opened::Missing => Thing::Missing,
            Opened::Refused => Thing::Refused,
        };
        Ok((thing, Vec::new()))
    }

    fn index_of(&mut self, folder: &[u8]) -> Result<(Thing, Contents), Trouble> {
        let site = self.site;
        for name in &site.index {
            let separator: &[u8] = if folder.is_empty() { b"" } else { b"/" };
            let path = [folder, separator, name.as_bytes()].concat();
            match self.open(&path)? {
                Opened::File(file, stamp) => return self.file(&path, file, stamp),
                Opened::Directory | Opened::Missing | Opened::Refused => {}
            }
        }
        Ok((Thing::Missing, Vec::new()))
    }

    /// Opens a path after it is watched, so that no change falls between the two.
    fn open(&mut self, path: &[u8]) -> Result<Opened, Trouble> {
        let coverage = self.watches.follow(&self.site.root, self.index, path, &self.stale);
        let looked = self.site.root.look_up(path).map_err(trouble)?;
        let (stamp, links) = match &looked.opened {
            Opened::File(_, stamp) => (Some(*stamp), stamp.links),
            Opened::Directory | Opened::Missing | Opened::Refused => (self.site.root.stamp(path), 1),
        };
        let linked = looked.through_link || links > 1;
        let coverage = if linked { Coverage::Linked } else { coverage };
        self.coverage = self.coverage.max(coverage);
        self.seen.push((path.into(), stamp));
        Ok(looked.opened)
    }

    fn file(&mut self, path: &[u8], file: OwnedFd, stamp: Stamp) -> Result<(Thing, Contents), Trouble> {
        let (content, stamp) = self.content(file, stamp)?;
        let mut variants = vec![variant(Coding::Identity, &stamp)];
        let mut contents = vec![(Coding::Identity, content)];
        for (coding, extension) in SIDECARS {
            let path = [path, extension].concat();
            let Opened::File(file, beside) = self.open(&path)? else { continue };
            if beside.modified < stamp.modified {
                continue;
            }
            let (content, beside) = self.content(file, beside)?;
            variants.push(variant(coding, &beside));
            contents.push((coding, content));
        }
        let media: Cow<'static, str> = media::of_name(path);
        let negotiated = variants.len() > 1 || media::is_compressible(&media);
        let modified = u64::try_from(stamp.modified.seconds).ok().map(UnixSeconds);
        Ok((Thing::File(Facts { media, modified, variants, negotiated }), contents))
    }

    /// Small files are read, with the stamp of what was read; of large ones the last bytes are held back until they are
    /// known to be of one piece with the first, when they are sent.
    fn content(&self, file: OwnedFd, stamp: Stamp) -> Result<(Content, Stamp), Trouble> {
        let settled_ms = match self.patience {
            Patience::Wait => limits::SETTLE_MS,
            Patience::Hurry => limits::SETTLE_HURRIED_MS,
        };
        if is_younger(&stamp, self.now, settled_ms) {
            return Err(Trouble::Unsettled);
        }
        if stamp.len > limits::CACHED_FILE_BYTES_MAX {
            let place = self.open.place().ok_or(Trouble::Full)?;
            return Ok((Content::Open(Rc::new(OpenFile { file, stamp, place })), stamp));
        }
        let bytes = read_whole(&file, stamp.len).map_err(trouble)?;
        let after = Stamp::new(&rustix::fs::fstat(&file).map_err(trouble)?);
        match bytes {
            Some(bytes) if after == stamp => Ok((Content::Memory(bytes), stamp)),
            // Somebody is writing: to read again at once would be to read a half of that.
            Some(_) | None => Err(Trouble::Unsettled),
        }
    }
}

/// None when the file has not exactly so many bytes.
fn read_whole(file: &OwnedFd, len: u64) -> Result<Option<Arc<[u8]>>, Errno> {
    let len = usize::try_from(len).expect("a small file fits in memory");
    // One byte more, so that growth is seen.
    let mut bytes = vec![0; len + 1];
    let mut filled = 0;
    while filled < bytes.len() {
        let offset = u64::try_from(filled).expect("a small file has a small length");
        match rustix::io::pread(file, &mut bytes[filled..], offset) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((filled == len).then(|| Arc::from(&bytes[..len])))
}

/// A stamp of the future belongs to a clock that was set back, or to another machine: such a file is not waited for.
fn is_younger(stamp: &Stamp, now: Now, settled_ms: u64) -> bool {
    let age_ns = stamp.changed.nanoseconds_until(now.realtime);
    let settled_ns = i128::from(settled_ms) * 1_000_000;
    (-FUTURE_NS_MAX..settled_ns).contains(&age_ns)
}

const FUTURE_NS_MAX: i128 = 1_000_000_000;

fn variant(coding: Coding, stamp: &Stamp) -> Variant {
    let nanoseconds =
        i128::from(stamp.modified.seconds) * 1_000_000_000 + i128::from(stamp.modified.nanoseconds);
    Variant { coding, len: stamp.len, etag: EntityTag::of_file(stamp.inode, stamp.len, nanoseconds, coding) }
}

fn is_hidden(path: &Path<'_>, well_known: bool) -> bool {
    path.segments().enumerate().any(|(depth, segment)| {
        segment.starts_with(b".") && !(depth == 0 && well_known && segment == b".well-known")
    })
}

/// Nothing beside it, and worth the work.
fn is_fit(thing: &Thing) -> bool {
    let Thing::File(facts) = thing else { return false };
    let [original] = facts.variants.as_slice() else { return false };
    media::is_compressible(&facts.media) && limits::COMPRESSED_FILE_BYTES.contains(&original.len)
}

fn trouble(error: Errno) -> Trouble {
    if matches!(error, Errno::MFILE | Errno::NFILE) { Trouble::Full } else { Trouble::System(error) }
}
