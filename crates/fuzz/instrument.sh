#!/bin/sh
# Stands before rustc for the crates of the workspace (RUSTC_WORKSPACE_WRAPPER): those whose code is fuzzed are optimised and
# report their coverage and comparisons to libFuzzer, as cargo-fuzz has it; the others and all dependencies stay as they are,
# so that `cargo test` has compiled them already.
case " $* " in
*" --crate-name switchboard_call "* | *" --crate-name switchboard_commands "* | *" --crate-name switchboard_services "* | \
    *" --crate-name switchboard_client "* | *" --crate-name switchboard_server "* | *" --crate-name switchboard "* | \
    *" --crate-name switchboard_web "* | *" --crate-name switchboard_probe "* | *" --crate-name switchboard_mail "* | \
    *" --crate-name fuzz "* | *" --crate-name libfuzzer "*)
    level=2
    case " $* " in
    *" --crate-name switchboard "* | *" --crate-name switchboard_client "* | *" --crate-name switchboard_server "* | \
        *" --crate-name switchboard_web "* | *" --crate-name switchboard_probe "* | *" --crate-name switchboard_mail "*) level=1 ;;
    esac
    exec "$@" -Copt-level=$level -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$@" ;;
esac
