//! Capitals and small letters of a stream of any length: cut into chunks, each sent with the context of the one before, the
//! answers joined. Absent: the mapping.

use serde_json::json;
use switchboard_commands::text::{Chunk, Command, Refusal, Reply, Text};
use switchboard_services::text::case::{Context, Joiner, Mapped};
use switchboard_services::text::limits::UTF8_TAIL_BYTES_MAX;

use super::Letters;
use super::input::{self, Lines};
use crate::caller::Caller;
use crate::commands::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Form;

/// Bytes of a chunk; the server takes more, and a conversation or a slow pipe should not wait for more.
const CHUNK_BYTES: usize = 64 * 1024;

/// What letters are turned into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Upper,
    Lower,
}

pub(super) async fn run(
    on: &Invocation,
    caller: &Caller,
    direction: Direction,
    letters: Letters,
) -> Result<Exit, Failure> {
    let Letters { text, file, lossy } = letters;
    let mapping = Mapping { on, caller, direction, lossy };
    match text {
        Some(text) => mapping.line(text.as_bytes()).await?,
        None if input::is_conversation(file.as_deref()) => mapping.converse().await?,
        None => mapping.stream(input::open(file.as_deref()).await?).await?,
    }
    Ok(Exit::Done)
}

struct Mapping<'a> {
    on: &'a Invocation,
    caller: &'a Caller,
    direction: Direction,
    lossy: bool,
}

impl Mapping<'_> {
    /// Line by line, until one of them says so.
    async fn converse(&self) -> Result<(), Failure> {
        self.on.screen.notice("write lines; end or bye ends");
        let mut lines = Lines::of(input::open(None).await?);
        while let Some(line) = lines.next().await? {
            if std::str::from_utf8(&line).is_ok_and(input::ends_conversation) {
                break;
            }
            self.line(&line).await?;
        }
        Ok(())
    }

    /// One text that is a stream of its own, answered with a line end.
    async fn line(&self, text: &[u8]) -> Result<(), Failure> {
        let mut whole = String::new();
        let mut stream = Stream::default();
        let pieces = text.chunks(CHUNK_BYTES - UTF8_TAIL_BYTES_MAX);
        for piece in pieces {
            stream.waiting.extend_from_slice(piece);
            whole.push_str(&self.next(&mut stream, false).await?);
        }
        whole.push_str(&self.next(&mut stream, true).await?);
        whole.push_str(&stream.joiner.finish());
        self.on.screen.answer(|| json!({ "text": whole }), || whole.clone())
    }

    /// Everything up to the end, written as it comes.
    async fn stream(&self, mut from: input::Input) -> Result<(), Failure> {
        let mut stream = Stream::default();
        loop {
            let ended = input::more(&mut from, &mut stream.waiting, CHUNK_BYTES).await?;
            let text = self.next(&mut stream, ended).await?;
            self.write(&text)?;
            if ended {
                return self.write(&stream.joiner.finish());
            }
        }
    }

    /// Maps what is waiting and returns what is final by now.
    async fn next(&self, stream: &mut Stream, last: bool) -> Result<String, Failure> {
        let bytes = std::mem::take(&mut stream.waiting);
        let chunk = Chunk { bytes: bytes.clone(), context: stream.context, last, lossy: self.lossy };
        let command = match self.direction {
            Direction::Upper => Command::Upper { chunk },
            Direction::Lower => Command::Lower { chunk },
        };
        let reply =
            self.caller.read::<Text>(command).await?.map_err(|refusal| refused(refusal, stream.offset))?;
        let mapped = mapped(reply)?;
        let rest = bytes.get(mapped.consumed..).ok_or_else(strange)?;
        stream.waiting.extend_from_slice(rest);
        stream.context = mapped.context.code();
        stream.offset += u64::try_from(mapped.consumed).unwrap_or(u64::MAX);
        stream.joiner.push(&mapped).map_err(|error| Failure::from_error(Exit::Input, error))
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        match self.on.screen.form() {
            Form::Text => self.on.screen.raw(text),
            Form::Json => self.on.screen.line(&json!({ "text": text }).to_string()),
        }
    }
}

#[derive(Default)]
struct Stream {
    /// Read, and not mapped yet.
    waiting: Vec<u8>,
    /// Where in the stream that begins, in bytes.
    offset: u64,
    context: u8,
    joiner: Joiner,
}

fn mapped(reply: Reply) -> Result<Mapped, Failure> {
    match reply {
        Reply::Mapped { text, consumed, context, open_sigma_was_medial } => Ok(Mapped {
            text,
            consumed: usize::try_from(consumed).map_err(|_| strange())?,
            context: Context::from_code(context).ok_or_else(strange)?,
            open_sigma_was_medial,
        }),
        Reply::Judged { .. } | Reply::Undecided { .. } => Err(strange()),
    }
}

fn strange() -> Failure {
    Failure::new(Exit::Protocol, "the server's answer does not fit the question")
        .advise("use a program of the server's version")
}

fn refused(refusal: Refusal, chunk_offset: u64) -> Failure {
    match refusal {
        Refusal::InvalidUtf8 { offset } => {
            let at = chunk_offset + u64::from(offset);
            Failure::new(Exit::Input, format!("the input is not UTF-8 from byte {at} on"))
                .advise("send UTF-8, or add --lossy to put U+FFFD in such places")
        }
        Refusal::ChunkTooLong { .. }
        | Refusal::UnknownContext { .. }
        | Refusal::UnknownStep { .. }
        | Refusal::NotAnInteger
        | Refusal::TooLarge { .. } => Failure::from_error(Exit::Input, refusal),
    }
}
