//! Postfix, Exim and Dovecot as Debian has them, each in namespaces of its own: its files lie over those of this machine for it alone, and
//! with the first process of the namespace, which ends with the test, the kernel ends all others. Configuration, queue and mailboxes are
//! in a temporary folder. Absent: anything that outlives the test, or that another program of this machine could see.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for a state; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    first_process: Child,
}

/// A part of a message.
pub(crate) struct Part {
    /// Of the message.
    pub(crate) subject: String,
    pub(crate) media_type: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
}

impl Part {
    /// As text, in one form: line ends are LF, and the last line has none.
    pub(crate) fn text(&self) -> String {
        one_form(std::str::from_utf8(&self.bytes).unwrap())
    }
}

/// A text without what its way may change: line ends in either form, and whether the last line has one.
pub(crate) fn one_form(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

impl Server {
    /// One that keeps every message for example.org itself, in the mailbox `inbox`.
    pub(crate) fn postfix() -> Self {
        Self::start_at(own_address(), "postfix.sh", &["virtual:"])
    }

    /// One at this address that hands every message for example.org over to `mailboxes`.
    pub(crate) fn postfix_before(mailboxes: SocketAddr, address: SocketAddr) -> Self {
        Self::start_at(address, "postfix.sh", &[&format!("lmtp:inet:{mailboxes}")])
    }

    pub(crate) fn exim() -> Self {
        Self::start_at(own_address(), "exim.sh", &[])
    }

    /// Mailboxes by LMTP. At the two ports after it, submission with STARTTLS and with TLS from the first byte, for ada with the
    /// password pencil; what is submitted goes to `relay`.
    pub(crate) fn dovecot(certificate: &Path, key: &Path, relay: SocketAddr) -> Self {
        let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap());
        let (relay, port) = (relay.ip().to_string(), relay.port().to_string());
        Self::start_at(own_address(), "dovecot.sh", &[certificate, key, &relay, &port])
    }

    fn start_at(address: SocketAddr, script: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The servers read it under users of their own.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/submission/servers").join(script);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--mount-proc", "sh"]).arg(script);
        command.arg(xtask::needs::unpacked()).arg(folder.path());
        command.args([address.ip().to_string(), address.port().to_string()]).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let first_process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let server = Self { address, folder, first_process };
        server.wait_until("it greets", || greets(address));
        server
    }

    /// The port after this many others.
    pub(crate) fn port(&self, after: u16) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.address.port() + after)
    }

    /// What is in the mailbox once it holds `count` messages and none is under way.
    pub(crate) fn messages(&self, mailbox: &str, count: usize) -> Vec<PathBuf> {
        let mailbox = self.folder.path().join("mail").join(mailbox);
        let delivered = || [files(&mailbox.join("new")), files(&mailbox.join("cur"))].concat();
        self.wait_until("every message is in its mailbox", || {
            delivered().len() >= count && self.under_way().is_empty()
        });
        delivered()
    }

    /// The files of messages that have not reached a mailbox.
    fn under_way(&self) -> Vec<PathBuf> {
        let queues = ["queue/incoming", "queue/active", "queue/deferred", "queue/maildrop", "spool/input"];
        queues.iter().flat_map(|queue| files(&self.folder.path().join(queue))).collect()
    }

    /// The parts of these messages as Python's email package reads them, message after message.
    pub(crate) fn parts(messages: &[PathBuf]) -> Vec<Part> {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/submission/servers/read_messages.py");
        let mut python = Command::new(xtask::needs::PYTHON);
        let output = python.arg("-B").arg(script).arg(folder.path()).args(messages).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let part = |line: &str| {
            let told: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            assert_eq!(told["defects"], serde_json::json!([]), "{line}");
            let bytes = std::fs::read(word("file")).unwrap();
            Part {
                subject: word("subject"),
                media_type: word("type"),
                name: word("name"),
                id: word("id"),
                bytes,
            }
        };
        String::from_utf8(output.stdout).unwrap().lines().map(part).collect()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "looks again and again for a state, and gives up after a while"
    )]
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < until, "in vain waited until {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the server says about itself.
    pub(crate) fn log(&self) -> String {
        let names = ["printed", "log", "spool/mainlog", "spool/paniclog"];
        let texts =
            names.iter().filter_map(|name| std::fs::read_to_string(self.folder.path().join(name)).ok());
        texts.collect::<Vec<_>>().concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.first_process.stdin.take());
        let _reaped = self.first_process.wait();
    }
}

/// An address of the loopback network that no other process takes, and a port below those that the kernel gives out.
pub(crate) fn own_address() -> SocketAddr {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let port = 20_000 + 10 * TAKEN.fetch_add(1, Ordering::Relaxed);
    SocketAddr::new(Ipv4Addr::new(127, 64 + high, middle, low).into(), port)
}

fn greets(address: SocketAddr) -> bool {
    let Ok(socket) = TcpStream::connect(address) else { return false };
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).is_ok_and(|_| line.starts_with("220 "))
}

/// The files below a folder, at whatever depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
