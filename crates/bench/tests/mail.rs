//! `bench mail` as a person runs it, on a few cases and for a moment: messages go to smtp-sink, to the sink of its own, over a long line
//! and with a login through Dovecot; every one is counted, and what one was made of compared. What the figures are is no matter here.

mod short_run;

use short_run::ShortRun;

#[test]
fn a_short_run_on_switchboard_is_verified_and_reported() {
    if ["postfix", "dovecot-submissiond"].into_iter().any(xtask::needs::skipped) {
        return;
    }
    let runs = [
        "short/switchboard",
        "10m/switchboard",
        "first/switchboard",
        "sink-20/switchboard",
        "sink-20/smtp-source-reused",
        "bdat-1/switchboard",
        "far-bdat-20/switchboard",
    ];
    let ran = ShortRun::of("mail", "0.1", &runs);
    let (report, results, samples) = (&ran.report, &ran.results, ran.samples());
    assert!(report.contains("with TLS and a login"), "{report}");
    // Round trips are as many however slow the machine is.
    let is_of_first = |line: &&str| line.contains("`first` Switchboard, round trips per message");
    let verdict = report.lines().find(is_of_first).unwrap_or_else(|| panic!("{report}"));
    assert!(verdict.ends_with(" reached") && !verdict.ends_with("not reached"), "{report}");
    assert_eq!(samples.len(), runs.len(), "{results}");
    let measured = |case: &str| &samples.iter().find(|sample| sample["case"] == case).unwrap()["measured"];
    assert_eq!(measured("first")["whole"]["round_trips"], 6, "{results}");
    assert!(measured("10m")["whole"]["peak_bytes"].as_u64().unwrap() > 0, "{results}");
    for case in ["sink-20", "bdat-1", "far-bdat-20"] {
        assert!(measured(case)["load"]["messages"].as_u64().unwrap() >= 20, "{results}");
    }
}
