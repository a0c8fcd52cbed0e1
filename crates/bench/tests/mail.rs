//! `bench mail` as a person runs it, on a few cases and for a moment: messages go to smtp-sink, to the sink of its own, over a long line
//! and with a login through Dovecot; every one is counted, and what one was made of compared. What the figures are is no matter here.

use std::path::Path;
use std::process::Command;

#[test]
fn a_short_run_on_switchboard_is_verified_and_reported() {
    if ["postfix", "dovecot-submissiond"].into_iter().any(xtask::needs::skipped) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let bench = env!("CARGO_BIN_EXE_bench");
    let mut command = Command::new(bench);
    // The tests of the whole workspace have built the server before they run.
    let beside = Path::new(bench).with_file_name("switchboard");
    if beside.exists() {
        command.env(bench::server::BINARY_VARIABLE, beside);
    }
    command.arg("mail");
    let cases = ["short", "10m", "first", "sink-20", "bdat-1", "far-bdat-20"];
    for case in cases {
        command.args(["--only", &format!("{case}/switchboard")]);
    }
    command.args(["--only", "sink-20/smtp-source-reused"]);
    let ran = command
        .args(["--rounds", "1", "--seconds", "0.1", "--json"])
        .arg(&json)
        .arg("--place")
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let report = String::from_utf8_lossy(&ran.stdout);
    assert!(report.contains("with TLS and a login"), "{report}");
    // Round trips are as many however slow the machine is.
    let is_of_first = |line: &&str| line.contains("`first` Switchboard, round trips per message");
    let verdict = report.lines().find(is_of_first).unwrap_or_else(|| panic!("{report}"));
    assert!(verdict.ends_with(" reached") && !verdict.ends_with("not reached"), "{report}");
    let results: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let samples = results["samples"].as_array().unwrap();
    assert_eq!(samples.len(), cases.len() + 1, "{results}");
    let measured = |case: &str| &samples.iter().find(|sample| sample["case"] == case).unwrap()["measured"];
    assert_eq!(measured("first")["whole"]["round_trips"], 6, "{results}");
    assert!(measured("10m")["whole"]["peak_bytes"].as_u64().unwrap() > 0, "{results}");
    for case in ["sink-20", "bdat-1", "far-bdat-20"] {
        assert!(measured(case)["load"]["messages"].as_u64().unwrap() >= 20, "{results}");
    }
    // Nothing but what was asked for is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
