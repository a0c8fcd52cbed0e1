//! The Switchboard program as a library, so that tests and tools can use its rooms: the command line, the configuration,
//! the server's wiring the laboratory and the HTTP client.
//!
//! ```text
//!   main ─▶ cli (flags) ─▶ config (flags > environment > file > default) ─▶ commands/X ─▶ client ─▶ ... ─▶ screen
//!                                                                     └───▶ serve (the only wiring diagram)
//! ```
//!
//! Absent: rules of any service, SQL, frames; each is a crate of its own.
#![forbid(unsafe_code)]

mod caller;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data_folder;
pub mod exit;
pub mod failure;
pub mod get;
pub mod lab;
mod logging;
mod output_file;
mod parent;
mod picture;
mod scrape;
pub mod screen;
mod serve;
mod signals;

use std::process::ExitCode;

use switchboard_engine::Registry;

/// The whole program with these services: reads the command line of the process, runs the command, tells how it ended.
///
/// An embedder adds its own service to the built-in ones; `examples/seats.rs` shows how.
#[must_use]
pub fn main_with(services: Registry) -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(cli) => commands::run(cli, services).into(),
        Err(exit) => exit.into(),
    }
}
