//! The course of the demonstration: start everything, kill both sides by the schedule, let the rest be settled, judge.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchboard_commands::bank::AccountId;
use switchboard_commands::money::{Amount, Currency, Money};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Arguments;
use super::client::Told;
use super::notes;
use super::processes::{Client, Errand, Place, Server};
use super::schedule::{self, Kill, Victim};
use super::story::Story;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::ledger::Ledger;
use crate::lab::proxy::{Direction, Event, Fault, Faults, Plan, Proxy};
use crate::lab::verdict::{self, Check, Intended};
use crate::screen::{Form, Screen, Tone};

/// What is drawn each time, in minor units.
const AMOUNT_MINOR: i64 = 2000;
/// What is left at the end when everything was drawn, in minor units.
const LEFT_MINOR: i64 = 10_000;
/// Faults that wait to be told; beyond that they are only counted.
const EVENTS_WAITING_MAX: usize = 256;
/// How often the totals are told.
const TOTALS_TOLD: u64 = 8;

/// Runs it in a folder that goes with it.
pub(super) async fn run(screen: &Screen, arguments: &Arguments, seed: u64) -> Result<Exit, Failure> {
    let mut place = Place::make()?;
    if arguments.keep {
        place.keep();
    }
    let mut story = Story::begin(screen);
    introduce(&story, arguments, seed)?;
    let server = Server::start(&place).await?;
    story.tell(Tone::Plain, "a server process runs; what it answers is on the disk first")?;

    let intended = intended(arguments)?;
    let ledger = Ledger::open(place.socket())?;
    let account = ledger.open_account(intended.opening).await?;
    story.tell(Tone::Plain, &format!("account {account} is opened with {} on it", intended.opening))?;

    let (faults, heard) = mpsc::channel(EVENTS_WAITING_MAX);
    // What does not fit is in the totals.
    let listener = Arc::new(move |event| {
        let _told_or_counted = faults.try_send(event);
    });
    let lose = Faults { lose: arguments.loss, ..Faults::default() };
    let plan = Plan { seed, requests: lose, replies: lose };
    let proxy = Proxy::start(plan, place.socket(), listener)
        .await
        .map_err(|error| Failure::from_error(Exit::CannotCreate, error))?;

    let mut course = Course {
        place: &place,
        story: &mut story,
        proxy: &proxy,
        account,
        intended,
        calls: arguments.calls,
        schedule: schedule::kills(seed, arguments.kills, arguments.calls),
        noted: BTreeSet::new(),
        kills: 0,
        time_is_up: false,
    };
    let server = course.run(server, heard, Duration::from_secs(arguments.seconds)).await?;
    let (noted, kills, time_is_up) = (course.noted.len(), course.kills, course.time_is_up);

    let notes = notes::read(&place.notes())
        .map_err(|error| Failure::new(Exit::InputOutput, "cannot read the client's notes").because(error))?;
    let facts = ledger.facts(account).await?;
    ledger.close().await;
    let calls = if time_is_up { u64::try_from(notes.len()).unwrap_or(u64::MAX) } else { intended.calls };
    let counts = [Direction::Request, Direction::Reply].map(|direction| proxy.counts(direction));
    let checks = verdict::judge(&Intended { calls, ..intended }, &notes, &facts, counts);
    server.stop().await?;
    story.tell(
        Tone::Plain,
        &format!("{noted} withdrawals are settled, both sides were killed {kills} times in all"),
    )?;
    let folder = arguments.keep.then(|| place.path().display().to_string());
    conclude(screen, story, &checks, seed, folder)
}

fn introduce(story: &Story, arguments: &Arguments, seed: u64) -> Result<(), Failure> {
    let percent = arguments.loss * 100.0;
    story.line(&format!(
        "Cash is drawn {} times over TLS through a proxy that loses {percent:.0} % of the requests and {percent:.0} % of the \
         replies,\nwhile server and client are each killed {} times with SIGKILL. Every withdrawal must be booked once. Seed {seed}.\n",
        arguments.calls, arguments.kills
    ))
}

fn intended(arguments: &Arguments) -> Result<Intended, Failure> {
    let currency: Currency = "EUR".parse().map_err(|error| Failure::from_error(Exit::Internal, error))?;
    let money = |minor: i64| -> Money { Amount::from_minor(minor).of(currency) };
    let opening = money(AMOUNT_MINOR * i64::from(arguments.calls) + LEFT_MINOR);
    Ok(Intended { calls: u64::from(arguments.calls), amount: money(AMOUNT_MINOR), opening })
}

struct Course<'a> {
    place: &'a Place,
    story: &'a mut Story,
    proxy: &'a Proxy,
    account: AccountId,
    intended: Intended,
    calls: u32,
    schedule: VecDeque<Kill>,
    noted: BTreeSet<String>,
    kills: u32,
    time_is_up: bool,
}

