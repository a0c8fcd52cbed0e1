//! `beat` and `watch`, several processes on loopback: what is an alarm and what is none, whatever is killed, stopped, replayed
//! or forged.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::house::{House, PATIENCE};

/// A running command that prints an object a line; killed at the end of the test.
struct Process {
    child: Child,
    lines: Receiver<Value>,
    /// What was read so far.
    seen: Vec<Value>,
}

impl Process {
    fn start(house: &House, arguments: &[&str]) -> Self {
        let mut command = house.program(arguments);
        let mut child = command.arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let object = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if tell.send(object).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for an event, of this host if there is one.
    fn event(&mut self, event: &str, host: Option<&str>) -> Value {
        let fits = |line: &Value| line["event"] == event && host.is_none_or(|host| line["host"] == host);
        if let Some(line) = self.seen.iter().find(|line| fits(line)) {
            return line.clone();
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {event} of {host:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if fits(&line) {
                return line;
            }
        }
    }

    fn forget(&mut self) {
        self.seen.clear();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM; returns the exit code and the summary.
    fn stop(mut self) -> (Option<i32>, Value) {
        self.signal(Signal::TERM);
        let summary = self.event("summary", None);
        (self.child.wait().unwrap().code(), summary)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A house with a key for each of these hosts; `hosts.keys` has all of them.
fn house_of(hosts: &[&str]) -> House {
    let house = House::new();
    for host in hosts {
        make_key(&house, host, Some("hosts.keys"));
    }
    house
}

fn make_key(house: &House, host: &str, keys: Option<&str>) -> String {
    let file = path(house, &format!("{host}.key"));
    let keys = keys.map(|keys| path(house, keys));
    let mut line = vec!["beat", "--make-key", host, "--key-file", &file];
    line.extend(keys.iter().flat_map(|keys| ["--keys", keys]));
    house.ok(&line)
}

fn path(house: &House, name: &str) -> String {
    house.path().join(name).display().to_string()
}

/// A monitor that calls a host silent after two seconds, and where it listens.
fn watch(house: &House, more: &[&str]) -> (Process, String) {
    let keys = path(house, "hosts.keys");
    let line = ["watch", "--listen", "127.0.0.1:0", "--keys", &keys, "--detect", "2s"];
    let mut watch = Process::start(house, &[&line[..], more].concat());
    let address = watch.event("listening", None)["address"].as_str().unwrap().to_owned();
    (watch, address)
}

fn beat(house: &House, host: &str, monitor: &str, more: &[&str]) -> Process {
    let file = path(house, &format!("{host}.key"));
    let line = ["beat", monitor, "--key-file", &file, "--interval", "100ms"];
    Process::start(house, &[&line[..], more].concat())
}

#[test]
fn a_killed_host_is_an_alarm_and_one_that_takes_leave_is_none() {
    let house = house_of(&["left", "paused", "killed"]);
    let (mut monitor, address) = watch(&house, &[]);
    let left = beat(&house, "left", &address, &[]);
    let paused = beat(&house, "paused", &address, &["--pause", "10m"]);
    let mut killed = beat(&house, "killed", &address, &[]);
    for host in ["left", "paused", "killed"] {
        monitor.event("appeared", Some(host));
    }
    let (code, summary) = left.stop();
    assert_eq!((code, &summary["farewell"], &summary["failed"]), (Some(0), &"goodbye".into(), &0.into()));
    monitor.event("goodbye", Some("left"));
    assert_eq!(paused.stop().1["farewell"], "pause");
    assert_eq!(monitor.event("paused", Some("paused"))["seconds"], 600);
    killed.child.kill().unwrap();
    let silent = monitor.event("silent", Some("killed"));
    assert!(silent["silence_s"].as_f64().unwrap() <= 2.1, "{silent}");

    let _again = beat(&house, "killed", &address, &[]);
    monitor.event("returned", Some("killed"));
    let back = beat(&house, "paused", &address, &[]);
    monitor.event("returned", Some("paused"));
    drop(back);
    monitor.forget();
    monitor.event("silent", Some("paused"));
    let (code, summary) = monitor.stop();
    assert_eq!(code, Some(1), "a host is silent: {summary}");
    assert_eq!(summary["alarms"], 2, "{summary}");
    let hosts = &summary["hosts"];
    assert_eq!((&hosts["gone"], &hosts["silent"], &hosts["alive"]), (&1.into(), &1.into(), &1.into()));
}

#[test]
fn a_monitor_that_was_stopped_blames_nobody_for_it_and_finds_who_died_meanwhile() {
    let house = house_of(&["steady", "dies"]);
    let (mut monitor, address) = watch(&house, &[]);
    let _steady = beat(&house, "steady", &address, &[]);
    let dies = beat(&house, "dies", &address, &[]);
    monitor.event("appeared", Some("steady"));
    monitor.event("appeared", Some("dies"));
    monitor.signal(Signal::STOP);
    drop(dies);
    // Longer than it takes to call a host silent: a stranger's beats pass that time.
    make_key(&house, "stranger", None);
    let mut stranger = beat(&house, "stranger", "127.0.0.1:1", &["--count", "36"]);
    stranger.event("summary", None);
    monitor.signal(Signal::CONT);
    let absence = monitor.event("not_listened", None);
    assert!(absence["seconds"].as_f64().unwrap() > 3.0, "{absence}");
    monitor.event("silent", Some("dies"));
    let (code, summary) = monitor.stop();
    assert_eq!((code, &summary["alarms"]), (Some(1), &1.into()), "{summary}");
    assert_eq!(summary["hosts"]["alive"], 1, "{summary}");
}

#[test]
fn what_is_replayed_forged_or_from_a_stranger_is_counted_and_ignored() {
    let house = house_of(&["host"]);
    make_key(&house, "stranger", None);
    let (mut monitor, address) = watch(&house, &[]);
    let between = UdpSocket::bind("127.0.0.1:0").unwrap();
    let here = between.local_addr().unwrap().to_string();
    let host = beat(&house, "host", &here, &[]);
    let mut packet = [0; 65];
    for _ in 0..3 {
        assert_eq!(between.recv(&mut packet).unwrap(), 64);
        between.send_to(&packet[..64], &address).unwrap();
        between.send_to(&packet[..64], &address).unwrap();
        packet[31] ^= 0x80;
        between.send_to(&packet[..64], &address).unwrap();
    }
    drop(host);
    between.send_to(b"hello", &address).unwrap();
    let _stranger = beat(&house, "stranger", &address, &["--count", "1"]);
    monitor.event("appeared", Some("host"));
    for reason in ["replayed", "forged", "malformed", "unknown_host"] {
        let told = loop {
            let told = monitor.event("rejected", None);
            monitor.forget();
            if told["reason"] == reason {
                break told;
            }
        };
        assert!(told["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
    }
    monitor.event("silent", Some("host"));
    let (_, summary) = monitor.stop();
    let rejected = &summary["rejected"];
    assert_eq!(summary["taken"], 3, "{summary}");
    assert_eq!(
        (&rejected["replayed"], &rejected["forged"], &rejected["malformed"]),
        (&3.into(), &3.into(), &1.into())
    );
    assert!(rejected["unknown_host"].as_u64().unwrap() >= 1);
}

#[test]
fn a_key_is_made_for_both_ends_and_never_shown() {
    let house = House::new();
    let told = make_key(&house, "web1.example.org", Some("hosts.keys"));
    let key = path(&house, "web1.example.org.key");
    for wanted in [format!("switchboard beat HOST:PORT --key-file {key}"), "switchboard watch ".to_owned()] {
        assert!(told.contains(&wanted), "{told}");
    }
    let line = std::fs::read_to_string(&key).unwrap().lines().last().unwrap().to_owned();
    assert!(!told.contains(line.rsplit(' ').next().unwrap()), "the key is not shown");
    assert_eq!(std::fs::read_to_string(house.path().join("hosts.keys")).unwrap(), format!("{line}\n"));
    let again = ["beat", "--make-key", "web1.example.org", "--key-file", &key];
    assert_eq!(house.run(&again).code, 73);
    let other = path(&house, "other.key");
    let keys = path(&house, "hosts.keys");
    let twice = ["beat", "--make-key", "web1.example.org", "--key-file", &other, "--keys", &keys];
    let ran = house.run(&twice);
    assert!(ran.code == 73 && ran.stderr.contains("has a host web1.example.org already"), "{}", ran.stderr);
    assert_eq!(house.run(&["beat", "--make-key", "a b", "--key-file", &other]).code, 2);
    assert!(!Path::new(&other).exists());
}

#[test]
fn what_cannot_be_done_is_told_in_words() {
    let house = house_of(&["a", "b"]);
    let (keys, key) = (path(&house, "hosts.keys"), path(&house, "a.key"));
    let (_monitor, address) = watch(&house, &[]);
    let refused = |line: &[&str], code: i32, words: &str| {
        let ran = house.run(line);
        assert_eq!(ran.code, code, "{line:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{line:?}: {}", ran.stderr);
    };
    refused(&["watch", "--listen", &address, "--keys", &keys], 69, "is in use by another program");
    refused(&["watch", "--keys", &path(&house, "none")], 74, "make one with switchboard beat --make-key");
    refused(&["watch", "--keys", &keys, "--loss", "1"], 2, "from 0 to 0.9");
    refused(&["beat", &address, "--key-file", &keys], 65, "a host's own file has one");
    refused(&["beat", "no-such-host.invalid", "--key-file", &key], 2, "does not resolve");
    refused(&["beat", &address, "--key-file", &key, "--interval", "1ms"], 2, "from 10 ms to a day");
    refused(&["beat", "--key-file", &key], 2, "HOST[:PORT]");
    let exposed = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, exposed).unwrap();
    refused(&["beat", &address, "--key-file", &key], 78, "chmod 600");
}

#[test]
fn a_monitor_that_does_not_listen_is_told_once_and_its_return_too() {
    let house = house_of(&["host"]);
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let mut host = beat(&house, "host", &address, &["--epoch-file", &path(&house, "epoch")]);
    host.event("failing", None);
    let keys = path(&house, "hosts.keys");
    let mut monitor = Process::start(&house, &["watch", "--listen", &address, "--keys", &keys]);
    monitor.event("appeared", Some("host"));
    host.event("recovered", None);
    let failing = host.seen.iter().filter(|line| line["event"] == "failing").count();
    assert_eq!(failing, 1, "{:?}", host.seen);
    host.stop();
    assert_eq!(monitor.stop().0, Some(0), "nobody is silent");
    let epoch: u64 = std::fs::read_to_string(house.path().join("epoch")).unwrap().trim().parse().unwrap();
    assert!(epoch > 1_600_000_000_000_000_000);
}

#[test]
fn lines_are_for_people_and_figures_for_prometheus() {
    let house = house_of(&["host"]);
    let keys = path(&house, "hosts.keys");
    let line = ["watch", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--keys", &keys];
    let mut command = house.program(&line);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    let between =
        |from: &str, to: &str| first.split_once(from).unwrap().1.split_once(to).unwrap().0.trim().to_owned();
    let (address, figures) = (between(" on ", ";"), between("http://", "/metrics"));
    assert!(first.starts_with("watching 1 host on 127.0.0.1:"), "{first}");
    let host = beat(&house, "host", &address, &[]);
    let mut second = String::new();
    output.read_line(&mut second).unwrap();
    assert!(second.trim_end().ends_with("Z host beats"), "{second}");
    crate::house::wait_until("the figures have the host", || {
        let page = fetch(&figures, "/metrics");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        page.contains("switchboard_beat_up{host=\"host\"} 1\n")
            && page.contains("switchboard_beat_hosts{status=\"alive\"} 1\n")
    });
    assert!(fetch(&figures, "/").starts_with("HTTP/1.1 404 "));
    host.stop();
    let mut third = String::new();
    output.read_line(&mut third).unwrap();
    assert!(third.contains("host says goodbye"), "{third}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(rest.contains(" beats taken, 0 alarms") && rest.contains("1 gone"), "{rest}");
}

fn fetch(address: &str, target: &str) -> String {
    let mut peer = TcpStream::connect(address).unwrap();
    write!(peer, "GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    answer
}
