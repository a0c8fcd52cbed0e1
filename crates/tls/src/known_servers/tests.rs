//! Promises of the file of known servers.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;

fn fingerprint(digit: char) -> Fingerprint {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

fn address(text: &str) -> ServerAddress {
    text.parse().unwrap()
}

#[test]
fn an_address_is_written_as_it_is_read() {
    for text in ["bank.example.org:7447", "192.0.2.7:1", "[2001:db8::7]:65535"] {
        assert_eq!(address(text).to_string(), text);
    }
    assert_eq!(address("BANK.example.org.:7447"), address("bank.example.org:7447"));
    assert_eq!(address("[2001:db8::7]:1"), ServerAddress::new("2001:db8:0::7", 1).unwrap());
    for text in ["", "host", "host:", "host:65536", "host:-1", ":1", "::1:1", "[host]:1", "a b:1", "[::1:1"] {
        let error = text.parse::<ServerAddress>().unwrap_err();
        assert!(error.to_string().contains("is not a server address"), "{text}: {error}");
    }
}

#[test]
fn what_is_remembered_is_found() {
    let home = tempfile::tempdir().unwrap();
    let known = KnownServers::at(home.path().join("new/folder/known_servers"));
    let (here, there) = (address("bank.example.org:7447"), address("bank.example.org:7448"));
    assert_eq!(known.lookup(&here).unwrap(), None);
    assert!(known.remember(&here, fingerprint('a')).unwrap());
    assert!(!known.remember(&here, fingerprint('a')).unwrap(), "it is not new any more");
    assert!(known.remember(&there, fingerprint('b')).unwrap());
    assert_eq!(known.lookup(&here).unwrap(), Some(fingerprint('a')));
    assert_eq!(known.lookup(&there).unwrap(), Some(fingerprint('b')));
    let text = fs::read_to_string(known.path()).unwrap();
    assert_eq!(text, format!("{here} {}\n{there} {}\n", fingerprint('a'), fingerprint('b')));
    assert_eq!(fs::metadata(known.path()).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn another_fingerprint_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let known = KnownServers::at(home.path().join("known_servers"));
    let server = address("bank.example.org:7447");
    known.remember(&server, fingerprint('a')).unwrap();
    let error = known.remember(&server, fingerprint('b')).unwrap_err();
    let expected = known.changed(&server, fingerprint('a'), fingerprint('b'));
    assert!(matches!(&error, TlsError::Refused(refusal) if **refusal == expected), "{error}");
    assert_eq!(known.lookup(&server).unwrap(), Some(fingerprint('a')));
}

#[test]
fn a_file_edited_by_hand_is_read_and_added_to() {
    let home = tempfile::tempdir().unwrap();
    let known = KnownServers::at(home.path().join("known_servers"));
    let line = format!("  bank.example.org:7447\t{}", fingerprint('a'));
    fs::write(known.path(), format!("# the till\r\n\n{line}")).unwrap();
    known.remember(&address("[::1]:7447"), fingerprint('b')).unwrap();
    assert_eq!(known.lookup(&address("bank.example.org:7447")).unwrap(), Some(fingerprint('a')));
    assert_eq!(known.lookup(&address("[::1]:7447")).unwrap(), Some(fingerprint('b')));
}

#[test]
fn a_damaged_line_spoils_the_file() {
    let home = tempfile::tempdir().unwrap();
    let known = KnownServers::at(home.path().join("known_servers"));
    let (a, b) = (fingerprint('a').to_string(), fingerprint('b').to_string());
    let sound = format!("sound.example:1 {a}\n");
    for damaged in [
        "nonsense".as_bytes().to_vec(),
        format!("host:1 {}", &a[..40]).into_bytes(),
        format!("host:1 {a} trailing").into_bytes(),
        format!("host {a}").into_bytes(),
        format!("sound.example:1 {b}").into_bytes(),
        b"\xff\xff:1 \0\0\0".to_vec(),
    ] {
        fs::write(known.path(), [sound.as_bytes(), &damaged, b"\n"].concat()).unwrap();
        for error in [
            known.lookup(&address("sound.example:1")).unwrap_err(),
            known.remember(&address("new.example:1"), fingerprint('c')).unwrap_err(),
        ] {
            assert!(matches!(error, TlsError::KnownServersDamaged { line: 2, .. }), "{error}");
        }
    }
    fs::write(known.path(), vec![b'\n'; usize::try_from(KNOWN_SERVERS_BYTES_MAX).unwrap()]).unwrap();
    let error = known.remember(&address("new.example:1"), fingerprint('c')).unwrap_err();
    assert!(matches!(error, TlsError::FileTooLarge { .. }), "{error}");
}

#[test]
fn many_threads_record_whole_lines_and_one_key_for_each_server() {
    let home = tempfile::tempdir().unwrap();
    let known = KnownServers::at(home.path().join("known_servers"));
    let recorded: usize = std::thread::scope(|scope| {
        let record = |digit: char| {
            let known = &known;
            move || {
                let ports = 1..=10;
                ports
                    .filter(|port| {
                        let server = ServerAddress::new("bank.example.org", *port).unwrap();
                        known.remember(&server, fingerprint(digit)).is_ok_and(|new| new)
                    })
                    .count()
            }
        };
        let threads: Vec<_> = "abcdef01".chars().map(|digit| scope.spawn(record(digit))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(recorded, 10);
    assert_eq!(fs::read_to_string(known.path()).unwrap().lines().count(), 10);
    assert!(known.lookup(&address("bank.example.org:10")).unwrap().is_some());
}
