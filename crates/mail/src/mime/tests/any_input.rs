//! Whatever a draft is made of: it is refused, or it is a message with the header fields of a draft and no others.

use super::*;

/// What makes a line, a field or an end where it is let through.
const PIECES: [&str; 12] = [
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\r\nBcc: eve@example.org\r\n",
    "\n\nbody\n.\n",
    "\r\n.\r\n",
    "?=",
    "\"",
    "\\",
    "\u{2028}",
    "cid:",
];

/// Any characters, those that break lines often, sometimes many times over.
fn anything() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<char>().prop_map(String::from),
        3 => "[ -~]{1,9}",
        2 => prop::sample::select(&PIECES).prop_map(str::to_owned),
    ];
    let text = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    (text, prop_oneof![9 => Just(1), 1 => 50_usize..2000]).prop_map(|(text, times)| text.repeat(times))
}

/// Without what no message takes, so that a draft is not refused for it alone.
fn lenient() -> impl Strategy<Value = String> {
    let printable = anything().prop_map(|text| text.chars().filter(|c| !c.is_control()).take(300).collect());
    prop_oneof![1 => anything(), 3 => printable]
}

/// Anybody whose address and name parse.
fn anybody() -> impl Strategy<Value = Option<Mailbox>> {
    let written = prop_oneof![
        anything(),
        anything().prop_map(|name| format!("{name} <ada@example.org>")),
        anything().prop_map(|name| format!("\"{name}\" <ada@example.org>")),
        anything().prop_map(|local| format!("\"{local}\"@example.org")),
        anything().prop_map(|domain| format!("ada@{domain}")),
        "[a-zé用\" ]{1,9}@[a-zü]{1,9}\\.example",
    ];
    let parsed = written.prop_map(|text| text.parse().ok());
    let named = lenient().prop_map(|name| Mailbox::new(&name, "ada@example.org".parse().unwrap()).ok());
    prop_oneof![parsed, named]
}

/// As a file system can have it.
fn file_name() -> impl Strategy<Value = String> {
    anything().prop_map(|name| {
        let mut name = name.replace(['\0', '/'], "_");
        while name.len() > 200 {
            name.pop();
        }
        name + ".bin"
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_draft_of_anything_has_its_own_header_fields_or_is_refused(
        from in anybody(),
        to in prop::collection::vec(anybody(), 0..4),
        cc in prop::collection::vec(anybody(), 0..4),
        subject in lenient(),
        text in prop::option::of(anything()),
        html in prop::option::of(anything()),
        inline in prop::option::of(file_name()),
        attached in prop::option::of(file_name()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = |name: &Option<String>| name.iter().map(|name| file(&folder, name, b"x")).collect();
        let whole = Draft {
            from: from.unwrap_or_else(|| "ada@example.org".parse().unwrap()),
            to: to.into_iter().flatten().collect(),
            cc: cc.into_iter().flatten().collect(),
            subject,
            text,
            html,
            inline: files(&inline),
            attachments: files(&attached),
        };
        match whole.compose(&stamp()) {
            Err(_) => {
                let is_fit = !whole.subject.chars().any(char::is_control) && whole.subject.len() <= SUBJECT_BYTES_MAX;
                prop_assert!(!is_fit || (inline.is_some() && whole.html.is_none()), "refused for nothing");
            }
            Ok(message) => assert_own_fields(&whole, message),
        }
    }
}

fn assert_own_fields(draft: &Draft, mut message: Message) {
    let (announced, mut bytes) = (message.bytes(), Vec::new());
    while message.read(&mut bytes).unwrap() == More::Follows {}
    assert_eq!(bytes.len() as u64, announced);
    let written = String::from_utf8(bytes).unwrap();
    let bare = written.strip_suffix("\r\n").unwrap().replace("\r\n", "");
    assert!(!bare.contains(|c: char| c.is_control() && c != '\t'), "{written:?}");
    assert!(written.split("\r\n").all(|line| line.len() <= 998));
    let boundary = format!("\r\n--=_{}.", "ab".repeat(16));
    let mut parts = written.split(&boundary);
    let header = parts.next().unwrap();
    let is_single = draft.attachments.is_empty()
        && draft.inline.is_empty()
        && !(draft.text.is_some() && draft.html.is_some());
    let expected = [
        ("Date", true),
        ("From", true),
        ("To", !draft.to.is_empty()),
        ("Cc", !draft.cc.is_empty()),
        ("Subject", true),
        ("Message-ID", true),
        ("MIME-Version", true),
        ("Content-Type", true),
        ("Content-Transfer-Encoding", is_single),
    ];
    let expected: Vec<_> =
        expected.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    assert_eq!(fields(header), expected, "{written}");
    for part in parts {
        // Its number, and two hyphens when it is the last.
        let (number, part) = part.split_once("\r\n").unwrap();
        if number.ends_with("--") {
            continue;
        }
        match fields(part).as_slice() {
            ["Content-Type"]
            | ["Content-Type", "Content-Transfer-Encoding"]
            | ["Content-Type", "Content-Disposition", "Content-Transfer-Encoding"]
            | ["Content-Type", "Content-Disposition", "Content-ID", "Content-Transfer-Encoding"] => {}
            other => panic!("{other:?} in {written}"),
        }
    }
}

/// The names of the fields before the first empty line.
fn fields(part: &str) -> Vec<&str> {
    let lines = part.split("\r\n").take_while(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split_once(':').map_or(line, |(name, _)| name))
        .collect()
}
