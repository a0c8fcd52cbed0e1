//! CPU time of a process, its threads and its children: the steadiest figure on a shared machine.

use std::fs;
use std::time::Duration;

/// CPU time of the process tree below `pid` so far, from `/proc/PID/task/*/schedstat` (nanoseconds on a core, the first
/// field; proc(5)). Threads and processes that have ended are not in it.
#[must_use]
pub fn spent(pid: u32) -> Duration {
    let mut tree = vec![pid];
    let mut nanoseconds = 0;
    while let Some(pid) = tree.pop() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            nanoseconds += first_number(&task.path().join("schedstat"));
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            tree.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    Duration::from_nanos(nanoseconds)
}

fn first_number(path: &std::path::Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
