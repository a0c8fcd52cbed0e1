//! The course of a test: load, the cut, the next boot, and in the end the judgement. Absent: what the machine runs.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use switchboard::lab::chance::Chance;

use crate::disks;
use crate::errand::Errand;
use crate::guest::{CONSOLE, Careless, Goal, Guest, MACHINE_MARK};
use crate::ledger::{Facts, POOR_MINOR, RICH_MINOR, audit, open_accounts, read_facts};
use crate::machine::{Hardware, Machine, preload};
use crate::notes::{Noted, console_mark};
use crate::processes::{Door, Place, Process, wait_until};
use crate::verdict::{Opening, judge};

/// Clients, each with a disk of its own.
const CLIENTS: u64 = 2;
/// Bytes of notes between a boot and its cut: none to some hundred calls.
const GROWTH_BYTES_MAX: u64 = 30_000;
/// Longest wait beside that, so that a cut falls anywhere between two steps, in milliseconds.
const PAUSE_MS_MAX: u64 = 40;
/// How long after the start of a boot a cut may fall into it, in milliseconds.
const EARLY_MS_MAX: u64 = 2_500;
/// Answers before the power is cut for who does not flush.
const CARELESS_ANSWERS: usize = 20;
/// Cuts that may pass over who does not flush without a trace.
const CARELESS_CUTS_MAX: u32 = 5;
const VIOLATIONS_SHOWN_MAX: usize = 20;
/// How a fault ends when a program was ended by SIGSEGV (128 and its number). Once in some hundred boots user-mode-linux does
/// that to a program that has no unsafe code; to the verdict it is a crash like any other.
const SEGMENT: &str = "with 139";
/// Such crashes that a test bears.
const CRASHES_MAX: u32 = 2;

/// The machine's disks and dice, and all that was noted so far.
pub(crate) struct Outage {
    place: Place,
    hardware: Hardware,
    guest: Guest,
    chance: Chance,
    opening: Opening,
    boots: u32,
    crashes: u32,
    /// By client: every whole line that left the machine.
    noted: Vec<String>,
    /// What does not hold besides what the verdict finds.
    complaints: Vec<String>,
    /// What the last machine said on its first console.
    said: String,
}

impl Outage {
    /// Makes a server's data folder with two accounts, and the disks.
    pub(crate) fn prepare(test: &'static str, careless: Careless) -> Self {
        let place = Place::new(Door::Unix, env!("CARGO_BIN_EXE_switchboard").into());
        let mut server = Process::server(&place);
        server.ready(&place);
        let (rich, poor) = open_accounts(&place);
        server.end();
        let disks = blank_disks(&place);
        std::fs::create_dir(Guest::run_folder(place.path())).unwrap();
        let errands: Vec<Errand> = (0..CLIENTS).map(|client| errand(&place, client, (rich, poor))).collect();
        let (folder, no_flush) = (place.path().to_owned(), preload(place.path(), "no_flush"));
        Self {
            hardware: Hardware::new(place.path(), disks),
            guest: Guest { folder, program: place.program.clone(), test, careless, no_flush, errands },
            chance: Chance::new(place.seed, u64::MAX),
            opening: Opening { rich: (rich, RICH_MINOR), poor: (poor, POOR_MINOR) },
            boots: 0,
            crashes: 0,
            noted: vec![String::new(); usize::try_from(CLIENTS).unwrap()],
            complaints: Vec::new(),
            said: String::new(),
            place,
        }
    }

