//! The TLS handshake, and the keying material by which a login can be bound to it (RFC 9266).

use rustls::{ClientConnection, ProtocolVersion};
use switchboard_tls::{ClientTls, ShownCertificate, TlsError};

use super::wire::{Wire, blocks};
use super::{Clock, Secured, told};

/// Why there is no secure connection.
pub(super) enum Failed {
    /// It took too long.
    Late,
    /// The connection ended.
    Lost,
    /// In words.
    Because(String),
}

/// Runs it to its end; then `wire` is secured.
pub(super) fn run(
    wire: &mut Wire,
    tls: &ClientTls,
    peer: &str,
    clock: Clock,
    deadline_ms: u64,
) -> Result<Option<Vec<u8>>, Failed> {
    let because = |error: &dyn std::error::Error| Failed::Because(told(error));
    let connection =
        ClientConnection::new(tls.config(), tls.server_name()).map_err(|error| because(&error))?;
    wire.tls = Some(connection);
    loop {
        wire.flush().map_err(|error| because(&error))?;
        let connection = wire.tls.as_mut().expect("it was just put there");
        if !connection.is_handshaking() {
            let exporter = exporter(connection);
            tls.remember().map_err(|error| because(&error))?;
            return Ok(exporter);
        }
        let patience_ms = deadline_ms.saturating_sub(clock.now_ms());
        if patience_ms == 0 {
            return Err(Failed::Late);
        }
        if !wire.wait(patience_ms).map_err(|error| because(&error))? {
            continue;
        }
        let connection = wire.tls.as_mut().expect("it was just put there");
        match connection.read_tls(&mut wire.socket) {
            Ok(0) => return Err(Failed::Lost),
            Ok(_) => {}
            Err(error) if blocks(&error) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Err(Failed::Lost),
            Err(error) => return Err(because(&error)),
        }
        if let Err(error) = connection.process_new_packets() {
            // The server is told why; whether it hears it changes nothing.
            let _told = wire.flush();
            return Err(because(&TlsError::from_handshake(peer, std::io::Error::other(error))));
        }
    }
}

/// What came of it.
pub(super) fn facts(connection: &ClientConnection) -> Secured {
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("unknown");
    let suite = connection.negotiated_cipher_suite();
    let suite = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    let shown = connection.peer_certificates().and_then(|certificates| certificates.first());
    Secured {
        version: version.replace("TLSv1_", "TLSv1."),
        cipher_suite: suite.to_owned(),
        certificate: shown.and_then(ShownCertificate::read),
    }
}

fn exporter(connection: &ClientConnection) -> Option<Vec<u8>> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None).ok()
}
