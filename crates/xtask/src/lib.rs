//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! [`suite`] is the one test command, [`fuzzing`] its last stage and a command of its own, [`tidy`] checks what no compiler checks, [`needs`] is the table of Debian packages
//! that tests use and what a test asks before it uses one.
//!
//! Absent: nothing here is part of the server or its clients. Other crates may name `xtask` among their
//! dev-dependencies; only tools may name it among their dependencies.

pub mod fuzzing;
pub mod install;
pub mod needs;
pub mod suite;
pub mod tally;
pub mod tidy;

use std::env;
use std::path::{Path, PathBuf};

/// The folder of the workspace that cargo runs this crate from.
#[must_use]
pub fn workspace_root() -> PathBuf {
    // Asked at run time: checkouts that share a target folder share this program too. Set by `cargo run` and `cargo test`.
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&crate_folder).ancestors().nth(2).expect("this crate lies in ROOT/crates/xtask").to_path_buf()
}
