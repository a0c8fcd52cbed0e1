//! CPU time of a process, its threads and its children: the steadiest figure on a shared machine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// CPU time of the process tree below `pid` so far, from `/proc/PID/task/*/schedstat` (nanoseconds on a core, the first
/// field; proc(5)). Threads and processes that have ended are not in it.
#[must_use]
pub fn spent(pid: u32) -> Duration {
    let tasks = tree(pid).into_iter().flat_map(tasks);
    Duration::from_nanos(tasks.map(|task| first_number(&task.join("schedstat"))).sum())
}

/// A process and all that descend from it (`/proc/PID/task/*/children`; proc(5)).
#[must_use]
pub fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut looked_at = 0;
    while let Some(pid) = found.get(looked_at) {
        let children = tasks(*pid).into_iter().map(|task| fs::read_to_string(task.join("children")));
        let children: String = children.map(Result::unwrap_or_default).collect();
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        looked_at += 1;
    }
    found
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().map(|task| task.path()).collect()
}

/// CPU time of the children of `pid` that have ended and were waited for, and of theirs (`cutime` and `cstime` of
/// proc_pid_stat(5), to the tick of mostly 10 ms). Together with [`spent`] it never falls.
#[must_use]
pub fn reaped(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program may hold anything; after its closing bracket come numbers, the state as the third field.
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

fn first_number(path: &std::path::Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
