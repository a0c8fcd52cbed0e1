//! A server in a temporary folder, and a client that reads exactly what it is told to expect.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_web::{Address, Limits, Listener, Running, Server, Settings, Site};

/// A server, and the folder that it serves.
pub(crate) struct Served {
    pub(crate) root: tempfile::TempDir,
    pub(crate) running: Running,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let listener = Listener::Tcp("127.0.0.1:0".parse().unwrap());
        let mut settings = Settings::new(Site::new(root.path()), listener);
        settings.workers = Some(1);
        change(&mut settings);
        let running = Server::new(settings).start().unwrap();
        Self { root, running }
    }

    pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|settings| change(&mut settings.limits))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        tcp(&self.running)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// One request on a connection of its own.
    pub(crate) fn fetch(&self, target: &str) -> Response {
        self.connect().fetch(target)
    }
}

pub(crate) fn tcp(running: &Running) -> SocketAddr {
    let is_tcp = |address: &Address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Tls(_) | Address::Unix(_) => None,
    };
    running.addresses().iter().find_map(is_tcp).unwrap()
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // Ends a failure only; no test waits for it.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn fetch(&mut self, target: &str) -> Response {
        self.request("GET", target, "")
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, fields: &str) -> Response {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        self.answer(method == "HEAD").expect("a whole answer")
    }

    /// The next answer; none when the connection ended, or was cut.
    pub(crate) fn answer(&mut self, of_head: bool) -> Option<Response> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = field(&head, "Content-Length").map_or(0, |value| value.parse().unwrap());
        let mut body = vec![0; if of_head { 0 } else { length }];
        self.stream.read_exact(&mut body).ok()?;
        Some(Response { status, head, body })
    }

    /// Whatever comes until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _read = self.stream.read_to_end(&mut rest);
        rest
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        self.rest().is_empty()
    }
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value)
}

/// Waits until the counters say so; the deadline ends a failure only.
#[expect(
    clippy::disallowed_methods,
    reason = "looks again and again for a state, and gives up after a while"
)]
pub(crate) fn until(served: &Served, what: &str, is_so: impl Fn(&switchboard_web::Snapshot) -> bool) {
    let started = std::time::Instant::now();
    while !is_so(&served.running.metrics().snapshot()) {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

/// Renames a new version over `path`, as deployment tools do.
pub(crate) fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, path).unwrap();
}
