//! `bench calls` as a person runs it, on Switchboard alone and for a moment: a server is built, started, loaded, audited and
//! ended. What the figures are is no matter here.

mod short_run;

use short_run::ShortRun;

#[test]
fn a_short_run_on_switchboard_is_verified_and_reported() {
    let ran = ShortRun::of("calls", "0.2", &["withdraw-64x1/switchboard-tls"]);
    let report = &ran.report;
    assert!(report.contains("Switchboard, TLS") && report.contains("fdatasync of 4 KiB"), "{report}");
    let sample = &ran.samples()[0];
    assert!(
        sample["calls"].as_u64().unwrap() > 0 && sample["cpu_seconds"].as_f64().unwrap() > 0.0,
        "{sample}"
    );
}
