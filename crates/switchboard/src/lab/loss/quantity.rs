//! What is varied: the share of messages that is lost, and which messages those are.

use std::fmt;
use std::str::FromStr;

use super::limits::LOSS_PERMILLE_MAX;

/// Which messages the link loses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Case {
    /// From client to server.
    Requests,
    /// From server to client.
    Replies,
    /// In both directions, each with the same share.
    Both,
}

impl Case {
    /// All three, in the order in which they are shown.
    pub(crate) const ALL: [Self; 3] = [Self::Requests, Self::Replies, Self::Both];

    /// Its name for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Replies => "replies",
            Self::Both => "both",
        }
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Requests => "requests lost",
            Self::Replies => "replies lost",
            Self::Both => "requests and replies lost",
        }
    }

    /// The probabilities that a request and that a reply is lost.
    pub(crate) fn split(self, loss: Loss) -> (f64, f64) {
        let share = loss.probability();
        match self {
            Self::Requests => (share, 0.0),
            Self::Replies => (0.0, share),
            Self::Both => (share, share),
        }
    }
}

/// A share of messages lost, exact in per mille.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Loss {
    permille: u16,
}

impl Loss {
    /// Nothing is lost.
    pub(crate) const NONE: Self = Self { permille: 0 };

    /// The share of `permille` in a thousand; none beyond the bound.
    pub(crate) fn from_permille(permille: u16) -> Option<Self> {
        (permille <= LOSS_PERMILLE_MAX).then_some(Self { permille })
    }

    /// In per mille.
    pub(crate) fn permille(self) -> u16 {
        self.permille
    }

    /// From 0 to 1.
    pub(crate) fn probability(self) -> f64 {
        f64::from(self.permille) / 1000.0
    }

    /// The threshold T of the loss generator in which a message is dropped when a number drawn from 0 to 99 exceeds T, so
    /// that the share lost is 1 - (T + 1) / 100; none when the share is no whole number of per cent.
    pub(crate) fn threshold(self) -> Option<u16> {
        self.permille.is_multiple_of(10).then(|| 99 - self.permille / 10)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.permille.is_multiple_of(10) {
            true => write!(f, "{:.2}", self.probability()),
            false => write!(f, "{:.3}", self.probability()),
        }
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no share of messages lost; write one from 0 to 0.95, such as 0.3 or 0.125")
        };
        let fraction = match text.trim().split_once('.') {
            None if text.trim() == "0" => "0",
            Some(("0" | "", fraction)) if (1..=3).contains(&fraction.len()) => fraction,
            Some(_) | None => return Err(wrong()),
        };
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let permille: u16 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
        Self::from_permille(permille).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_lost_and_the_threshold_are_two_names_of_one_thing() {
        for (text, permille, threshold) in
            [("0", 0, Some(99)), ("0.05", 50, Some(94)), (".7", 700, Some(29)), ("0.125", 125, None)]
        {
            let loss: Loss = text.parse().unwrap();
            assert_eq!((loss.permille(), loss.threshold()), (permille, threshold), "{text}");
            if let Some(threshold) = threshold {
                let dropped = 1.0 - (f64::from(threshold) + 1.0) / 100.0;
                assert!((loss.probability() - dropped).abs() < 1e-12, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "0.951", "-0.1", "0.1234", "0,5", "5%", "0.", "1.5", "0.x"] {
            assert!(text.parse::<Loss>().is_err(), "{text}");
        }
    }
}