    /// Cuts the power this many times, has everything settle, and judges.
    #[expect(clippy::disallowed_methods, reason = "the test says how long it took")]
    #[expect(clippy::print_stdout, reason = "a run by hand shows what it amounted to")]
    pub(crate) fn suffer(mut self, cuts: u32) {
        let started = Instant::now();
        for _ in 0..cuts {
            self.load_and_cut();
        }
        self.until_off(Goal::Settle);
        let handed_over = self.handed_over();
        self.until_off(Goal::Settle);
        if self.handed_over() != handed_over {
            self.complaints.push("a journal in which all was settled handed something over".to_owned());
        }
        let facts = self.facts();
        let noted = self.parsed();
        let judged = judge(self.opening, &noted, &facts);
        let summary = judged.unwrap_or_else(|violations| {
            self.complaints.extend(violations);
            String::new()
        });
        self.nothing_to_complain_of();
        let sent_again: u64 = noted.iter().map(|noted| noted.sent_again).sum();
        assert!(sent_again > 0, "no cut hit a call under way: the test shows nothing");
        println!(
            "seed {}: {cuts} power cuts, {} crashes, {} boots in {:.1} s; {summary}",
            self.place.seed,
            self.crashes,
            self.boots,
            started.elapsed().as_secs_f64()
        );
    }

    /// Cuts the power of who does not flush until the verdict is this one.
    #[expect(clippy::print_stdout, reason = "a run by hand shows what it amounted to")]
    pub(crate) fn catches_the_careless(mut self, next: Goal, verdict: &str) {
        for cut in 1..=CARELESS_CUTS_MAX {
            let (mut machine, notes) = self.boot(Goal::Load);
            wait_until("calls are answered", || {
                machine.still_runs();
                let answers = std::fs::read_to_string(&notes).unwrap().matches(" done ").count();
                answers >= CARELESS_ANSWERS || fault(&notes).is_some()
            });
            self.said = machine.cut();
            self.take_notes(&notes);
            self.nothing_to_complain_of();
            self.until_off(next);
            let facts = self.facts();
            let violations = judge(self.opening, &self.parsed(), &facts).err().unwrap_or_default();
            let found = violations.iter().filter(|violation| violation.contains(verdict)).count();
            if found > 0 {
                let crashes = self.crashes;
                return println!(
                    "cut {cut}, {crashes} crashes: {found} times \"{verdict}\", as is to be expected"
                );
            }
        }
        panic!("{CARELESS_CUTS_MAX} power cuts without a flush, and nothing found: the cut does not cut");
    }

    fn load_and_cut(&mut self) {
        let (mut machine, notes) = self.boot(Goal::Load);
        if self.chance.happens(0.2) {
            self.pause(EARLY_MS_MAX);
        } else {
            let goal = self.chance.between(1..=GROWTH_BYTES_MAX);
            wait_until("the clients get on", || {
                machine.still_runs();
                std::fs::metadata(&notes).unwrap().len() >= goal || fault(&notes).is_some()
            });
            self.pause(PAUSE_MS_MAX);
        }
        self.said = machine.cut();
        self.take_notes(&notes);
    }

    fn until_off(&mut self, goal: Goal) {
        let crashes = self.crashes;
        let (mut machine, notes) = self.boot(goal);
        wait_until("all has settled", || machine.is_off() || fault(&notes).is_some());
        self.said = machine.said();
        self.take_notes(&notes);
        if self.crashes > crashes {
            return self.until_off(goal);
        }
        if !says(&notes, "off") {
            self.complaints.push(format!("the machine did not settle:\n{}", self.said));
        }
        self.nothing_to_complain_of();
    }

    fn boot(&mut self, goal: Goal) -> (Machine, PathBuf) {
        self.boots += 1;
        for (errand, noted) in self.guest.errands.iter().zip(&self.noted) {
            std::fs::write(&errand.notes, noted).unwrap();
        }
        let notes = self.place.path().join(format!("boot-{}.notes", self.boots));
        let tty1: File = OpenOptions::new().create_new(true).append(true).open(&notes).unwrap();
        let init = self.guest.init(goal);
        (self.hardware.boot(&init, tty1), notes)
    }

