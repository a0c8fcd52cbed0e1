//! `switchboard get` as a person and a script meet it: the real program against servers that do what a script says, against
//! Python's own, and under TLS. Absent: what a test beside the code can show.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod answers;
mod bodies;
mod files;
#[path = "../cli/house.rs"]
#[allow(dead_code, reason = "each suite uses what it needs of the house")]
mod house;
mod lines;
mod peers;
mod resumed;
mod scripted;
mod tls;

use std::process::Command;

use house::{House, Ran};

/// The program in the house's folder, with these arguments behind `get`.
fn program(house: &House, arguments: &[&str]) -> Command {
    let mut command = house.program(&["get"]);
    command.args(arguments).current_dir(house.path());
    command
}

/// Runs it to its end.
fn get(house: &House, arguments: &[&str]) -> Ran {
    Ran::of(program(house, arguments).output().unwrap())
}

/// What is in a file of the house's folder, `None` where there is none.
fn kept(house: &House, name: &str) -> Option<String> {
    let bytes = std::fs::read(house.path().join(name)).ok()?;
    Some(String::from_utf8(bytes).unwrap())
}

/// The names in the house's folder.
fn names(house: &House) -> Vec<String> {
    let entries = house.path().read_dir().unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
