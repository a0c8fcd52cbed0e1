//! `bench web` as a person runs it, on Switchboard alone and for a moment: a server is started over files, loaded, every byte
//! compared, its access log held against the answers. What the figures are is no matter here.

mod short_run;

use short_run::ShortRun;

#[test]
fn a_short_run_on_switchboard_is_verified_and_reported() {
    let runs = [
        "1k-pipelined/switchboard",
        "304/switchboard",
        "304/floor",
        "404/switchboard",
        "100k/switchboard",
        "connect/switchboard",
        "memory/switchboard",
    ];
    let ran = ShortRun::of("web", "0.1", &runs);
    let (report, results, samples) = (&ran.report, &ran.results, ran.samples());
    assert!(report.contains("304 Not Modified") && report.contains("MiB"), "{report}");
    let loads: Vec<_> = samples.iter().filter_map(|sample| sample["measured"].get("load")).collect();
    assert_eq!((samples.len(), loads.len()), (7, 6), "{results}");
    for load in loads {
        assert!(
            load["requests"].as_u64().unwrap() > 0 && load["cpu_seconds"].as_f64().unwrap() > 0.0,
            "{load}"
        );
    }
}
