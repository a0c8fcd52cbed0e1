//! The course of a test: what is struck, when, and how it stands up again. Absent: what must hold afterwards.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use switchboard::lab::chance::Chance;

use crate::errand::Errand;
use crate::ledger::{Facts, POOR_MINOR, RICH_MINOR, audit, open_accounts, read_facts};
use crate::notes::Noted;
use crate::processes::{Door, Place, Process, wait_until};
use crate::verdict::{Opening, judge};

/// Client processes.
const CLIENTS: u64 = 4;
/// Bytes that the notes grow between two blows: none to a few dozen calls.
const GROWTH_BYTES_MAX: u64 = 16_000;
/// Longest wait beside that, so that a blow falls anywhere between two steps, in milliseconds.
const PAUSE_MS_MAX: u64 = 15;
/// Longest stop of a process, in milliseconds.
const STOP_MS_MAX: u64 = 120;
/// No further blow after this, however many are left, unless more were asked for: in seconds per hundred blows.
const BATTLE_SECONDS_PER_HUNDRED_MAX: u64 = 30;
const VIOLATIONS_SHOWN_MAX: usize = 20;

/// The processes and the dice.
pub(crate) struct Battle<'a> {
    place: &'a Place,
    test: &'static str,
    chance: Chance,
    errands: Vec<Errand>,
    server: Option<Process>,
    clients: Vec<Option<Process>>,
    opening: Opening,
    kills_of_server: u32,
    kills_of_clients: u32,
    /// What does not hold besides what the verdict finds.
    complaints: Vec<String>,
}

impl<'a> Battle<'a> {
    /// Starts the server, opens accounts, starts the clients.
    pub(crate) fn prepare(place: &'a Place, test: &'static str) -> Self {
        let mut server = Process::server(place);
        let ready = server.ready(place);
        let (rich, poor) = open_accounts(place);
        let by_tls = place.door == Door::Tls;
        let errand = |client| Errand {
            seed: place.seed,
            client,
            address: place.address(),
            pin: by_tls.then(|| ready["key"].as_str().unwrap().to_owned()),
            operator_key: by_tls.then(|| place.data().join("keys/operator.key")),
            journal: place.path().join(format!("client-{client}.journal")),
            notes: place.notes(client),
            console: None,
            rich,
            poor,
            seats: by_tls,
        };
        let errands: Vec<Errand> = (0..CLIENTS).map(errand).collect();
        let clients = errands.iter().map(|errand| Some(Process::client(place, errand, test))).collect();
        Self {
            place,
            test,
            chance: Chance::new(place.seed, u64::MAX),
            errands,
            server: Some(server),
            clients,
            opening: Opening { rich: (rich, RICH_MINOR), poor: (poor, POOR_MINOR) },
            kills_of_server: 0,
            kills_of_clients: 0,
            complaints: Vec::new(),
        }
    }

    /// Strikes, lets all come to rest, and judges.
    #[expect(clippy::disallowed_methods, reason = "the test says how long it took, and is bounded")]
    #[expect(clippy::print_stdout, reason = "a run by hand shows what it amounted to")]
    pub(crate) fn fight(mut self, kills: u32) {
        let started = Instant::now();
        let bound = Duration::from_secs(u64::from(kills) * BATTLE_SECONDS_PER_HUNDRED_MAX / 100);
        while self.kills_of_server + self.kills_of_clients < kills && started.elapsed() < bound {
            self.until_they_get_on();
            self.strike();
        }
        let fought = started.elapsed();
        let (servers, clients) = (self.kills_of_server, self.kills_of_clients);
        let seed = self.place.seed;
        let summary = self.ends_sound();
        println!(
            "seed {seed}: {servers} kills of the server, {clients} of clients in {:.1} s, {:.1} s in all; {summary}",
            fought.as_secs_f64(),
            started.elapsed().as_secs_f64(),
        );
    }

    /// Lets all come to rest and judges; says what it amounted to.
    pub(crate) fn ends_sound(mut self) -> String {
        let (noted, facts) = self.come_to_rest();
        let judged = judge(self.opening, &noted, &facts);
        let (summary, violations) = match judged {
            Ok(summary) => (summary, self.complaints),
            Err(violations) => (String::new(), [violations, self.complaints].concat()),
        };
        assert!(
            violations.is_empty(),
            "{} violations, beginning with:\n{}",
            violations.len(),
            first(&violations)
        );
        let sent_again: u64 = noted.iter().map(|noted| noted.sent_again).sum();
        assert!(sent_again > 0, "no blow hit a call under way: the test shows nothing");
        summary
    }

