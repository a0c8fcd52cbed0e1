//! The commands of docs/testing.md work as they are written.

use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "cargo run --release -p sim -- ";

#[test]
fn the_commands_of_the_document_work_as_they_are_written() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing.md");
    let text = std::fs::read_to_string(document).unwrap();
    let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(PROGRAM)).collect();
    assert!(commands.len() >= 3, "found only {commands:?}");
    for arguments in commands {
        let ran = Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{PROGRAM}{arguments}\n{said}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let refused = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, said) = refused(&["--flaw", "no-such-bug"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("known are: claim-by-plain-read"), "{said}");
    assert_eq!(refused(&["--seed", "1", "--seeds", "2"]).0, Some(2));
}

#[test]
fn figures_can_be_read_by_a_script() {
    let ran = Command::new(env!("CARGO_BIN_EXE_sim")).args(["--seeds", "3", "--json"]).output().unwrap();
    let figures: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(figures["held"], true);
    assert_eq!(figures["seeds"], 3);
    assert!(figures["simulated_hours"].as_f64().is_some_and(|hours| hours > 0.0), "{figures}");
}
