//! The libFuzzer driver of every target: which one is told in the environment. `cargo xtask fuzz` builds it with
//! instrumented code and runs it.
#![no_main]

use std::env;
use std::process::abort;
use std::sync::LazyLock;

use fuzz::Target;
use libfuzzer_sys::Corpus;

/// Names the target.
const VARIABLE: &str = "SWITCHBOARD_FUZZ_TARGET";

#[expect(clippy::print_stderr, reason = "who forgot the variable has nowhere else to read it")]
static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var(VARIABLE).unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        eprintln!("{VARIABLE} is to name a target: {}", fuzz::TARGETS.map(|target| target.name).join(", "));
        abort()
    })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > TARGET.input_bytes_max {
        return Corpus::Reject;
    }
    (TARGET.run)(bytes);
    Corpus::Keep
});
