//! SIGINT, SIGTERM and SIGHUP as something that can be waited for beside sockets. Absent: code that runs inside a handler.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::ProbeError;

/// The signals that end a program, taken over from the system's default.
#[derive(Debug)]
pub struct Interrupts(SignalFd);

impl Interrupts {
    /// Takes the signals over in this thread and in those that it starts from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_over() -> Result<Self, ProbeError> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        let failed = |error: nix::Error| ProbeError::System {
            action: "take over the signals that end a program",
            source: error.into(),
        };
        signals.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&signals, flags).map(Self).map_err(failed)
    }

    /// Waits for the first of them.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn wait(&self) -> Result<(), ProbeError> {
        loop {
            let mut waited = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waited, PollTimeout::NONE) {
                Ok(_) => return Ok(()),
                Err(nix::Error::EINTR) => {}
                Err(error) => {
                    return Err(ProbeError::System {
                        action: "wait for a signal",
                        source: io::Error::from(error),
                    });
                }
            }
        }
    }
}

impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
