//! Withdrawals in virtual time: the till and the server's machine of a connection exchange frames over the simulated link, and
//! the stand-in answers. Nothing waits: time jumps to the next thing that happens. The same seed gives the same run to the
//! last microsecond. Absent: sockets, clocks, the real store.

use std::collections::BTreeMap;

use switchboard_call::frame::Kind;
use switchboard_call::id::{Generation, StoreId};
use switchboard_call::server::{Config, Connection, Introduction, Output, Request};
use switchboard_commands::bank::AccountId;
use switchboard_commands::money::{Amount, Currency};

use super::frames;
use super::link::{Link, Way};
use super::stand_in::StandIn;
use super::statistics::Sample;
use super::till::{Till, Wanted};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lab::chance::Chance;
use crate::lab::verdict::Note;

/// What is drawn each time, in minor units.
const AMOUNT_MINOR: i64 = 2000;
/// The clock of the simulated server at the start of a run, microseconds since 1970: any would do.
const EPOCH_US: u64 = 1_700_000_000_000_000;
/// What the server's machine is held to; none of it is met by one call at a time.
const SERVER: Config = Config {
    store: StoreId([7; 16]),
    in_flight_max: 64,
    handshake_ms_max: 10_000,
    idle_ms_max: 600_000,
    stall_ms_max: 30_000,
    drain_ms_max: 5_000,
    unsent_bytes_max: 1024 * 1024,
};

/// Draws `calls` times over this link. Checks that each was executed once.
///
/// # Errors
/// When a withdrawal has another end than its money, or the books are not what `calls` withdrawals leave.
pub(super) fn withdraw(calls: u32, link: Link, mut chance: Chance) -> Result<Vec<Sample>, Failure> {
    let currency = Currency::from_code(b"EUR").expect("the euro is in ISO 4217");
    let account = AccountId::from_number(1).expect("1 is a member's account");
    let opening_minor = AMOUNT_MINOR * (i64::from(calls) + 1);
    let random = Box::new(move |bytes: &mut [u8]| {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&chance.next_u64().to_le_bytes()[..piece.len()]);
        }
    });
    let mut world = World {
        now_us: 0,
        till: Till::new(account, Amount::from_minor(AMOUNT_MINOR).of(currency), random),
        server: None,
        books: StandIn::new(account, currency, opening_minor),
        link,
        arrivals: BTreeMap::new(),
        sent: 0,
    };
    let samples = world.run(calls)?;
    check_books(calls, world.books.executed, world.books.balance_minor())?;
    Ok(samples)
}

/// Each withdrawal was executed exactly once when so many executions left the money of the last one.
fn check_books(calls: u32, executed: u64, left_minor: i64) -> Result<(), Failure> {
    if executed == u64::from(calls) && left_minor == AMOUNT_MINOR {
        return Ok(());
    }
    let what = format!(
        "the books of the simulated server do not hold: {calls} withdrawals were answered, {executed} executed, and \
         {left_minor} minor units are left of {}",
        AMOUNT_MINOR * (i64::from(calls) + 1)
    );
    Err(Failure::new(Exit::Refused, what)
        .advise("a withdrawal was lost or done twice; report it with the seed"))
}

struct World {
    now_us: u64,
    till: Till,
    server: Option<Connection>,
    books: StandIn,
    link: Link,
    /// Frames under way, by time of arrival and order of sending.
    arrivals: BTreeMap<(u64, u64), (Way, Vec<u8>)>,
    sent: u64,
}

impl World {
    fn run(&mut self, calls: u32) -> Result<Vec<Sample>, Failure> {
        self.till.handle_timer(self.now_us);
        self.carry_out()?;
        while !self.till.is_connected() {
            self.step()?;
        }
        let mut samples = Vec::with_capacity(usize::try_from(calls).unwrap_or(0));
        for _ in 0..calls {
            self.till.begin(self.now_us)?;
            self.carry_out()?;
            let drawn = loop {
                if let Some(drawn) = self.till.take_drawn()? {
                    break drawn;
                }
                self.step()?;
            };
            match drawn.note {
                Note::Drawn { .. } => samples.push(drawn.sample),
                Note::Other(text) => {
                    return Err(Failure::new(
                        Exit::Refused,
                        format!("withdrawal {} ended otherwise: {text}", drawn.id),
                    ));
                }
            }
        }
        Ok(samples)
    }

