//! Real handshakes over real sockets: every way to trust a server accepts the right one and refuses the wrong one.
//! Absent: what the files of an identity and of known servers hold, which is tested beside their code.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a whole file of tests; clippy excuses only test functions"
)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion};
use switchboard_tls::{
    CALL_PROTOCOL, ClientTls, Fingerprint, Identity, IdentityOrigin, KnownServers, ServedIdentity,
    ServerAddress, TlsError, Trust, TrustRefusal, check_protocol, client_config, server_config,
};

const ALPN: &[&[u8]] = &[CALL_PROTOCOL];

type Met = Result<ClientConnection, TlsError>;
type Served = Result<ServerConnection, TlsError>;

/// Runs a handshake and lets the server say "welcome".
fn meet(server: Arc<ServerConfig>, client: &ClientTls) -> (Served, Met) {
    let (server_socket, mut socket) = UnixStream::pair().unwrap();
    let serving = std::thread::spawn(move || serve(server, server_socket));
    let mut connection = ClientConnection::new(client.config(), client.server_name()).unwrap();
    let mut greeting = [0; 7];
    let met = rustls::Stream::new(&mut connection, &mut socket)
        .read_exact(&mut greeting)
        .map_err(|error| TlsError::from_handshake("the server", error));
    drop(socket);
    let met = met.map(|()| {
        assert_eq!(&greeting, b"welcome");
        connection
    });
    (serving.join().unwrap(), met)
}

fn serve(config: Arc<ServerConfig>, mut socket: UnixStream) -> Served {
    let mut connection = ServerConnection::new(config).unwrap();
    connection
        .complete_io(&mut socket)
        .and_then(|_| rustls::Stream::new(&mut connection, &mut socket).write_all(b"welcome"))
        .map_err(|error| TlsError::from_handshake("the client", error))?;
    Ok(connection)
}

fn showing(identity: &Identity) -> Arc<ServerConfig> {
    server_config(&ServedIdentity::new(identity), ALPN).unwrap()
}

fn client(trust: &Trust) -> ClientTls {
    client_config(trust, &localhost(), ALPN).unwrap()
}

fn localhost() -> ServerAddress {
    "localhost:7447".parse().unwrap()
}

fn refused(identity: &Identity, trust: &Trust) -> TlsError {
    let (served, met) = meet(showing(identity), &client(trust));
    let alert = served.unwrap_err();
    assert!(matches!(alert, TlsError::PeerRefused { .. }), "the server learns it: {alert}");
    met.unwrap_err()
}

fn accepted(identity: &Identity, trust: &Trust) -> ClientConnection {
    let (served, met) = meet(showing(identity), &client(trust));
    assert!(served.is_ok(), "{served:?}");
    met.unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "rustls judges dates by the system clock, so the test has to ask it too"
)]
fn now() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_secs()).unwrap()
}

/// A server certificate issued by an authority made for the test, as files.
struct Issued {
    folder: tempfile::TempDir,
}

impl Issued {
    fn new(name: &str, last_year: i32) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new([name.to_owned()]).unwrap();
        server.not_after = date_time_ymd(last_year, 12, 31);
        let certificate = server.signed_by(&key, &authority).unwrap();

        let issued = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(issued.path("authority.crt"), authority.pem()).unwrap();
        fs::write(issued.path("chain.crt"), certificate.pem()).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(issued.path("chain.key")).unwrap();
        file.write_all(key.serialize_pem().as_bytes()).unwrap();
        issued
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn identity(&self) -> Identity {
        Identity::from_files(&self.path("chain.crt"), &self.path("chain.key")).unwrap()
    }

    fn authority(&self) -> Trust {
        Trust::CaFile(self.path("authority.crt"))
    }
}

#[test]
fn a_pinned_server_is_accepted_and_every_other_refused() {
    let (right, wrong) = (Identity::laboratory().unwrap(), Identity::laboratory().unwrap());
    let trust = Trust::Pin(right.fingerprint());
    let connection = accepted(&right, &trust);
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert!(check_protocol(&connection, CALL_PROTOCOL, "the server").is_ok());

    let error = refused(&wrong, &trust);
    let (pinned, presented) = (right.fingerprint(), wrong.fingerprint());
    let expected = TrustRefusal::WrongPin { server: localhost(), pinned, presented };
    assert!(matches!(&error, TlsError::Refused(refusal) if **refusal == expected), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("WRONG SERVER: localhost:7447 showed the key sha256:"), "{text}");
    assert!(!error.is_transient());
}

