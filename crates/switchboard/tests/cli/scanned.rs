//! What a scanner finds wrong with the web server's TLS: sslyze, which also compares with Mozilla's "intermediate" profile.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::house::{House, Ran, Server};

/// What it asks for; the certificate is left out but for the comparison, since no authority vouches for it.
const QUESTIONS: [&str; 15] = [
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--compression",
    "--early_data",
    "--heartbleed",
    "--openssl_ccs",
    "--robot",
    "--reneg",
    "--resum",
    "--fallback",
    "--ems",
];

/// The names of the suites of one version that the server takes.
fn suites(found: &Value, version: &str) -> Vec<String> {
    let accepted =
        found[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"].as_array().unwrap();
    let name = |suite: &Value| suite["cipher_suite"]["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = accepted.iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_scanner_finds_nothing_but_a_certificate_of_our_own() {
    if xtask::needs::skipped("sslyze") {
        return;
    }
    let house = House::new();
    let mut command = house.program(&["web", ".", "--json", "--listen-tls", "127.0.0.1:0"]);
    let mut child = command.current_dir(house.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let server = Server { child, facts: serde_json::from_str(&line).unwrap() };
    let address = server.address("https://");
    let target = address.trim_start_matches("https://").trim_end_matches('/');
    let file = house.path().join("found.json");
    let sslyze = || Command::new(xtask::needs::python_tool("sslyze"));
    let ran = Ran::of(
        sslyze()
            .args(QUESTIONS)
            .args(["--mozilla_config=disable", "--json_out"])
            .arg(&file)
            .arg(target)
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let found: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let found = &found["server_scan_results"][0]["scan_result"];
    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(suites(found, version), Vec::<String>::new(), "{version}");
    }
    let ciphers = ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"];
    assert_eq!(suites(found, "tls_1_2"), ciphers.map(|name| format!("TLS_ECDHE_ECDSA_WITH_{name}")));
    assert_eq!(suites(found, "tls_1_3"), ciphers.map(|name| format!("TLS_{name}")));
    for (question, answer, expected) in [
        ("tls_compression", "supports_compression", serde_json::json!(false)),
        ("tls_1_3_early_data", "supports_early_data", serde_json::json!(false)),
        ("heartbleed", "is_vulnerable_to_heartbleed", serde_json::json!(false)),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", serde_json::json!(false)),
        ("robot", "robot_result", serde_json::json!("NOT_VULNERABLE_RSA_NOT_SUPPORTED")),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", serde_json::json!(false)),
        ("session_renegotiation", "supports_secure_renegotiation", serde_json::json!(true)),
        ("session_resumption", "session_id_resumption_result", serde_json::json!("FULLY_SUPPORTED")),
        ("tls_fallback_scsv", "supports_fallback_scsv", serde_json::json!(true)),
        ("tls_extended_master_secret", "supports_ems_extension", serde_json::json!(true)),
    ] {
        let said: &Value = &found[question]["result"][answer];
        assert_eq!(*said, expected, "{question} {answer}: {}", found[question]);
    }
    let compared = Ran::of(sslyze().args(["--mozilla_config=intermediate", target]).output().unwrap()).stdout;
    let (_, issues) = compared.split_once("COMPLIANCE AGAINST").unwrap();
    let issues: Vec<&str> =
        issues.lines().filter_map(|line| line.trim().strip_prefix("* ")?.split(':').next()).collect();
    assert_eq!(issues, ["certificate_path_validation", "maximum_certificate_lifespan"], "{compared}");
}
