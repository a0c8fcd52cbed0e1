//! A client with a certificate at a server that demands one, and what is told of a connection that was secured.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use switchboard_mail::deliver::{Ending, Mail, Server, deliver, deliver_all};
use switchboard_mail::mime::Stamp;
use switchboard_mail::smtp::{Cause, ClientCertificate, Envelope, Options, Phase, Security, Submission};
use switchboard_tls::Trust;

use crate::real_server::Aiosmtpd;
use crate::submit::plain;

#[test]
fn a_server_that_demands_a_certificate_gets_it() {
    if xtask::needs::skipped("python3-aiosmtpd") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let own = own_certificate(folder.path());
    for mode in [Security::StartTls, Security::Implicit] {
        let mut aiosmtpd = Aiosmtpd::start_demanding(mode, Some(&own.chain));
        let send = |certificate: Option<ClientCertificate>| {
            let message = plain().compose(&stamp()).unwrap();
            let [from, to] = ["me@example.org", "ada@example.org"].map(|address| address.parse().unwrap());
            let mail = Mail {
                submission: Submission::new(Envelope::new(from, vec![to]).unwrap(), &message),
                message,
            };
            let mut options = Options::new(mode, [5; 18]);
            options.certificate = certificate;
            deliver(&server(&aiosmtpd), options, mail, &mut |_| {}).unwrap()
        };
        let report = send(None);
        assert_eq!(report.recipients[0].fate.name(), "not_sent", "{mode:?}: {report:?}");
        let report = send(Some(own.clone()));
        assert!(report.all_accepted(), "{mode:?}: {report:?}");
        let told = aiosmtpd.next_message();
        assert!(told["client"].to_string().contains("client of the tests"), "{}", told["client"]);
    }
}

#[test]
fn a_dialogue_that_stops_after_tls_tells_what_secured_it() {
    if xtask::needs::skipped("python3-aiosmtpd") {
        return;
    }
    for (mode, phase) in [(Security::StartTls, Phase::Tls), (Security::Implicit, Phase::Greeting)] {
        let aiosmtpd = Aiosmtpd::start_demanding(mode, None);
        let mut options = Options::new(mode, [5; 18]);
        options.stop_after = Some(Phase::Tls);
        let mut said = Vec::new();
        let mut on = |event: switchboard_mail::deliver::Event<'_>| said.push(format!("{event:?}"));
        let Ending { trouble, secured, .. } =
            deliver_all(&server(&aiosmtpd), options, &mut || None, &mut on).unwrap();
        assert_eq!(trouble, Some((phase, Cause::Stopped)), "{mode:?}");
        assert!(said.iter().any(|line| line.contains("QUIT")), "{mode:?}: {said:?}");
        let secured = secured.unwrap();
        assert_eq!((secured.version.as_str(), secured.cipher_suite.starts_with("TLS13_")), ("TLSv1.3", true));
        let certificate = secured.certificate.unwrap();
        assert_eq!(certificate.fingerprint, aiosmtpd.fingerprint);
        assert!(certificate.names.iter().any(|name| name == "localhost"), "{certificate:?}");
    }
}

fn server(aiosmtpd: &Aiosmtpd) -> Server {
    let trust = Trust::Pin(aiosmtpd.fingerprint);
    Server { host: "127.0.0.1".to_owned(), port: aiosmtpd.port, trust }
}

fn stamp() -> Stamp {
    Stamp { date: "2026-03-01T10:00:00+01:00[+01:00]".parse().unwrap(), random: [3; 16] }
}

/// A certificate that vouches for itself, and its key.
fn own_certificate(folder: &Path) -> ClientCertificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "client of the tests");
    let certificate = parameters.self_signed(&key).unwrap();
    let own = ClientCertificate { chain: folder.join("client.pem"), key: folder.join("client.key") };
    std::fs::write(&own.chain, certificate.pem()).unwrap();
    std::fs::write(&own.key, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    own
}
