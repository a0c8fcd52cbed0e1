//! `switchboard web` whose access log is on a disk that fills up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::house::{House, Server, wait_until};
use crate::mount::Mount;

fn serve(house: &House, mount: &Mount, arguments: &[&str]) -> Server {
    let program = ["web", "--json", "--listen", "127.0.0.1:0", "--workers", "1", "--metrics", "0"];
    let mut command = mount.program(house, &[&program, arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    Server { child, facts: serde_json::from_str(&line).unwrap() }
}

/// So many requests, one behind the other on a connection.
fn ask(address: SocketAddr, count: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    for _ in 1..count {
        write!(stream, "GET /many HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    }
    write!(stream, "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

fn lost(monitor: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(monitor).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let name = "switchboard_web_access_log_lost_lines_total{reason=\"write_failed\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[test]
fn lines_that_find_no_room_are_counted_and_none_is_torn() {
    let house = House::new();
    let away = house.path().join("away");
    let mount = Mount::small(&away, 256);
    let log = away.join("access.log");
    let arguments =
        [house.path().to_str().unwrap(), "--access-log", log.to_str().unwrap(), "--log-format", "json"];
    let mut server = serve(&house, &mount, &arguments);
    let of = |text: &str| text.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let (address, monitor) = (of(&server.address("http://")), of(server.facts["metrics"].as_str().unwrap()));
    let text = || std::fs::read_to_string(mount.inside("access.log")).unwrap();
    ask(address, 10);
    wait_until("the first lines are written", || text().lines().count() == 10);
    mount.fill(4);
    ask(address, 300);
    wait_until("lines are lost", || lost(monitor) > 0);
    ask(address, 50);
    wait_until("further ones are lost", || lost(monitor) >= 200);
    mount.make_room();
    ask(address, 20);
    wait_until("every line is written or counted", || text().lines().count() + lost(monitor) >= 380);
    server.signal(rustix::process::Signal::TERM);
    let mut said = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(server.child.wait().unwrap().success());
    let lines: Vec<Value> = text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["status"] == 404) && lines.last().unwrap()["target"] == "/last");
    assert!(text().ends_with('\n'));
    let told = said.lines().filter(|line| line.contains("No space left on device")).count();
    assert!((1..=2).contains(&told), "once a minute, and at the end: {said}");
}
