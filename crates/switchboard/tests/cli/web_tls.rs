//! `switchboard web` under TLS as a process: by flags and by configuration, to curl and to our own client, while certificates
//! are replaced, and with certificates that cannot be used.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use switchboard_tls::{Fingerprint, Identity, ServerAddress, Trust, client_config};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use crate::house::{House, Ran, Server, wait_until};

/// A certificate with its key, made for these names.
struct Pair {
    cert: String,
    key: String,
    fingerprint: Fingerprint,
}

impl Pair {
    /// In `folder`, valid from `from` (UNIX seconds) on.
    fn made(folder: &Path, names: &[&str], from: i64) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (identity, _) = Identity::load_or_create(folder, &names, from).unwrap();
        let [cert, key] = ["server.crt", "server.key"].map(|name| folder.join(name).display().to_string());
        Self { cert, key, fingerprint: identity.fingerprint() }
    }

    fn flags(&self) -> [&str; 4] {
        ["--cert", &self.cert, "--key", &self.key]
    }

    fn table(&self) -> String {
        format!("[[web.certificate]]\ncert = \"{}\"\nkey = \"{}\"\n", self.cert, self.key)
    }
}

#[expect(clippy::disallowed_methods, reason = "a certificate is valid from now on")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A folder with two files, below the house.
fn site(house: &House) -> PathBuf {
    let root = house.path().join("www");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("a.txt"), "a").unwrap();
    std::fs::write(root.join("large.bin"), large()).unwrap();
    root
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// Serves with these arguments behind `web --json`.
fn serve(house: &House, arguments: &[&str]) -> Server {
    let mut command = house.program(&["web", "--json"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let facts = serde_json::from_str(&line).unwrap_or_else(|_| {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("it did not serve: {line}{said}")
    });
    Server { child, facts }
}

/// The port where TLS is spoken.
fn port(server: &Server) -> u16 {
    server.address("https://").trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap()
}

fn shown(server: &Server) -> Vec<String> {
    server.facts["fingerprints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

/// curl, which believes `authority` and finds every name at this server.
fn curl(server: &Server, authority: &str, host: &str, path: &str, arguments: &[&str]) -> Ran {
    let at = format!("{host}:{}", port(server));
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--cacert", authority]);
    command.args(["--resolve", &format!("{at}:127.0.0.1"), &format!("https://{at}{path}")]).args(arguments);
    Ran::of(command.output().unwrap())
}

/// A connection that stays, to the server that holds this key.
fn connect(server: &Server, pin: Fingerprint) -> StreamOwned<ClientConnection, TcpStream> {
    let address = ServerAddress::new("localhost", port(server)).unwrap();
    let config = client_config(&Trust::Pin(pin), &address, &[b"http/1.1"]).unwrap().config();
    let name = ServerName::try_from("localhost").unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port(server))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(&config), name).unwrap(), socket)
}

/// One answer of a connection that stays; its body is one byte.
fn ask(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\na") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn a_pair_serves_curl_by_both_protocols_and_both_versions_of_tls() {
    if xtask::needs::skipped("curl") {
        return;
    }
    let house = House::new();
    let pair = Pair::made(&house.path().join("keys"), &[], now());
    let root = site(&house);
    let arguments =
        [&[root.to_str().unwrap(), "--listen-tls", "127.0.0.1:0", "--hsts", "300"], &pair.flags()[..]];
    let server = serve(&house, &arguments.concat());
    assert_eq!(shown(&server), [pair.fingerprint.to_string()]);
    let file = house.path().join("taken");
    let told = [
        "--output",
        file.to_str().unwrap(),
        "--write-out",
        "%{http_version} %{ssl_verify_result} %{response_code}",
    ];
    for (flags, protocol) in [
        (&["--http2"][..], "2"),
        (&["--http1.1"], "1.1"),
        (&["--http2", "--tls-max", "1.2"], "2"),
        (&["--http1.1", "--tls-max", "1.2"], "1.1"),
    ] {
        let ran = curl(&server, &pair.cert, "localhost", "/large.bin", &[flags, &told[..]].concat());
        assert_eq!((ran.code, ran.stdout), (0, format!("{protocol} 0 200")), "{flags:?}: {}", ran.stderr);
        assert!(std::fs::read(&file).unwrap() == large(), "{flags:?}");
        let ran = curl(
            &server,
            &pair.cert,
            "localhost",
            "/a.txt",
            &[flags, &["--include", "--range", "0-0"]].concat(),
        );
        let head = ran.stdout.to_ascii_lowercase();
        assert!(head.contains(" 206") && head.contains("strict-transport-security: max-age=300"), "{head}");
    }
    let two =
        ["/a.txt", "/none", "/large.bin"].map(|path| format!("https://localhost:{}{path}", port(&server)));
    let more: Vec<&str> = two.iter().flat_map(|url| ["--output", "/dev/null", url]).collect();
    let codes = ["--http2", "--parallel", "--write-out", "%{response_code} ", "--output", "/dev/null"];
    let ran = curl(&server, &pair.cert, "localhost", "/", &[&codes[..], &more].concat());
    let mut codes: Vec<&str> = ran.stdout.split_whitespace().collect();
    codes.sort_unstable();
    assert_eq!(codes, ["200", "200", "404", "404"], "{}{}", ran.stdout, ran.stderr);
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_self_signed_certificate_is_kept_and_can_be_pinned() {
    let house = House::new();
    let root = site(&house);
    let folder = house.path().join("kept");
    let arguments =
        [root.to_str().unwrap(), "--listen-tls", "127.0.0.1:0", "--self-signed", folder.to_str().unwrap()];
    let mut pins = Vec::new();
    for _ in 0..2 {
        let server = serve(&house, &arguments);
        let pin = shown(&server).remove(0);
        let url = format!("https://localhost:{}/a.txt", port(&server));
        let ran = house.run(&["get", "--pin", &pin, &url]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "a"), "{}", ran.stderr);
        assert_eq!(server.stop().0, 0);
        pins.push(pin);
    }
    assert_eq!(pins[0], pins[1]);
    let server = serve(&house, &arguments[..3]);
    assert_ne!(shown(&server), pins[..1], "in memory only");
}

#[test]
fn the_name_chooses_among_two_certificates() {
    if xtask::needs::skipped("curl") {
        return;
    }
    let house = House::new();
    let [one, two] =
        ["one", "two"].map(|name| Pair::made(&house.path().join(name), &[&format!("{name}.example")], now()));
    let root = site(&house);
    let listen = [root.to_str().unwrap(), "--listen-tls", "127.0.0.1:0"];
    let server = serve(&house, &[&listen[..], &one.flags(), &two.flags()].concat());
    for (host, cert) in [("one.example", &one.cert), ("two.example", &two.cert), ("localhost", &one.cert)] {
        let ran = curl(&server, cert, host, "/a.txt", &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "a"), "{host}: {}", ran.stderr);
    }
    assert_eq!(curl(&server, &two.cert, "one.example", "/a.txt", &[]).code, 60, "the other one's authority");
    assert_eq!(curl(&server, &one.cert, "three.example", "/a.txt", &[]).code, 60, "a name that nobody has");
}

