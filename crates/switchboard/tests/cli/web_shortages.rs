//! `switchboard web` when the system has no more to give: descriptors, connections, a reader of its log.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use rustix::net::{AddressFamily, Shutdown, SocketType, bind, connect, shutdown, socket};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, pidfd_getfd, pidfd_open, prlimit,
};

use crate::house::{House, PATIENCE, Server, wait_until};
use crate::web::{address, fetch, fetched, serve, started};

/// A connection from another address of this machine than the usual one.
fn connect_from(source: &str, to: SocketAddr) -> TcpStream {
    let own = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&own, &SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    connect(&own, &to).unwrap();
    TcpStream::from(own)
}

fn limited(house: &House, descriptors: u32, arguments: &[&str]) -> Server {
    let program = house.program(&["web", "--json", "--listen", "127.0.0.1:0", "--workers", "1"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &descriptors.to_string()]);
    command.arg(program.get_program()).args(program.get_args()).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    started(command, arguments)
}

#[test]
fn one_address_leaves_descriptors_to_the_others() {
    let house = House::new();
    std::fs::write(house.path().join("a.txt"), "a").unwrap();
    std::fs::write(house.path().join("large.bin"), vec![7; 300_000]).unwrap();
    let server = limited(&house, 128, &[house.path().to_str().unwrap()]);
    let crowd: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address(&server)).unwrap()).collect();
    for target in ["/a.txt", "/large.bin"] {
        let answer = fetched(connect_from("127.0.0.2", address(&server)), target);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {answer}");
    }
    // Nor can many addresses together take what files need.
    let crowds: Vec<TcpStream> =
        (0..200).map(|number| connect_from(&format!("127.0.1.{}", number / 10), address(&server))).collect();
    assert!(fetched(connect_from("127.0.0.2", address(&server)), "/a.txt").starts_with("HTTP/1.1 503 "));
    drop((crowd, crowds));
    let (code, said) = server.stop();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("this process may open 128 files and sockets"), "{said}");
    assert!(said.contains("connections are taken at a time instead of 16384"), "{said}");
}

/// A connection that the server has taken.
fn taken(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(address(server)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    stream
}

/// How often a thread of this name went to sleep.
fn sleeps(server: &Server, name: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let status = tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap())
        .find(|status| status.starts_with(&format!("Name:\t{name}\n")))
        .unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    count.trim().parse().unwrap()
}

/// A thread that asks again and again without a pause does not sleep.
fn check_pauses(server: &Server, name: &str) {
    let before = sleeps(server, name);
    wait_until("it sleeps between its tries", || sleeps(server, name) >= before + 4);
}

#[test]
fn without_a_descriptor_files_are_answered_503_and_connections_are_waited_for() {
    let house = House::new();
    std::fs::write(house.path().join("a.txt"), "a").unwrap();
    let server = serve(&house, &[house.path().to_str().unwrap(), "--workers", "1", "--metrics", "0"]);
    let open = taken(&server);
    let pid = Some(Pid::from_child(&server.child));
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    // Standard input, output and error are fewer than it has already.
    let none = Rlimit { current: Some(3), maximum };
    let before = prlimit(pid, Resource::Nofile, none).unwrap();
    let answer = fetched(open, "/a.txt");
    let answer = &answer[answer.find("HTTP/1.1 503 ").expect("it cannot be opened")..];
    assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    let waiting = TcpStream::connect(address(&server)).unwrap();
    let monitor: SocketAddr = server.facts["metrics"].as_str().unwrap().parse().unwrap();
    let observer = TcpStream::connect(monitor).unwrap();
    check_pauses(&server, "web-0");
    check_pauses(&server, "web-monitor");
    prlimit(pid, Resource::Nofile, before).unwrap();
    assert!(fetched(waiting, "/a.txt").ends_with("\r\n\r\na"));
    assert!(fetched(observer, "/metrics").contains("refused_total{reason=\"descriptors\"}"));
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_listener_that_fails_for_good_is_not_asked_without_a_pause() {
    let house = House::new();
    let server = serve(&house, &[house.path().to_str().unwrap(), "--workers", "1"]);
    let open = taken(&server);
    let mine = listener_of(&server);
    // From now on every accept fails, as on a socket that never listened.
    shutdown(mine, Shutdown::Both).unwrap();
    assert!(TcpStream::connect(address(&server)).is_err());
    check_pauses(&server, "web-0");
    assert!(fetched(open, "/none").contains("HTTP/1.1 404 "));
    assert_eq!(server.stop().0, 0);
}

/// The socket that the server listens with.
fn listener_of(server: &Server) -> rustix::fd::OwnedFd {
    const LISTENS: &str = "0A";
    let port = format!(":{:04X}", address(server).port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let own = sockets.find(|columns| columns[1].ends_with(&port) && columns[3] == LISTENS).unwrap();
    let link = format!("socket:[{}]", own[9]);
    let mut descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let descriptor = descriptors
        .find_map(|entry| {
            let path = entry.unwrap().path();
            let is_it = std::fs::read_link(&path).is_ok_and(|to| to.to_str() == Some(&link));
            is_it.then(|| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        })
        .unwrap();
    let process = pidfd_open(Pid::from_child(&server.child), PidfdFlags::empty()).unwrap();
    pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty()).unwrap()
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_server_from_ending() {
    let house = House::new();
    let file = house.path().join("web.toml");
    std::fs::write(&file, "[web]\ndrain_ms = 300\n").unwrap();
    let root = house.path().to_str().unwrap();
    let mut server = serve(&house, &["--config", file.to_str().unwrap(), root, "--access-log", "-"]);
    // More than fits into a pipe, which holds 64 KiB.
    let target = format!("/?{}", "x".repeat(7_000));
    for _ in 0..20 {
        assert!(fetch(address(&server), &target).starts_with("HTTP/1.1 404 "));
    }
    server.signal(Signal::HUP);
    server.signal(Signal::TERM);
    wait_until("it has ended", || server.child.try_wait().unwrap().is_some());
    assert!(server.child.wait().unwrap().success());
    let mut said = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("lines of the access log on standard output are lost"), "{said}");
}
