//! From an accepted TCP connection to a TLS stream. A peer that does not begin a TLS handshake is told so in
//! plain frames; one that dawdles is bounded by the handshake time.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use switchboard_call::frame::{Goodbye, GoodbyeReason};
use switchboard_tls::{CALL_PROTOCOL, TlsError, check_protocol};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::shed;

/// First byte of a TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 0x16;

/// Why there is no TLS stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecureError {
    #[error("the peer speaks no TLS on a tls:// port")]
    PlainPeer,
    #[error("the peer left before the TLS handshake")]
    Left,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the peer wants another protocol")]
    WrongProtocol(#[source] TlsError),
}

/// Runs the handshake.
pub(crate) async fn handshake(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    peer: &str,
) -> Result<TlsStream<TcpStream>, SecureError> {
    let mut first = [0; 1];
    match stream.peek(&mut first).await {
        Ok(0) | Err(_) => return Err(SecureError::Left),
        Ok(_) if first[0] != HANDSHAKE_RECORD => {
            let text = "this port speaks TLS and you do not; connect with tls:// instead of tcp://";
            let goodbye = Goodbye::new(GoodbyeReason::ProtocolError, text);
            shed::part(stream, &shed::encoded(goodbye)).await;
            return Err(SecureError::PlainPeer);
        }
        Ok(_) => {}
    }
    let stream =
        TlsAcceptor::from(Arc::clone(config)).accept(stream).await.map_err(SecureError::Handshake)?;
    if let Err(error) = check_protocol(stream.get_ref().1, CALL_PROTOCOL, peer) {
        let goodbye = Goodbye::new(GoodbyeReason::ProtocolError, error.to_string());
        shed::part(stream, &shed::encoded(goodbye)).await;
        return Err(SecureError::WrongProtocol(error));
    }
    Ok(stream)
}
