//! Which core runs what: reflectors on one, who sends on another, so that neither waits for the other's turn. Absent on a
//! machine with a single core.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Result, anyhow};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::child;

/// The cores of a measurement; none when there are not two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cores(Option<[usize; 2]>);

/// Who runs there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Reflector,
    Sender,
}

impl Cores {
    /// The first two that this program may use.
    pub(super) fn find() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        Ok(Self(usable.next().zip(usable.next()).map(|(first, second)| [first, second])))
    }

    /// A program that ends with this one.
    pub(super) fn program(self, side: Side, program: impl AsRef<OsStr>) -> Command {
        let Some(core) = self.of(side) else { return child::guarded(program) };
        let mut command = child::guarded("taskset");
        command.args(["--cpu-list", &core.to_string()]).arg(program);
        command
    }

    /// Runs `work` in a thread of its own there.
    pub(super) fn run<T: Send>(self, side: Side, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let placed = || {
            self.stay(side)?;
            work()
        };
        let ended = std::thread::scope(|scope| scope.spawn(placed).join());
        ended.map_err(|_| anyhow!("a measuring thread ended by a fault"))?
    }

    /// Keeps this thread there.
    pub(super) fn stay(self, side: Side) -> Result<()> {
        if let Some(core) = self.of(side) {
            let mut only = CpuSet::new();
            only.set(core);
            sched_setaffinity(None, &only)?;
        }
        Ok(())
    }

    fn of(self, side: Side) -> Option<usize> {
        self.0.map(|[reflector, sender]| match side {
            Side::Reflector => reflector,
            Side::Sender => sender,
        })
    }
}
