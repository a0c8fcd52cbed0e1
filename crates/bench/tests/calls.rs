//! `bench calls` as a person runs it, on Switchboard alone and for a moment: a server is built, started, loaded, audited and
//! ended. What the figures are is no matter here.

use std::path::Path;
use std::process::Command;

#[test]
fn a_short_run_on_switchboard_is_verified_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let bench = env!("CARGO_BIN_EXE_bench");
    let mut command = Command::new(bench);
    // The tests of the whole workspace have built the server before they run.
    let beside = Path::new(bench).with_file_name("switchboard");
    if beside.exists() {
        command.env(bench::server::BINARY_VARIABLE, beside);
    }
    let ran = command
        .args(["calls", "--rounds", "1", "--seconds", "0.2", "--only", "withdraw-64x1/switchboard-tls"])
        .arg("--json")
        .arg(&json)
        .arg("--place")
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let report = String::from_utf8_lossy(&ran.stdout);
    assert!(report.contains("Switchboard, TLS") && report.contains("fdatasync of 4 KiB"), "{report}");
    let results: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let sample = &results["samples"][0];
    assert!(
        sample["calls"].as_u64().unwrap() > 0 && sample["cpu_seconds"].as_f64().unwrap() > 0.0,
        "{sample}"
    );
    // Nothing but what was asked for is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
