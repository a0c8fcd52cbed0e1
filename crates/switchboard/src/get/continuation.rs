//! A part that is gone on with: what is asked for, and whether the answer fits it. Absent: files and sockets.

use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::header::{CONTENT_RANGE, HeaderMap, HeaderValue, IF_RANGE, RANGE};

use super::exchange::Answer;
use super::part::Note;

/// What an answer to a request for the rest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Continuation {
    /// The file from its beginning: it has changed, or the server does not know ranges.
    Whole,
    /// What is missing, up to this many bytes of the whole.
    Rest {
        /// Bytes of the whole.
        end: u64,
    },
    /// Nothing is missing.
    Nothing,
    /// It does not fit the part.
    Other,
}

/// The fields that ask for what is missing (RFC 9110 sections 14.2 and 13.1.5).
pub(super) fn going_on(length: u64, note: &Note) -> HeaderMap {
    let range = HeaderValue::from_str(&format!("bytes={length}-")).expect("digits are a field's value");
    let if_range = note.if_range().map(|value| (IF_RANGE, value));
    [(RANGE, range)].into_iter().chain(if_range).collect()
}

/// What the answer to them is. What does not fit in every point that can be compared is not added to the part.
pub(super) fn continuation(answer: &Answer, length: u64, note: &Note) -> Continuation {
    let range = answer.fields.get(CONTENT_RANGE).and_then(|value| content_range(value.to_str().ok()?));
    match answer.status {
        StatusCode::PARTIAL_CONTENT => match range {
            Some(ContentRange { first: Some(first), last: Some(last), total })
                // Where nobody tells how long the whole is, a server may have sent less than the rest.
                if first == length
                    && total.or(note.length) == Some(last + 1)
                    && answer
                        .body
                        .size_hint()
                        .exact()
                        .is_none_or(|rest| first.checked_add(rest) == Some(last + 1))
                    && note.agrees(&answer.fields, total)
                    // Two parts are put together under one strong validator alone (RFC 9110 section 15.3.7.3).
                    && note.is_named_by(&answer.fields) =>
            {
                Continuation::Rest { end: last + 1 }
            }
            Some(_) | None => Continuation::Other,
        },
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let total = range.and_then(|range| range.total).or(note.length);
            let is_whole = total == Some(length) && note.agrees(&answer.fields, total);
            if is_whole { Continuation::Nothing } else { Continuation::Other }
        }
        _ => Continuation::Whole,
    }
}

/// The field Content-Range (RFC 9110 section 14.4).
#[derive(PartialEq, Eq, Debug)]
struct ContentRange {
    first: Option<u64>,
    last: Option<u64>,
    total: Option<u64>,
}

fn content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if range == "*" {
        return Some(ContentRange { first: None, last: None, total });
    }
    let (first, last): (u64, u64) =
        range.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))?;
    (first <= last && last < u64::MAX && total.is_none_or(|total| last < total)).then_some(ContentRange {
        first: Some(first),
        last: Some(last),
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read_strictly() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(content_range("bytes 5-9/10"), range(Some(5), Some(9), Some(10)));
        assert_eq!(content_range("bytes 5-9/*"), range(Some(5), Some(9), None));
        assert_eq!(content_range("bytes */10"), range(None, None, Some(10)));
        for text in [
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes 5-/10",
            "items 5-9/10",
            "bytes=5-9/10",
            "bytes 5-9",
            "",
            "bytes -1-2/3",
        ] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
