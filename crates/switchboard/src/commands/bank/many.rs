//! `switchboard bank transfer-many`: a list of movements from a file or standard input, one a line, as RFC 4180 writes fields:
//!
//! ```text
//!   from,to,amount,memo          this first line may be left out, and so may a memo
//!   1,2,1200.00,"wages, May"
//! ```
//!
//! What is wrong is told with its line, before anything is sent or after the rules have refused it. Absent: fields that go over
//! several lines, which no memo may.

use std::path::{Path, PathBuf};

use clap::Args;
use switchboard_commands::bank::{AccountId, Command, Movement, Movements, Refusal};
use switchboard_commands::limits::TRANSFERS_MAX;
use switchboard_commands::money::{Amount, Currency};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{currency_of, optional, parse};
use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::harmless;

/// Longest list that is read, in bytes: more than the most movements with the longest memos.
const LIST_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A first line that says what the fields are.
const HEADER: [&str; 3] = ["from", "to", "amount"];

/// What `transfer-many` takes.
#[derive(Clone, Debug, Args)]
pub struct TransferMany {
    /// The list: a line `FROM,TO,AMOUNT` or `FROM,TO,AMOUNT,MEMO` for each movement; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The currency of all amounts, such as EUR; without it, that of the first account
    #[arg(long, value_name = "CURRENCY")]
    pub currency: Option<String>,
}

/// Where each movement of a list was written.
#[derive(Debug)]
pub(super) struct Places {
    list: String,
    lines: Vec<usize>,
}

/// A line of the list, in the words of who wrote it.
struct Written {
    line: usize,
    fields: Vec<String>,
}

/// The command that the list says.
pub(super) async fn command(caller: &Caller, asked: TransferMany) -> Result<(Command, Places), Failure> {
    let list = shown(&asked.file);
    let text = read(&asked.file, &list).await?;
    let written = split(&text).map_err(|(line, what)| wrong_line(&list, line, what))?;
    if written.len() > usize::from(TRANSFERS_MAX) {
        let what = format!("{list} has {} movements, one call takes at most {TRANSFERS_MAX}", written.len());
        let advice = "make several lists; each is booked all or none, but not all together";
        return Err(Failure::new(Exit::Input, what).advise(advice));
    }
    let currency = match (asked.currency, written.first()) {
        (Some(currency), _) => parse(&currency)?,
        (None, Some(first)) => {
            currency_of(caller, account(&first.fields[0]).map_err(|f| at(&list, first, &f))?).await?
        }
        (None, None) => {
            let what = format!("{list} has no movement in it");
            return Err(Failure::new(Exit::Input, what).advise("write a line FROM,TO,AMOUNT for each"));
        }
    };
    let movements: Result<Vec<Movement>, Failure> = written
        .iter()
        .map(|written| movement(&written.fields, currency).map_err(|failure| at(&list, written, &failure)))
        .collect();
    let transfers = Movements::new(movements?).map_err(|error| Failure::from_error(Exit::Input, error))?;
    let lines = written.iter().map(|written| written.line).collect();
    Ok((Command::TransferMany { currency, transfers }, Places { list, lines }))
}

impl Places {
    /// Where to look after the rules have refused one movement.
    pub(super) fn of(&self, refusal: &Refusal) -> Option<String> {
        let Refusal::MovementRefused { index, .. } = refusal else { return None };
        let line = self.lines.get(usize::from(*index))?;
        Some(format!("correct line {line} of {} and send the whole list again", self.list))
    }
}

