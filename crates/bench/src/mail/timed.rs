//! A process whose time is measured: from its start to its end as the kernel tells it, not as a look now and then finds it. It is ended
//! when it takes too long or somebody asks this program to end. Absent: what it is good for.

use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::child::Stop;

/// Time between two looks for a wish to end, in milliseconds.
const LOOK_MS: u64 = 100;
/// Time between two looks at the memory of a process, in milliseconds.
const WATCH_MS: u64 = 1;

/// How a process ended, and after what time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    pub(super) status: ExitStatus,
    pub(super) elapsed: Duration,
}

/// Runs `command` to its end, for `longest` at most. What is `watched` is told its id again and again.
#[expect(clippy::disallowed_methods, reason = "the time is what is measured")]
pub(super) fn run(
    stop: &Stop,
    command: &mut Command,
    longest: Duration,
    mut watched: Option<&mut dyn FnMut(u32)>,
) -> Result<Timed> {
    let begun = Instant::now();
    let mut child = Running(command.spawn()?);
    let end = pidfd_open(Pid::from_child(&child.0), PidfdFlags::empty())?;
    // Only where it takes long enough that looking does not count.
    let look = Duration::from_millis(if watched.is_some() { WATCH_MS } else { LOOK_MS });
    let look = Timespec::try_from(look).context("a look is short")?;
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)], Some(&look)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error.into()),
        }
        stop.check()?;
        ensure!(begun.elapsed() < longest, "it takes longer than {} s", longest.as_secs_f64());
        if let Some(watched) = &mut watched {
            watched(child.0.id());
        }
    }
    let elapsed = begun.elapsed();
    Ok(Timed { status: child.0.wait()?, elapsed })
}

/// A process that does not outlive its measurement.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that was waited for gets no signal.
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_a_process_ended_and_shows_it_meanwhile() {
        let mut seen = 0;
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.05; exit 3"]);
        let mut watched = |id| seen = id;
        let timed = run(&Stop::default(), &mut command, Duration::from_mins(1), Some(&mut watched)).unwrap();
        assert_eq!(timed.status.code(), Some(3));
        assert!(timed.elapsed >= Duration::from_millis(50), "{timed:?}");
        assert!(seen > 0);
    }

    #[test]
    fn a_process_that_hangs_is_ended() {
        let mut command = Command::new("sleep");
        let ran = run(&Stop::default(), command.arg("1000"), Duration::from_millis(1), None);
        assert_eq!(ran.unwrap_err().to_string(), "it takes longer than 0.001 s");
    }
}
