//! Bars on standard error for what takes long; nothing when that is no terminal. Absent: figures.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many steps with a few words before it.
///
/// # Panics
/// Never: the template is constant.
#[must_use]
pub fn bar(steps: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>28} {wide_bar} {human_pos}/{human_len} {msg} {eta}");
    let bar = ProgressBar::new(steps).with_style(style.expect("a constant template is well-formed"));
    bar.set_prefix(what);
    bar.tick();
    bar
}

/// A bar over the runs of a matrix, with what runs now and the time that is left.
///
/// # Panics
/// Never: the template is constant.
#[must_use]
pub fn runs(count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left");
    let bar = ProgressBar::new(count).with_style(style.expect("a constant template is well-formed"));
    bar.enable_steady_tick(std::time::Duration::from_millis(500));
    bar
}
