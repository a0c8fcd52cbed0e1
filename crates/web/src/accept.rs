//! Accept-Encoding (RFC 9110 section 12.5.3): which encoding of a file an answer carries.
//!
//! Absent: fields that are not of its grammar count as no field at all, so the file goes out as it is.

use crate::limits::LIST_MEMBERS_MAX;

/// A content coding (RFC 9110 section 8.4.1, RFC 7932, RFC 9659). The order is the server's preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// Brotli.
    Br,
    /// Zstandard.
    Zstd,
    /// gzip, which is also asked for as `x-gzip`.
    Gzip,
    /// The file as it is.
    Identity,
}

impl Coding {
    /// All, the preferred first.
    pub const ALL: [Self; 4] = [Self::Br, Self::Zstd, Self::Gzip, Self::Identity];

    /// Its name in Content-Encoding; none for the file as it is.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Br => Some("br"),
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Br => 0,
            Self::Zstd => 1,
            Self::Gzip => 2,
            Self::Identity => 3,
        }
    }
}

/// How welcome each coding is, in thousandths; none is not to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accepted {
    weights: [Option<u16>; 4],
}

impl Accepted {
    /// The file as it is and nothing else: what a client without the field gets, although it said nothing against
    /// others, since such clients do not decode.
    pub const IDENTITY: Self = Self { weights: [None, None, None, Some(1000)] };

    /// Reads the field, all its lines joined.
    #[must_use]
    pub fn parse(field: Option<&[u8]>) -> Self {
        field.and_then(read).unwrap_or(Self::IDENTITY)
    }

    /// The best of what there is: the highest weight, and on equal weight br before zstd before gzip before the file
    /// as it is. None when all of it is excluded.
    pub fn best<T>(&self, available: impl Iterator<Item = T>, coding: impl Fn(&T) -> Coding) -> Option<T> {
        available
            .filter_map(|one| {
                let coding = coding(&one);
                let weight = self.weights[coding.index()]?;
                Some((weight, coding, one))
            })
            .max_by(|(weight, coding, _), (other_weight, other, _)| {
                weight.cmp(other_weight).then(other.cmp(coding))
            })
            .map(|(_, _, one)| one)
    }

    /// The weight of a coding in thousandths; none when it is excluded.
    #[must_use]
    pub const fn weight(&self, coding: Coding) -> Option<u16> {
        self.weights[coding.index()]
    }
}

fn read(field: &[u8]) -> Option<Accepted> {
    let mut named: [Option<u16>; 4] = [None; 4];
    let mut others: Option<u16> = None;
    let members =
        field.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty());
    for (count, member) in members.enumerate() {
        if count == LIST_MEMBERS_MAX {
            return None;
        }
        let (name, weight) = member_of(member)?;
        let slot = match coding(name) {
            Member::Known(coding) => &mut named[coding.index()],
            Member::Any => &mut others,
            Member::Other => continue,
        };
        // Named twice, the less welcome counts: an exclusion is never overruled.
        *slot = Some(slot.map_or(weight, |earlier| earlier.min(weight)));
    }
    let weights = Coding::ALL.map(|coding| {
        let weight = match (named[coding.index()], others, coding) {
            (Some(weight), ..) => weight,
            (None, Some(0), _) => 0,
            // The file as it is need not be named to be welcome (section 12.5.3, rule 2), but what is named is preferred.
            (None, _, Coding::Identity) => 1,
            (None, Some(weight), Coding::Br | Coding::Zstd | Coding::Gzip) => weight,
            (None, None, Coding::Br | Coding::Zstd | Coding::Gzip) => 0,
        };
        (weight > 0).then_some(weight)
    });
    Some(Accepted { weights })
}

enum Member {
    Known(Coding),
    Any,
    Other,
}

fn coding(name: &[u8]) -> Member {
    if name == b"*" {
        return Member::Any;
    }
    let known: [(&[u8], Coding); 5] = [
        (b"br", Coding::Br),
        (b"zstd", Coding::Zstd),
        (b"gzip", Coding::Gzip),
        (b"x-gzip", Coding::Gzip),
        (b"identity", Coding::Identity),
    ];
    let found = known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
    found.map_or(Member::Other, |(_, coding)| Member::Known(coding))
}

/// `codings [ OWS ";" OWS "q=" qvalue ]`
fn member_of(member: &[u8]) -> Option<(&[u8], u16)> {
    let Some(semicolon) = member.iter().position(|&byte| byte == b';') else {
        return is_word(member).then_some((member, 1000));
    };
    let name = member[..semicolon].trim_ascii_end();
    let [b'q' | b'Q', b'=', value @ ..] = member[semicolon + 1..].trim_ascii_start() else { return None };
    is_word(name).then_some((name, qvalue(value)?))
}

fn is_word(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| crate::http1::is_token(byte))
}

/// Thousandths, by the grammar of RFC 9110 section 12.4.2: 0 to 1 with at most three decimals.
fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0') * 1000;
    let mut scale = 100;
    for digit in decimals {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += u16::from(digit - b'0') * scale;
        scale /= 10;
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests;
