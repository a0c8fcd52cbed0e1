//! The experiments: measured over real sockets, one JSON document, files whole or not at all, nothing left behind.

use std::process::Stdio;

use crate::house::{House, Ran, wait_until};

/// Both worlds at two shares lost, and everything that can be written.
#[test]
fn loss_is_measured_on_sockets_and_shown_in_every_form() {
    let house = House::new();
    let file = |name: &str| house.path().join(name).display().to_string();
    let (csv, svg, png) = (file("loss.csv"), file("loss.svg"), file("loss.png"));
    let line = ["lab", "loss", "--points", "0,0.3", "--calls", "300", "--socket-calls", "12", "--seed", "5"];
    let ran = house.run(&[&line[..], &["--csv", &csv, "--svg", &svg, "--png", &png, "--json"]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr, "", "no progress is shown without a terminal");

    let measured = ran.json();
    let points = measured["points"].as_array().unwrap();
    assert_eq!(points.len(), 6, "two shares in three cases");
    for point in points {
        let on_sockets = &point["sockets"];
        assert_eq!(on_sockets["switchboard"]["calls"], 12, "{point}");
        let lost = on_sockets["requests"]["lost"].as_u64().unwrap()
            + on_sockets["replies"]["lost"].as_u64().unwrap();
        assert_eq!(point["loss"] == 0.0, lost == 0, "{point}");
        let theory = point["theory"]["attempts"].as_f64().unwrap();
        let found = &point["virtual"]["switchboard"]["attempts"];
        let apart = (found["mean"].as_f64().unwrap() - theory).abs();
        assert!(apart <= 3.0 * found["mean_error"].as_f64().unwrap() + 1e-9, "{point}");
    }
    let both = points.iter().find(|point| point["lost"] == "both" && point["loss"] == 0.3).unwrap();
    assert_eq!(both["threshold"], 69);
    assert!((both["theory"]["attempts"].as_f64().unwrap() - 1.0 / 0.49).abs() < 1e-9);
    assert_eq!(measured["files"].as_array().unwrap().len(), 3);

    let table = std::fs::read_to_string(csv).unwrap();
    let columns = table.lines().next().unwrap().split(',').count();
    assert!(table.lines().all(|line| line.split(',').count() == columns), "{table}");
    assert_eq!(table.lines().count(), 1 + 6 * 3, "a line for each client at each point");
    assert_eq!(table.lines().filter(|line| line.contains(",switchboard,sockets,12,")).count(), 6);

    let chart = std::fs::read_to_string(svg).unwrap();
    assert!(chart.starts_with("<svg ") && chart.ends_with("</svg>\n"));
    assert_eq!(chart.matches("<title>sockets, ").count(), 12, "time and attempts at each point");
    assert!(chart.contains("and is booked exactly once"), "the title tells the finding");
    assert!(chart.contains(">T=99<"), "the threshold is marked");
    assert_eq!(std::fs::read(png).unwrap()[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(left_behind(&house), Vec::<String>::new());
}

#[test]
fn the_same_seed_prints_the_same_table_and_existing_files_stay() {
    let house = House::new();
    let csv = house.path().join("loss.csv");
    let virtually = ["lab", "loss", "--points", "0.2,0.5", "--calls", "200", "--no-sockets", "--seed", "9"];
    let table = house.ok(&virtually);
    assert!(table.contains("requests and replies lost"), "{table}");
    assert_eq!(table, house.ok(&virtually));

    std::fs::write(&csv, "mine").unwrap();
    let to_file = [&virtually[..], &["--csv", csv.to_str().unwrap()]].concat();
    let refused = house.run(&to_file);
    assert_eq!(refused.code, 73, "{}", refused.stderr);
    assert!(refused.stderr.contains("add --overwrite"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), "mine");
    house.ok(&[&to_file[..], &["--overwrite"]].concat());
    assert!(std::fs::read_to_string(&csv).unwrap().starts_with("lost,loss,threshold,"));
}

/// The detectors on the same beats, a recording made and measured, and a monitor of many hosts.
#[test]
fn detectors_are_compared_on_generated_and_recorded_beats() {
    let house = House::new();
    let file = |name: &str| house.path().join(name).display().to_string();
    let (csv, svg, trace) = (file("beat.csv"), file("beat.svg"), file("trace.csv"));
    let recorded = house.run(&[
        "lab",
        "beat",
        "--record",
        &trace,
        "--beats",
        "200",
        "--interval",
        "10ms",
        "--seed",
        "3",
        "--json",
    ]);
    assert_eq!(recorded.code, 0, "{}", recorded.stderr);
    let (sent, lost) = (recorded.json()["sent"].as_u64().unwrap(), recorded.json()["lost"].as_u64().unwrap());
    assert!(sent >= 200 && lost < 50, "{sent} sent, {lost} lost");

    let line =
        ["lab", "beat", "--beats", "5000", "--seed", "1", "--trace", &trace, "--csv", &csv, "--svg", &svg];
    let ran = house.run(&[&line[..], &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let measured = ran.json();
    let traces = measured["traces"].as_array().unwrap();
    assert_eq!(traces.len(), 4);
    assert_eq!((&traces[3]["sent"], &traces[3]["lost"]), (&sent.into(), &lost.into()));
    for trace in traces {
        let curves = trace["curves"].as_array().unwrap();
        let names: Vec<_> = curves.iter().map(|curve| curve["detector"].as_str().unwrap()).collect();
        assert_eq!(names, ["fixed", "nfd-e", "phi"]);
        assert!(curves.iter().all(|curve| curve["points"].as_array().unwrap().len() > 20), "{trace}");
    }
    let table = std::fs::read_to_string(&csv).unwrap();
    assert!(table.starts_with("trace,detector,margin,") && table.lines().count() > 100);
    let chart = std::fs::read_to_string(&svg).unwrap();
    assert!(chart.starts_with("<svg ") && chart.contains("NFD-E"));
    assert_eq!(house.run(&line[..]).code, 73, "existing files stay");

    let load =
        house.run(&["lab", "beat", "--hosts", "500", "--interval", "100ms", "--length", "1s", "--json"]);
    assert_eq!(
        (load.code, &load.json()["alive"], &load.json()["alarms"]),
        (0, &500.into(), &0.into()),
        "{}",
        load.stderr
    );
    std::fs::write(&trace, "1,2\n").unwrap();
    let ran = house.run(&["lab", "beat", "--trace", &trace]);
    assert!(ran.code == 65 && ran.stderr.contains("is not of a recording"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_measured_is_refused_in_words() {
    let house = House::new();
    for (flags, words) in [
        (["--points", "0.96"], "write one from 0 to 0.95"),
        (["--points", "30%"], "is no share of messages lost"),
        (["--calls", "0"], "0 is not in 1..=1000000"),
        (["--round-trip", "5000"], "5000 is not in 1..=1000"),
    ] {
        let ran = house.run(&[&["lab", "loss"][..], &flags].concat());
        assert_eq!(ran.code, 2, "{flags:?}");
        assert!(ran.stderr.contains(words), "{flags:?}: {}", ran.stderr);
    }
}

#[test]
fn an_interrupt_ends_its_server_and_removes_its_folder() {
    let house = House::new();
    let mut command =
        house.program(&["lab", "loss", "--points", "0.7", "--calls", "1", "--socket-calls", "1000000"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the experiment has its folder", || {
        left_behind(&house).iter().any(|folder| folder.contains("switchboard-lab-"))
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("the experiment was interrupted"), "{}", ran.stderr);
    assert_eq!(left_behind(&house), Vec::<String>::new());
}

/// Folders in the place for temporary files.
fn left_behind(house: &House) -> Vec<String> {
    let entries = house.path().read_dir().unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|folder| folder.path().display().to_string()).collect()
}
