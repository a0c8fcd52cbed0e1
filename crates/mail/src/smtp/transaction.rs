//! One message of a session: what is known about each of its recipients, and where in the stream its end stands.

use super::options::Submission;
use super::report::{Cause, Fate, Phase, RecipientFate, Report};

pub(super) struct Transaction {
    pub(super) submission: Submission,
    fates: Vec<Option<Fate>>,
    /// Where in what is sent the message is complete; `None` while its end was not said.
    pub(super) end: Option<u64>,
    pub(super) trouble: Option<(Phase, Cause)>,
}

impl Transaction {
    pub(super) fn new(submission: Submission) -> Self {
        let fates = vec![None; submission.envelope.recipients().len()];
        Self { submission, fates, end: None, trouble: None }
    }

    /// Whether the fate of somebody is open.
    pub(super) fn is_open(&self) -> bool {
        self.fates.iter().any(Option::is_none)
    }

    /// Gives `fate` to every recipient whose fate is open; whether there was any.
    pub(super) fn settle(&mut self, fate: &Fate) -> bool {
        let was_open = self.is_open();
        for open in self.fates.iter_mut().filter(|open| open.is_none()) {
            *open = Some(fate.clone());
        }
        was_open
    }

    /// Gives it to one recipient.
    pub(super) fn settle_one(&mut self, recipient: usize, fate: Fate) {
        if let Some(open @ None) = self.fates.get_mut(recipient) {
            *open = Some(fate);
        }
    }

    /// The server refused the sender and took the message all the same: which of the two it meant cannot be known.
    pub(super) fn doubt_refused_sender(&mut self, cause: &Cause) {
        for fate in self.fates.iter_mut().flatten() {
            if matches!(fate, Fate::Refused { phase: Phase::Mail, .. }) {
                *fate = Fate::InDoubt { cause: cause.clone() };
            }
        }
    }

    pub(super) fn into_report(self) -> Report {
        let recipients = self.submission.envelope.recipients().iter().zip(self.fates);
        let unfinished = || Fate::NotSent { phase: Phase::Mail, cause: Cause::Unfinished };
        let recipients = recipients.map(|(address, fate)| RecipientFate {
            address: address.clone(),
            fate: fate.unwrap_or_else(unfinished),
        });
        Report { recipients: recipients.collect(), trouble: self.trouble }
    }
}
