//! `bench web` as a person runs it, on Switchboard alone and for a moment: a server is started over files, loaded, every byte
//! compared, its access log held against the answers. What the figures are is no matter here.

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
    command.arg("web");
    for case in ["1k-pipelined", "304", "404", "100k", "connect", "memory"] {
        command.args(["--only", &format!("{case}/switchboard")]);
    }
    command.args(["--only", "304/floor"]);
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
    assert!(report.contains("304 Not Modified") && report.contains("MiB"), "{report}");
    let results: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let samples = results["samples"].as_array().unwrap();
    let loads: Vec<_> = samples.iter().filter_map(|sample| sample["measured"].get("load")).collect();
    assert_eq!((samples.len(), loads.len()), (7, 6), "{results}");
    for load in loads {
        assert!(
            load["requests"].as_u64().unwrap() > 0 && load["cpu_seconds"].as_f64().unwrap() > 0.0,
            "{load}"
        );
    }
    // Nothing but what was asked for is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
