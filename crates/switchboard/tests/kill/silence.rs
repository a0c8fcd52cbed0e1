//! Silence that outlasts every time-out: a server that is stopped, clients that are stopped, a network that swallows what is
//! sent on it. Each side lets go of the other without having heard a word, and afterwards everybody goes on where they were.
//! Absent: kills.

use rustix::process::Signal;

use crate::killer::Battle;
use crate::processes::{Place, wait_until};

/// Rounds of calls between two silences, in bytes of notes.
const GROWTH_BYTES: u64 = 20_000;

impl Battle<'_> {
    /// SIGSTOP and SIGCONT of the server, until every client has given it up; then of the clients, until the server has let
    /// go of them.
    pub(crate) fn each_side_is_stopped(mut self, place: &Place) {
        self.until_noted(GROWTH_BYTES);
        let given_up = self.gives_up(place);
        self.server().signal(Signal::STOP);
        wait_until("every client has given up the stopped server", || given_up.by_all(place));
        let connected = self.connects(place);
        self.server().signal(Signal::CONT);
        wait_until("every client is connected again", || connected.by_all(place));
        self.until_noted(GROWTH_BYTES);

        let let_go = LetGo::so_far(place);
        self.each_client(|client| client.signal(Signal::STOP));
        wait_until("the server has let go of every stopped client", || let_go.further(place, self.clients()));
        let connected = self.connects(place);
        self.each_client(|client| client.signal(Signal::CONT));
        wait_until("every client is connected again", || connected.by_all(place));
        self.until_noted(GROWTH_BYTES);
        self.ends_sound();
    }

    /// Packets vanish, and no connection is reset: half-open on both sides.
    pub(crate) fn the_network_swallows_everything(mut self, place: &Place) {
        let network = place.network.as_ref().unwrap();
        self.until_noted(GROWTH_BYTES);
        let (given_up, let_go) = (self.gives_up(place), LetGo::so_far(place));
        network.goes_down();
        wait_until("the server has let go of every client", || let_go.further(place, self.clients()));
        wait_until("every client has given up the silent connection", || given_up.by_all(place));
        let connected = self.connects(place);
        network.comes_up();
        wait_until("every client is connected again", || connected.by_all(place));
        self.until_noted(GROWTH_BYTES);
        self.ends_sound();
    }

    fn gives_up(&self, place: &Place) -> More {
        More::than_now(place, self.clients(), "no connection to")
    }

    fn connects(&self, place: &Place) -> More {
        More::than_now(place, self.clients(), "connected to")
    }
}

/// How often each client had said something.
struct More {
    words: &'static str,
    said: Vec<usize>,
}

impl More {
    fn than_now(place: &Place, clients: usize, words: &'static str) -> Self {
        Self { words, said: (0..clients).map(|client| count(place, client, words)).collect() }
    }

    fn by_all(&self, place: &Place) -> bool {
        (0..).zip(&self.said).all(|(client, said)| count(place, client, self.words) > *said)
    }
}

fn count(place: &Place, client: usize, words: &str) -> usize {
    place.read_log(&format!("client-{client}")).matches(words).count()
}

/// How many connections the server had ended because of their silence.
struct LetGo(usize);

impl LetGo {
    fn so_far(place: &Place) -> Self {
        Self(Self::count(place))
    }

    fn further(&self, place: &Place, connections: usize) -> bool {
        Self::count(place) >= self.0 + connections
    }

    fn count(place: &Place) -> usize {
        place.read_log("server").matches("said goodbye (TimedOut)").count()
    }
}
