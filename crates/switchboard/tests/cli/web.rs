//! `switchboard web` as a process: what it says, what it answers, signals, and a shortage of descriptors.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::house::{House, PATIENCE, Server, wait_until};

pub(crate) fn serve(house: &House, arguments: &[&str]) -> Server {
    started(house.program(&["web", "--json", "--listen", "127.0.0.1:0"]), arguments)
}

pub(crate) fn started(mut command: Command, arguments: &[&str]) -> Server {
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    Server { child, facts: serde_json::from_str(&line).unwrap() }
}

pub(crate) fn address(server: &Server) -> SocketAddr {
    server.address("http://").trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

pub(crate) fn fetch(address: SocketAddr, target: &str) -> String {
    fetched(TcpStream::connect(address).unwrap(), target)
}

/// Asked on a connection that was made.
pub(crate) fn fetched(mut stream: TcpStream, target: &str) -> String {
    // Ends a failure only; no test waits for it.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_folder_is_served_until_a_signal() {
    let house = House::new();
    let root = house.path().join("www");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("home.html"), "welcome").unwrap();
    let log = house.path().join("access.log");
    let server = serve(
        &house,
        &[
            root.to_str().unwrap(),
            "--index",
            "home.html",
            "--access-log",
            log.to_str().unwrap(),
            "--log-format",
            "json",
        ],
    );
    assert_eq!(server.facts["roots"], serde_json::json!([root.to_str().unwrap()]));
    let answer = fetch(address(&server), "/");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nwelcome"), "{answer}");
    let rotated = house.path().join("access.log.1");
    wait_until("the line is written", || std::fs::metadata(&log).is_ok_and(|about| about.len() > 0));
    std::fs::rename(&log, &rotated).unwrap();
    server.signal(Signal::HUP);
    wait_until("a new log is begun", || log.exists());
    assert!(fetch(address(&server), "/none").starts_with("HTTP/1.1 404 "));
    let (code, said) = server.stop();
    assert_eq!(code, 0, "{said}");
    let line = |path| serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!((&line(rotated)["status"], &line(log)["status"]), (&200.into(), &404.into()));
}

#[test]
fn what_cannot_be_served_is_told_with_its_exit_code() {
    let house = House::new();
    let root = house.path().to_str().unwrap();
    let none = house.run(&["web", "/nonexistent/folder"]);
    assert_eq!(none.code, 78);
    assert!(none.stderr.contains("does not exist: /nonexistent/folder"), "{}", none.stderr);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = house.run(&["web", root, "--listen", &address]);
    assert_eq!(busy.code, 69);
    assert!(busy.stderr.contains(&format!("{address} is in use")), "{}", busy.stderr);
    let file = house.path().join("precious");
    std::fs::write(&file, "precious").unwrap();
    let socket = house.run(&["web", root, "--unix", file.to_str().unwrap()]);
    assert_eq!(socket.code, 78);
    assert!(socket.stderr.contains("precious exists and is no socket"), "{}", socket.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    for name in ["../x", "a/b", "", ".hidden"] {
        let index = house.run(&["web", root, "--index", name]);
        assert_eq!(index.code, 2, "{name}");
        assert!(index.stderr.contains("one plain file"), "{}", index.stderr);
    }
    let log = house.run(&["web", root, "--listen", "127.0.0.1:0", "--access-log", "/nonexistent/log"]);
    assert_eq!(log.code, 73);
    assert!(log.stderr.contains("/nonexistent/log"), "{}", log.stderr);
}

#[test]
fn a_shortage_of_descriptors_passes() {
    let house = House::new();
    std::fs::write(house.path().join("a.txt"), "a").unwrap();
    let server = serve(&house, &[house.path().to_str().unwrap(), "--workers", "1"]);
    let few = Rlimit { current: Some(30), maximum: Some(30) };
    prlimit(Some(Pid::from_child(&server.child)), Resource::Nofile, few).unwrap();
    let crowd: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(address(&server)).unwrap()).collect();
    let last = format!("/proc/{}/fd/29", server.pid());
    wait_until("no descriptor is left", || std::fs::symlink_metadata(&last).is_ok());
    drop(crowd);
    assert!(fetch(address(&server), "/a.txt").ends_with("\r\n\r\na"));
    assert_eq!(server.stop().0, 0);
}

