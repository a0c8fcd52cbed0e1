//! The access log and the counters of a server that ran.

use std::error::Error as _;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, mknodat};
use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard_web::{AccessLog, Error, Listener, LogFormat, LogTarget, Server, Settings, Site};

use crate::client::{Served, until};

/// A server that logs into `path`.
fn logging(path: &Path) -> Served {
    Served::with(|settings| log_into(settings, path))
}

fn log_into(settings: &mut Settings, path: &Path) {
    let to = LogTarget::File(path.to_owned());
    settings.access_log = Some(AccessLog { to, format: LogFormat::Common });
}

#[test]
fn each_request_has_its_line_and_rotation_begins_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let served = logging(&path);
    served.write("a.txt", "12345");
    served.write("large.bin", vec![0; 1_000_000]);
    let mut client = served.connect();
    client.fetch("/a.txt?q=%22");
    client.request("HEAD", "/a.txt", "");
    client.fetch("/large.bin");
    client.fetch("/none");
    client.send("GET /\x01 HTTP/1.1\r\n\r\n");
    client.answer(false);
    drop(client);
    served.running.shutdown();
    let text = std::fs::read_to_string(&path).unwrap();
    let requests: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("] ")).map(|(_, rest)| rest).collect();
    let page = requests[3].rsplit(' ').next().unwrap();
    assert_eq!(
        requests[..4],
        [
            "\"GET /a.txt?q=%22 HTTP/1.1\" 200 5",
            "\"HEAD /a.txt HTTP/1.1\" 200 0",
            "\"GET /large.bin HTTP/1.1\" 200 1000000",
            &format!("\"GET /none HTTP/1.1\" 404 {page}"),
        ]
    );
    assert!(requests[4].starts_with("\"-\" 400 "), "{}", requests[4]);
    assert_eq!(requests.len(), 5);
    assert!(text.lines().all(|line| line.starts_with("127.0.0.1 - - [")));
}

#[test]
fn counters_are_told_to_prometheus() {
    let served = Served::new();
    served.write("a.txt", "12345");
    let mut client = served.connect();
    client.fetch("/a.txt");
    client.fetch("/a.txt");
    client.fetch("/none");
    let text = served.running.metrics().prometheus();
    for line in [
        "# TYPE switchboard_web_requests_total counter",
        "switchboard_web_requests_total{class=\"2xx\"} 2",
        "switchboard_web_requests_total{class=\"4xx\"} 1",
        "switchboard_web_cache_lookups_total{result=\"hit\"} 1",
        "switchboard_web_connections 1",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(
        types.clone().collect::<std::collections::BTreeSet<_>>().len(),
        types.count(),
        "each family once"
    );
}

fn pipe(path: &Path) {
    mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// The end of a pipe that reads, opened whether or not anybody writes.
fn reader(path: &Path) -> File {
    let no_wait = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    let reader = OpenOptions::new().read(true).custom_flags(no_wait).open(path).unwrap();
    rustix::fs::fcntl_setfl(&reader, OFlags::empty()).unwrap();
    reader
}

/// What `act` returns, which must not wait for anybody; the deadline ends a failure only.
fn at_once<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = channel();
    std::thread::spawn(move || done.send(act()));
    is_done.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("it waits: {what}"))
}

fn check_refused(refused: &Error, log: &Path) {
    assert!(matches!(refused, Error::AccessLog { path, .. } if path == log), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("it is a pipe that nobody reads") && text.contains("start what reads"), "{text}");
    assert!(refused.source().unwrap().to_string().contains("No such device"), "{refused:?}");
}