#[test]
fn a_pin_outlives_the_certificate_an_authority_does_not() {
    let issued = Issued::new("localhost", 1999);
    let identity = issued.identity();
    accepted(&identity, &Trust::Pin(identity.fingerprint()));
    let error = refused(&identity, &issued.authority());
    assert!(error.to_string().contains("it has expired"), "{error}");
}

#[test]
fn an_authority_vouches_for_its_own_servers_under_their_names() {
    let (ours, other, elsewhere) =
        (Issued::new("localhost", 4000), Issued::new("localhost", 4000), Issued::new("other.example", 4000));
    accepted(&ours.identity(), &ours.authority());
    let error = refused(&ours.identity(), &other.authority());
    assert!(error.to_string().contains("no authority this client trusts issued it"), "{error}");
    let error = refused(&elsewhere.identity(), &elsewhere.authority());
    assert!(error.to_string().contains("it is for other names"), "{error}");
}

#[test]
fn the_certificate_of_the_server_itself_serves_as_file_of_authorities() {
    let keys = tempfile::tempdir().unwrap();
    let (identity, origin) = Identity::load_or_create(keys.path(), &[], now()).unwrap();
    assert_eq!(origin, IdentityOrigin::Created);
    let trust = Trust::CaFile(keys.path().join("server.crt"));
    accepted(&identity, &trust);
    for address in ["127.0.0.1:7447", "[::1]:7447"] {
        let client = client_config(&trust, &address.parse().unwrap(), ALPN).unwrap();
        assert!(meet(showing(&identity), &client).1.is_ok(), "{address}");
    }
    refused(&Identity::laboratory().unwrap(), &trust);
}

#[test]
fn a_file_of_authorities_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    let error = client_config(&Trust::CaFile(path.clone()), &localhost(), ALPN).unwrap_err();
    assert!(matches!(error, TlsError::FileMissing { .. }), "{error}");
    for garbage in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(&path, garbage).unwrap();
        let error = client_config(&Trust::CaFile(path.clone()), &localhost(), ALPN).unwrap_err();
        assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains("authorities.pem"), "{error}");
    }
}

/// The search for the roots of the machine is steered by the environment, so the test runs itself in one of its own.
#[test]
fn the_roots_of_the_machine_vouch_or_refuse() {
    const FILES: &str = "SWITCHBOARD_TLS_TEST_FILES";
    if let Some(folder) = std::env::var_os(FILES) {
        return meet_by_system_roots(Path::new(&folder));
    }
    let issued = Issued::new("localhost", 4000);
    for roots in ["authority.crt", "empty.crt"] {
        fs::write(issued.path("empty.crt"), "").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_roots_of_the_machine_vouch_or_refuse", "--nocapture"])
            .env(FILES, issued.folder.path())
            .env("SSL_CERT_FILE", issued.path(roots))
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        assert!(child.status.success(), "{roots}: {}", String::from_utf8_lossy(&child.stderr));
        let told = String::from_utf8_lossy(&child.stdout).contains(&format!("tried {roots}"));
        assert!(told, "the child ran the test");
    }
}

fn meet_by_system_roots(folder: &Path) {
    let roots = std::env::var("SSL_CERT_FILE").unwrap();
    if roots.ends_with("empty.crt") {
        let error = client_config(&Trust::SystemRoots, &localhost(), ALPN).unwrap_err();
        assert!(error.to_string().contains("ca-certificates"), "{error}");
        println!("tried empty.crt");
    } else {
        let identity = Identity::from_files(&folder.join("chain.crt"), &folder.join("chain.key")).unwrap();
        accepted(&identity, &Trust::SystemRoots);
        let error = refused(&Identity::laboratory().unwrap(), &Trust::SystemRoots);
        assert!(matches!(error, TlsError::Certificate { .. }), "{error}");
        println!("tried authority.crt");
    }
}

