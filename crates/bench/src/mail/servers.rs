//! Postfix and Dovecot as Debian has them, unpacked and each in namespaces of its own, by the scripts with which the mail library is
//! tested. With the first process of the namespace, which ends with its standard input, the kernel ends all others.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;
use xtask::needs;

use crate::child::Stop;

const SCRIPTS: &str = "crates/mail/tests/submission/servers";
const START_SECONDS_MAX: u64 = 60;
/// For a server to put what it took into the mailbox.
const DELIVERY_SECONDS_MAX: u64 = 300;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    folder: TempDir,
    first_process: Child,
}

impl Server {
    /// Postfix, which keeps mail for example.org in one mailbox.
    pub(super) fn postfix(stop: &Stop, place: &Path) -> Result<Self> {
        Self::start(stop, place, "postfix.sh", &["virtual:".as_ref()])
    }

    /// Dovecot, which submits to `relay`. Two ports on it speaks TLS from the first byte.
    pub(super) fn dovecot(
        stop: &Stop,
        place: &Path,
        certificate: &Path,
        key: &Path,
        relay: SocketAddr,
    ) -> Result<Self> {
        let (host, port) = (relay.ip().to_string(), relay.port().to_string());
        Self::start(stop, place, "dovecot.sh", &[certificate, key, host.as_ref(), port.as_ref()])
    }

    fn start(stop: &Stop, place: &Path, script: &str, arguments: &[&Path]) -> Result<Self> {
        let folder = tempfile::tempdir_in(place)?;
        // The servers read it under users of their own.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let address = own_address();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--mount-proc", "sh"]);
        command.arg(xtask::workspace_root().join(SCRIPTS).join(script));
        command.arg(needs::unpacked()).arg(folder.path());
        command.args([address.ip().to_string(), address.port().to_string()]).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let first_process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut server = Self { address, folder, first_process };
        stop.wait_until(START_SECONDS_MAX, "the start of a mail server", || {
            if let Some(status) = server.first_process.try_wait()? {
                bail!("{script} ended with {status}: {}", server.said());
            }
            Ok(greets(address))
        })
        .with_context(|| server.said())?;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes TLS from the first byte.
    pub(super) fn under_tls(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.address.port() + 2)
    }

    /// Waits until as many messages as were sent are in the mailbox, and fails when there are more.
    pub(super) fn verify(&self, stop: &Stop, sent: u64) -> Result<()> {
        let mailbox = self.folder.path().join("mail/inbox/new");
        let kept = || std::fs::read_dir(&mailbox).map_or(0, Iterator::count);
        let sent = usize::try_from(sent)?;
        stop.wait_until(DELIVERY_SECONDS_MAX, "Postfix's delivery", || Ok(kept() >= sent))
            .with_context(|| format!("{} of {sent} messages are there: {}", kept(), self.said()))?;
        ensure!(kept() == sent, "{sent} messages were sent, and Postfix keeps {}", kept());
        Ok(())
    }

    fn said(&self) -> String {
        let texts = ["printed", "log"].map(|name| std::fs::read_to_string(self.folder.path().join(name)));
        texts.map(Result::unwrap_or_default).concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.first_process.stdin.take());
        let _reaped = self.first_process.wait();
    }
}

/// An address of the loopback network that no other process takes, and a port below those that the kernel gives out.
fn own_address() -> SocketAddr {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let port = 20_000 + 10 * (TAKEN.fetch_add(1, Ordering::Relaxed) % 1000);
    SocketAddr::new(Ipv4Addr::new(127, 64 + high % 64, middle, low).into(), port)
}

fn greets(address: SocketAddr) -> bool {
    let Ok(socket) = TcpStream::connect(address) else { return false };
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).is_ok_and(|_| line.starts_with("220 "))
}