#[test]
fn several_sites_are_configured_and_a_named_folder_takes_their_place() {
    let house = House::new();
    for (site, text) in [("one", "first"), ("two", "second"), ("named", "third")] {
        std::fs::create_dir(house.path().join(site)).unwrap();
        std::fs::write(house.path().join(site).join("index.html"), text).unwrap();
    }
    let file = house.path().join("web.toml");
    let [one, two] = ["one", "two"].map(|site| house.path().join(site).display().to_string());
    let text = format!(
        "[web]\nworkers = 1\n[[web.site]]\nroot = \"{one}\"\n[[web.site]]\nroot = \"{two}\"\nhosts = [\"h\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let server = serve(&house, &["--config", file.to_str().unwrap()]);
    assert_eq!(server.facts["roots"], serde_json::json!([one, two]));
    assert!(fetch(address(&server), "/").ends_with("\r\n\r\nsecond"));
    assert_eq!(server.stop().0, 0);
    let named = house.path().join("named");
    let server = serve(&house, &["--config", file.to_str().unwrap(), named.to_str().unwrap()]);
    assert!(fetch(address(&server), "/").ends_with("\r\n\r\nthird"));
    assert_eq!(server.stop().0, 0);
    let shown = house.ok(&["config", "show", "--config", file.to_str().unwrap()]);
    assert!(shown.contains("web.site.hosts (2)") && shown.contains("web.toml line 6"), "{shown}");
    let nothing = house.run(&["web"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("switchboard web ."), "{}", nothing.stderr);
}

#[test]
fn metrics_and_health_are_told_on_a_listener_of_their_own() {
    let house = House::new();
    let mut server = serve(&house, &[house.path().to_str().unwrap(), "--metrics", "0"]);
    let monitor: SocketAddr = server.facts["metrics"].as_str().unwrap().parse().unwrap();
    assert!(monitor.ip().is_loopback());
    assert!(fetch(address(&server), "/metrics").starts_with("HTTP/1.1 404 "));
    let metrics = fetch(monitor, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("switchboard_web_requests_total{class=\"4xx\"} 1\n"), "{metrics}");
    assert!(fetch(monitor, "/health").ends_with("\r\n\r\nok\n"));
    assert!(fetch(monitor, "/ready").ends_with("\r\n\r\nready\n"));
    assert!(fetch(monitor, "/").starts_with("HTTP/1.1 404 "));
    assert!(fetch(monitor, "/ HTTP/1.1\r\nHost: two").starts_with("HTTP/1.1 400 "));
    // A download that nobody takes keeps the server from ending.
    std::fs::write(house.path().join("large.bin"), vec![0; 30_000_000]).unwrap();
    let mut stream = TcpStream::connect(address(&server)).unwrap();
    write!(stream, "GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    server.signal(Signal::TERM);
    wait_until("it is draining", || fetch(monitor, "/ready").starts_with("HTTP/1.1 503 "));
    assert!(fetch(monitor, "/health").ends_with("\r\n\r\nok\n"));
    drop(stream);
    // A second signal would end it at once.
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn who_listens_on_port_80_need_not_stay_root() {
    let house = House::new();
    let root = house.path().to_str().unwrap();
    let unknown = house.run(&["web", root, "--listen", "127.0.0.1:0", "--user", "no-such-user"]);
    if !rustix::process::geteuid().is_root() {
        let refused = house.run(&["web", root, "--listen", "127.0.0.1:0", "--user", "nobody"]);
        assert_eq!(refused.code, 77, "{}", refused.stderr);
        return;
    }
    assert_eq!(unknown.code, 78, "{}", unknown.stderr);
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(house.path(), readable).unwrap();
    std::fs::write(house.path().join("a.txt"), "a").unwrap();
    let server = serve(&house, &[root, "--user", "nobody"]);
    assert!(fetch(address(&server), "/a.txt").ends_with("\r\n\r\na"));
    let threads: Vec<String> = of_threads(&server);
    assert!(threads.len() >= 2);
    for status in &threads {
        let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        for ids in [line("Uid:"), line("Gid:")] {
            assert!(ids.split_whitespace().skip(1).all(|id| id != "0"), "{status}");
        }
        assert!(!line("Groups:").split_whitespace().any(|group| group == "0"), "{status}");
        assert!(
            line("CapEff:").ends_with("0000000000000000") && line("CapPrm:").ends_with("0000000000000000")
        );
    }
    assert_eq!(server.stop().0, 0);
}

#[test]
fn every_event_loop_is_confined() {
    let house = House::new();
    let server = serve(&house, &[house.path().to_str().unwrap(), "--workers", "3"]);
    let loops: Vec<String> = of_threads(&server)
        .into_iter()
        .filter(|status| status.lines().next().is_some_and(|name| name.starts_with("Name:\tweb-")))
        .collect();
    assert_eq!(loops.len(), 3);
    // The step that the kernel asks for before it takes rules of who is not root; the rules themselves it does not show.
    assert!(loops.iter().all(|status| status.contains("NoNewPrivs:\t1")), "{loops:?}");
}

/// What the kernel says about each thread.
fn of_threads(server: &Server) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect()
}
