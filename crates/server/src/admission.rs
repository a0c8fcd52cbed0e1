//! How many connections there are, in all and from one address, and a way to reach each of them. Decided right
//! after accept, before anything costly.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;

use super::limits::{LOCAL_RESERVE_MAX, Limits};
use super::mailbox::{Mailbox, Order};
use super::sync::{Mutex, MutexGuard};

/// The connections of one server.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    connections_per_address_max: usize,
    register: Mutex<Register>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Register {
    next: u64,
    mailboxes: BTreeMap<u64, Arc<Mailbox>>,
    by_block: HashMap<IpAddr, usize>,
}

/// Why a connection is not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// The server has as many as it takes.
    Server,
    /// The address has as many as one address gets.
    Address,
}

/// The right to be a connection; dropped with it.
#[derive(Debug)]
pub(crate) struct Ticket {
    admission: Arc<Admission>,
    number: u64,
    block: Option<IpAddr>,
    mailbox: Arc<Mailbox>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            register: Mutex::default(),
            emptied: Notify::new(),
        }
    }

    /// Admits a connection from `address`, or from this machine when there is none.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Ticket, Full> {
        let block = address.map(block_of);
        let reserve = if block.is_some() { 0 } else { LOCAL_RESERVE_MAX };
        let mut register = self.register();
        if register.mailboxes.len() >= self.connections_max.saturating_add(reserve) {
            return Err(Full::Server);
        }
        if let Some(block) = block {
            let count = register.by_block.entry(block).or_insert(0);
            if *count >= self.connections_per_address_max {
                return Err(Full::Address);
            }
            *count += 1;
        }
        let number = register.next;
        register.next += 1;
        let mailbox = Arc::new(Mailbox::new());
        register.mailboxes.insert(number, Arc::clone(&mailbox));
        Ok(Ticket { admission: Arc::clone(self), number, block, mailbox })
    }

    /// Gives every connection the order.
    pub(crate) fn order_all(&self, order: Order) {
        // Woken outside the lock: a woken task may end at once and give its ticket back.
        let mailboxes: Vec<_> = self.register().mailboxes.values().cloned().collect();
        for mailbox in mailboxes {
            mailbox.order(order);
        }
    }

    /// Waits until there is no connection.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Connections now.
    pub(crate) fn count(&self) -> usize {
        self.register().mailboxes.len()
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The connection's mailbox.
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.mailbox.close();
        let mut register = self.admission.register();
        register.mailboxes.remove(&self.number);
        if let Some(block) = self.block
            && let Some(count) = register.by_block.get_mut(&block)
        {
            *count -= 1;
            if *count == 0 {
                register.by_block.remove(&block);
            }
        }
        if register.mailboxes.is_empty() {
            drop(register);
            self.admission.emptied.notify_waiters();
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has to choose from.
fn block_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}
