//! The driver over real sockets: the rows of the table that need no waiting, certificates, and a no in the middle of a large message.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConnection, StreamOwned};
use switchboard_mail::deliver::{Event, Mail, Server, deliver_all};
use switchboard_mail::mime::{Attachment, Draft, Stamp};
use switchboard_mail::smtp::{Fate, Phase, Report, Submission};
use switchboard_tls::{Fingerprint, Identity, ServedIdentity, Trust};

use crate::rows::{self, Action, Connection, Row};
use crate::server::Scripted;
use crate::table::difference;
use crate::virtual_time::{assert_reports_honest, envelope, options};

#[test]
fn every_row_that_needs_no_waiting_ends_as_the_table_says() {
    let at_once = |row: &Row| {
        let waits =
            |action: &Action| matches!(action, Action::Wait { .. } | Action::Drip(_) | Action::Silent);
        // A short message and its dot leave in one write: there is no time between them.
        !row.actions.iter().any(waits) && !row.at.iter().any(|at| at == "body")
    };
    let rows: Vec<_> = rows::all().into_iter().filter(at_once).collect();
    assert!(rows.len() > 80, "only {} rows", rows.len());
    let identity = Identity::laboratory().unwrap();
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let running = serve(row, &identity);
            let trust = Trust::Pin(identity.fingerprint());
            let reports = submit(row.connection, running.port, trust, &|| message(&[]));
            let accepted = running.thread.join().unwrap();
            assert_reports_honest(&reports, &accepted, &row.line);
            difference(row, &reports)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_server_with_another_certificate_gets_nothing() {
    let home = tempfile::tempdir().unwrap();
    let identity = |name: &str, host: &str, now| {
        let folder = home.path().join(name);
        let identity = Identity::load_or_create(&folder, &[host.to_owned()], now).unwrap().0;
        let certificate = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let is_certificate = |path: &std::path::PathBuf| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("BEGIN CERTIFICATE"))
        };
        (identity, certificate.into_iter().find(is_certificate).unwrap())
    };
    let today = 1_790_000_000;
    let (good, good_file) = identity("good", "localhost", today);
    let (expired, expired_file) = identity("expired", "localhost", 1_000_000_000);
    let other = Identity::laboratory().unwrap().fingerprint();
    let file = |path: &std::path::Path| Trust::CaFile(path.to_owned());
    let (right, wrong, authority_file) = named_by_an_authority(home.path());
    let rows: [(&Identity, Trust, bool); 9] = [
        (&right, file(&authority_file), true),
        (&wrong, file(&authority_file), false),
        (&good, file(&good_file), true),
        (&good, Trust::Pin(good.fingerprint()), true),
        (&expired, Trust::Pin(expired.fingerprint()), true),
        (&good, Trust::Pin(other), false),
        (&good, file(&expired_file), false),
        (&expired, file(&expired_file), false),
        (&good, Trust::SystemRoots, false),
    ];
    for connection in [Connection::StartTls, Connection::Implicit] {
        for (identity, trust, believed) in &rows {
            let running = serve(&Row::usual(connection), identity);
            let report = submit(connection, running.port, trust.clone(), &|| message(&[])).remove(0);
            let what = format!("{connection:?} {trust:?}");
            assert_eq!(running.thread.join().unwrap() == [true], *believed, "{what}");
            assert_eq!(report.all_accepted(), *believed, "{what}: {report:?}");
            let (phase, cause) =
                report.trouble.map_or((Phase::Quit, "none"), |(phase, cause)| (phase, cause.name()));
            let expected = if *believed { (Phase::Quit, "none") } else { (Phase::Tls, "untrusted") };
            assert_eq!((phase, cause), expected, "{what}");
        }
    }
}

/// A certificate of an authority for this machine, one of the same for another, and the authority's.
fn named_by_an_authority(folder: &Path) -> (Identity, Identity, PathBuf) {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let authority_file = folder.join("authority.pem");
    std::fs::write(&authority_file, authority.pem()).unwrap();
    let [right, wrong] = ["127.0.0.1", "elsewhere.example"].map(|name| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let (chain_file, key_file) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&chain_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        Identity::from_files(&chain_file, &key_file).unwrap()
    });
    (right, wrong, authority_file)
}