    /// Waits until this much more is noted.
    pub(crate) fn until_noted(&mut self, bytes: u64) {
        let goal = self.noted_bytes() + bytes;
        wait_until("the clients get on", || {
            self.server.iter_mut().chain(self.clients.iter_mut().flatten()).for_each(Process::still_runs);
            self.noted_bytes() >= goal
        });
    }

    pub(crate) fn server(&self) -> &Process {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn each_client(&self, act: impl Fn(&Process)) {
        self.clients.iter().flatten().for_each(act);
    }

    /// Waits until more is noted, or strikes at once: also those who just stand up again.
    fn until_they_get_on(&mut self) {
        if self.chance.happens(0.25) {
            return;
        }
        let growth = self.chance.between(1..=GROWTH_BYTES_MAX);
        self.until_noted(growth);
        self.pause(PAUSE_MS_MAX);
    }

    fn noted_bytes(&self) -> u64 {
        let bytes = |errand: &Errand| std::fs::metadata(&errand.notes).map_or(0, |file| file.len());
        self.errands.iter().map(bytes).sum()
    }

    fn strike(&mut self) {
        let victim = self.chance.between(0..=CLIENTS + 1);
        let client = usize::try_from(victim).unwrap();
        match (victim < CLIENTS, self.chance.between(0..=15)) {
            (_, 0 | 1) => self.stop_for_a_while(client),
            (false, 2) => self.restart_server_in_order(),
            (true, 2) => self.restart_client_in_order(client),
            (false, _) => {
                self.server.take().unwrap().kill();
                self.kills_of_server += 1;
                self.server = Some(Process::server(self.place));
            }
            (true, _) => {
                self.clients[client].take().unwrap().kill();
                self.kills_of_clients += 1;
                self.start_client(client);
            }
        }
    }

    /// SIGSTOP and, unless its end comes first, SIGCONT.
    fn stop_for_a_while(&mut self, client: usize) {
        let victim = self.clients.get(client).unwrap_or(&self.server).as_ref().unwrap();
        victim.signal(Signal::STOP);
        self.pause(STOP_MS_MAX);
        let victim = self.clients.get(client).unwrap_or(&self.server).as_ref().unwrap();
        victim.signal(Signal::CONT);
    }

    fn restart_server_in_order(&mut self) {
        // A server that has not started yet does not know how to end in order.
        self.server.as_mut().unwrap().ready(self.place);
        self.server.take().unwrap().end();
        self.server = Some(Process::server(self.place));
    }

    fn restart_client_in_order(&mut self, client: usize) {
        self.clients[client].take().unwrap().end();
        self.start_client(client);
    }

    fn start_client(&mut self, client: usize) {
        self.clients[client] = Some(Process::client(self.place, &self.errands[client], self.test));
    }

    /// Kills every client once more, restarts them without faults until nothing is open, and reads what the store says.
    fn come_to_rest(&mut self) -> (Vec<Noted>, Facts) {
        self.server.as_mut().unwrap().ready(self.place);
        for client in 0..self.clients.len() {
            self.clients[client].take().unwrap().kill();
            self.start_client(client);
        }
        for client in 0..self.clients.len() {
            self.clients[client].take().unwrap().end();
        }
        let settled: Vec<u64> = self.errands.iter().map(handed_over).collect();
        for client in 0..self.clients.len() {
            self.start_client(client);
            self.clients[client].take().unwrap().end();
        }
        let again: Vec<u64> = self.errands.iter().map(handed_over).collect();
        if settled != again {
            self.complaints.push("a journal in which all was settled handed something over".to_owned());
        }
        let noted: Vec<Noted> = self.errands.iter().map(|errand| Noted::read(&errand.notes)).collect();
        let labels_max = noted.iter().filter_map(|noted| noted.intentions.keys().last()).max().unwrap();
        let seats = if self.errands[0].seats { u32::try_from(labels_max + 1).unwrap() } else { 0 };
        let (rich, poor) = (self.opening.rich.0, self.opening.poor.0);
        let facts = read_facts(self.place, &[rich, poor], seats);
        self.complaints.extend(audit(self.place));
        self.server.take().unwrap().end();
        (noted, facts)
    }

    #[expect(clippy::disallowed_methods, reason = "the moment of a blow is drawn, not awaited")]
    fn pause(&mut self, ms_max: u64) {
        std::thread::sleep(Duration::from_millis(self.chance.between(0..=ms_max)));
    }
}

fn first(violations: &[String]) -> String {
    violations[..violations.len().min(VIOLATIONS_SHOWN_MAX)].join("\n")
}

fn handed_over(errand: &Errand) -> u64 {
    let noted = Noted::read(&errand.notes);
    noted.handed_over + noted.sent_again
}