#[test]
fn a_reload_shows_the_new_certificate_and_keeps_connections() {
    let house = House::new();
    let folder = house.path().join("keys");
    let old = Pair::made(&folder, &[], now());
    let root = site(&house);
    let server =
        serve(&house, &[&[root.to_str().unwrap(), "--listen-tls", "127.0.0.1:0"], &old.flags()[..]].concat());
    let mut kept = connect(&server, old.fingerprint);
    ask(&mut kept).unwrap();
    std::fs::write(&old.cert, "damaged").unwrap();
    server.signal(Signal::HUP);
    let fresh = Pair::made(&house.path().join("fresh"), &[], now());
    // A reader in between finds no pair, and changes nothing.
    std::fs::rename(&fresh.key, &old.key).unwrap();
    std::fs::rename(&fresh.cert, &old.cert).unwrap();
    wait_until("the new certificate is shown", || {
        server.signal(Signal::HUP);
        ask(&mut connect(&server, fresh.fingerprint)).is_ok()
    });
    assert!(ask(&mut connect(&server, old.fingerprint)).is_err());
    assert!(ask(&mut kept).unwrap().starts_with("HTTP/1.1 200 "), "the connection of before");
    drop(kept);
    let (code, said) = server.stop();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("opened the folder, the certificates and the access log again"), "{said}");
}

