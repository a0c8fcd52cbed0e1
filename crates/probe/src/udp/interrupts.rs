//! SIGINT, SIGTERM and SIGHUP as something that can be waited for beside sockets. Absent: code that runs inside a handler.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::ProbeError;

const REPORT: i32 = Signal::SIGUSR1 as i32;

/// The signals that end a program, taken over from the system's default.
#[derive(Debug)]
pub struct Interrupts(SignalFd);

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// SIGINT, SIGTERM, SIGHUP: to end.
    End,
    /// SIGUSR1: to tell how far things are.
    Report,
}

impl Interrupts {
    /// Takes the signals over in this thread and in those that it starts from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_over() -> Result<Self, ProbeError> {
        Self::of(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
    }

    /// The same with SIGUSR1, which asks for a report.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_over_with_reports() -> Result<Self, ProbeError> {
        Self::of(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1])
    }

    fn of(signals: &[Signal]) -> Result<Self, ProbeError> {
        let signals: SigSet = signals.iter().copied().collect();
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
    pub fn wait(&self) -> Result<Wish, ProbeError> {
        loop {
            let mut waited = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waited, PollTimeout::NONE) {
                Ok(_) => {
                    let came = self.0.read_signal().ok().flatten();
                    let report = came.is_some_and(|signal| i32::try_from(signal.ssi_signo) == Ok(REPORT));
                    return Ok(if report { Wish::Report } else { Wish::End });
                }
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
