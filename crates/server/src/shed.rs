//! Sending a connection away: a goodbye to a peer that is not let in, and closing so that the goodbye arrives.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use switchboard_call::frame::{Goodbye, GoodbyeReason, ServerFrame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::admission::Full;
use crate::limits::{LINGER_BYTES_MAX, LINGER_MS_MAX, SHEDDING_MAX};
use crate::listen::Accepted;

/// A fatal TLS alert, internal_error(80), in the plaintext record that may precede a handshake (RFC 8446 §5.1,
/// §6.2): the peer learns that this server did not break its TLS, without costing a handshake.
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 80];

/// Sends away what cannot be let in, a bounded number at a time.
#[derive(Debug)]
pub(crate) struct Shedder {
    places: Arc<Semaphore>,
    retry_after_ms: u32,
}

impl Shedder {
    pub(crate) fn new(retry_after_ms: u32) -> Self {
        Self { places: Arc::new(Semaphore::new(SHEDDING_MAX)), retry_after_ms }
    }

    /// Tells the peer to come back later, and closes.
    pub(crate) fn turn_away(&self, accepted: Accepted, full: Full) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let goodbye = overloaded(full, self.retry_after_ms);
        tokio::spawn(async move {
            match accepted {
                Accepted::Tcp(stream, _) => part(stream, &encoded(goodbye)).await,
                Accepted::Tls(stream, _) => part(stream, &TLS_ALERT).await,
                Accepted::Unix(stream, _) => part(stream, &encoded(goodbye)).await,
            }
            drop(place);
        });
    }
}

/// Sends the last bytes and closes so that they arrive.
pub(crate) async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, last: &[u8]) {
    let parting = async {
        stream.write_all(last).await?;
        drain_after_shutdown(&mut stream).await
    };
    // A peer that is gone or does not listen learns nothing, which is all there is to do about it.
    let _ = timeout(Duration::from_millis(LINGER_MS_MAX), parting).await;
}

/// Ends our side; for a peer that sends nothing more.
pub(crate) async fn close<S: AsyncWrite + Unpin>(stream: &mut S) {
    let _ = timeout(Duration::from_millis(LINGER_MS_MAX), stream.shutdown()).await;
}

/// Ends our side, then reads and drops what the peer still sends, within bounds of time and bytes.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let _ = timeout(Duration::from_millis(LINGER_MS_MAX), drain_after_shutdown(stream)).await;
}

async fn drain_after_shutdown<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut dropped = 0;
    let mut buffer = [0; 1024];
    while dropped < LINGER_BYTES_MAX {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => dropped += read,
        }
    }
    Ok(())
}

/// The bytes of a goodbye.
pub(crate) fn encoded(goodbye: Goodbye) -> Vec<u8> {
    let mut bytes = Vec::new();
    ServerFrame::Goodbye(goodbye).encode(&mut bytes);
    bytes
}

fn overloaded(full: Full, retry_after_ms: u32) -> Goodbye {
    let text = match full {
        Full::Server => {
            "this server has as many connections as it takes; use another node or come back later"
        }
        Full::Address => {
            "your address has as many connections as one address gets; close some, or have the operator raise \
             connections_per_address_max"
        }
    };
    Goodbye { retry_after_ms, ..Goodbye::new(GoodbyeReason::Overloaded, text) }
}
