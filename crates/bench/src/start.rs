//! One start of a server and what a client waits for: the ready file, the welcome, the first answered withdrawal, all counted
//! from before the process was made. Absent: why it takes that long.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::load::{Accounts, Load, Pace, Ready, Work};
use crate::server::Server;

/// A server that has just greeted its first client.
#[derive(Debug)]
pub struct Start {
    /// The server.
    pub server: Server,
    /// Until its ready file was seen; it is looked for every millisecond.
    pub ready: Duration,
    /// Until it greeted a client in the clear.
    pub welcome: Duration,
    begun: Instant,
    client: Ready,
}

impl Start {
    /// Starts `program` over a data folder.
    ///
    /// # Errors
    /// When the server does not come up or does not greet.
    #[expect(clippy::disallowed_methods, reason = "what is measured is a time")]
    pub fn of(program: &[OsString], folder: &Path) -> Result<Self> {
        let begun = Instant::now();
        let server = Server::open(program, folder)?;
        let ready = begun.elapsed();
        let client = Load {
            target: server.tcp.clone(),
            connections: 1,
            depth: 1,
            work: Work::Withdraw(Accounts::Hot),
            pace: Pace::Count(1),
            seed: 1,
        };
        let client = client.connect()?;
        Ok(Self { server, ready, welcome: begun.elapsed(), begun, client })
    }

    /// Takes one minor unit from the first account; returns the time since before the process was made.
    ///
    /// # Errors
    /// When it is refused.
    pub fn first_call(&mut self) -> Result<Duration> {
        self.client.run()?;
        Ok(self.begun.elapsed())
    }
}
