//! One till on one thread: does what the machine says, on the wall clock made faster. Here the experiment reads a clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchboard_commands::bank::AccountId;
use switchboard_commands::money::Money;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::wire::Wire;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::loss::PACE;
use crate::lab::loss::limits::ANSWER_NOMINAL_S_MAX;
use crate::lab::loss::till::{Drawn, Till, Wanted};

/// How often a waiting till looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_millis(20);

/// What one till is to do.
pub(super) struct Errand {
    pub(super) address: SocketAddr,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) account: AccountId,
    pub(super) amount: Money,
    pub(super) calls: u32,
    /// Hears of each withdrawal.
    pub(super) told: Arc<dyn Fn() + Send + Sync>,
    pub(super) stop: Arc<AtomicBool>,
}

/// The till at work.
struct Work {
    errand: Errand,
    started: Instant,
    till: Till,
    wire: Option<Wire>,
}

impl Errand {
    /// Draws, and tells what each withdrawal took.
    pub(super) fn run(self) -> Result<Vec<Drawn>, Failure> {
        let random = Box::new(|bytes: &mut [u8]| {
            getrandom::fill(bytes).expect("the kernel's random source does not fail once it was seeded");
        });
        let till = Till::new(self.account, self.amount, random);
        #[expect(clippy::disallowed_methods, reason = "this is the driver of the tills on sockets")]
        let started = Instant::now();
        let calls = self.calls;
        let mut work = Work { errand: self, started, till, wire: None };
        work.till.handle_timer(work.now_us());
        work.until(|till| Ok(till.is_connected().then_some(())))?;
        let mut drawn = Vec::with_capacity(usize::try_from(calls).unwrap_or(0));
        for _ in 0..calls {
            let now_us = work.now_us();
            work.till.begin(now_us)?;
            drawn.push(work.until(Till::take_drawn)?);
            (work.errand.told)();
        }
        Ok(drawn)
    }
}

impl Work {
    /// Nominal microseconds since the start.
    fn now_us(&self) -> u64 {
        let wall_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        wall_us.saturating_mul(PACE)
    }

    /// Works until `reached` has something.
    fn until<T>(
        &mut self,
        mut reached: impl FnMut(&mut Till) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let since_us = self.now_us();
        loop {
            self.carry_out();
            if let Some(reached) = reached(&mut self.till)? {
                return Ok(reached);
            }
            if self.errand.stop.load(Ordering::Relaxed) {
                return Err(Failure::new(Exit::Unavailable, "the experiment was interrupted"));
            }
            if self.now_us().saturating_sub(since_us) > ANSWER_NOMINAL_S_MAX * 1_000_000 {
                let what = format!("a till had no answer for {ANSWER_NOMINAL_S_MAX} nominal seconds");
                return Err(Failure::new(Exit::Unavailable, what).advise(
                    "run it again on a machine that is less busy; if it stays so, report it with the seed",
                ));
            }
            self.wait();
        }
    }

    fn carry_out(&mut self) {
        while let Some(wanted) = self.till.poll_wanted() {
            match wanted {
                Wanted::Connect => self.connect(),
                Wanted::Send(bytes) => {
                    let sent = self.wire.as_mut().is_some_and(|wire| wire.send(&bytes).is_ok());
                    if !sent {
                        self.broken();
                    }
                }
                Wanted::Disconnect => self.wire = None,
            }
        }
    }

    fn connect(&mut self) {
        let Errand { address, tls, name, .. } = &self.errand;
        match Wire::connect(*address, Arc::clone(tls), name.clone()) {
            Ok(wire) => {
                self.wire = Some(wire);
                self.till.handle_connected(self.now_us());
            }
            // The machine tries again; that it never succeeds is found by the time it takes.
            Err(_) => self.broken(),
        }
    }

    fn broken(&mut self) {
        self.wire = None;
        self.till.handle_disconnected(self.now_us());
    }

    /// Until bytes come or the machine's time has come.
    fn wait(&mut self) {
        let until_us = self.till.poll_timeout_us().unwrap_or(u64::MAX);
        let wall_us = until_us.saturating_sub(self.now_us()).div_ceil(PACE);
        let at_most = Duration::from_micros(wall_us).min(LOOK_UP);
        match self.wire.as_mut().map(|wire| wire.wait(at_most).and_then(|()| wire.receive())) {
            Some(Ok(bytes)) if !bytes.is_empty() => {
                let now_us = self.now_us();
                self.till.handle_bytes(now_us, &bytes);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) => self.broken(),
            #[expect(
                clippy::disallowed_methods,
                reason = "without a connection there is only the time to wait for"
            )]
            None => std::thread::sleep(at_most),
        }
        if self.till.poll_timeout_us().is_some_and(|at_us| at_us <= self.now_us()) {
            self.till.handle_timer(self.now_us());
        }
    }
}
