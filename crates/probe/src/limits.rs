//! Every bound of the probe, its unit last. Absent: anything that is configured; these hold whatever is configured.

/// Longest datagram: what fits IPv4 beside its header and that of UDP.
pub const PACKET_BYTES_MAX: usize = 65_507;
/// Datagrams that one system call receives or sends.
pub const BATCH_PACKETS_MAX: usize = 64;
/// Replies to one peer that leave as one message, at the least: fewer are no burst, and leave as they came, one by one.
pub const GROUP_PACKETS_MIN: usize = 8;
/// The requests of such replies came this close to one another on average. Those that came more slowly and were waited with are
/// not made a burst of, for what lies on the way might treat it as one packet.
pub const GROUP_GAP_NS_MAX: u64 = 20_000;
/// Longest of such replies: what fits the least MTU of IPv6 (RFC 8200 §5) beside its header and that of UDP.
pub const SEGMENT_BYTES_MAX: usize = 1_232;
/// Octets of such a message: those of one datagram.
pub const GROUP_BYTES_MAX: usize = PACKET_BYTES_MAX;
/// TLVs of one packet that are looked at; what follows them is carried along and not understood.
pub const TLVS_MAX: usize = 32;

/// Sessions whose packets a stateful reflector counts. The oldest of a set of [`SET_ENTRIES`] makes room.
pub const SESSIONS_MAX: usize = 16_384;
/// A session that is silent for this long is a new one when it speaks again.
pub const SESSION_IDLE_S: u64 = 900;
/// Replies of which the next ones are to tell when they left, whose stamps the kernel still owes. A stamp that comes when a prober
/// remembers its reply no longer ([`LEADS_REMEMBERED_MAX`]) tells it nothing.
pub const FOLLOWED_REPLIES_MAX: usize = 256;
/// How long such a stamp is waited for.
pub const FOLLOWED_NS_MAX: i64 = 200_000_000;
/// Addresses, and as many networks, whose rate is watched.
pub const BUCKETS_MAX: usize = 16_384;
/// Entries of a bounded table that share a place; among them the least worth keeping makes room.
pub const SET_ENTRIES: usize = 8;
/// Bits of an IPv4 address that name its network, for the rate of networks.
pub const NETWORK_BITS_V4: u8 = 24;
/// Bits of an IPv6 address that name its network, for the rate of networks.
pub const NETWORK_BITS_V6: u8 = 48;
/// A reflector's own packet, sent to a reflector, carries a receive stamp; one this close to now gives it away.
pub const REPLY_STAMP_WINDOW_S: u64 = 3_600;

/// Probes that are remembered while their answers may come, late ones and duplicates included.
pub const PROBES_REMEMBERED_MAX: usize = 65_536;
/// Answers of which a later one may still tell when they left the reflector.
pub const LEADS_REMEMBERED_MAX: usize = 64;
/// An answer that comes later than this times the wait is no longer known to be late.
pub const LATE_FACTOR: u64 = 4;
/// Probes that are due are sent however late, up to this; of those later only the newest is sent and the others are skipped.
pub const CATCH_UP_NS_MAX: u64 = 10_000_000;
/// Probes of a flood that wait for their answers; with as many, another is sent only every interval.
pub const FLOOD_WAITING_MAX: u64 = 64;
/// Shortest interval between probes.
pub const INTERVAL_NS_MIN: u64 = 1_000;
/// A prober that sleeps is awake no longer than this before a probe is due.
pub const LEAD_NS_MAX: u64 = 500_000;
/// That long it may be awake even where it is more than a tenth of the interval, but not more than three quarters.
pub const LEAD_SHORT_NS_MAX: u64 = 75_000;
/// A prober that spins does not sleep in this time before a probe is due.
pub const SPIN_NS_MAX: u64 = 2_000_000;
/// The last part of either, in which only the clock is looked at, when that is no more than a tenth of the interval.
pub const WATCH_NS_MAX: u64 = 10_000;
/// Targets of one run.
pub const TARGETS_MAX: usize = 256;

/// Extremes of one-way delay that the estimate of the clocks keeps in each direction.
pub const CLOCK_POINTS_MAX: usize = 128;
/// Samples of one-way delay that quantiles are taken from; of a longer run, a fair choice of this many.
pub const ONE_WAY_SAMPLES_MAX: usize = 4_096;
/// Two clocks are taken to drift apart by no more than this.
pub const SKEW_PPM_MAX: f64 = 500.0;
/// A kernel stamp further than this from the clock's own reading belongs to a clock that was set in between.
pub const STAMP_AGE_NS_MAX: u64 = 1_000_000_000;

/// Sessions whose packets are spoiled on purpose.
pub const FAULT_SESSIONS_MAX: usize = 4_096;
/// Packets that are held on purpose at a time; those beyond are not.
pub const HELD_PACKETS_MAX: usize = 4_096;
/// Octets of packets that are held on purpose at a time; packets beyond are not.
pub const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest delay on purpose.
pub const FAULT_DELAY_MS_MAX: u64 = 60_000;
/// A packet that is to be overtaken is held no longer than this.
pub const REORDER_HOLD_MS_MAX: u64 = 2_000;
