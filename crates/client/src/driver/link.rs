//! The driver's one connection: being made, up with bytes on their way, or absent. Absent here: why it is wanted, and what
//! the bytes mean.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::address::Address;
use crate::connect::{Connection, Connector};
use crate::error::ConnectError;
use crate::limits::READ_BYTES;

/// The connection.
pub(super) enum Link {
    Down,
    Connecting(Attempt),
    Up(Box<Stream>),
}

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

/// A connection and the bytes that wait for it.
pub(super) struct Stream {
    connection: Connection,
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// Of `unsent`, the bytes that were written.
    written: usize,
    flushed: bool,
}

/// What happened on the link.
pub(super) enum Progress {
    /// An attempt ended.
    Attempted(Box<Result<Connection, ConnectError>>),
    /// This many bytes are in [`Stream::received`].
    Received(usize),
    /// The peer closed it, or it broke.
    Broken(Option<io::Error>),
}

impl Link {
    /// Begins to connect.
    pub(super) fn connect(connector: Connector, address: Address) -> Self {
        Self::Connecting(Box::pin(async move { connector.connect(&address).await }))
    }

    /// Goes on with a connection that was made.
    pub(super) fn up(connection: Connection) -> Self {
        let received = vec![0; READ_BYTES];
        Self::Up(Box::new(Stream { connection, received, unsent: Vec::new(), written: 0, flushed: true }))
    }

    /// Queues bytes. Without a connection they are dropped: who sends them will hear of that.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        if let Self::Up(stream) = self {
            stream.unsent.extend_from_slice(bytes);
        }
    }

    /// Bytes that wait to be written.
    pub(super) fn unsent_bytes(&self) -> usize {
        match self {
            Self::Up(stream) => stream.unsent.len() - stream.written,
            Self::Down | Self::Connecting(_) => 0,
        }
    }

    /// The bytes of the last [`Progress::Received`].
    pub(super) fn received(&self, count: usize) -> &[u8] {
        match self {
            Self::Up(stream) => &stream.received[..count],
            Self::Down | Self::Connecting(_) => &[],
        }
    }

    /// Waits until something happens; writes what is queued meanwhile. Dropping the future loses nothing.
    pub(super) async fn progress(&mut self) -> Progress {
        match self {
            Self::Down => std::future::pending().await,
            Self::Connecting(attempt) => Progress::Attempted(Box::new(attempt.await)),
            Self::Up(stream) => stream.progress().await,
        }
    }
}

impl Stream {
    async fn progress(&mut self) -> Progress {
        let Self { connection: Connection { reader, writer, .. }, received, unsent, written, flushed } = self;
        loop {
            let wants_writing = !unsent.is_empty() || !*flushed;
            let write = async {
                match unsent.get(*written..) {
                    Some(rest) if !rest.is_empty() => writer.write(rest).await.map(Some),
                    Some(_) | None => writer.flush().await.map(|()| None),
                }
            };
            tokio::select! {
                read = reader.read(received) => return match read {
                    Ok(0) => Progress::Broken(None),
                    Ok(count) => Progress::Received(count),
                    Err(error) => Progress::Broken(Some(error)),
                },
                wrote = write, if wants_writing => match wrote {
                    Ok(None) => *flushed = true,
                    Ok(Some(0)) => return Progress::Broken(None),
                    Ok(Some(count)) => {
                        *flushed = false;
                        *written += count;
                        if *written == unsent.len() {
                            unsent.clear();
                            *written = 0;
                        }
                    }
                    Err(error) => return Progress::Broken(Some(error)),
                },
            }
        }
    }

    /// Writes what is queued and ends the sending side in order.
    pub(super) async fn finish(self) -> io::Result<()> {
        let Connection { mut writer, program, .. } = self.connection;
        writer.write_all(&self.unsent[self.written..]).await?;
        writer.flush().await?;
        writer.shutdown().await?;
        drop(writer);
        // The program of a `stdio:` node passes on what it was given, then ends by itself.
        match program {
            Some(mut program) => program.wait().await.map(|_| ()),
            None => Ok(()),
        }
    }
}