    /// Takes over what left the machine; what comes behind the last end of a line was still being said.
    fn take_notes(&mut self, notes: &PathBuf) {
        for line in lines(notes) {
            for (client, noted) in (0..).zip(&mut self.noted) {
                if let Some(note) = line.strip_prefix(&console_mark(client)) {
                    noted.push_str(note);
                    noted.push('\n');
                }
            }
        }
        match fault(notes) {
            Some(fault) if fault.ends_with(SEGMENT) && self.crashes < CRASHES_MAX => self.crashes += 1,
            Some(fault) => self.complaints.push(format!("{fault}\n{}", self.said)),
            None => {}
        }
    }

    fn parsed(&self) -> Vec<Noted> {
        self.noted.iter().map(|text| Noted::parse(text)).collect()
    }

    fn handed_over(&self) -> u64 {
        self.parsed().iter().map(|noted| noted.handed_over + noted.sent_again).sum()
    }

    /// What the store says, asked of a server on this system, which keeps the promises of the files it finds.
    fn facts(&mut self) -> Facts {
        let data = self.place.data();
        if data.exists() {
            std::fs::remove_dir_all(&data).unwrap();
        }
        disks::copy_out(&self.hardware.disks[0], "data", self.place.path());
        let mut server = Process::server(&self.place);
        server.ready(&self.place);
        let facts = read_facts(&self.place, &[self.opening.rich.0, self.opening.poor.0], 0);
        self.complaints.extend(audit(&self.place));
        server.end();
        facts
    }

    fn nothing_to_complain_of(&self) {
        let shown = &self.complaints[..self.complaints.len().min(VIOLATIONS_SHOWN_MAX)];
        assert!(
            shown.is_empty(),
            "{} violations after {} boots, beginning with:\n{}",
            self.complaints.len(),
            self.boots,
            shown.join("\n")
        );
    }

    #[expect(clippy::disallowed_methods, reason = "the moment of a cut is drawn, not awaited")]
    fn pause(&mut self, ms_max: u64) {
        std::thread::sleep(Duration::from_millis(self.chance.between(0..=ms_max)));
    }
}

/// One disk for the server, with its data folder on it, and one for each client.
fn blank_disks(place: &Place) -> Vec<PathBuf> {
    let content = place.path().join("content");
    let make = |name: &str| {
        let content = content.join(name);
        std::fs::create_dir_all(&content).unwrap();
        if name == "server" {
            std::fs::rename(place.data(), content.join("data")).unwrap();
        }
        std::fs::create_dir_all(Guest::mount_point(place.path(), name)).unwrap();
        disks::make(place.path().join(format!("{name}.img")), &content)
    };
    Guest::disk_names(CLIENTS).iter().map(|name| make(name)).collect()
}

fn errand(place: &Place, client: u64, (rich, poor): (i64, i64)) -> Errand {
    let disk = Guest::mount_point(place.path(), &format!("client-{client}"));
    Errand {
        seed: place.seed,
        client,
        address: format!("unix:{}", Guest::run_folder(place.path()).join("socket").display()),
        pin: None,
        operator_key: None,
        journal: disk.join("journal"),
        notes: place.notes(client),
        console: Some(CONSOLE.into()),
        rich,
        poor,
        seats: false,
    }
}

/// The whole lines that left a machine.
fn lines(notes: &PathBuf) -> Vec<String> {
    let text = String::from_utf8_lossy(&std::fs::read(notes).unwrap()).into_owned();
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    text[..whole].lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

fn says(notes: &PathBuf, what: &str) -> bool {
    lines(notes).iter().any(|line| line.strip_prefix(MACHINE_MARK).is_some_and(|said| said.starts_with(what)))
}

/// What went wrong on a machine, in its own words.
fn fault(notes: &PathBuf) -> Option<String> {
    let said = |line: String| line.strip_prefix(MACHINE_MARK).map(str::to_owned);
    lines(notes).into_iter().filter_map(said).find(|said| said.starts_with("fault"))
}
