//! What all peers serve: three files of random bytes, a key and a certificate, and the requests and answers of each case.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use switchboard_tls::{Fingerprint, Identity, ServerAddress, Trust, client_config};

use super::case::{CONNECTIONS, Case, PIPELINED, STEADY_PER_SECOND};
use super::load::{self, Expected, Lasting, Load, Pace, Target};

const SMALL: File = File { path: "/small.txt", bytes: 1024 };
const MEDIUM: File = File { path: "/medium.bin", bytes: 100 * 1024 };
const LARGE: File = File { path: "/large.bin", bytes: 10 * 1024 * 1024 };
const ABSENT: &str = "/absent.txt";
/// 1 KiB, for tools that make their own requests.
pub(super) const SMALL_PATH: &str = SMALL.path;
/// Bytes of it.
pub(super) const SMALL_BYTES: u64 = 1024;
/// Asks the server to close.
const CLOSE: &str = "Connection: close\r\n";

#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    bytes: usize,
}

/// The files, and the key for TLS.
#[derive(Debug)]
pub(super) struct Served {
    root: PathBuf,
    keys: PathBuf,
    fingerprint: Fingerprint,
}

impl Served {
    /// Makes them below `place`.
    #[expect(clippy::disallowed_methods, reason = "a certificate bears its dates")]
    pub(super) fn make(place: &Path) -> Result<Self> {
        let (root, keys) = (place.join("www"), place.join("keys"));
        fs::create_dir(&root)?;
        // Servers may read them as another user.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        for file in [SMALL, MEDIUM, LARGE] {
            let mut bytes = vec![0; file.bytes];
            getrandom::fill(&mut bytes)?;
            let path = root.join(file.path.trim_start_matches('/'));
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        }
        let (identity, _) = Identity::load_or_create(&keys, &[], jiff::Timestamp::now().as_second())?;
        Ok(Self { root, keys, fingerprint: identity.fingerprint() })
    }

    /// The folder that is served.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The certificate, PEM.
    pub(super) fn certificate(&self) -> PathBuf {
        self.keys.join("server.crt")
    }

    /// Its key, PEM.
    pub(super) fn key(&self) -> PathBuf {
        self.keys.join("server.key")
    }

    /// How to speak with a server of these files: it has to hold the key, and no session is resumed.
    pub(super) fn target(&self, address: SocketAddr, is_tls: bool) -> Result<Target> {
        if !is_tls {
            return Ok(Target { address, tls: None });
        }
        let name = ServerAddress::new(&address.ip().to_string(), address.port())?;
        let client = client_config(&Trust::Pin(self.fingerprint), &name, &[b"http/1.1"])?;
        let mut config = (*client.config()).clone();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Target { address, tls: Some((Arc::new(config), client.server_name())) })
    }

    /// The load of a case for so many seconds. The server answers two questions first: with what a client that has the
    /// file asks again, and what it says of a file that is not there.
    pub(super) fn load(&self, case: Case, target: &Target, seconds: f64) -> Result<Load> {
        let lasts = Duration::from_secs_f64(seconds);
        let base = Load {
            target: target.clone(),
            connections: CONNECTIONS,
            depth: 1,
            lasting: Lasting::Kept,
            request: load::request(SMALL.path, ""),
            expected: self.whole(SMALL)?,
            pace: Pace::Closed(lasts),
        };
        Ok(match case {
            Case::Small | Case::TlsSmall => base,
            Case::Pipelined => Load { depth: PIPELINED, ..base },
            Case::NotModified => {
                let request = load::request(SMALL.path, &validators(&base)?);
                Load { request, expected: Expected { status: 304, body: Vec::new() }, ..base }
            }
            Case::NotFound => {
                let request = load::request(ABSENT, "");
                let (head, body) = load::ask(target, &request)?;
                ensure!(head.status == 404, "a file that is not there is answered with {}", head.status);
                Load { request, expected: Expected { status: 404, body }, ..base }
            }
            Case::Medium => {
                Load { request: load::request(MEDIUM.path, ""), expected: self.whole(MEDIUM)?, ..base }
            }
            Case::Large => {
                Load { request: load::request(LARGE.path, ""), expected: self.whole(LARGE)?, ..base }
            }
            Case::Connect | Case::TlsConnect => {
                Load { lasting: Lasting::OneRequest, request: load::request(SMALL.path, CLOSE), ..base }
            }
            Case::Steady => Load { pace: Pace::Open { per_second: STEADY_PER_SECOND, lasts }, ..base },
            Case::Memory => Load { pace: Pace::Once, ..base },
            Case::Http2 => bail!("HTTP/2 has its own tool"),
        })
    }

    fn whole(&self, file: File) -> Result<Expected> {
        let path = self.root.join(file.path.trim_start_matches('/'));
        let body = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Expected { status: 200, body })
    }
}

/// The fields by which a browser that has the file asks whether it is still the same: all that the server gave for that.
fn validators(load: &Load) -> Result<String> {
    let (head, body) = load::ask(&load.target, &load.request)?;
    ensure!(
        head.status == load.expected.status && body == load.expected.body,
        "the file is not served as it is"
    );
    let with = |given: &str, asked: &str| {
        head.field(given).map(|value| format!("{asked}: {value}\r\n")).unwrap_or_default()
    };
    let fields = with("etag", "If-None-Match") + &with("last-modified", "If-Modified-Since");
    ensure!(!fields.is_empty(), "the server gives no validator");
    Ok(fields)
}
