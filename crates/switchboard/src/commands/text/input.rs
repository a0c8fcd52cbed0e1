//! Where text comes from: a file or standard input, whole pieces or lines; and the words that end a conversation.

use std::io::IsTerminal as _;
use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use crate::exit::Exit;
use crate::failure::Failure;

/// Longest line that is read, in bytes.
pub(super) const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A stream of bytes.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// Opens the file, or standard input when none is named.
pub(super) async fn open(file: Option<&Path>) -> Result<Input, Failure> {
    let Some(path) = file else { return Ok(Box::new(tokio::io::stdin())) };
    let opened = tokio::fs::File::open(path).await;
    opened.map(|file| Box::new(file) as Input).map_err(|error| {
        Failure::new(Exit::InputOutput, format!("cannot read {}", path.display()))
            .because(error)
            .advise("check the path and its permissions")
    })
}

/// Whether a person types at the other end of standard input.
pub(super) fn is_conversation(file: Option<&Path>) -> bool {
    file.is_none() && std::io::stdin().is_terminal()
}

/// Whether the line ends a conversation.
pub(super) fn ends_conversation(line: &str) -> bool {
    matches!(line.trim(), "end" | "bye")
}

/// Adds what is there to `piece`, up to `bytes_max` in all; true when the stream has ended. Does not wait for more than it
/// has, so that a slow pipe is answered as it goes.
pub(super) async fn more(input: &mut Input, piece: &mut Vec<u8>, bytes_max: usize) -> Result<bool, Failure> {
    let room = u64::try_from(bytes_max.saturating_sub(piece.len())).unwrap_or(u64::MAX);
    Ok(input.take(room).read_buf(piece).await.map_err(unreadable)? == 0)
}

/// Lines of a stream.
pub(super) struct Lines {
    input: BufReader<Input>,
}

impl Lines {
    pub(super) fn of(input: Input) -> Self {
        Self { input: BufReader::new(input) }
    }

    /// The next line without its end; none at the end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        next_line(&mut self.input).await
    }
}

async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    input.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line).await.map_err(unreadable)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
    } else if u64::try_from(line.len()).is_ok_and(|bytes| bytes > LINE_BYTES_MAX) {
        let what = format!("a line of the input is longer than {LINE_BYTES_MAX} bytes");
        return Err(Failure::new(Exit::Input, what).advise("put line ends into it"));
    }
    Ok(Some(line))
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::new(Exit::InputOutput, "cannot read the input").because(error)
}
