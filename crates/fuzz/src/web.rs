//! Requests to the web server, and the small grammars of their fields.
//!
//! Absent: sockets and files. What is opened is below the root by the system's own promise.

use switchboard_web::accept::{Accepted, Coding};
use switchboard_web::conditional::EntityTag;
use switchboard_web::date::{self, UnixSeconds};
use switchboard_web::http1::{self, Connection, Drain, Drained, Head, Parsed, Refusal, Scheme, respond};
use switchboard_web::plan::{self, Body, Facts, Found, Moment, Plan, Policy, Variant};
use switchboard_web::range::{self, Ranges};
use switchboard_web::target::Target;

const MOMENT: Moment = Moment { now: UnixSeconds(1_700_000_000), boundary: 1 };

/// The first byte says where the rest is cut: a prefix is refused only as the whole is, and what is accepted can be
/// answered.
pub(crate) fn request(input: &[u8]) {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let prefix = &bytes[..usize::from(cut).min(bytes.len())];
    let late = http1::parse(bytes);
    match (http1::parse(prefix), &late) {
        (Err(early), late) => assert_eq!(Some(early), late.as_ref().err().copied()),
        (Ok(Parsed::Whole(early)), Ok(Parsed::Whole(late))) => assert_eq!(early.len(), late.len()),
        (Ok(Parsed::Whole(_)), other) => panic!("more bytes took a head back: {other:?}"),
        (Ok(Parsed::Incomplete), _) => {}
    }
    if let Ok(Parsed::Whole(head)) = late {
        let rest = &bytes[head.len()..];
        assert_eq!(drain(&head, rest, 1), drain(&head, rest, rest.len().max(1)));
        answer(&head);
    }
}

fn drain(head: &Head<'_>, bytes: &[u8], size: usize) -> Result<Option<usize>, Refusal> {
    let mut drain = Drain::new(head.framing);
    let mut before = 0;
    for piece in bytes.chunks(size) {
        match drain.feed(piece)? {
            Drained::More => before += piece.len(),
            Drained::Done { taken } => return Ok(Some(before + taken)),
        }
    }
    match drain.feed(b"")? {
        Drained::More => Ok(None),
        Drained::Done { .. } => Ok(Some(before)),
    }
}

fn answer(head: &Head<'_>) {
    let Ok(target) = Target::parse(head.resource) else { return };
    if let Target::Path(path) = &target {
        for segment in path.segments() {
            assert!(segment != b"." && segment != b"..", "{segment:?}");
            assert!(
                segment.iter().all(|byte| !byte.is_ascii_control() && !b"/\\".contains(byte)),
                "{segment:?}"
            );
        }
        assert!(!path.with_trailing_slash().starts_with("//"));
    }
    let variant = |coding, len| Variant { coding, len, etag: EntityTag::of_file(1, len, 2, coding) };
    let facts = Facts {
        media: "text/plain; charset=utf-8".into(),
        modified: Some(UnixSeconds(784_111_777)),
        variants: vec![variant(Coding::Identity, 1000), variant(Coding::Br, 100)],
        negotiated: true,
    };
    for found in [Found::File(&facts), Found::Directory, Found::Missing] {
        let asked = head.asked(&target, Scheme::Http);
        let plan = plan::plan(&asked, &found, &Policy::default(), MOMENT);
        check_head(&plan, Connection::after(head, &plan));
        if let Body::Several(parts) = &plan.body {
            assert_eq!(plan.content_length, Some(parts.len()));
        }
    }
}

/// No byte of the request ends a line of the answer.
fn check_head(plan: &Plan, connection: Connection) {
    let mut bytes = Vec::new();
    respond::write_head(plan, connection, &date::format(MOMENT.now), &mut bytes);
    let lines = bytes.strip_suffix(b"\r\n\r\n").expect("a blank line");
    let lines = lines.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for line in lines {
        assert!(line.iter().all(|byte| (b' '..0x7f).contains(byte)), "{line:?}");
    }
}

/// Eight bytes of length, then a Range field: ranges lie in the file, ascend and do not touch.
pub(crate) fn range(input: &[u8]) {
    let Some((len, field)) = input.split_first_chunk() else { return };
    let len = u64::from_le_bytes(*len);
    let ranges = match range::resolve(field, len) {
        Ranges::Whole | Ranges::Unsatisfiable => return,
        Ranges::One(one) => vec![one],
        Ranges::Several(several) => several,
    };
    assert!(ranges.len() <= 16);
    assert!(ranges.iter().all(|range| range.last() < len));
    assert!(ranges.windows(2).all(|pair| pair[0].last() + 1 < pair[1].offset));
}

/// Eight bytes of the present, then a date; read as Accept-Encoding too, whose best is never one that it excludes.
pub(crate) fn date(input: &[u8]) {
    let Some((now, text)) = input.split_first_chunk() else { return };
    let now = UnixSeconds(u64::from_le_bytes(*now));
    if let Some(time) = date::parse(text, now).filter(|&time| time <= UnixSeconds::MAX) {
        assert_eq!(date::parse(&date::format(time), now), Some(time));
    }
    let accepted = Accepted::parse(Some(text));
    if let Some(best) = accepted.best(Coding::ALL.into_iter(), |coding| *coding) {
        assert!(
            accepted.weight(best) >= Coding::ALL.iter().filter_map(|other| accepted.weight(*other)).max()
        );
    }
}
