//! Planted bugs: each breaks one rule of docs/exactly-once.md, so that whoever claims to check that rule
//! can be shown to notice.
//!
//! A plant stands in the product as one question, [`planted`], at the spot where the rule is kept. Without
//! the cargo feature `flaws` that is a constant `false`, and the compiler removes the question with its
//! plant from every optimised build. With the feature a flaw is switched on for the present thread only,
//! by `plant`, which nothing but the simulation calls. Absent: any way to switch one on from outside the
//! process.

#[cfg(feature = "flaws")]
use std::cell::Cell;

/// One table: the flaw, its documentation, its name for a command line.
macro_rules! flaws {
    ($($(#[$doc:meta])+ $flaw:ident = $name:literal,)+) => {
        /// A bug that can be planted. "Server rule" and "client rule" number the lists of
        /// docs/exactly-once.md.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Flaw {
            $($(#[$doc])+ $flaw,)+
        }

        impl Flaw {
            /// Every flaw, in the order of the rooms that a call passes: server first, then client.
            pub const ALL: &'static [Self] = &[$(Self::$flaw,)+];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$flaw => $name,)+
                }
            }
        }
    };
}

flaws! {
    // Claim.
    /// A claim trusts what was read before its batch began: a call that an earlier one of the batch ended
    /// (its own cancel) is executed all the same. Server rule 1.
    ClaimByPlainRead = "claim-by-plain-read",
    /// The first call of a slot replaces the row that is there. Server rule 1.
    FirstClaimReplaces = "first-claim-replaces",
    /// A call beyond the first is executed although the slot has no row. Server rule 4.
    GapAccepted = "gap-accepted",
    /// The hash of the previous reply is not compared. Server rules 1 and 4.
    PreviousHashNotCompared = "previous-hash-not-compared",
    /// Whose session it is, is not compared: the recorded reply goes to a stranger. Server rule 2.
    PrincipalNotCompared = "principal-not-compared",
    /// Other bytes under the same nonce get the recorded reply. Server rule 3.
    DigestNotCompared = "digest-not-compared",
    /// All nonces look alike: the other call that a copied journal put under an id is taken for this one by
    /// cancel and outcome, and blamed on changed bytes by a claim. Server rule 3.
    NonceNotCompared = "nonce-not-compared",
    /// A session older than the horizon takes new claims. Server rules 1 and 5.
    ClaimBelowHorizon = "claim-below-horizon",

    // Rules.
    /// What a rule wrote before it refused is not taken back. Server rule 6.
    RefusedWritesStay = "refused-writes-stay",
    /// What a refusal writes, as the counter of a wrong PIN, is written twice. Server rule 6.
    RefusalCountsTwice = "refusal-counts-twice",

    // Cancel.
    /// A cancelled row has no digest that the original could differ from, and lets it in. Server rules 2
    /// and 9.
    CancelledAcceptsOriginal = "cancelled-accepts-original",
    /// A cancel overwrites the reply of a call that was executed. Server rule 9.
    CancelOverwrites = "cancel-overwrites",
    /// A cancel is answered and not recorded. Server rule 9.
    CancelNotRecorded = "cancel-not-recorded",

    // Record and commit.
    /// A refusal is answered and not recorded: a copy is decided anew. Server rule 6.
    RefusalNotRecorded = "refusal-not-recorded",
    /// A call is executed after its `not_after`. Server rule 7.
    NotAfterIgnored = "not-after-ignored",
    /// The effect is committed first, the reply in a transaction of its own. Server rule 6.
    RecordedInAnotherTransaction = "recorded-in-another-transaction",
    /// A replayed reply is encoded anew, with the same meaning and other bytes. Server rule 2.
    ReplayReencoded = "replay-reencoded",
    /// Replies leave whatever COMMIT says. Server rule 8.
    ReplyBeforeCommit = "reply-before-commit",
    /// An error from COMMIT is taken for "not executed" and answered for good. Server rule 8.
    CommitErrorIsFinal = "commit-error-is-final",
    /// A batch is thrown away, the replies of its first calls leave. Server rule 8, "Batches".
    RepliesOfThrownBatchLeave = "replies-of-thrown-batch-leave",
    /// A transaction that failed is committed as far as it came, then its calls run again. "Batches".
    FailedBatchCommitted = "failed-batch-committed",

    // Horizon and store.
    /// The horizon follows the clock at once, however far it jumps. "Horizon" among the terms.
    HorizonFollowsClock = "horizon-follows-clock",
    /// Rows are deleted as soon as the horizon passes them: what was executed is called `Expired`. "Horizon"
    /// among the terms, server rule 5.
    CollectedAtHorizon = "collected-at-horizon",
    /// Rows of sessions above the horizon are deleted: their copies are executed again. "Horizon" among the
    /// terms.
    CollectedAboveHorizon = "collected-above-horizon",
    /// A commit is not synced. Server rule 8.
    SynchronousOff = "synchronous-off",
    /// What a killed process left written but not synced is not made durable before it is answered from.
    /// Server rule 8.
    LeftUnsyncedAtOpen = "left-unsynced-at-open",

    // Ledger and bank.
    /// What is transferred to the lower of two members' accounts arrives nowhere. "Ledger".
    OneSideBooked = "one-side-booked",
    /// A deposit that goes to suspense is booked twice. Server rule 6, "advice".
    AdviceBookedTwice = "advice-booked-twice",

    // Client.
    /// A call is sent before its journal entry is durable. Client rule 1.
    SentBeforeJournal = "sent-before-journal",
    /// An answer is handed over before its journal entry is durable. Client rule 1.
    AnswerBeforeJournal = "answer-before-journal",
    /// After a transient refusal the command is sent again under a new id. Table of answers, last row.
    NewIdAfterTransient = "new-id-after-transient",
    /// After a broken connection the command is sent again under a new id. Client rule 2.
    NewIdAfterBrokenConnection = "new-id-after-broken-connection",
    /// A reply is matched by session and slot, whatever its sequence. Client rule 4.
    ReplyMatchedBySlot = "reply-matched-by-slot",
    /// Sessions and open calls go to whatever store answers. Client rule 1 and 2, `WrongStore`.
    StoreNotCompared = "store-not-compared",
    /// A store that was restored is not asked whether it still knows what it acknowledged. "Store id,
    /// generation" among the terms.
    GenerationIgnored = "generation-ignored",

    // Journal.
    /// After a crash new calls go on in the old session. Client rule 1.
    OldSessionGoesOn = "old-session-goes-on",
    /// A call that was open before a crash is not taken up again. Client rule 1.
    OpenCallForgotten = "open-call-forgotten",
    /// An answer that is handed over again after a restart is not marked `maybe seen`. Client rule 1.
    MaybeSeenNotMarked = "maybe-seen-not-marked",
    /// A reopened journal takes the first settled call of a slot for its last: the ids after it are given to
    /// other commands. Client rule 1, "call id" among the terms.
    SequenceNotAdvanced = "sequence-not-advanced",
    /// The checksum of a journal entry is not compared: rotten bytes are sent as a command. Client rule 1.
    RotNotNoticed = "rot-not-noticed",
}

impl Flaw {
    /// The flaw of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flaw| flaw.name() == name)
    }
}

