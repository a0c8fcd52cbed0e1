//! `bench probe` as a person runs it, on Switchboard alone and for a moment: a reflector is started and loaded, every reply
//! matched, probers are heard through the relay. What the figures are is no matter here.

mod short_run;

use short_run::ShortRun;

#[test]
fn a_short_run_on_switchboard_is_verified_and_reported() {
    let runs = ["load-64/switchboard", "load-128/switchboard", "rtt/switchboard", "send-1ms/switchboard"];
    let ran = ShortRun::of("probe", "0.1", &runs);
    let (report, samples) = (&ran.report, ran.samples());
    assert!(report.contains("Reflector, 64 octets") && report.contains("places left out"), "{report}");
    let measured = |case: &str| &samples.iter().find(|sample| sample["case"] == case).unwrap()["measured"];
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
}
