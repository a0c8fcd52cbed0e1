//! `switchboard web` as a process: what it says, what it answers, signals, and a shortage of descriptors.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::house::{House, Server, wait_until};

fn serve(house: &House, arguments: &[&str]) -> Server {
    let mut command = house.program(&["web", "--json", "--listen", "127.0.0.1:0"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    Server { child, facts: serde_json::from_str(&line).unwrap() }
}

fn address(server: &Server) -> SocketAddr {
    server.address("http://").trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

fn fetch(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
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
    assert_eq!(server.facts["root"], root.to_str().unwrap());
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