fn shown(file: &Path) -> String {
    if is_standard_input(file) { "standard input".to_owned() } else { harmless(&file.display().to_string()) }
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

async fn read(file: &Path, list: &str) -> Result<String, Failure> {
    let unreadable = |error| {
        Failure::new(Exit::InputOutput, format!("cannot read {list}"))
            .because(error)
            .advise("check the path and its permissions")
    };
    let input: Box<dyn AsyncRead + Send + Unpin> = if is_standard_input(file) {
        Box::new(tokio::io::stdin())
    } else {
        Box::new(tokio::fs::File::open(file).await.map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    let length = input.take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
    if u64::try_from(length).is_ok_and(|length| length > LIST_BYTES_MAX) {
        let what = format!("{list} is longer than {LIST_BYTES_MAX} bytes");
        return Err(Failure::new(Exit::Input, what).advise("make several lists"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        wrong_line(list, line, "it is not UTF-8; save the list as UTF-8".to_owned())
    })
}

/// The lines with something on them; or the number of one that is none, and why. Lines are counted from 1. A spreadsheet may
/// have put a byte order mark before the first.
fn split(text: &str) -> Result<Vec<Written>, (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut written = Vec::new();
    for (line, content) in (1..).zip(text.lines()).filter(|(_, content)| !content.trim().is_empty()) {
        let fields = fields(content).map_err(|what| (line, what))?;
        let is_header = written.is_empty()
            && fields.iter().zip(HEADER).all(|(field, name)| field.eq_ignore_ascii_case(name));
        if is_header {
            continue;
        }
        if !(3..=4).contains(&fields.len()) {
            let count = fields.len();
            return Err((
                line,
                format!("it has {count} fields; write FROM,TO,AMOUNT or FROM,TO,AMOUNT,MEMO"),
            ));
        }
        written.push(Written { line, fields });
    }
    Ok(written)
}

/// Fields between commas. One in quotes may have commas in it, and quotes written twice.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        let behind = behind.trim_start();
        if behind.is_empty() {
            return Ok(fields);
        }
        let next = behind.strip_prefix(',').ok_or("there is text behind a closing quote; write a comma")?;
        rest = next.trim_start();
    }
}

/// The field behind an opening quote, and what follows its closing one.
fn quoted_field(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let (before, behind) = rest.split_once('"').ok_or("a quote is not closed; write a second one")?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(behind) => {
                field.push('"');
                rest = behind;
            }
            None => return Ok((field, behind)),
        }
    }
}

fn movement(fields: &[String], currency: Currency) -> Result<Movement, Failure> {
    let amount =
        Amount::parse(&fields[2], currency).map_err(|error| Failure::from_error(Exit::Input, error))?;
    let memo = optional(fields.get(3).filter(|memo| !memo.is_empty()).cloned())?;
    Ok(Movement { from: account(&fields[0])?, to: account(&fields[1])?, amount, memo })
}

fn account(field: &str) -> Result<AccountId, Failure> {
    parse(field)
}

fn at(list: &str, written: &Written, failure: &Failure) -> Failure {
    wrong_line(list, written.line, failure.to_string())
}

/// Nothing was sent.
fn wrong_line(list: &str, line: usize, what: String) -> Failure {
    Failure::new(Exit::Input, format!("line {line} of {list} is no movement: {}", harmless(&what)))
        .advise("correct the line; nothing was sent")
}

#[cfg(test)]
mod tests {
    use super::split;

    fn lines(text: &str) -> Vec<(usize, Vec<String>)> {
        split(text).unwrap().into_iter().map(|written| (written.line, written.fields)).collect()
    }

    #[test]
    fn fields_are_read_as_spreadsheets_write_them() {
        let owned = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let text =
            "\u{feff}From,To,Amount,Memo\r\n1,2,5.00\r\n\r\n 1 , 3 ,7.50, \"a \"\"b\"\", c\" \r\n4,5,1,\n";
        let expected = [
            (2, owned(&["1", "2", "5.00"])),
            (4, owned(&["1", "3", "7.50", "a \"b\", c"])),
            (5, owned(&["4", "5", "1", ""])),
        ];
        assert_eq!(lines(text), expected);
        assert!(lines("").is_empty() && lines("from,to,amount\n\n").is_empty());
    }

    #[test]
    fn a_line_that_is_none_is_told_with_its_number() {
        for (text, line, word) in [
            ("1,2,3\n1;2;3", 2, "1 fields"),
            ("1,2", 1, "2 fields"),
            ("1,2,3,memo,more", 1, "5 fields"),
            ("\n1,2,3,\"memo", 2, "not closed"),
            ("1,2,3,\"memo\" more", 1, "behind a closing quote"),
            ("1,2,3\nfrom,to", 2, "2 fields"),
        ] {
            let (at, what) = split(text).err().unwrap();
            assert!(at == line && what.contains(word), "{text:?}: {at}: {what}");
        }
    }
}
