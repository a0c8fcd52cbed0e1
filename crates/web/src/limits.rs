//! Every bound of the web server in one place, unit last.

/// Longest request target in bytes; a longer one is answered with 414. RFC 9112 section 3 asks for at least 8000 bytes
/// of request line.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Longest head of a request in bytes, from the first byte of the request line to the end of the blank line; a longer
/// one is answered with 431. The trailer section of a chunked body has the same bound.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most field lines in a head, and in a trailer section; more are answered with 431.
pub const FIELDS_MAX: usize = 100;

/// Longest method in bytes; a longer one is answered with 501, for no registered method is as long.
pub const METHOD_BYTES_MAX: usize = 32;

/// Longest name in a Host field in bytes, as in the DNS (RFC 1035 section 2.3.4), its port not counted.
pub const HOST_BYTES_MAX: usize = 255;

/// Longest decoded path in bytes: what a Linux system call takes, less the closing NUL. Longer ones name no file.
pub const PATH_BYTES_MAX: usize = 4095;

/// Largest request body in bytes that is read and thrown away to keep a connection; a larger one is answered with 413.
pub const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// Longest line that opens a chunk, its extensions included, in bytes.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;

/// Most hexadecimal digits of a chunk's size, leading zeros included: a 64-bit number.
pub const CHUNK_SIZE_DIGITS_MAX: u8 = 16;

/// Most ranges that a Range field may ask for before it is ignored.
pub const RANGES_ASKED_MAX: usize = 128;

/// Most ranges, after overlapping and adjacent ones are joined, that are sent as parts; for more the whole is sent.
pub const RANGES_SENT_MAX: usize = 16;

/// Most members of a list field (entity tags, codings) that are looked at; the rest match nothing.
pub const LIST_MEMBERS_MAX: usize = 256;

/// Tries at a path that others rename at the same moment, before it counts as failing.
pub(crate) const OPEN_TRIES_MAX: u32 = 16;

/// Largest file in bytes that is read into memory where it is found; larger ones are held open.
pub(crate) const CACHED_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Smallest file in bytes of which a snapshot is made once it was asked for repeatedly: smaller ones are copied faster.
pub(crate) const HELD_FILE_BYTES_MIN: usize = 32 * 1024;

/// One part in so many of the memory for files is for snapshots,
pub(crate) const HELD_SHARE: usize = 2;

/// and one part in so many of that is the most for a file.
pub(crate) const HELD_FILE_SHARE: usize = 3;

/// Most snapshots; each is a descriptor, and fewer where those are few.
pub(crate) const HELD_FILES_MAX: usize = 256;

/// Largest body in bytes that is copied behind its head, so that pipelined answers leave together.
pub(crate) const INLINE_BODY_BYTES_MAX: usize = 16 * 1024;

/// Most names in the cache of an event loop that lead to a file.
pub(crate) const CACHE_FILES_MAX: usize = 4096;

/// Most names in the cache of an event loop that lead to none.
pub(crate) const CACHE_ABSENT_MAX: usize = 1024;

/// Most files that an event loop's cache holds open; fewer where descriptors are few.
pub(crate) const CACHE_DESCRIPTORS_MAX: usize = 256;

/// Descriptors of an event loop beside its connections and the files that it keeps open: what it waits with, its listeners'
/// share, the file that it is looking at, the connection that it is turning away.
pub(crate) const DESCRIPTORS_PER_LOOP: usize = 8;

/// Descriptors of the process for everything else: metrics, logs and folders that are opened again, certificates.
pub(crate) const DESCRIPTORS_SPARE: usize = 32;

/// Files that may be open for longer than a look takes, whatever the number of connections; a quarter of what is left, where
/// descriptors are fewer than four times that.
pub(crate) const OPEN_FILES_ASSURED: usize = 1024;

/// Connections of one address, unless another number is asked for; a quarter of all connections, if that is less.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 1024;

/// Most different answers that are kept made up for a name.
pub(crate) const ANSWERS_PER_NAME_MAX: usize = 12;

