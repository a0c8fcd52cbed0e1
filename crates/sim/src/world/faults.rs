//! The faults of a plan, carried out.

use super::World;
use crate::client::Death;
use crate::disk::Fault as DiskFault;
use crate::eye::Eye;
use crate::node::{DATABASE, Node, START_US};
use crate::plan::{Fault, OfClient, What};
use crate::scene::Event;

const LOG: &str = "switchboard.db-wal";
const KEPT: &str = "kept.db";
const KEPT_LOG: &str = "kept.db-wal";

impl World {
    pub(super) fn schedule_fault(&mut self, index: usize) {
        if let Some(fault) = self.scene.plan.faults.get(index) {
            let at_us = fault.at_ms * 1000 + self.scene.slept_us;
            self.scene.at(at_us.max(self.scene.now_us), Event::Fault { index });
        }
    }

    pub(super) fn inflict(&mut self, fault: Fault) {
        self.scene.doubt |= fault.what.may_leave_doubt();
        match fault.what {
            What::KillNode { node, down_ms } => self.kill_node(node, down_ms),
            What::CutPower { down_ms } => self.cut_power(down_ms),
            What::CutPowerAmid { .. } | What::DiskFails { .. } => self.disk_faults.push_back(fault),
            What::RestartNode { node, down_ms, slots_max, newest } => {
                (self.nodes[node].slots_max, self.nodes[node].is_newest) = (slots_max, newest);
                self.restart_node(node, down_ms);
            }
            What::PauseNode { node, ms } => {
                let node = &mut self.nodes[node];
                node.paused_until_us = node.paused_until_us.max(self.scene.now_us + ms * 1000);
            }
            What::NodeClock { node, by_ms } => {
                let node = &mut self.nodes[node];
                node.ahead_ms = node.ahead_ms.saturating_add(by_ms);
            }
            What::DiskFull { ms, free_bytes } => {
                let used = self.disks[0].used_bytes();
                self.disks[0].set_capacity_bytes(Some(used + free_bytes));
                self.scene.after(ms * 1000, Event::DiskFreed);
            }
            What::RulesPanic { node, rules } => {
                self.rules_struck = true;
                self.nodes[node].trouble.let_panic(rules);
            }
            What::RulesFail { node, rules } => {
                self.rules_struck = true;
                self.nodes[node].trouble.let_fail(rules);
            }
            What::Partition { client, node, ms } => {
                let until_us = self.scene.now_us + ms * 1000;
                self.scene.network.part(client, node, until_us);
            }
            What::Nap { ms } => {
                self.scene.now_us += ms * 1000;
                self.scene.slept_us += ms * 1000;
            }
            What::Backup => self.back_up(),
            What::Restore { down_ms } => self.restore(down_ms),
            What::OtherStore { ms } => {
                self.serve_store(1);
                self.scene.after(ms * 1000, Event::RightStoreReturns);
            }
            What::OfClient { client, what } => self.inflict_on_client(client, what),
        }
    }

    fn inflict_on_client(&mut self, client: usize, what: OfClient) {
        match what {
            OfClient::Kill { down_ms } => self.end_client(client, Death::Killed, down_ms),
            OfClient::CutPower { down_ms } => self.end_client(client, Death::PowerCut, down_ms),
            OfClient::Close { down_ms } => self.clients[client].close(&mut self.scene, down_ms * 1000),
            OfClient::Pause { ms } => {
                let client = &mut self.clients[client];
                client.paused_until_us = client.paused_until_us.max(self.scene.now_us + ms * 1000);
            }
            OfClient::JournalFails { operation, failure } => {
                let fault = DiskFault { operation, after: 0, times: 1, failure };
                self.clients[client].disk().inject(fault);
            }
            OfClient::KeepJournal => {
                let journal = self.clients[client].journal();
                self.clients[client].kept = journal;
            }
            OfClient::RestoreJournal { down_ms } => {
                let kept = self.clients[client].kept.clone();
                self.swap_journal(client, kept, down_ms);
            }
            OfClient::CopyJournal { from, down_ms } => {
                let kept = self.clients[from].kept.clone();
                if self.clients[from].principal() == self.clients[client].principal() {
                    self.swap_journal(client, kept, down_ms);
                }
            }
            OfClient::LoseJournal { down_ms } => self.swap_journal(client, None, down_ms),
            OfClient::RotJournal { down_ms } => {
                let mut journal = self.clients[client].journal().unwrap_or_default();
                if !journal.is_empty() {
                    let at = self.rogue.index(journal.len());
                    journal[at] ^= 1 << self.rogue.below(8);
                    self.swap_journal(client, Some(journal), down_ms);
                }
            }
        }
    }

    fn end_client(&mut self, client: usize, death: Death, down_ms: u64) {
        self.clients[client].die(&mut self.scene, death, down_ms * 1000);
    }

    fn swap_journal(&mut self, client: usize, journal: Option<Vec<u8>>, down_ms: u64) {
        self.end_client(client, Death::Killed, down_ms);
        self.clients[client].replace_journal(journal.as_deref());
        self.scene.model.wishes.forgot(client);
        self.scene.model.wishes.may_return();
    }

    pub(super) fn kill_node(&mut self, node: usize, down_ms: u64) {
        let others = self.nodes.iter().enumerate().any(|(index, other)| index != node && other.is_up());
        if !others {
            self.close_eye();
            self.disks[self.scene.store].detach();
        }
        self.nodes[node].die(&mut self.scene, true);
        self.scene.after(down_ms * 1000, Event::NodeStarts { node });
    }

