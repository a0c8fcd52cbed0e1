//! `bench SUBJECT` as a person runs it, for a moment. Absent: what its figures are.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What came of it.
pub(crate) struct ShortRun {
    pub(crate) report: String,
    pub(crate) results: Value,
}

impl ShortRun {
    /// One round of these runs, each a CASE/PEER of so many seconds, which leaves nothing behind but what was asked for.
    pub(crate) fn of(subject: &str, seconds: &str, runs: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let json = folder.path().join("results.json");
        let bench = env!("CARGO_BIN_EXE_bench");
        let mut command = Command::new(bench);
        // The tests of the whole workspace have built the server before they run.
        let beside = Path::new(bench).with_file_name("switchboard");
        if beside.exists() {
            command.env(bench::server::BINARY_VARIABLE, beside);
        }
        command.arg(subject);
        for run in runs {
            command.args(["--only", run]);
        }
        command.args(["--rounds", "1", "--seconds", seconds, "--json"]).arg(&json);
        let ran = command.arg("--place").arg(folder.path()).output().expect("it starts");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{told}");
        let report = String::from_utf8_lossy(&ran.stdout).into_owned();
        let written = std::fs::read(&json).expect("results are written");
        let results = serde_json::from_slice(&written).expect("results are JSON");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1);
        Self { report, results }
    }

    /// Every run, in order.
    pub(crate) fn samples(&self) -> &[Value] {
        self.results["samples"].as_array().expect("samples are a list")
    }
}
