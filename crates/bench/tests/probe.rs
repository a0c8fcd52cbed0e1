//! `bench probe` as a person runs it, on Switchboard alone and for a moment: a reflector is started and loaded, every reply
//! matched, probers are heard through the relay. What the figures are is no matter here.

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
    command.arg("probe");
    for case in ["load-64/switchboard", "load-128/switchboard", "rtt/switchboard", "send-1ms/switchboard"] {
        command.args(["--only", case]);
    }
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
    assert!(report.contains("Reflector, 64 octets") && report.contains("places left out"), "{report}");
    let results: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let measured = |case: &str| {
        let samples = results["samples"].as_array().unwrap();
        &samples.iter().find(|sample| sample["case"] == case).unwrap()["measured"]
    };
    for case in ["load-64", "load-128"] {
        let reflected = &measured(case)["reflected"];
        assert!(
            reflected["answered"].as_u64().unwrap() > 0 && reflected["cpu_seconds"].as_f64().unwrap() > 0.0,
            "{reflected}"
        );
    }
    let round_trip = &measured("rtt")["round_trip"];
    let probes = round_trip["answered"].as_u64().unwrap() + round_trip["lost"].as_u64().unwrap();
    assert_eq!(probes, 100, "{round_trip}");
    let sent = &measured("send-1ms")["sent"];
    assert!(sent["sent"].as_u64().unwrap() > 0 && sent["asked"] == 100, "{sent}");
    // Nothing but what was asked for is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