#[test]
fn a_reload_that_finds_a_damaged_certificate_changes_nothing() {
    let house = House::new();
    let pair = Pair::made(&house.path().join("keys"), &[], now());
    let root = site(&house);
    let mut server = serve(
        &house,
        &[&[root.to_str().unwrap(), "--listen-tls", "127.0.0.1:0"], &pair.flags()[..]].concat(),
    );
    std::fs::write(&pair.cert, "damaged").unwrap();
    server.signal(Signal::HUP);
    let mut lines = BufReader::new(server.child.stderr.as_mut().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("nothing was changed")).unwrap();
    assert!(line.contains(&pair.cert), "{line}");
    ask(&mut connect(&server, pair.fingerprint)).unwrap();
}

/// Each pair that cannot be used, with what is said about it.
fn bad_pairs(house: &House) -> Vec<(String, String, &'static str)> {
    let [one, two] = ["one", "two"].map(|name| Pair::made(&house.path().join(name), &[], now()));
    let file = |name: &str, text: &str| {
        let path = house.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let open = file("open.key", &std::fs::read_to_string(&one.key).unwrap());
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let cut = std::fs::read_to_string(&one.cert).unwrap();
    let cut = file("cut.crt", &cut[..cut.len() / 2]);
    let absent = house.path().join("absent.pem").display().to_string();
    vec![
        (one.cert.clone(), two.key.clone(), "was not made for the private key"),
        (absent.clone(), one.key.clone(), "there is no file"),
        (one.cert.clone(), absent, "in which a private key should be"),
        (file("text.crt", "no certificate"), one.key.clone(), "does not hold a usable certificate"),
        (cut, one.key.clone(), "its end is cut off"),
        (one.cert.clone(), file("text.key", "no key"), "does not hold a usable private key"),
        (one.key.clone(), one.key.clone(), "does not hold a usable certificate"),
        (one.cert.clone(), open, "can be read by other users"),
    ]
}

#[test]
fn a_pair_that_cannot_be_used_is_told_at_the_start_and_by_the_check() {
    let house = House::new();
    let root = site(&house);
    let config = house.path().join("web.toml");
    for (cert, key, said) in bad_pairs(&house) {
        let listen = ["web", root.to_str().unwrap(), "--listen-tls", "127.0.0.1:0"];
        let ran = house.run(&[&listen[..], &["--cert", &cert, "--key", &key]].concat());
        assert_eq!(ran.code, 78, "{cert} {key}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert!(!ran.stderr.contains("PRIVATE"), "{}", ran.stderr);
        let text = format!(
            "[web]\nroot = \"{}\"\nlisten_tls = [\"127.0.0.1:0\"]\n[[web.certificate]]\ncert = \"{cert}\"\nkey = \"{key}\"\n",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        let ran = house.run(&["config", "check", "--config", config.to_str().unwrap()]);
        assert_eq!(ran.code, 78, "{cert} {key}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("web.certificate (") && ran.stderr.contains("web.toml line 4)"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert_eq!(house.run(&["web", "--config", config.to_str().unwrap()]).code, 78);
    }
    let nobody =
        house.run(&["web", root.to_str().unwrap(), "--listen", "127.0.0.1:0", "--self-signed", "keys"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.stderr.contains("--listen-tls"), "{}", nobody.stderr);
}

#[test]
fn the_configuration_says_what_is_shown_and_flags_take_its_place() {
    let house = House::new();
    let root = site(&house);
    let [one, two, three] = ["one", "two", "three"]
        .map(|name| Pair::made(&house.path().join(name), &[&format!("{name}.example")], now()));
    let config = house.path().join("web.toml");
    let text = format!(
        "[web]\nroot = \"{}\"\nlisten = [\"127.0.0.1:0\"]\nlisten_tls = [\"127.0.0.1:0\"]\nhsts = 600\n{}{}",
        root.display(),
        one.table(),
        two.table()
    );
    std::fs::write(&config, text).unwrap();
    let file = config.to_str().unwrap();
    assert!(house.ok(&["config", "check", "--config", file]).starts_with("the configuration is sound"));
    let told = house.ok(&["config", "show", "--config", file]);
    assert!(told.contains("web.certificate.cert (2)") && told.contains(&two.cert), "{told}");
    let server = serve(&house, &["--config", file]);
    assert_eq!(shown(&server), [one.fingerprint.to_string(), two.fingerprint.to_string()]);
    assert!(server.address("http://").starts_with("http://127.0.0.1:"));
    let mut stream = connect(&server, one.fingerprint);
    assert!(ask(&mut stream).unwrap().contains("\r\nStrict-Transport-Security: max-age=600\r\n"));
    drop(stream);
    assert_eq!(server.stop().0, 0);
    let server = serve(&house, &[&["--config", file, "--hsts", "0"], &three.flags()[..]].concat());
    assert_eq!(shown(&server), [three.fingerprint.to_string()]);
    assert!(ask(&mut connect(&server, three.fingerprint)).unwrap().contains("max-age=0\r\n"));
    assert_eq!(server.stop().0, 0);
    let folder = house.path().join("kept");
    let kept = serve(&house, &["--config", file, "--self-signed", folder.to_str().unwrap()]);
    assert!(folder.join("server.key").exists());
    assert_eq!(shown(&kept).len(), 1);
}

#[test]
fn a_certificate_out_of_its_dates_is_a_warning() {
    let house = House::new();
    let root = site(&house);
    let pair = Pair::made(&house.path().join("old"), &[], 1_000_000_000);
    let early = Pair::made(&house.path().join("early"), &[], now() + 1_000_000_000);
    let config = house.path().join("web.toml");
    let text = format!(
        "[web]\nroot = \"{}\"\nlisten_tls = [\"127.0.0.1:0\"]\n{}{}",
        root.display(),
        pair.table(),
        early.table()
    );
    std::fs::write(&config, text).unwrap();
    let file = config.to_str().unwrap();
    let told = house.ok(&["config", "check", "--config", file]);
    assert!(told.contains(&format!("warning: the certificate {} expired on 20", pair.cert)), "{told}");
    assert!(
        told.contains(&format!("warning: the certificate {} is not valid before 20", early.cert)),
        "{told}"
    );
    assert!(told.contains("the configuration is sound"), "{told}");
    let told = house.run(&["config", "check", "--json", "--config", file]).json();
    assert_eq!(told["warnings"].as_array().unwrap().len(), 2);
    let (code, said) = serve(&house, &["--config", file]).stop();
    assert_eq!((code, said.matches("warning: the certificate").count()), (0, 2), "{said}");
    let unseen = format!("[web]\nroot = \"{}\"\nself_signed = \"kept\"\n", root.display());
    std::fs::write(&config, unseen).unwrap();
    assert!(house.ok(&["config", "check", "--config", file]).contains("web.listen_tls is not set"));
    assert!(!house.data().join("kept").exists(), "a check makes nothing");
}
