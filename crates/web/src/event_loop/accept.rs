//! New connections: taken, or turned away with a word.
//!
//! *Promises* that what keeps connections from being taken, a lack of descriptors above all, is waited out instead of being
//! asked about again and again. *Absent:* who may come,
//! which admission decides.

use std::net::IpAddr;

use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};

use super::connection::{Connection, Waits};
use super::serve::Fate;
use super::tls::Tls;
use super::transport::{Follows, Plain, Transport};
use super::{Loop, NEVER, Slot, listen, token, watch};
use crate::admission::Refused;
use crate::http1::respond;
use crate::limits;
use crate::plan::{self, Body};
use crate::status::Status;

impl Loop {
    pub(super) fn accept_all(&mut self) {
        let now = self.clock.ms();
        for (listener, until) in std::mem::take(&mut self.accepting) {
            if until > now {
                self.accepting.push((listener, until));
            } else if let Some(until) = self.accept_some(listener) {
                self.accepting.push((listener, until));
            }
        }
    }

    /// Takes waiting connections; says when to try again, if not at the next event.
    fn accept_some(&mut self, listener: usize) -> Option<u64> {
        for _ in 0..limits::ACCEPTS_PER_TURN_MAX {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match acceptfrom_with(&self.listeners.get(listener)?.socket, flags) {
                Ok((socket, address)) => self.accept(listener, socket, listen::peer(address)),
                Err(Errno::AGAIN) => return None,
                // Of the connection, not of the listener: it ended before it was taken.
                Err(
                    Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::TIMEDOUT | Errno::HOSTUNREACH,
                ) => {}
                Err(errno) => {
                    if is_shortage(errno) {
                        self.counters.refused_descriptors.one();
                    }
                    return Some(self.clock.ms() + limits::ACCEPT_PAUSE_MS);
                }
            }
        }
        Some(0)
    }

    fn accept(&mut self, listener: usize, socket: OwnedFd, peer: Option<IpAddr>) {
        let tls = self.listeners.get(listener).and_then(|listener| listener.tls.as_ref());
        let permit = match self.admission.admit(peer, self.clock.ns()) {
            Ok(permit) => permit,
            Err(refused) if tls.is_some() => return self.count_refused(refused),
            Err(refused) => return self.turn_away(Transport::Plain(Plain::new(socket)), refused),
        };
        let transport = match tls {
            None => Transport::Plain(Plain::new(socket)),
            // An error is one of the configuration, with which other connections were made.
            Some(config) => match Tls::new(socket, config) {
                Ok(tls) => Transport::Tls(Box::new(tls)),
                Err(_) => return,
            },
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(Slot::default());
            self.deadlines.push(NEVER);
            self.connections.len() - 1
        });
        let token = token(index, self.connections[index].generation);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if watch(&self.epoll, transport.socket(), token, flags).is_err() {
            self.free.push(index);
            self.counters.refused_descriptors.one();
            return;
        }
        self.counters.accepted.one();
        // Its first request is read in the next turn, after the files that have changed by then.
        let connection = Box::new(Connection::new(transport, peer, permit, self.clock.ms()));
        let waits = if connection.transport.is_handshaking() { Waits::Handshake } else { Waits::Idle };
        self.settle(index, connection, Fate::Waits(waits));
    }

    fn count_refused(&self, refused: Refused) {
        match refused {
            Refused::Total => self.counters.refused_total.one(),
            Refused::Address => self.counters.refused_address.one(),
        }
    }

    fn turn_away(&mut self, mut transport: Transport, refused: Refused) {
        self.count_refused(refused);
        let plan = plan::closing(Status::ServiceUnavailable, &self.policy);
        let mut bytes = Vec::new();
        respond::write_head(&plan, respond::Connection::Closes, self.clock.date(), &mut bytes);
        if let Body::Text(text) = plan.body {
            bytes.extend_from_slice(text.as_bytes());
        }
        // A courtesy: who is turned away holds nothing here, not even the time to read it.
        let _sent = transport.send(&bytes, Follows::Nothing);
        transport.finish();
    }
}

/// Whether it passes when something is closed.
const fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
}
