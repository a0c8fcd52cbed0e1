//! Counters that can be read while the server runs.
//!
//! *Promises* that counting costs a load and a store: each thread that counts has counters of its own and is alone in writing them;
//! a reader adds them up. *Absent:* names of files or hosts as labels, whose number a stranger would choose.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident => $family:literal, $label:literal;)+) => {
        /// The counters of one event loop.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        /// The sum over all event loops, at about one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Snapshot {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Snapshot {
            fn add(&mut self, of: &Counters) {
                $(self.$name = self.$name.wrapping_add(of.$name.0.load(Ordering::Relaxed));)+
            }

            /// Every counter as family, label and value, in a fixed order; counters of one family follow each other.
            fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($family, $label, self.$name),)+]
            }
        }
    };
}

counters! {
    /// Requests answered with 2xx.
    status_2xx => "requests_total", "class=\"2xx\"";
    /// Requests answered with 3xx.
    status_3xx => "requests_total", "class=\"3xx\"";
    /// Requests answered with 4xx.
    status_4xx => "requests_total", "class=\"4xx\"";
    /// Requests answered with 5xx.
    status_5xx => "requests_total", "class=\"5xx\"";
    /// Bytes given to the kernel, heads included.
    sent_bytes => "sent_bytes_total", "";
    /// Bytes taken from peers.
    received_bytes => "received_bytes_total", "";
    /// Connections taken.
    accepted => "connections_accepted_total", "";
    /// Connections ended.
    closed => "connections_closed_total", "";
    /// Requests whose file was in the cache.
    cache_hits => "cache_lookups_total", "result=\"hit\"";
    /// Requests whose file was looked up on disk.
    cache_misses => "cache_lookups_total", "result=\"miss\"";
    /// Connections turned away since too many were open.
    refused_total => "refused_total", "reason=\"connections\"";
    /// Connections turned away since their address had too many.
    refused_address => "refused_total", "reason=\"connections_per_address\"";
    /// Requests turned away since their address sent too many.
    refused_rate => "refused_total", "reason=\"requests_per_address\"";
    /// Connections not taken, and files not opened, since the process had no descriptor left.
    refused_descriptors => "refused_total", "reason=\"descriptors\"";
    /// Connections closed since the handshake of TLS took too long.
    timeout_handshake => "timeouts_total", "of=\"handshake\"";
    /// Connections closed since a head took too long.
    timeout_head => "timeouts_total", "of=\"head\"";
    /// Connections closed since no request came.
    timeout_idle => "timeouts_total", "of=\"idle\"";
    /// Connections closed since a body took too long.
    timeout_body => "timeouts_total", "of=\"body\"";
    /// Connections closed since the peer took an answer too slowly.
    timeout_write => "timeouts_total", "of=\"write\"";
    /// Answers cut since their file changed while it was sent.
    cut_changed => "answers_cut_total", "reason=\"file_changed\"";
    /// Answers cut by the peer.
    cut_peer => "answers_cut_total", "reason=\"peer\"";
    /// Files compressed into the cache of an event loop.
    compressed => "files_compressed_total", "";
    /// Files that an event loop has the kernel send from a snapshot.
    held => "files_held_total", "";
    /// Lines that the access log did not take in time.
    log_dropped => "access_log_lost_lines_total", "reason=\"queue_full\"";
    /// Lines that could not be written, on a full disk perhaps.
    log_failed => "access_log_lost_lines_total", "reason=\"write_failed\"";
}

/// A number with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }
}

/// Counters of a running server, one set for each event loop and one for the thread that writes the access log. Clones read the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    loops: Arc<[Arc<Counters>]>,
}

impl Metrics {
    pub(crate) fn new(loops: impl IntoIterator<Item = Arc<Counters>>) -> Self {
        Self { loops: loops.into_iter().collect() }
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        self.loops.iter().for_each(|counters| sum.add(counters));
        sum
    }

    /// The text that Prometheus scrapes (exposition format 0.0.4).
    #[must_use]
    pub fn prometheus(&self) -> String {
        let snapshot = self.snapshot();
        let mut text = String::new();
        let mut last = "";
        for (family, label, value) in snapshot.rows() {
            if family != last {
                writing(writeln!(text, "# TYPE switchboard_web_{family} counter"));
                last = family;
            }
            let label = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
            writing(writeln!(text, "switchboard_web_{family}{label} {value}"));
        }
        writing(writeln!(text, "# TYPE switchboard_web_connections gauge"));
        writing(writeln!(text, "switchboard_web_connections {}", snapshot.connections()));
        text
    }
}

impl Snapshot {
    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.accepted.saturating_sub(self.closed)
    }

    /// Requests answered, whatever with.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.status_2xx + self.status_3xx + self.status_4xx + self.status_5xx
    }
}

fn writing(written: std::fmt::Result) {
    written.expect("a String takes whatever is written");
}
