//! Reads the table of requests: `*.txt` in this folder.
//!
//! ```text
//! name | statuses, then keep or close | source | why
//!   bytes of the request, all lines run together: every CR and LF is written out
//! ```
//!
//! Statuses are those of all answers on the connection, in order; 408 is for a request whose rest never comes. `keep`
//! is a connection that takes another request afterwards. Escapes: `\r`, `\n`, `\t`, `\0`, `\s` (a space), `\\`,
//! `\xHH`, and `\{N:text}`, which is the text N times.
//!
//! Absent: a server. [`Case`] is what one that is run over the table needs, and [`site`](super::site) says which files
//! it has.

/// A request, or several, and what comes of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) statuses: Vec<u16>,
    pub(crate) closes: bool,
    pub(crate) source: String,
    pub(crate) why: String,
}

const FILES: &[&str] = &[
    include_str!("request_line.txt"),
    include_str!("fields.txt"),
    include_str!("host.txt"),
    include_str!("target.txt"),
    include_str!("framing.txt"),
    include_str!("chunks.txt"),
    include_str!("answers.txt"),
];

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|text| read(text)).collect()
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(escaped) = line.strip_prefix("  ") {
            let case = cases.last_mut().expect("a case before its bytes");
            case.bytes.extend(unescape(escaped));
        } else {
            cases.push(first_line(line));
        }
    }
    cases
}

fn first_line(line: &str) -> Case {
    let parts: Vec<&str> = line.split(" | ").collect();
    let [name, expected, source, why] = parts.as_slice() else { panic!("four parts: {line}") };
    let (statuses, end) = expected.rsplit_once(' ').expect("statuses and end");
    Case {
        name: (*name).into(),
        bytes: Vec::new(),
        statuses: statuses.split(' ').map(|status| status.parse().expect("a status")).collect(),
        closes: match end {
            "close" => true,
            "keep" => false,
            other => panic!("keep or close, not {other}"),
        },
        source: (*source).into(),
        why: (*why).into(),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let mark = escape.chars().next().expect("a character behind a backslash");
        rest = &escape[mark.len_utf8()..];
        match mark {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            's' => bytes.push(b' '),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two digits"));
                rest = &rest[2..];
            }
            '{' => {
                let (inside, behind) = rest.split_once('}').expect("a closing brace");
                let (count, repeated) = inside.split_once(':').expect("a colon");
                bytes.extend(unescape(repeated).repeat(count.parse().expect("a count")));
                rest = behind;
            }
            other => panic!("no such escape: \\{other}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