#[test]
fn a_no_in_the_middle_of_a_large_message_ends_it_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.bin");
    std::fs::write(&path, vec![7; 24 << 20]).unwrap();
    let mut row = Row::usual(Connection::Plain);
    row.at = vec!["body".to_owned()];
    row.actions = vec![Action::Send(b"552 5.3.4 too big\r\n".to_vec()), Action::Close];
    let running = serve(&row, &Identity::laboratory().unwrap());
    let large = || {
        let mut mail = message(&[Attachment::at(&path).unwrap()]);
        // The server that says SIZE 1000000 would be left before; this one is told less.
        mail.submission.message_bytes = 1;
        mail
    };
    let report = submit(Connection::Plain, running.port, Trust::SystemRoots, &large).remove(0);
    assert_eq!(running.thread.join().unwrap(), [false]);
    for recipient in &report.recipients {
        assert!(
            matches!(&recipient.fate, Fate::Refused { phase: Phase::Body, said } if said.code == 552),
            "{recipient:?}"
        );
    }
}

#[test]
fn what_cannot_be_finished_in_chunks_is_taken_back_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.bin");
    // What the server does at a chunk, whether the file ends early, and what becomes of the first message.
    let rows: [(&str, bool, &str, &str); 3] = [
        ("250 2.0.0 have it\r\n", false, "accepted", "final"),
        ("552 5.3.4 too big\r\n", false, "refused", "body"),
        ("250 2.0.0 have it\r\n", true, "not_sent", "body"),
    ];
    for (chunk, is_cut, result, phase) in rows {
        std::fs::write(&path, vec![7; 3 << 20]).unwrap();
        let mut row = Row::usual(Connection::TwoChunking);
        row.at = vec!["chunk".to_owned()];
        row.actions = vec![Action::Send(chunk.as_bytes().to_vec())];
        let running = serve(&row, &Identity::laboratory().unwrap());
        let large = Attachment::at(&path).unwrap();
        let mut mails = vec![message(&[]), message(&[large])];
        if is_cut {
            std::fs::File::options().write(true).open(&path).unwrap().set_len(2 << 20).unwrap();
        }
        let server = Server { host: "127.0.0.1".to_owned(), port: running.port, trust: Trust::SystemRoots };
        let mut reports = Vec::new();
        let mut on = |event: Event<'_>| {
            if let Event::Report(report) = event {
                reports.push(report);
            }
        };
        let options = options(Connection::TwoChunking);
        let ending = deliver_all(&server, options, &mut || mails.pop(), &mut on).unwrap();
        let accepted = running.thread.join().unwrap();
        assert_eq!(ending.trouble, None, "{result}");
        assert_reports_honest(&reports, &accepted, result);
        for recipient in &reports[0].recipients {
            assert_eq!((recipient.fate.name(), recipient.fate.phase().name()), (result, phase));
        }
        assert!(reports[1].all_accepted(), "{reports:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let report = submit(Connection::Plain, port, Trust::SystemRoots, &|| message(&[])).remove(0);
    assert!(
        matches!(&report.trouble, Some((Phase::Connect, cause)) if cause.name() == "unreachable"),
        "{report:?}"
    );
}

/// Submits as many as the connection is for to 127.0.0.1; the dialogue has to show no password.
pub(crate) fn submit(
    connection: Connection,
    port: u16,
    trust: Trust,
    message: &dyn Fn() -> Mail,
) -> Vec<Report> {
    let server = Server { host: "127.0.0.1".to_owned(), port, trust };
    let (mut lines, mut reports) = (Vec::new(), Vec::new());
    let mut left = connection.messages();
    let mut next = || {
        left = left.checked_sub(1)?;
        Some(message())
    };
    let mut on = |event: Event<'_>| match event {
        Event::Line(line) => lines.push(format!("{line:?}")),
        Event::Report(report) => reports.push(report),
        Event::Taken(_) => {}
    };
    deliver_all(&server, options(connection), &mut next, &mut on).unwrap();
    // user, NUL, pencil in base64.
    assert!(
        !lines.iter().any(|line| line.contains("pencil") || line.contains("AHVzZXIAcGVuY2ls")),
        "{lines:?}"
    );
    reports
}

