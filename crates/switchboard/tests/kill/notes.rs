//! A client's own notes: what it intended, under which call id, and how it was told that it ended. On the disk, or out of
//! the machine by its console, before the client goes on, so that nothing of it is lost with the process or the machine.
//! Absent: any judgement.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use switchboard_client::{CallId, End};

use crate::errand::Errand;
use crate::task::{Haste, Task};

/// How a call ended, as the application was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    Done(Vec<u8>),
    Refused(Vec<u8>),
    Cancelled,
    TooLate,
    /// It never got a name.
    NeverSent,
}

/// One handing over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) id: Option<CallId>,
    pub(crate) maybe_seen: bool,
    pub(crate) ending: Ending,
}

/// All that is noted of one intention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Intention {
    pub(crate) haste: Haste,
    pub(crate) task: Task,
    /// Every call id that it was begun under.
    pub(crate) begun: Vec<CallId>,
    /// Every time it was handed over.
    pub(crate) told: Vec<Told>,
}

/// The notes of one client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Noted {
    /// By label.
    pub(crate) intentions: BTreeMap<u64, Intention>,
    /// What must not have happened.
    pub(crate) faults: Vec<String>,
    /// Answers that a journal handed over after a restart, and calls that it sent again.
    pub(crate) handed_over: u64,
    pub(crate) sent_again: u64,
}

/// The file or the console, for its one writer.
pub(crate) struct Notes {
    out: Mutex<File>,
    /// Begins each line on a console, which others write to as well.
    mark: Option<String>,
}

impl Ending {
    /// None when it is one that no test here can lead to.
    pub(crate) fn of(end: &End) -> Option<Self> {
        match end {
            End::Done(reply) => Some(Self::Done(reply.clone())),
            End::Refused(refusal) => Some(Self::Refused(refusal.clone())),
            End::Cancelled => Some(Self::Cancelled),
            End::TooLate => Some(Self::TooLate),
            End::Expired | End::TurnedAway(_) => None,
        }
    }

    fn words(&self) -> (&'static str, String) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Done(reply) => ("done", hex(reply)),
            Self::Refused(refusal) => ("refused", hex(refusal)),
            Self::Cancelled => ("cancelled", String::new()),
            Self::TooLate => ("too-late", String::new()),
            Self::NeverSent => ("never-sent", String::new()),
        }
    }

    fn parse(kind: &str, hex: &str) -> Self {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes = || (0..hex.len()).step_by(2).map(digits).collect();
        match kind {
            "done" => Self::Done(bytes()),
            "refused" => Self::Refused(bytes()),
            "cancelled" => Self::Cancelled,
            "too-late" => Self::TooLate,
            "never-sent" => Self::NeverSent,
            other => panic!("not an ending: {other}"),
        }
    }
}

impl Notes {
    /// Reads the file, and goes on in it or on the console. Makes the file if there is none, and cuts a line that a kill
    /// tore.
    pub(crate) fn open(errand: &Errand) -> (Self, Noted) {
        let text = std::fs::read_to_string(&errand.notes).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let noted = Noted::parse(&text[..whole]);
        if let Some(console) = &errand.console {
            let out = Mutex::new(OpenOptions::new().write(true).open(console).unwrap());
            return (Self { out, mark: Some(console_mark(errand.client)) }, noted);
        }
        let file = OpenOptions::new().create(true).append(true).open(&errand.notes).unwrap();
        file.set_len(u64::try_from(whole).unwrap()).unwrap();
        (Self { out: Mutex::new(file), mark: None }, noted)
    }

    pub(crate) fn started(&self, handed_over: usize, sent_again: usize) {
        self.line(&format!("started {handed_over} {sent_again}"));
    }

    pub(crate) fn intend(&self, label: u64, haste: Haste, task: &Task) {
        self.line(&format!("intend {label} {haste} {task}"));
    }

    pub(crate) fn begun(&self, label: u64, id: CallId) {
        self.line(&format!("begun {label} {id}"));
    }

    pub(crate) fn ended(&self, label: u64, told: &Told) {
        let id = told.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let seen = if told.maybe_seen { "maybe-seen" } else { "fresh" };
        let (kind, hex) = told.ending.words();
        self.line(&format!("ended {label} {id} {seen} {kind} {hex}"));
    }

    pub(crate) fn fault(&self, what: &str) {
        self.line(&format!("fault {}", what.replace('\n', " ")));
    }

    fn line(&self, line: &str) {
        let mut out = self.out.lock().unwrap();
        out.write_all(format!("{}{line}\n", self.mark.as_deref().unwrap_or_default()).as_bytes()).unwrap();
        if self.mark.is_none() {
            out.sync_data().unwrap();
        }
    }
}

/// What a line of this client begins with on a console.
pub(crate) fn console_mark(client: u64) -> String {
    format!("@{client} ")
}

impl Noted {
    /// Every whole line of the file; no file is no notes.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text[..text.rfind('\n').map_or(0, |at| at + 1)])
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut noted = Self::default();
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ').unwrap();
            match kind {
                "started" => noted.restarted(rest),
                "fault" => noted.faults.push(rest.to_owned()),
                _ => noted.of_intention(kind, rest),
            }
        }
        noted
    }

    fn restarted(&mut self, rest: &str) {
        let (handed_over, sent_again) = rest.split_once(' ').unwrap();
        self.handed_over += handed_over.parse::<u64>().unwrap();
        self.sent_again += sent_again.parse::<u64>().unwrap();
    }

    fn of_intention(&mut self, kind: &str, rest: &str) {
        let (label, rest) = rest.split_once(' ').unwrap();
        let label = label.parse().unwrap();
        if kind == "intend" {
            let (haste, task) = rest.split_once(' ').unwrap();
            let (haste, task) = (haste.parse().unwrap(), task.parse().unwrap());
            let fresh = Intention { haste, task, begun: Vec::new(), told: Vec::new() };
            assert_eq!(self.intentions.insert(label, fresh), None, "label {label} is used once");
            return;
        }
        let intention = self.intentions.get_mut(&label).unwrap();
        match kind {
            "begun" => intention.begun.push(rest.parse().unwrap()),
            "ended" => intention.told.push(Told::parse(rest)),
            other => panic!("not a note: {other}"),
        }
    }
}

impl Told {
    fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let &[id, seen, kind, hex] = words.as_slice() else { panic!("not an ending: {text}") };
        let id = (id != "-").then(|| id.parse().unwrap());
        Self { id, maybe_seen: seen == "maybe-seen", ending: Ending::parse(kind, hex) }
    }
}
