//! The program with the built-in services. Absent: everything else; that is the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::main_with(switchboard_services::all())
}
