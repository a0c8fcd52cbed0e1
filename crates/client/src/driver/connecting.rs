//! The connection as the machine wants it, and what a person hears about nodes that fail. Absent: which node is next and when.

use std::sync::Arc;
use std::time::Duration;

use super::Driver;
use super::Standing;
use super::link::{Link, Progress};
use crate::address::Address;
use crate::connect::Connection;
use crate::error::ConnectError;
use crate::limits::{CLOSE_MS_MAX, CONNECT_MS_MAX, GREETING_MS_MAX};
use crate::options::Event;

/// How a TLS server answers plain frames, too short a message for a frame (RFC 8446 section 5.1: content type 21, then the
/// version).
const TLS_ALERT: [u8; 2] = [21, 3];

impl Driver {
    pub(super) fn connect(&mut self, node: usize) {
        self.node = node;
        self.greeted = false;
        (self.last_words, self.farewell_words) = (None, None);
        self.first_bytes.clear();
        self.link = Link::connect(self.parts.connector.clone(), self.address().clone());
    }

    pub(super) fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Attempted(result) => match *result {
                Ok(connection) => self.connected(connection),
                Err(error) => {
                    self.link = Link::Down;
                    self.failed(error);
                    self.parts.machine.handle_disconnected(self.now_ms());
                }
            },
            Progress::Received(count) => {
                let now_ms = self.now_ms();
                let received = self.link.received(count);
                let missing = TLS_ALERT.len().saturating_sub(self.first_bytes.len());
                self.first_bytes.extend(received.iter().take(missing));
                self.parts.machine.handle_bytes(now_ms, received);
            }
            Progress::Broken(cause) => {
                tracing::debug!(node = %self.address(), ?cause, "the connection broke");
                self.ended(cause.map(|error| error.to_string()));
                self.parts.machine.handle_disconnected(self.now_ms());
            }
        }
    }

    fn connected(&mut self, connection: Connection) {
        if let Some(fingerprint) = connection.first_seen {
            self.tell(Event::MetServer { address: self.address().to_string(), fingerprint });
        }
        self.link = Link::up(connection);
        let credential = self.parts.credential.as_ref().filter(|_| self.address().may_carry_credential());
        let credential = credential.map(|credential| credential.as_bytes().to_vec());
        self.parts.machine.handle_connected(self.now_ms(), credential);
    }

    pub(super) fn welcomed(&mut self, node: usize, greeting: String, principal: String) {
        self.greeted = true;
        self.last_failure = None;
        self.failed.clear();
        self.hopeless.clear();
        self.parts.standing.send_replace(Standing::Connected);
        let address = self.parts.nodes.at(node).to_string();
        self.tell(Event::Connected { address, greeting, principal });
    }

    /// The machine has had enough of this connection, or of waiting for it.
    pub(super) fn disconnect(&mut self) {
        match std::mem::replace(&mut self.link, Link::Down) {
            Link::Down => {}
            Link::Connecting(_) if self.parts.machine.stop_reason().is_some() => {}
            Link::Connecting(_) => {
                let address = self.address().to_string();
                self.failed(ConnectError::TimedOut { address, ms_max: CONNECT_MS_MAX });
            }
            Link::Up(stream) => {
                self.farewell = Some(tokio::spawn(async move {
                    let wait = Duration::from_millis(CLOSE_MS_MAX);
                    // A peer that does not take its goodbye loses nothing by it.
                    let _unheard = tokio::time::timeout(wait, stream.finish()).await;
                }));
                let silent = self.last_words.is_none() && self.farewell_words.is_none();
                if silent && !self.greeted && self.parts.machine.stop_reason().is_none() {
                    let address = self.address().to_string();
                    self.failed(ConnectError::TimedOut { address, ms_max: GREETING_MS_MAX });
                } else {
                    self.ended(None);
                }
            }
        }
    }

    /// The connection is down; before the greeting that is a failure of the node.
    fn ended(&mut self, cause: Option<String>) {
        self.link = Link::Down;
        if self.parts.machine.stop_reason().is_some() {
            return;
        }
        if self.greeted {
            self.parts.standing.send_replace(Standing::Connecting);
            return;
        }
        let alert = (self.first_bytes == TLS_ALERT).then(|| "it speaks TLS: write tls:// instead".to_owned());
        let address = self.address().to_string();
        let error = match alert.or(self.last_words.take()) {
            Some(what) => ConnectError::NotUnderstood { address, what },
            None => {
                let why = self.farewell_words.take().filter(|words| !words.is_empty()).or(cause);
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                ConnectError::NotGreeted { address, why }
            }
        };
        self.failed(error);
    }

    fn failed(&mut self, error: ConnectError) {
        let transient = error.is_transient();
        let source = Arc::new(error);
        let address = self.address().to_string();
        self.last_failure = Some(Arc::clone(&source));
        self.tell(match source.is_distrust() {
            true => Event::NotTrusted { address, source: Arc::clone(&source) },
            false => Event::NotConnected { address, source: Arc::clone(&source) },
        });
        self.failed.insert(self.node);
        match transient {
            true => self.hopeless.remove(&self.node),
            false => self.hopeless.insert(self.node),
        };
        if self.failed.len() >= self.parts.nodes.count() {
            self.parts.standing.send_replace(Standing::Failing(Arc::clone(&source)));
        }
        if self.hopeless.len() >= self.parts.nodes.count() {
            self.give_up(&source);
        }
    }

    /// No node can be used until somebody changes something: who waits is told now, not at its deadline.
    fn give_up(&mut self, error: &Arc<ConnectError>) {
        let machine = &self.parts.machine;
        let unsent = self.waiters.give_up(error, |key| machine.call_id(key).is_some());
        let now_ms = self.now_ms();
        unsent.into_iter().for_each(|key| self.parts.machine.cancel(now_ms, key));
    }

    fn address(&self) -> &Address {
        self.parts.nodes.at(self.node)
    }
}
