//! Who may open another connection, and who has asked too often.
//!
//! *Promises* bounds for all event loops together: connections in total, connections of an address, requests of an address
//! per second. An address is an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber has.
//!
//! *Absent:* what is answered to who is turned away, and a lock in the path of a request: a connection holds the account of
//! its address, which is one atomic number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::settings::Limits;

/// Shared by the event loops of a server.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    per_address_max: usize,
    open: AtomicUsize,
    addresses: Mutex<HashMap<Address, usize>>,
    rate: Option<Rate>,
}

/// An IPv4 address, or the first half of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Address {
    V4(u32),
    V6(u64),
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many as there may be are open.
    Total,
    /// Its address has as many as it may have.
    Address,
}

/// The right to an open connection; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit {
    of: Arc<Admission>,
    address: Option<Address>,
    bucket: Option<Bucket>,
}

/// When the requests of an address are paid off, in nanoseconds of the monotonic clock: the generic cell rate algorithm
/// (ITU-T I.371), which is a token bucket in one number.
type Bucket = Arc<AtomicU64>;

#[derive(Debug)]
struct Rate {
    nanoseconds_each: u64,
    nanoseconds_ahead_max: u64,
    buckets: Mutex<HashMap<Address, Bucket>>,
    /// What everybody shares for whom there is no room left.
    crowd: Bucket,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rate = (limits.requests_per_address_per_second_max > 0).then(|| {
            let each = 1_000_000_000 / u64::from(limits.requests_per_address_per_second_max);
            Rate {
                nanoseconds_each: each,
                nanoseconds_ahead_max: each * u64::from(limits.requests_per_address_burst.max(1)),
                buckets: Mutex::new(HashMap::new()),
                crowd: Arc::new(AtomicU64::new(0)),
            }
        });
        Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address(),
            open: AtomicUsize::new(0),
            addresses: Mutex::new(HashMap::new()),
            rate,
        }
    }

    /// Counts a connection from `peer`, which a Unix socket does not have, in.
    ///
    /// # Errors
    /// When it is one too many.
    pub(crate) fn admit(self: &Arc<Self>, peer: Option<IpAddr>, now_ns: u64) -> Result<Permit, Refused> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.connections_max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Total);
        }
        let mut permit = Permit { of: Arc::clone(self), address: None, bucket: None };
        let Some(address) = peer.map(Address::of) else { return Ok(permit) };
        let mut addresses = locked(&self.addresses);
        let count = addresses.entry(address).or_insert(0);
        if *count >= self.per_address_max {
            if *count == 0 {
                addresses.remove(&address);
            }
            drop(addresses);
            return Err(Refused::Address);
        }
        *count += 1;
        drop(addresses);
        permit.address = Some(address);
        permit.bucket = self.rate.as_ref().map(|rate| rate.bucket(address, now_ns));
        Ok(permit)
    }
}

impl Permit {
    /// Takes a request from the address's account; false when it has asked too often.
    pub(crate) fn request(&self, now_ns: u64) -> bool {
        let (Some(bucket), Some(rate)) = (&self.bucket, &self.of.rate) else { return true };
        let pay = |paid_until: u64| {
            let next = paid_until.max(now_ns) + rate.nanoseconds_each;
            (next - now_ns <= rate.nanoseconds_ahead_max).then_some(next)
        };
        bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut addresses = locked(&self.of.addresses);
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

impl Rate {
    fn bucket(&self, address: Address, now_ns: u64) -> Bucket {
        let mut buckets = locked(&self.buckets);
        if let Some(bucket) = buckets.get(&address) {
            return Arc::clone(bucket);
        }
        if buckets.len() >= limits::RATE_ADDRESSES_MAX {
            // Who has paid off is as good as new. A bucket that a connection holds stays with it.
            buckets.retain(|_, one| one.load(Ordering::Relaxed) > now_ns || Arc::strong_count(one) > 1);
        }
        if buckets.len() >= limits::RATE_ADDRESSES_MAX {
            return Arc::clone(&self.crowd);
        }
        Arc::clone(buckets.entry(address).or_default())
    }
}

impl Address {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6(u64::try_from(v6.to_bits() >> 64).expect("half of 128 bits are 64")),
        }
    }
}

/// The maps hold numbers only, which are right at every moment, so a panic elsewhere leaves them usable.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(change: impl FnOnce(&mut Limits)) -> Arc<Admission> {
        let mut limits = Limits::default();
        change(&mut limits);
        Arc::new(Admission::new(&limits))
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_bound_is_freed_when_a_connection_ends() {
        let door = admission(|limits| limits.connections_max = 1);
        let first = door.admit(ip("192.0.2.1"), 0).unwrap();
        assert_eq!(door.admit(None, 0).unwrap_err(), Refused::Total);
        drop(first);
        assert!(door.admit(None, 0).is_ok());
        assert!(locked(&door.addresses).is_empty());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        let door = admission(|limits| limits.connections_per_address_max = Some(1));
        let _first = door.admit(ip("2001:db8:0:1::1"), 0).unwrap();
        assert_eq!(door.admit(ip("2001:db8:0:1:ffff::2"), 0).unwrap_err(), Refused::Address);
        assert!(door.admit(ip("2001:db8:0:2::1"), 0).is_ok());
        let _mapped = door.admit(ip("::ffff:192.0.2.1"), 0).unwrap();
        assert_eq!(door.admit(ip("192.0.2.1"), 0).unwrap_err(), Refused::Address);
    }

    #[test]
    fn a_burst_is_taken_then_the_average() {
        let door = admission(|limits| {
            limits.requests_per_address_per_second_max = 10;
            limits.requests_per_address_burst = 5;
        });
        let permit = door.admit(ip("192.0.2.1"), 0).unwrap();
        let taken = (0..20).filter(|_| permit.request(0)).count();
        assert_eq!(taken, 5);
        drop(permit);
        let again = door.admit(ip("192.0.2.1"), 0).unwrap();
        assert!(!again.request(0), "closing the connection does not pay");
        assert!(again.request(100_000_000));
        assert!(!again.request(100_000_000));
    }
}