impl Course<'_> {
    /// Until the client has done its errand; returns the server that runs then.
    async fn run(
        &mut self,
        mut server: Server,
        mut faults: mpsc::Receiver<Event>,
        time: Duration,
    ) -> Result<Server, Failure> {
        let until = Instant::now() + time;
        let mut client = self.start_client()?;
        loop {
            tokio::select! {
                told = client.next() => match told? {
                    Some(told) => self.heard(&told)?,
                    None => return Ok(server),
                },
                failure = server.ended() => return Err(failure),
                Some(event) = faults.recv() => self.fault(&event)?,
                () = tokio::time::sleep_until(until), if !self.time_is_up => {
                    self.time_is_up = true;
                    self.schedule.clear();
                    client.draw_no_more();
                    self.proxy.heal();
                    self.story.tell(Tone::Warning, "the time is up: the network is well again, what is open is settled, no further cash is drawn")?;
                }
            }
            while let Some(kill) = self.next_kill() {
                tokio::time::sleep(Duration::from_millis(kill.pause_ms)).await;
                match kill.victim {
                    Victim::Server => server = self.kill_server(server).await?,
                    Victim::Client => client = self.kill_client(client).await?,
                }
            }
        }
    }

    fn next_kill(&mut self) -> Option<Kill> {
        let due = self.schedule.front().is_some_and(|kill| kill.after <= count(self.noted.len()));
        if due { self.schedule.pop_front() } else { None }
    }

    async fn kill_server(&mut self, server: Server) -> Result<Server, Failure> {
        self.kills += 1;
        self.story
            .tell(Tone::Bad, &format!("kill -9 the server, {} withdrawals noted so far", self.noted.len()))?;
        server.kill().await?;
        let since = self.story.elapsed();
        let server = Server::start(self.place).await?;
        let took = self.story.elapsed().saturating_sub(since).as_millis();
        self.story.tell(
            Tone::Good,
            &format!("the server is back after {took} ms with everything it ever acknowledged"),
        )?;
        Ok(server)
    }

    async fn kill_client(&mut self, client: Client) -> Result<Client, Failure> {
        self.kills += 1;
        for told in client.kill().await? {
            self.heard(&told)?;
        }
        let text = format!("kill -9 the client, {} withdrawals noted so far", self.noted.len());
        self.story.tell(Tone::Bad, &text)?;
        self.start_client()
    }

    fn start_client(&self) -> Result<Client, Failure> {
        Client::start(&Errand {
            place: self.place,
            proxy: self.proxy.address(),
            pin: self.proxy.fingerprint(),
            account: self.account.to_string(),
            amount: self.intended.amount.decimal(),
            calls: self.calls,
        })
    }

    fn heard(&mut self, told: &Told) -> Result<(), Failure> {
        match told {
            Told::Started { noted: 0, handed_over: 0, open: 0, .. } => {
                let amount = self.intended.amount;
                let text = format!("a client process draws {amount} {} times, several at a time", self.calls);
                self.story.tell(Tone::Plain, &text)
            }
            Told::Started { noted, handed_over, seen_before, open } => {
                let mut text = format!(
                    "the client is back: {noted} answers noted, {open} calls without one are sent again"
                );
                if *handed_over > 0 {
                    text.push_str(&format!(
                        "; its journal hands over {handed_over} answers it had not acknowledged ({seen_before} noted already)"
                    ));
                }
                self.story.tell(Tone::Good, &text)
            }
            Told::Noted { call, drawn } => {
                self.noted.insert(call.clone());
                if !drawn {
                    self.story.tell(Tone::Bad, &format!("call {} ended without cash", short(call)))?;
                }
                self.totals()
            }
        }
    }

    fn totals(&mut self) -> Result<(), Failure> {
        let noted = count(self.noted.len());
        let step = (u64::from(self.calls) / TOTALS_TOLD).max(1);
        if !noted.is_multiple_of(step) {
            return Ok(());
        }
        let [requests, replies] = [Direction::Request, Direction::Reply].map(|way| self.proxy.counts(way));
        self.story.tell(
            Tone::Strong,
            &format!(
                "{noted} of {} drawn; lost so far: {} requests, {} replies; asked again and recognised: {}",
                self.calls, requests.lost, replies.lost, replies.replayed
            ),
        )
    }

    fn fault(&mut self, event: &Event) -> Result<(), Failure> {
        let what = match event.direction {
            Direction::Request => "request",
            Direction::Reply => "reply",
        };
        match (event.fault, event.call) {
            (Fault::Lost, Some(call)) => self
                .story
                .loss(&format!("the {what} of call {} is lost on the way", short(&call.to_string()))),
            (Fault::Lost, None) | (Fault::Doubled | Fault::Delayed | Fault::HeldBack, _) => Ok(()),
        }
    }
}

/// The end of a call id tells the calls of one client apart.
fn short(call: &str) -> String {
    call.split_once('/').map_or(call, |(_, rest)| rest).to_owned()
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

fn conclude(
    screen: &Screen,
    story: Story,
    checks: &[Check],
    seed: u64,
    folder: Option<String>,
) -> Result<Exit, Failure> {
    let passed = checks.iter().all(|check| check.holds);
    let seconds = story.elapsed().as_secs_f64();
    story.line("")?;
    for check in checks {
        let mark =
            if check.holds { story.paint(Tone::Good, "holds") } else { story.paint(Tone::Bad, "FAILS") };
        story.line(&format!("  {mark}  {}: {}", check.name, check.detail))?;
    }
    if let Some(folder) = &folder {
        story.line(&format!("\nkept: {folder}"))?;
    }
    let (tone, verdict) = if passed { (Tone::Good, "PASS") } else { (Tone::Bad, "FAIL") };
    story.line(&format!("\n{} after {seconds:.1} s (seed {seed})", story.paint(tone, verdict)))?;
    if screen.form() == Form::Json {
        let as_json =
            |check: &Check| json!({ "name": check.name, "holds": check.holds, "detail": check.detail });
        let summary = json!({
            "verdict": verdict.to_ascii_lowercase(),
            "seed": seed,
            "seconds": seconds,
            "folder": folder,
            "checks": checks.iter().map(as_json).collect::<Vec<_>>(),
        });
        screen.line(&story.into_json(summary).to_string())?;
    }
    Ok(if passed { Exit::Done } else { Exit::Refused })
}
