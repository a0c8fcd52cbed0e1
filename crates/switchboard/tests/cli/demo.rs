//! The demonstration: passes, is one JSON document, leaves nothing behind.

use crate::house::House;

#[test]
fn the_demonstration_passes_and_leaves_nothing_behind() {
    let house = House::new();
    let ran = house.run(&["demo", "--calls", "60", "--kills", "2", "--seed", "3"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("PASS"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("kill -9 the server").count(), 2, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("kill -9 the client").count(), 2, "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "no colours without a terminal");
    assert_eq!(left_behind(&house), Vec::<String>::new());
}

#[test]
fn as_json_it_is_one_document_and_with_keep_the_folder_stays() {
    let house = House::new();
    let ran = house.run(&["demo", "--calls", "20", "--kills", "1", "--loss", "0.5", "--keep", "--json"]);
    let summary = ran.json();
    assert_eq!(summary["verdict"], "pass", "{summary}");
    assert!(summary["checks"].as_array().unwrap().iter().all(|check| check["holds"] == true));
    assert!(std::path::Path::new(summary["folder"].as_str().unwrap()).join("server.log").exists());
    assert_eq!(left_behind(&house).len(), 1);
}

#[test]
fn an_interrupt_ends_its_processes_and_removes_its_folder() {
    let house = House::new();
    let mut command = house.program(&["demo", "--calls", "100000", "--kills", "0"]);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    crate::house::wait_until("the client draws", || {
        house.path().read_dir().unwrap().any(|entry| entry.unwrap().path().join("client-notes.txt").exists())
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = crate::house::Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
    assert_eq!(left_behind(&house), Vec::<String>::new());
}

/// Folders of demonstrations, and processes that run in one.
fn left_behind(house: &House) -> Vec<String> {
    let folders = house.path().read_dir().unwrap().map(|entry| entry.unwrap().path().display().to_string());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(house.path().to_str().unwrap()).then_some(command)
    });
    folders.chain(processes).collect()
}