/// As on a command line.
impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this flaw is to show: never, without the feature `flaws`.
#[cfg(not(feature = "flaws"))]
#[must_use]
#[inline]
pub const fn planted(_flaw: Flaw) -> bool {
    false
}

#[cfg(feature = "flaws")]
thread_local! {
    static PLANTED: Cell<Option<Flaw>> = const { Cell::new(None) };
}

/// Whether this flaw is to show on the present thread.
#[cfg(feature = "flaws")]
#[must_use]
pub fn planted(flaw: Flaw) -> bool {
    PLANTED.get() == Some(flaw)
}

/// From now on this flaw, and no other, shows on the present thread; with `None` no flaw does.
#[cfg(feature = "flaws")]
pub fn plant(flaw: Option<Flaw>) {
    PLANTED.set(flaw);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_flaw_has_a_name_of_its_own_and_is_found_by_it() {
        let names: BTreeSet<_> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
        assert_eq!(names.len(), Flaw::ALL.len());
        for &flaw in Flaw::ALL {
            assert_eq!(Flaw::from_name(flaw.name()), Some(flaw));
            assert!(flaw.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{flaw}");
        }
        assert_eq!(Flaw::from_name("none"), None);
    }

    #[test]
    fn nothing_shows_unless_planted() {
        assert!(!Flaw::ALL.iter().any(|flaw| planted(*flaw)));
    }

    #[cfg(feature = "flaws")]
    #[test]
    fn a_planted_flaw_shows_alone_and_on_its_own_thread() {
        plant(Some(Flaw::GapAccepted));
        let shown: Vec<_> = Flaw::ALL.iter().copied().filter(|flaw| planted(*flaw)).collect();
        let elsewhere = std::thread::spawn(|| planted(Flaw::GapAccepted));
        assert_eq!((shown, elsewhere.join().unwrap()), (vec![Flaw::GapAccepted], false));
        plant(None);
        assert!(!planted(Flaw::GapAccepted));
    }
}