    fn restart_node(&mut self, node: usize, down_ms: u64) {
        if self.nodes[node].is_up() {
            let (done, cut) = self.under_fault(|world| world.nodes[node].drain(&mut world.scene));
            self.take_in(node, done);
            if cut.is_some() {
                return self.lose_power(cut);
            }
        }
        let others = self.nodes.iter().enumerate().any(|(index, other)| index != node && other.is_up());
        if !others {
            self.close_eye();
        }
        self.nodes[node].die(&mut self.scene, true);
        self.scene.after(down_ms * 1000, Event::NodeStarts { node });
    }

    pub(super) fn cut_power(&mut self, down_ms: u64) {
        self.close_eye();
        self.disks[self.scene.store].cut_power();
        for node in &mut self.nodes {
            node.die(&mut self.scene, false);
        }
        self.scene.after(down_ms * 1000, Event::PowerReturns);
    }

    pub(super) fn return_power(&mut self) {
        for disk in &self.disks {
            if disk.is_off() {
                disk.power_on();
            }
        }
        for node in 0..self.nodes.len() {
            self.scene.after(0, Event::NodeStarts { node });
        }
    }

    fn close_eye(&mut self) {
        self.eye = None;
        self.scene.store_visible = false;
    }

    /// What the next batch meets.
    pub(super) fn arm_disk(&mut self, what: What) {
        let disk = &self.disks[self.scene.store];
        match what {
            What::CutPowerAmid { operations, .. } => disk.cut_power_after(operations),
            What::DiskFails { operation, failure, after, times } => {
                disk.inject(DiskFault { operation, after, times, failure });
            }
            What::KillNode { .. }
            | What::CutPower { .. }
            | What::RestartNode { .. }
            | What::PauseNode { .. }
            | What::NodeClock { .. }
            | What::DiskFull { .. }
            | What::RulesPanic { .. }
            | What::RulesFail { .. }
            | What::Partition { .. }
            | What::Nap { .. }
            | What::Backup
            | What::Restore { .. }
            | What::OtherStore { .. }
            | What::OfClient { .. } => {}
        }
    }

    /// Between two batches the database and its log are one consistent state. Not while nobody serves the store: what
    /// a dead node committed last is not known then.
    fn back_up(&mut self) {
        if self.scene.store != 0 || !self.scene.store_visible {
            return;
        }
        self.look();
        let disk = &self.disks[0];
        disk.copy(DATABASE, KEPT);
        disk.remove(KEPT_LOG);
        disk.copy(LOG, KEPT_LOG);
        self.backup = Some(self.scene.model.facts(0).clone());
    }

    fn restore(&mut self, down_ms: u64) {
        let Some(kept) = self.backup.clone().filter(|_| self.scene.store == 0 && !self.disks[0].is_off())
        else {
            return;
        };
        self.stop_nodes();
        let disk = &self.disks[0];
        disk.clear_faults();
        disk.set_capacity_bytes(None);
        let above = generation(disk, DATABASE).unwrap_or(0);
        disk.remove(LOG);
        disk.copy(KEPT, DATABASE);
        disk.copy(KEPT_LOG, LOG);
        let now_s = (START_US + self.scene.now_us) / 1_000_000;
        let raised = generation(disk, DATABASE).unwrap_or(0).max(above) + 1;
        raise_generation(disk, raised.max(now_s));
        let rows = Eye::open(disk, DATABASE).and_then(|eye| eye.slots()).expect("a backup can be read");
        let lost = self.scene.model.put_back(0, &kept, &rows);
        self.scene.tell(|| format!("store     is put back; {} calls are lost", lost.len()));
        self.lost.extend(lost);
        for node in 0..self.nodes.len() {
            self.scene.after(down_ms * 1000, Event::NodeStarts { node });
        }
    }

    pub(super) fn serve_store(&mut self, store: usize) {
        if self.scene.store == store {
            return;
        }
        self.stop_nodes();
        self.scene.store = store;
        for node in 0..self.nodes.len() {
            self.scene.after(10_000, Event::NodeStarts { node });
        }
    }

    fn stop_nodes(&mut self) {
        self.close_eye();
        self.disks[self.scene.store].detach();
        for node in &mut self.nodes {
            node.die(&mut self.scene, true);
        }
    }

    /// From now on nothing fails any more, and nobody begins anything new.
    pub(super) fn heal(&mut self) {
        self.scene.tell(|| "CALM    the faults have stopped".to_owned());
        self.scene.calm = true;
        self.scene.network.heal();
        self.disk_faults.clear();
        for disk in &self.disks {
            disk.clear_faults();
            disk.set_capacity_bytes(None);
        }
        for client in &self.clients {
            client.disk().clear_faults();
        }
        for node in &self.nodes {
            node.trouble.end();
        }
        self.serve_store(0);
        if !self.nodes.iter().any(Node::is_up) {
            self.scene.after(0, Event::PowerReturns);
        }
    }
}

fn generation(disk: &crate::disk::Disk, database: &str) -> Option<u64> {
    let conn = connect(disk, database).ok()?;
    let generation: i64 = conn.query_row("SELECT generation FROM meta", [], |row| row.get(0)).ok()?;
    u64::try_from(generation).ok()
}

fn raise_generation(disk: &crate::disk::Disk, generation: u64) {
    let conn = connect(disk, DATABASE).expect("a backup can be opened");
    let generation = i64::try_from(generation).expect("seconds fit");
    conn.execute("UPDATE meta SET generation = ?1", [generation]).expect("a backup can be written");
    disk.sync(DATABASE).expect("a disk without faults syncs");
}

fn connect(disk: &crate::disk::Disk, database: &str) -> rusqlite::Result<rusqlite::Connection> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    rusqlite::Connection::open_with_flags_and_vfs(disk.path(database), flags, crate::disk::VFS)
}