    /// The next thing that happens: a frame arrives, or a machine's time has come.
    fn step(&mut self) -> Result<(), Failure> {
        let arrival_us = self.arrivals.first_key_value().map(|((at_us, _), _)| *at_us);
        let till_us = self.till.poll_timeout_us();
        let server_us = self.server.as_ref().and_then(Connection::poll_timeout).map(|ms| ms * 1000);
        let next_us = [arrival_us, till_us, server_us].into_iter().flatten().min();
        let next_us = next_us
            .expect("the till always waits for a time: it would ask a silent server whether it is there");
        self.now_us = self.now_us.max(next_us);
        if arrival_us == Some(next_us) {
            let (_, (way, frame)) = self.arrivals.pop_first().expect("the first arrival was looked at");
            match (way, &mut self.server) {
                (Way::Request, Some(server)) => server.handle_bytes(self.now_us / 1000, &frame),
                (Way::Request, None) => {}
                (Way::Reply, _) => self.till.handle_bytes(self.now_us, &frame),
            }
        } else if till_us == Some(next_us) {
            self.till.handle_timer(self.now_us);
        } else if let Some(server) = &mut self.server {
            server.handle_timer(self.now_us / 1000);
        }
        self.serve()?;
        self.carry_out()
    }

    fn carry_out(&mut self) -> Result<(), Failure> {
        while let Some(wanted) = self.till.poll_wanted() {
            match wanted {
                Wanted::Send(bytes) => self.send(Way::Request, &bytes),
                Wanted::Connect => {
                    self.arrivals.clear();
                    self.server = Some(Connection::new(SERVER, self.now_us / 1000));
                    self.till.handle_connected(self.now_us);
                }
                Wanted::Disconnect => self.hang_up(),
            }
        }
        Ok(())
    }

    fn hang_up(&mut self) {
        self.arrivals.clear();
        self.server = None;
    }

    /// Puts whole frames on their way; those that carry no call are not lost, as on the laboratory's proxy.
    fn send(&mut self, way: Way, bytes: &[u8]) {
        for frame in frames::each(bytes) {
            let at_risk = frames::kind(frame).is_some_and(Kind::carries_a_call);
            let travel_us = if at_risk { self.link.carry(way) } else { Some(self.link.travel_us()) };
            if let Some(travel_us) = travel_us {
                self.sent += 1;
                self.arrivals.insert((self.now_us + travel_us, self.sent), (way, frame.to_vec()));
            }
        }
    }

    /// Does what the server's machine wants, until it wants nothing.
    fn serve(&mut self) -> Result<(), Failure> {
        let now_ms = self.now_us / 1000;
        loop {
            let Some(server) = &mut self.server else { return Ok(()) };
            match server.poll_output() {
                Some(Output::Greet(_)) => server.accept(now_ms, introduction(self.now_us)),
                Some(Output::Requests(requests)) => {
                    for request in &requests {
                        let answer = answer(&mut self.books, request)?;
                        server.reply(now_ms, &answer);
                    }
                }
                Some(Output::Close(_)) => {
                    self.hang_up();
                    self.till.handle_disconnected(self.now_us);
                }
                None => {
                    let mut bytes = Vec::new();
                    server.transmit(&mut bytes);
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    server.handle_written(now_ms, bytes.len());
                    self.send(Way::Reply, &bytes);
                }
            }
        }
    }
}

fn answer(books: &mut StandIn, request: &Request) -> Result<switchboard_call::frame::ServerFrame, Failure> {
    match request {
        Request::Call(call) => Ok(books.answer(call)),
        // A till has no deadline, so it cancels nothing, and it asks nothing.
        Request::Read(_) | Request::Cancel(_) | Request::Outcome(_) => {
            Err(Failure::new(Exit::Internal, "a till asked for something else than a withdrawal")
                .advise("report it"))
        }
    }
}

fn introduction(now_us: u64) -> Introduction {
    let server_time_us = EPOCH_US + now_us;
    Introduction {
        generation: Generation(1),
        server_time_us,
        mint_time_ms: server_time_us / 1000,
        slots_max: 1,
        services: Vec::new(),
        greeting: String::new(),
        principal: String::new(),
    }
}

#[cfg(test)]
mod tests;
