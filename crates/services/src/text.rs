//! The text service: letters and numbers. Every answer is made in the prepare step, away from whoever
//! waits on a socket; nothing is kept between two questions, and no row is read.
//!
//! Absent: sockets, rows, accounts; joining the answers of one stream ([`case::Joiner`], for clients).

pub mod case;
pub mod limits;
pub mod prime;

use std::ops::RangeInclusive;

use switchboard_commands::text::{self, Chunk, Command, Refusal, Reply, Verdict};
use switchboard_engine::{Allowed, CallContext, CommandSpec, Prepare, ReadContext, Ruling, Service};
use switchboard_store::{Snapshot, StoreError, Tx};

use self::case::{CaseError, Context, Direction, Invalid, Part};
use self::limits::PRIME_BITS_MAX;
use self::prime::{Judgement, Neither, Proof, Reason, Step};
use crate::limits::{CASE_BODY_BYTES_MAX, CASE_REPLY_BYTES_MAX, PRIME_BODY_BYTES_MAX, PRIME_REPLY_BYTES_MAX};

/// The service of that name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

const UPPER: CommandSpec = spec("upper", CASE_BODY_BYTES_MAX, CASE_REPLY_BYTES_MAX);
const LOWER: CommandSpec = spec("lower", CASE_BODY_BYTES_MAX, CASE_REPLY_BYTES_MAX);
const PRIME: CommandSpec = spec("prime", PRIME_BODY_BYTES_MAX, PRIME_REPLY_BYTES_MAX);

impl Service for Text {
    const NAME: &'static str = text::SERVICE;
    const VERSIONS: RangeInclusive<u16> = text::VERSION..=text::VERSION;
    const COMMANDS: &'static [CommandSpec] = &[UPPER, LOWER, PRIME];
    type Command = Command;
    type Reply = Reply;
    type Refusal = Refusal;
    /// The answer.
    type Evidence = Option<Result<Reply, Refusal>>;

    fn spec(&self, command: &Command) -> &'static CommandSpec {
        match command {
            Command::Upper { .. } => &UPPER,
            Command::Lower { .. } => &LOWER,
            Command::Prime { .. } => &PRIME,
        }
    }

    fn prepare(&self, _: &Snapshot<'_>, command: &Command) -> Result<Self::Evidence, StoreError> {
        Ok(Some(answer(command)))
    }

    fn run(
        &self,
        _: &mut Tx<'_>,
        _: &CallContext,
        command: &Command,
        _: &Self::Evidence,
    ) -> Ruling<Reply, Refusal> {
        Err(StoreError::Impossible(format!("{} is a read and was handed in as a command", command.name())))
    }

    fn read(
        &self,
        _: &Snapshot<'_>,
        _: &ReadContext,
        command: &Command,
        evidence: &Self::Evidence,
    ) -> Ruling<Reply, Refusal> {
        Ok(evidence.clone().unwrap_or_else(|| answer(command)))
    }
}

/// Pure: the same command has the same answer on every node.
fn answer(command: &Command) -> Result<Reply, Refusal> {
    match command {
        Command::Upper { chunk } => map(chunk, Direction::Upper),
        Command::Lower { chunk } => map(chunk, Direction::Lower),
        Command::Prime { number, step } => judge(number, *step),
    }
}

fn map(chunk: &Chunk, direction: Direction) -> Result<Reply, Refusal> {
    let unknown = Refusal::UnknownContext { context: chunk.context };
    let before = Context::from_code(chunk.context).ok_or(unknown)?;
    let part = if chunk.last { Part::Last } else { Part::More };
    let invalid = if chunk.lossy { Invalid::Lossy } else { Invalid::Refuse };
    let mapped = case::map(&chunk.bytes, before, part, direction, invalid).map_err(case_refusal)?;
    Ok(Reply::Mapped {
        text: mapped.text,
        consumed: count(mapped.consumed),
        context: mapped.context.code(),
        open_sigma_was_medial: mapped.open_sigma_was_medial,
    })
}

fn case_refusal(error: CaseError) -> Refusal {
    match error {
        CaseError::InvalidUtf8 { offset } => Refusal::InvalidUtf8 { offset: count(offset) },
        CaseError::ChunkTooLong { bytes, bytes_max } => {
            Refusal::ChunkTooLong { bytes: count(bytes), bytes_max: count(bytes_max) }
        }
        CaseError::SigmaRunTooLong { .. } => unreachable!("only who joins answers holds a run back"),
    }
}

fn judge(number: &str, step: u8) -> Result<Reply, Refusal> {
    let step = Step::from_code(step).ok_or(Refusal::UnknownStep { step })?;
    match prime::judge(number, step) {
        Judgement::Continue(step) => Ok(Reply::Undecided { step: step.code() }),
        Judgement::Verdict(verdict) => Ok(Reply::Judged { verdict: wire_verdict(verdict)? }),
    }
}

fn wire_verdict(verdict: prime::Verdict) -> Result<Verdict, Refusal> {
    Ok(match verdict {
        prime::Verdict::Prime(Proof::Deterministic) => Verdict::Prime,
        prime::Verdict::Prime(Proof::Probable { miller_rabin_rounds }) => {
            Verdict::ProbablyPrime { miller_rabin_rounds }
        }
        prime::Verdict::Composite(Reason::Factor(factor)) => Verdict::HasFactor { factor },
        prime::Verdict::Composite(Reason::Square) => Verdict::Square,
        prime::Verdict::Composite(Reason::MillerRabin) => Verdict::FailsMillerRabin,
        prime::Verdict::Composite(Reason::Lucas) => Verdict::FailsLucas,
        prime::Verdict::Neither(Neither::Zero) => Verdict::Zero,
        prime::Verdict::Neither(Neither::One) => Verdict::One,
        prime::Verdict::Neither(Neither::Negative) => Verdict::Negative,
        prime::Verdict::NotAnInteger => return Err(Refusal::NotAnInteger),
        prime::Verdict::TooLarge => return Err(Refusal::TooLarge { bits_max: count(PRIME_BITS_MAX) }),
    })
}

const fn spec(name: &'static str, body_bytes_max: u32, reply_bytes_max: u32) -> CommandSpec {
    CommandSpec {
        allowed: Allowed::Everyone,
        prepare: Prepare::Pool,
        body_bytes_max,
        reply_bytes_max,
        ..CommandSpec::read(name)
    }
}

fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("every bound of this service fits 32 bits")
}
