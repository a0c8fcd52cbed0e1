//! Prime or not, for each number of the arguments or of a stream of lines. What is not a number is said and does not stop
//! the others. Absent: the judging.

use serde_json::json;
use switchboard_commands::text::{Command, Refusal, Reply, Text, Verdict};

use super::Numbers;
use super::input::{self, Lines};
use crate::caller::Caller;
use crate::commands::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::harmless;

/// A number is judged in at most so many steps; a server that asks for more is not to be followed.
const STEPS_MAX: u32 = 256;
/// Digits of a number that are repeated to a person.
const SHOWN_CHARACTERS_MAX: usize = 60;

pub(super) async fn run(on: &Invocation, caller: &Caller, numbers: Numbers) -> Result<Exit, Failure> {
    let Numbers { numbers, file } = numbers;
    let mut exit = Exit::Done;
    if !numbers.is_empty() {
        for number in &numbers {
            answer(on, number, judge(caller, number).await?, &mut exit)?;
        }
        return Ok(exit);
    }
    let conversation = input::is_conversation(file.as_deref());
    if conversation {
        on.screen.notice("write one number a line; end or bye ends");
    }
    let mut lines = Lines::of(input::open(file.as_deref()).await?);
    while let Some(line) = lines.next().await? {
        let number = String::from_utf8_lossy(&line).into_owned();
        if conversation && input::ends_conversation(&number) {
            break;
        }
        if !number.trim().is_empty() {
            answer(on, &number, judge(caller, &number).await?, &mut exit)?;
        }
    }
    Ok(exit)
}

/// Asks for one test after the other until the number is judged.
async fn judge(caller: &Caller, number: &str) -> Result<Result<Verdict, Refusal>, Failure> {
    let mut step = 0;
    for _ in 0..STEPS_MAX {
        let command = Command::Prime { number: number.trim().to_owned(), step };
        match caller.read::<Text>(command).await? {
            Ok(Reply::Judged { verdict }) => return Ok(Ok(verdict)),
            Ok(Reply::Undecided { step: next }) => step = next,
            Ok(Reply::Mapped { .. }) => break,
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    let advice = "use a program of the server's version";
    Err(Failure::new(Exit::Protocol, "the server does not come to a judgement").advise(advice))
}

fn answer(
    on: &Invocation,
    number: &str,
    judged: Result<Verdict, Refusal>,
    exit: &mut Exit,
) -> Result<(), Failure> {
    let shown = shortened(number.trim());
    match judged {
        Ok(verdict) => on.screen.answer(
            || json!({ "number": number.trim(), "judged": verdict }),
            || format!("{shown} is {verdict}"),
        ),
        Err(refusal) => {
            *exit = Exit::Input;
            on.screen.answer(
                || json!({ "number": number.trim(), "refused": refusal }),
                || format!("{shown}: {refusal}"),
            )
        }
    }
}

fn shortened(number: &str) -> String {
    let mut shown = harmless(&number.chars().take(SHOWN_CHARACTERS_MAX).collect::<String>());
    if number.chars().count() > SHOWN_CHARACTERS_MAX {
        shown.push('…');
    }
    shown
}