pub(crate) fn message(attachments: &[Attachment]) -> Mail {
    let draft = Draft {
        from: "me@example.org".parse().unwrap(),
        to: vec!["ada@example.org".parse().unwrap()],
        cc: Vec::new(),
        subject: "x".to_owned(),
        text: Some(".hello\n.\n".to_owned()),
        html: None,
        inline: Vec::new(),
        attachments: attachments.to_vec(),
    };
    let date = "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap();
    let message = draft.compose(&Stamp { date, random: [1; 16] }).unwrap();
    Mail { submission: Submission::new(envelope(), &message), message }
}

/// A server of one connection; its thread says for each MAIL whether it accepted the message.
struct Running {
    port: u16,
    thread: JoinHandle<Vec<bool>>,
}

fn serve(row: &Row, identity: &Identity) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = switchboard_tls::server_config(&ServedIdentity::new(identity), &[]).unwrap();
    let mut server = Scripted::new(row);
    let thread = std::thread::spawn(move || {
        let mut wire = Wire::Plain(listener.accept().unwrap().0);
        let implicit =
            [Connection::Implicit, Connection::Login, Connection::LoginChunking, Connection::Scram];
        if implicit.contains(&server.connection()) {
            let actions = server.at("tls");
            if !wire.act(actions) {
                return server.accepted;
            }
            wire = wire.secured(&config);
        }
        let actions = server.at("greeting");
        if wire.act(actions) {
            talk(&mut wire, &mut server, &config);
        }
        server.accepted
    });
    Running { port, thread }
}

fn talk(wire: &mut Wire, server: &mut Scripted, config: &Arc<rustls::ServerConfig>) {
    let mut bytes = vec![0; 4096];
    while let Ok(length @ 1..) = wire.read(&mut bytes) {
        let actions = server.read(&bytes[..length]);
        let secures = actions.contains(&Action::Send(b"220 go\r\n".to_vec())) && actions.len() == 1;
        if !wire.act(actions) {
            return;
        }
        if secures {
            let actions = server.at("tls");
            if !wire.act(actions) {
                return;
            }
            let plain = std::mem::replace(wire, Wire::Gone);
            *wire = plain.secured(config);
        }
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    Gone,
}

impl Wire {
    fn secured(self, config: &Arc<rustls::ServerConfig>) -> Self {
        let Self::Plain(socket) = self else { panic!("it is secured once") };
        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
        Self::Tls(Box::new(StreamOwned::new(connection, socket)))
    }

    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
            Self::Gone => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::Gone => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Does it, what is said at once in one write; false when the connection is over.
    fn act(&mut self, actions: Vec<Action>) -> bool {
        let mut said = Vec::new();
        for action in actions {
            match action {
                Action::Send(bytes) => said.extend(bytes),
                Action::Flood(bytes) => {
                    // The client hangs up long before the end.
                    let _hung_up = self.write(&bytes.repeat(20_000));
                }
                Action::Close => {
                    let _sent = self.write(&said);
                    if let Self::Plain(socket) = self {
                        let _closed = socket.shutdown(Shutdown::Write);
                    }
                    return false;
                }
                Action::Usual | Action::Wait { .. } | Action::Drip(_) | Action::Silent => {
                    unreachable!("such rows are not run here")
                }
            }
        }
        said.is_empty() || self.write(&said).is_ok()
    }
}

/// The fingerprint of the identity in a folder, made when it is not there.
pub(crate) fn identity_in(folder: &std::path::Path) -> Fingerprint {
    Identity::load_or_create(folder, &["localhost".to_owned()], 1_790_000_000).unwrap().0.fingerprint()
}