/// Longest value in bytes of a field by which a made-up answer is found.
pub(crate) const ANSWER_KEY_BYTES_MAX: usize = 256;

/// Bytes of events read at once.
pub(crate) const INOTIFY_BUFFER_BYTES: usize = 64 * 1024;

/// Age in milliseconds from which an entry is compared with the disk, where events cannot be had.
pub(crate) const UNWATCHED_AGE_MS_MAX: u64 = 50;

/// The same where events are had: some changes make none (through a name made later in a folder that is not watched, by
/// memory map, by a mount).
pub(crate) const WATCHED_AGE_MS_MAX: u64 = 200;

/// A file that was changed less than so many milliseconds ago may still be in the middle of being written.
pub(crate) const SETTLE_MS: u64 = 20;

/// The same for a request that has waited for long; a write takes less, unless its process is interrupted in the middle.
pub(crate) const SETTLE_HURRIED_MS: u64 = 8;

/// How often a request waits [`SETTLE_HURRIED_MS`] for a file to settle before less is asked of the file.
pub(crate) const SETTLE_WAITS_CALM: u8 = 4;

/// How often it waits in all, before it is answered that nothing right can be sent.
pub(crate) const SETTLE_WAITS_MAX: u8 = 40;

/// Tries at a file that changes while it is read.
pub(crate) const READ_TRIES_MAX: u32 = 8;

/// Bytes of a file that a connection copies before the others have their turn,
pub(crate) const TURN_BYTES_MAX: u64 = 512 * 1024;

/// and bytes that the kernel sends for it without a copy.
pub(crate) const SENDFILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Bytes of a file that are copied at once.
pub(crate) const COPY_BYTES: usize = 128 * 1024;

/// Bytes read from a connection at once; also the most that is kept of what a peer sends ahead.
pub(crate) const INBOX_BYTES: usize = 32 * 1024;

/// Answers to pipelined requests are sent when they have grown to so many bytes.
pub(crate) const OUTBOX_BYTES: usize = 64 * 1024;

/// Connections taken from a listener before those that are open have their turn.
pub(crate) const ACCEPTS_PER_TURN_MAX: usize = 64;

/// Events taken from the kernel at once.
pub(crate) const EVENTS_PER_TURN_MAX: usize = 512;

/// Connections that wait in the kernel to be taken.
pub(crate) const LISTEN_BACKLOG: i32 = 4096;

/// After so many milliseconds a pause in accepting ends, which a lack of descriptors or another trouble began.
pub(crate) const ACCEPT_PAUSE_MS: u64 = 100;

/// Bytes of an answer that the kernel keeps for a peer beside those on their way to it. Once so many wait, sending goes on when
/// half of them are gone.
pub(crate) const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// The same of what is sent from a snapshot.
pub(crate) const UNSENT_SNAPSHOT_BYTES_MAX: u32 = 1024 * 1024;

/// Milliseconds for which the rest of a refused request is still read, so that the peer sees the answer before the end.
pub(crate) const LINGER_MS_MAX: u64 = 2_000;

/// Bytes that are read and thrown away of a refused request.
pub(crate) const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Least milliseconds between two looks at all deadlines.
pub(crate) const SWEEP_MS: u64 = 100;

/// Milliseconds from which on the least rate of a peer is asked for.
pub(crate) const RATE_GRACE_MS: u64 = 10_000;

/// Most addresses whose requests are counted one by one; the rest share one account.
pub(crate) const RATE_ADDRESSES_MAX: usize = 65_536;

/// Longest text of a request in a line of the access log, in bytes; the rest is cut.
pub(crate) const LOG_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Lines of the access log are handed over when they are so many bytes,
pub(crate) const LOG_BATCH_BYTES: usize = 64 * 1024;

/// or so many milliseconds old.
pub(crate) const LOG_BATCH_MS: u64 = 100;

/// Batches of lines that wait for the thread that writes the access log,
pub(crate) const LOG_BATCHES_QUEUED_MAX: usize = 1024;

