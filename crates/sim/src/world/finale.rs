//! The end of a run: everything has settled, late copies still arrive, and then the promises are checked that only
//! the whole can keep.

use switchboard_call::id::CallId;

use super::World;
use crate::client::Client;
use crate::model::{Promise, Violation};
use crate::network::End;
use crate::plan::{Fault, What};
use crate::scene::Event;

impl World {
    pub(super) fn is_settled(&self) -> bool {
        let awake = |paused_until_us: u64| paused_until_us <= self.scene.now_us;
        let nodes_up = self.nodes.iter().all(|node| node.is_up() && awake(node.paused_until_us));
        let clients_awake = self.clients.iter().all(|client| awake(client.paused_until_us));
        nodes_up && self.scene.store == 0 && clients_awake && self.clients.iter().all(Client::is_settled)
    }

    /// What is still under way to the nodes arrives; nothing else happens any more. Returns the number of events.
    pub(super) fn finish(&mut self) -> u64 {
        let mut events = 0;
        while let Some(event) = self.scene.next_event() {
            events += 1;
            match event {
                Event::Arrives { to: End::Node, .. }
                | Event::NodeRuns { .. }
                | Event::ClientAcknowledges { .. } => self.happen(event),
                Event::Connects { client, .. } if client >= self.clients.len() => self.happen(event),
                Event::ClientStarts { .. }
                | Event::ClientWakes { .. }
                | Event::ClientActs { .. }
                | Event::ClientCancels { .. }
                | Event::Connects { .. }
                | Event::Arrives { to: End::Client, .. }
                | Event::NodeStarts { .. }
                | Event::NodeWakes { .. }
                | Event::NodeKeepsHouse { .. }
                | Event::RogueActs
                | Event::Fault { .. }
                | Event::PowerReturns
                | Event::DiskFreed
                | Event::RightStoreReturns => {}
            }
            if self.scene.broken().is_some() {
                return events;
            }
        }
        self.read_log();
        self.look_again();
        self.audit();
        self.counters();
        let strands =
            self.scene.plan.faults.iter().any(|fault| matches!(fault.what, What::OtherStore { .. }));
        if !strands && self.clients.iter().any(Client::is_stranded) {
            let how = "a client takes the one store there is for another";
            self.scene.require(Err(Violation::new(Promise::Alarms, how)));
        }
        let wishes = &self.scene.model.wishes;
        let mut verdict = wishes.each_handed_over_once();
        for client in (0..self.clients.len()).filter(|client| !self.clients[*client].is_stranded()) {
            verdict = verdict.and_then(|()| wishes.all_answered(client));
            if !self.scene.plan.may_forget(client) {
                verdict = verdict.and_then(|()| self.heard(client));
            }
        }
        self.scene.require(verdict);
        events
    }

    /// Counters moved once for each call, and only for those that stand.
    fn counters(&mut self) {
        let Some(eye) = &self.eye else { return };
        let verdict = match (eye.counted_twice(), eye.attempts()) {
            (Ok(None), Ok(attempts)) if attempts == self.scene.model.facts(0).ledger.withdrawals() => Ok(()),
            (Ok(None), Ok(attempts)) => {
                let booked = self.scene.model.facts(0).ledger.withdrawals();
                let how = format!("{attempts} attempts to withdraw stand, {booked} withdrawals are booked");
                Err(Violation::new(Promise::Once, how))
            }
            (Ok(Some(key)), _) => {
                Err(Violation::new(Promise::Once, format!("the counter {key:?} moved twice")))
            }
            (Err(error), _) | (_, Err(error)) => {
                Err(Violation::new(Promise::Works, format!("the rows cannot be read: {error}")))
            }
        };
        self.scene.require(verdict);
    }

    /// Whoever was told something that the store has lost since is told that too.
    /// Unless the rows that could tell have gone with age, or another store made it forget its sessions.
    fn heard(&self, client: usize) -> Result<(), Violation> {
        let excuses = |fault: &Fault| matches!(fault.what, What::Nap { .. } | What::OtherStore { .. });
        let excused = self.scene.plan.faults.iter().any(excuses);
        // A late copy may have brought a lost call back.
        let calls = &self.scene.model.facts(0).calls;
        let lost: Vec<CallId> = self.lost.iter().copied().filter(|id| !calls.is_recorded(*id)).collect();
        let robbed = self.scene.model.wishes.was_told_of(client, &lost);
        if !excused && robbed && !self.clients[client].heard_of_loss(&lost) {
            let how = format!("the store lost answers that client {client} was given, and it was not told");
            return Err(Violation::new(Promise::Alarms, how));
        }
        Ok(())
    }
}
