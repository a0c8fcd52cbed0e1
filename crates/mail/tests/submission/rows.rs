//! The tables of docs/mail-dialogues.md, read.

use std::path::Path;

/// One row: how one server behaves, and what is to come of it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) connection: Connection,
    /// The steps at which the server does not do the usual.
    pub(crate) at: Vec<String>,
    pub(crate) actions: Vec<Action>,
    /// For each message, for each of its two recipients.
    pub(crate) results: Vec<[String; 2]>,
    pub(crate) phase: String,
    pub(crate) why: String,
    /// As it stands in the document.
    pub(crate) line: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    Plain,
    Pipelined,
    Chunking,
    ChunkingLockstep,
    Chunks,
    ChunksLockstep,
    Two,
    TwoPipelined,
    TwoChunking,
    /// All of it is said together.
    Streamed,
    TwoStreamed,
    /// Implicit TLS and a login, with a server that offers PIPELINING and CHUNKING.
    LoginChunking,
    StartTls,
    Implicit,
    Login,
    Scram,
    ClearLogin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Send(Vec<u8>),
    Usual,
    Wait { seconds: u64 },
    Drip(Vec<u8>),
    Flood(Vec<u8>),
    Close,
    Silent,
}

impl Row {
    /// A server that does the usual at every step.
    pub(crate) fn usual(connection: Connection) -> Self {
        Self {
            connection,
            at: Vec::new(),
            actions: Vec::new(),
            results: vec![["accepted".to_owned(), "accepted".to_owned()]; connection.messages()],
            phase: "final".to_owned(),
            why: "250".to_owned(),
            line: format!("{connection:?}"),
        }
    }

    /// Whether it is about what leaves together.
    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self.connection, Connection::Streamed | Connection::TwoStreamed)
    }

    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [connection, at, server, result, phase, why] = cells.as_slice() else { return None };
        let of_message = |result: &str| {
            let (first, second) = result.split_once(" / ").unwrap_or((result, result));
            [first.to_owned(), second.to_owned()]
        };
        Some(Self {
            connection: Connection::parse(connection)?,
            at: at.split('+').map(str::to_owned).collect(),
            actions: server.split("; ").map(Action::parse).collect(),
            results: result.split(", ").map(of_message).collect(),
            phase: (*phase).to_owned(),
            why: (*why).to_owned(),
            line: line.to_owned(),
        })
    }
}

impl Connection {
    /// How many messages are sent on it.
    pub(crate) fn messages(self) -> usize {
        match self {
            Self::Two | Self::TwoPipelined | Self::TwoChunking | Self::TwoStreamed => 2,
            Self::Plain
            | Self::Pipelined
            | Self::Chunking
            | Self::ChunkingLockstep
            | Self::Chunks
            | Self::ChunksLockstep
            | Self::Streamed
            | Self::LoginChunking
            | Self::StartTls
            | Self::Implicit
            | Self::Login
            | Self::Scram
            | Self::ClearLogin => 1,
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "plain" => Self::Plain,
            "pipelined" => Self::Pipelined,
            "chunking" => Self::Chunking,
            "chunking-lockstep" => Self::ChunkingLockstep,
            "chunks" => Self::Chunks,
            "chunks-lockstep" => Self::ChunksLockstep,
            "two" => Self::Two,
            "two-pipelined" => Self::TwoPipelined,
            "two-chunking" => Self::TwoChunking,
            "streamed" => Self::Streamed,
            "two-streamed" => Self::TwoStreamed,
            "starttls" => Self::StartTls,
            "implicit" => Self::Implicit,
            "login" => Self::Login,
            "scram" => Self::Scram,
            "clear-login" => Self::ClearLogin,
            _ => return None,
        })
    }
}

impl Action {
    fn parse(text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let bytes = rest.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0").into_bytes();
        let line = [bytes.as_slice(), b"\r\n"].concat();
        match word {
            "say" => Self::Send(line),
            "send" => Self::Send(bytes),
            "usual" => Self::Usual,
            "wait" => Self::Wait { seconds: rest.parse().unwrap() },
            "drip" => Self::Drip(line),
            "flood" => Self::Flood(bytes),
            "close" => Self::Close,
            "silent" => Self::Silent,
            _ => panic!("{text:?} is nothing a server can do"),
        }
    }
}

/// Every row of the document.
pub(crate) fn all() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mail-dialogues.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<_> = text.lines().filter_map(Row::parse).collect();
    assert!(rows.len() > 100, "only {} rows: are tables still recognised?", rows.len());
    rows
}