/// and bytes of them.
pub(crate) const LOG_WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Requests that are noted in a turn before lines are made of them.
pub(crate) const LOG_NOTES_MAX: usize = 1024;

/// Batches whose memory is kept for the next ones.
pub(crate) const LOG_BATCHES_SPARE_MAX: usize = 8;

/// Milliseconds between two words in the operational log about lost lines of the access log.
pub(crate) const LOG_LOSSES_TOLD_MS: u64 = 60_000;

/// Milliseconds that the access log has at the end for what is left of it, although the time to shut down is over.
pub(crate) const LOG_END_MS_MIN: u64 = 500;

/// Milliseconds that it has at most, however much is left of that time.
pub(crate) const LOG_END_MS_MAX: u64 = 5_000;

/// Length in bytes of the smallest and the largest file that is compressed into the cache.
pub(crate) const COMPRESSED_FILE_BYTES: std::ops::RangeInclusive<u64> = 256..=1024 * 1024;

/// Milliseconds that the end of a server waits for the file that the thread in the background has in hand.
pub(crate) const BACKGROUND_END_MS_MAX: u64 = 2_000;

/// Files that wait for the thread in the background.
pub(crate) const BACKGROUND_QUEUED_MAX: usize = 32;

/// Pieces in which a head may come, for each one that comes is read from the beginning.
pub(crate) const HEAD_PIECES_MAX: u16 = 128;

/// Bytes of a request for metrics or health.
pub(crate) const MONITOR_HEAD_BYTES_MAX: usize = 4096;

/// Pieces in which such a request may come.
pub(crate) const MONITOR_READS_MAX: u32 = 16;

/// Milliseconds that each of them may take, and each write of the answer.
pub(crate) const MONITOR_STALL_MS_MAX: u64 = 500;

/// Nanoseconds until the next try, when a request for metrics or health cannot be taken.
pub(crate) const MONITOR_PAUSE_NS: i64 = 100_000_000;

/// Most event loops.
pub(crate) const WORKERS_MAX: usize = 256;

/// Memory for answers on their way that an event loop keeps for the next ones.
pub(crate) const SPARE_MAX: usize = 64;

/// Most requests of an HTTP/2 connection that are answered at once; further ones are refused and may be sent again.
pub(crate) const STREAMS_MAX: u32 = 128;

/// Longest list of fields of an HTTP/2 request in bytes, counted as RFC 9113 section 6.5.2 has it; a longer one is answered with 431.
pub(crate) const FIELD_LIST_BYTES_MAX: u32 = 16 * 1024;

/// Most streams of a connection that were reset and are still remembered, or that are reset before they were looked at.
pub(crate) const STREAMS_RESET_MAX: usize = 64;

/// Most streams of a connection that are ended for faults of the peer, before the connection is.
pub(crate) const STREAM_ERRORS_MAX: usize = 256;

/// Bytes of a stream that are read from a file ahead of what the peer's windows let go.
pub(crate) const STREAM_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of answers that wait for an HTTP/2 peer's windows before its further requests wait unanswered.
pub(crate) const STREAMS_WAITING_BYTES_MAX: u64 = 128 * 1024;

/// The same for streams whose files are not in memory, or in snapshots.
pub(crate) const STREAMS_SENDING_MAX: usize = 16;

/// Frames of an HTTP/2 peer that ask for nothing, weighed, which are taken at once.
pub(crate) const FRAME_CREDIT_MAX: u64 = 1024;

/// How many more of them are taken each second,
pub(crate) const FRAME_CREDIT_PER_SECOND: u64 = 100;

/// and for each so many bytes of answers that were taken, since windows have to be opened again.
pub(crate) const FRAME_CREDIT_BYTES: u64 = 1024;

/// Bytes of files that the streams of a connection read before what they have is sent.
pub(crate) const STREAMS_READ_BYTES: usize = 256 * 1024;

/// Bytes under TLS that are encrypted and wait for the kernel to have room.
pub(crate) const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;