#[test]
fn an_unknown_server_is_believed_once_and_recognised_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let known = KnownServers::at(home.path().join("known_servers"));
    let trust = Trust::FirstUse(known.clone());
    let (first, impostor) = (Identity::laboratory().unwrap(), Identity::laboratory().unwrap());

    let new_client = client(&trust);
    assert_eq!(new_client.first_seen(), None, "nothing was met yet");
    meet(showing(&first), &new_client).1.unwrap();
    assert_eq!(new_client.first_seen(), Some(first.fingerprint()));
    assert_eq!(known.lookup(&localhost()).unwrap(), None, "recording is the caller's step");
    let error = meet(showing(&impostor), &new_client).1.unwrap_err();
    assert!(matches!(error, TlsError::Refused(_)), "held to the key before it is recorded: {error}");
    assert_eq!(new_client.remember().unwrap(), Some(first.fingerprint()));
    assert_eq!(new_client.remember().unwrap(), None, "told once");

    let next_client = client(&trust);
    meet(showing(&first), &next_client).1.unwrap();
    assert_eq!((next_client.first_seen(), next_client.remember().unwrap()), (None, None));

    let error = refused(&impostor, &trust);
    let text = error.to_string();
    assert!(text.starts_with("THE IDENTITY OF THE SERVER HAS CHANGED"), "{text}");
    for told in [first.fingerprint(), impostor.fingerprint()] {
        assert!(text.contains(&told.to_string()), "{text}");
    }
    assert!(text.contains(&known.path().display().to_string()), "{text}");
    assert_eq!(known.lookup(&localhost()).unwrap(), Some(first.fingerprint()));
}

#[test]
fn two_first_uses_with_different_keys_do_not_both_count() {
    let home = tempfile::tempdir().unwrap();
    let trust = Trust::FirstUse(KnownServers::at(home.path().join("known_servers")));
    let (one, two) = (client(&trust), client(&trust));
    meet(showing(&Identity::laboratory().unwrap()), &one).1.unwrap();
    meet(showing(&Identity::laboratory().unwrap()), &two).1.unwrap();
    one.remember().unwrap();
    let error = two.remember().unwrap_err();
    assert!(error.to_string().starts_with("THE IDENTITY OF THE SERVER HAS CHANGED"), "{error}");
}

/// Shows the certificate of somebody else, without having its key.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl Impostor {
    fn of(victim: &Identity) -> Arc<Self> {
        let connection = accepted(victim, &Trust::Pin(victim.fingerprint()));
        let stolen =
            connection.peer_certificates().unwrap().iter().map(|one| one.clone().into_owned()).collect();
        let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).unwrap();
        Arc::new(Self(Arc::new(CertifiedKey::new(stolen, key))))
    }
}

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn speaking_only(
    version: &'static SupportedProtocolVersion,
    resolver: Arc<dyn ResolvesServerCert>,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![CALL_PROTOCOL.to_vec()];
    Arc::new(config)
}

#[test]
fn a_certificate_without_its_key_convinces_nobody() {
    let victim = Identity::laboratory().unwrap();
    let home = tempfile::tempdir().unwrap();
    let first_use = Trust::FirstUse(KnownServers::at(home.path().join("known_servers")));
    for version in [&TLS13, &TLS12] {
        for trust in [&Trust::Pin(victim.fingerprint()), &first_use] {
            let client = client(trust);
            let error = meet(speaking_only(version, Impostor::of(&victim)), &client).1.unwrap_err();
            assert!(matches!(error, TlsError::Certificate { .. }), "{version:?}, {trust:?}: {error}");
            assert_eq!(client.first_seen(), None, "{version:?}");
            assert_eq!(client.remember().unwrap(), None);
        }
    }
}

#[test]
fn every_trust_works_with_tls_1_2_too() {
    let issued = Issued::new("localhost", 4000);
    let identity = issued.identity();
    let home = tempfile::tempdir().unwrap();
    let first_use = Trust::FirstUse(KnownServers::at(home.path().join("known_servers")));
    for trust in [issued.authority(), Trust::Pin(identity.fingerprint()), first_use] {
        let client = client(&trust);
        let connection = meet(speaking_only(&TLS12, ServedIdentity::new(&identity)), &client).1.unwrap();
        assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
        assert!(client.first_seen().is_none_or(|seen| seen == identity.fingerprint()));
    }
}

#[test]
fn a_replaced_identity_is_shown_to_new_clients_and_old_connections_go_on() {
    let (before, after) = (Identity::laboratory().unwrap(), Identity::laboratory().unwrap());
    let served = ServedIdentity::new(&before);
    let config = server_config(&served, ALPN).unwrap();
    let (pin_before, pin_after) = (Trust::Pin(before.fingerprint()), Trust::Pin(after.fingerprint()));

    let (old_served, old_met) = meet(Arc::clone(&config), &client(&pin_before));
    let (mut old_server, mut old_client) = (old_served.unwrap(), old_met.unwrap());
    served.replace(&after);
    assert!(meet(Arc::clone(&config), &client(&pin_after)).1.is_ok());
    assert!(meet(config, &client(&pin_before)).1.is_err());

    let (mut server_socket, mut client_socket) = UnixStream::pair().unwrap();
    rustls::Stream::new(&mut old_server, &mut server_socket).write_all(b"still here").unwrap();
    let mut heard = [0; 10];
    rustls::Stream::new(&mut old_client, &mut client_socket).read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still here");
}

