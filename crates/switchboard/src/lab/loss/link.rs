//! The simulated link: each message is lost with the probability of its direction, or takes half a round trip. Absent: time;
//! who sends is told how long it takes.

use crate::lab::chance::Chance;

/// The travel time varies by up to this part of itself, up and down: in real networks too no two messages take the same time.
const VARIATION: u64 = 10;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// To the server.
    Request,
    /// To the client.
    Reply,
}

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    requests_lost: f64,
    replies_lost: f64,
    half_us: u64,
    chance: Chance,
}

impl Link {
    /// A link that loses these shares of requests and of replies, with this mean round trip.
    pub(super) fn new((requests_lost, replies_lost): (f64, f64), round_trip_us: u64, chance: Chance) -> Self {
        Self { requests_lost, replies_lost, half_us: round_trip_us / 2, chance }
    }

    /// How long one message takes, in microseconds; none when it is lost.
    pub(super) fn carry(&mut self, way: Way) -> Option<u64> {
        let lost = match way {
            Way::Request => self.requests_lost,
            Way::Reply => self.replies_lost,
        };
        (!self.chance.happens(lost)).then(|| self.travel_us())
    }

    /// How long a message takes that this link never loses, in microseconds.
    pub(super) fn travel_us(&mut self) -> u64 {
        let most = self.half_us / VARIATION;
        self.half_us - most + self.chance.between(0..=2 * most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loses_its_share_and_takes_half_a_round_trip() {
        let mut link = Link::new((0.25, 0.0), 10_000, Chance::new(1, 2));
        let taken: Vec<u64> = (0..4000).filter_map(|_| link.carry(Way::Request)).collect();
        assert!((2880..3120).contains(&taken.len()), "{} of 4000 arrived", taken.len());
        assert!(taken.iter().all(|us| (4500..=5500).contains(us)));
        let mean = taken.iter().sum::<u64>() / u64::try_from(taken.len()).unwrap();
        assert!((4950..=5050).contains(&mean), "{mean}");
        assert!((0..4000).all(|_| link.carry(Way::Reply).is_some()));
    }
}
