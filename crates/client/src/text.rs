//! The text service as methods. Absent: cutting a stream into chunks and joining the answers, which whoever holds the stream
//! does.

use switchboard_commands::text::{Chunk, Command, Reply, Text};

use crate::answered::ReadBy;
use crate::error::CallError;
use crate::handle::Client;

/// What a read of the text service comes to.
type Asked = Result<ReadBy<Text>, CallError>;

/// The text service, as a client sees it. Errors of every method: [`Client::read`].
#[derive(Clone, Copy, Debug)]
pub struct TextClient<'a> {
    client: &'a Client,
}

impl Client {
    /// The text service as methods.
    #[must_use]
    pub fn text(&self) -> TextClient<'_> {
        TextClient { client: self }
    }
}

impl TextClient<'_> {
    /// Maps a chunk to capitals.
    pub async fn upper(&self, chunk: Chunk) -> Asked {
        self.client.read::<Text>(Command::Upper { chunk }).await
    }

    /// Maps a chunk to small letters.
    pub async fn lower(&self, chunk: Chunk) -> Asked {
        self.client.read::<Text>(Command::Lower { chunk }).await
    }

    /// Judges whether a decimal integer is prime: asks for one test after the other until the server has decided.
    pub async fn prime(&self, number: &str) -> Asked {
        let mut step = 0;
        loop {
            let reply = self.client.read::<Text>(Command::Prime { number: number.to_owned(), step }).await?;
            match reply {
                // A step that does not grow would be asked for without end.
                Ok(Reply::Undecided { step: next }) if next > step => step = next,
                reply => return Ok(reply),
            }
        }
    }
}