#[test]
fn a_pipe_that_nobody_reads_is_refused_as_the_log_and_waited_for_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    pipe(&path);
    let mut settings = Settings::new(Site::new(folder.path()), Listener::Tcp("127.0.0.1:0".parse().unwrap()));
    log_into(&mut settings, &path);
    check_refused(&at_once("a start", || Server::new(settings).start().map(drop)).unwrap_err(), &path);

    let first = reader(&path);
    let Served { root, running } = logging(&path);
    drop(first);
    let (running, reloaded) = at_once("a reload", move || {
        let reloaded = running.reload();
        (running, reloaded)
    });
    check_refused(&reloaded.unwrap_err(), &path);
    let mut second = reader(&path);
    running.reload().unwrap();
    let served = Served { root, running };
    served.fetch("/none");
    served.running.shutdown();
    let mut lines = String::new();
    second.read_to_string(&mut lines).unwrap();
    assert!(lines.contains("\"GET /none HTTP/1.1\" 404 ") && lines.lines().count() == 1, "{lines}");
}

#[test]
fn a_log_that_waits_for_its_reader_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    pipe(&path);
    let mut reader = reader(&path);
    let served = logging(&path);
    ask_at_length(&served);
    let lines = std::thread::spawn(move || {
        let mut lines = String::new();
        reader.read_to_string(&mut lines).unwrap();
        lines
    });
    served.running.shutdown();
    assert_eq!(lines.join().unwrap().lines().count(), 20);
}

#[test]
fn a_log_whose_reader_never_reads_does_not_hold_up_the_end_for_as_long_as_answers_may() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    pipe(&path);
    let silent = reader(&path);
    let served = Served::with(|settings| {
        log_into(settings, &path);
        settings.limits.shutdown_time_max = Duration::from_secs(600);
    });
    ask_at_length(&served);
    at_once("the end", || served.running.shutdown());
    drop(silent);
}

#[test]
fn an_answer_that_the_end_cuts_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let served = Served::with(|settings| {
        log_into(settings, &path);
        settings.limits.shutdown_time_max = Duration::from_millis(50);
    });
    served.write("large.bin", vec![0; 30_000_000]);
    let mut client = served.connect();
    client.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&served, "some of it is sent", |counted| counted.sent_bytes > 0);
    served.running.shutdown();
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, sent) = text.trim_end().rsplit_once("\"GET /large.bin HTTP/1.1\" 200 ").unwrap();
    let sent: u64 = sent.parse().unwrap();
    assert!(0 < sent && sent < 30_000_000, "{sent}");
}

/// Twenty requests whose lines are more than a pipe holds, which is 64 KiB.
fn ask_at_length(served: &Served) {
    let mut client = served.connect();
    let target = format!("/none?{}", "x".repeat(7_000));
    (0..20).for_each(|_| assert_eq!(client.fetch(&target).status, 404));
}

/// Runs one test of this file in a process of its own, which is not ended for reaching the bound on the length of its files.
fn alone(test: &str) {
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("log::{test}"))
        .env(ALONE, "")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

/// Is set where one test has its process for itself.
const ALONE: &str = "SWITCHBOARD_WEB_TEST_ALONE";

/// Bytes that a log may have, less than a line: a bound on the length of files stands for a full disk.
const ROOM: u64 = 30;

#[test]
fn the_rest_of_a_line_does_not_begin_a_log_that_was_truncated() {
    if std::env::var_os(ALONE).is_none() {
        return alone("the_rest_of_a_line_does_not_begin_a_log_that_was_truncated");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let served = logging(&path);
    let mut client = served.connect();
    let unbounded = getrlimit(Resource::Fsize);
    let bound = rustix::process::Rlimit { current: Some(ROOM), ..unbounded };
    setrlimit(Resource::Fsize, bound).unwrap();
    client.fetch("/torn");
    until(&served, "the beginning of a line is written", |_| path.metadata().unwrap().len() == ROOM);
    client.fetch("/lost");
    until(&served, "a line is lost", |counted| counted.log_failed == 1);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    setrlimit(Resource::Fsize, unbounded).unwrap();
    client.fetch("/whole");
    let metrics = served.running.metrics().clone();
    served.running.shutdown();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("127.0.0.1 - - [") && text.contains("\"GET /whole "), "{text}");
    assert_eq!((text.lines().count(), metrics.snapshot().log_failed), (1, 2), "{text}");
}
