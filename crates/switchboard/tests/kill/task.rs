//! What a client intends: one task for each of its labels, chosen by the seed, and in how much of a hurry it is. Absent:
//! what became of it.

use std::fmt;
use std::str::FromStr;

use switchboard::lab::chance::Chance;

use crate::errand::Errand;

/// Labels of one client that want the same seat, among others.
const LABELS_PER_SEAT: u64 = 8;

/// What shall happen, once. As a line of text: its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Task {
    Withdraw { account: i64, minor: i64 },
    Reserve { seat: u32 },
    Release { seat: u32, holder: String },
}

/// How the client waits for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Haste {
    /// For ever: nothing but an execution can end it.
    Patient,
    /// It cancels the call as soon as the call has its name.
    Cancels,
    /// It cancels when a deadline has passed.
    Deadline,
    /// The server must not execute it after a while.
    NotAfter,
}

impl Task {
    /// That of a label.
    pub(crate) fn choose(errand: &Errand, label: u64) -> Self {
        let mut chance = Chance::new(errand.seed, errand.client << 32 | label);
        match chance.between(0..=5) {
            0 => Self::Withdraw { account: errand.poor, minor: 7 },
            1 | 2 if errand.seats => Self::Reserve { seat: u32::try_from(label / LABELS_PER_SEAT).unwrap() },
            _ => Self::Withdraw {
                account: errand.rich,
                minor: i64::try_from(chance.between(1..=1000)).unwrap(),
            },
        }
    }
}

impl Haste {
    pub(crate) fn choose(errand: &Errand, label: u64) -> Self {
        match Chance::new(!errand.seed, errand.client << 32 | label).between(0..=15) {
            0 => Self::Cancels,
            1 => Self::Deadline,
            2 => Self::NotAfter,
            _ => Self::Patient,
        }
    }
}

/// Who a seat or a transfer is for: one name for each intention of each client.
pub(crate) fn beneficiary(client: u64, label: u64) -> String {
    format!("{client}:{label}")
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withdraw { account, minor } => write!(f, "withdraw {account} {minor}"),
            Self::Reserve { seat } => write!(f, "reserve {seat} -"),
            Self::Release { seat, holder } => write!(f, "release {seat} {holder}"),
        }
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let &[kind, first, second] = words.as_slice() else { return Err(text.to_owned()) };
        match kind {
            "withdraw" => {
                Ok(Self::Withdraw { account: first.parse().unwrap(), minor: second.parse().unwrap() })
            }
            "reserve" => Ok(Self::Reserve { seat: first.parse().unwrap() }),
            "release" => Ok(Self::Release { seat: first.parse().unwrap(), holder: second.to_owned() }),
            _ => Err(text.to_owned()),
        }
    }
}

impl fmt::Display for Haste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Patient => "patient",
            Self::Cancels => "cancels",
            Self::Deadline => "deadline",
            Self::NotAfter => "not-after",
        })
    }
}

impl FromStr for Haste {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Patient, Self::Cancels, Self::Deadline, Self::NotAfter];
        all.into_iter().find(|haste| haste.to_string() == text).ok_or_else(|| text.to_owned())
    }
}
