//! A process that ends with the one that started it, whatever ended that: for the children of the demonstration. Linux only
//! (prctl(2), PR_SET_PDEATHSIG).

use rustix::process::{Signal, set_parent_process_death_signal};

/// Has the kernel kill this process when the thread that started it ends.
pub(crate) fn end_with_it() {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "this process will not end with its parent");
    }
}
