//! Signals of a server: SIGTERM and SIGINT end it in order, a second one at once, SIGHUP reads the certificate again.
//! Absent: anything done inside a signal handler; tokio hands them to a task.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;

/// The signals that a server answers to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from the system's default, which would end the process.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let take = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::Internal, "cannot listen for the signals that end the server")
                    .because(error)
            })
        };
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// Ends with the first signal to stop; `reload` is called for each SIGHUP before it. From then on a further signal ends
    /// the process at once: what was acknowledged is on the disk.
    pub(crate) async fn until_shutdown(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => reload(),
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
            }
        }
        tracing::info!("stopping; a second signal ends at once");
        tokio::spawn(async {
            let Ok(mut again) = signal(SignalKind::interrupt()) else { return };
            let Ok(mut terminated) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = again.recv() => {}
                _ = terminated.recv() => {}
            }
            std::process::exit(i32::from(Exit::Unavailable.code()));
        });
    }
}