#[test]
fn the_second_connection_of_a_client_resumes_the_session() {
    let identity = Identity::laboratory().unwrap();
    let server = showing(&identity);
    assert!(server.ticketer.enabled(), "by tickets, not from memory");
    let client = client(&Trust::Pin(identity.fingerprint()));
    let kinds = [(); 2].map(|()| meet(Arc::clone(&server), &client).1.unwrap().handshake_kind());
    assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
}

#[test]
fn sides_without_a_common_protocol_say_so() {
    let identity = Identity::laboratory().unwrap();
    let trust = Trust::Pin(identity.fingerprint());
    let web = client_config(&trust, &localhost(), &[b"h2"]).unwrap();
    let (served, met) = meet(showing(&identity), &web);
    for error in [served.unwrap_err(), met.unwrap_err()] {
        assert!(matches!(error, TlsError::WrongProtocol { .. }), "{error}");
    }
    let silent = client_config(&trust, &localhost(), &[]).unwrap();
    let (served, met) = meet(showing(&identity), &silent);
    for checked in [
        check_protocol(&served.unwrap(), CALL_PROTOCOL, "the client"),
        check_protocol(&met.unwrap(), CALL_PROTOCOL, "the server"),
    ] {
        assert!(matches!(checked, Err(TlsError::WrongProtocol { .. })));
    }
}

#[test]
fn plain_text_on_the_tls_port_is_told_from_tls() {
    let config = showing(&Identity::laboratory().unwrap());
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SWBD\x01\0\0\0\0\0\0\0", &[0; 64], &[0xff; 64], &[22; 64]]
    {
        let (socket, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(bytes).unwrap();
        let error = serve(Arc::clone(&config), socket).unwrap_err();
        assert!(matches!(error, TlsError::NotTls { .. }), "{bytes:?}: {error:?}");
    }
}

#[test]
fn a_plain_server_is_told_from_tls() {
    let (mut server_socket, mut socket) = UnixStream::pair().unwrap();
    server_socket.write_all(b"220 mail.example.org ESMTP\r\n").unwrap();
    let client = client(&Trust::Pin(Identity::laboratory().unwrap().fingerprint()));
    let mut connection = ClientConnection::new(client.config(), client.server_name()).unwrap();
    let error =
        TlsError::from_handshake("mail.example.org", connection.complete_io(&mut socket).unwrap_err());
    assert!(matches!(error, TlsError::NotTls { .. }), "{error:?}");
}

#[test]
fn a_peer_that_goes_away_is_worth_another_try() {
    let config = showing(&Identity::laboratory().unwrap());
    for beginning in [&[][..], &[22, 3, 1, 2]] {
        let (socket, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(beginning).unwrap();
        drop(peer);
        let error = serve(Arc::clone(&config), socket).unwrap_err();
        assert!(matches!(error, TlsError::Broken { .. }), "{error:?}");
        assert!(error.is_transient());
    }
}

#[test]
fn a_client_hello_cut_or_changed_at_any_byte_is_an_error_and_never_a_panic() {
    let config = showing(&Identity::laboratory().unwrap());
    let client = client(&Trust::Pin(Identity::laboratory().unwrap().fingerprint()));
    let mut hello = Vec::new();
    ClientConnection::new(client.config(), client.server_name()).unwrap().write_tls(&mut hello).unwrap();
    for index in 0..hello.len() {
        let mut changed = hello.clone();
        changed[index] ^= 0x55;
        for bytes in [&hello[..index], &changed] {
            let (socket, mut peer) = UnixStream::pair().unwrap();
            peer.write_all(bytes).unwrap();
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(serve(Arc::clone(&config), socket).is_err());
        }
    }
}

#[test]
fn the_fingerprint_is_the_one_that_the_peer_showed() {
    let identity = Identity::laboratory().unwrap();
    let connection = accepted(&identity, &Trust::Pin(identity.fingerprint()));
    let shown = Fingerprint::of_certificate(&connection.peer_certificates().unwrap()[0]).unwrap();
    assert_eq!(shown, identity.fingerprint());
}
