//! Addresses as people write them, and what they read when they write them wrong.

use super::*;

fn reads_as(text: &str, expected: &str) {
    assert_eq!(text.parse::<Address>().unwrap().to_string(), expected);
}

fn refused(text: &str, words: &str) {
    let error = text.parse::<Address>().unwrap_err().to_string();
    assert!(error.contains(words), "{text:?} gave {error:?}");
}

#[test]
fn every_scheme_is_read_and_written_back() {
    reads_as("tls://bank.example:99", "tls://bank.example:99");
    reads_as("tls://bank.example", "tls://bank.example:7447");
    reads_as("tls://[fd00::1]", "tls://[fd00::1]:7447");
    reads_as("tcp://127.0.0.1", "tcp://127.0.0.1:7446");
    reads_as("tcp://[::1]:5/", "tcp://[::1]:5");
    reads_as("unix:/run/switchboard.sock", "unix:/run/switchboard.sock");
    reads_as("unix:///run/switchboard.sock", "unix:/run/switchboard.sock");
    reads_as("unix:////run/switchboard.sock", "unix:////run/switchboard.sock");
    reads_as("stdio: ssh  host switchboard serve --stdio", "stdio:ssh host switchboard serve --stdio");
}

#[test]
fn a_malformed_address_says_what_to_write() {
    refused("bank.example:99", "tls://HOST:PORT");
    refused("http://bank.example", "tls://HOST:PORT");
    refused("tls://", "names no host");
    refused("tls://:99", "names no host");
    refused("tls://bank example", "malformed host");
    refused("tls://user@bank.example", "malformed host");
    refused("tls://[::1", "malformed host");
    refused("tls://[bank]", "malformed host");
    refused("tls://[::1]99", "malformed port");
    refused("tls://bank:0", "malformed port");
    refused("tls://bank:65536", "malformed port");
    refused("tls://bank:+9", "malformed port");
    refused("tls://::1", "in brackets");
    refused("unix:socket", "absolute path");
    refused("unix:", "absolute path");
    refused(&format!("unix:/{}", "x".repeat(107)), "shorter folder");
    refused("stdio:", "names no program");
    refused("stdio:sh -c 'x y'", "script");
    refused(&"x".repeat(ADDRESS_BYTES_MAX + 1), "over 4096 bytes");
}

#[test]
fn plain_text_stays_on_this_machine_unless_allowed() {
    let nodes = |text: &str, plaintext| Nodes::new(vec![text.parse().unwrap()], plaintext);
    for here in
        ["tcp://127.0.0.1:1", "tcp://127.9.9.9:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://far:1"]
    {
        nodes(here, Plaintext::LoopbackOnly).unwrap();
    }
    for far in ["tcp://192.0.2.1:1", "tcp://far:1", "tcp://localhost.example:1", "tcp://0.0.0.0:1"] {
        let error = nodes(far, Plaintext::LoopbackOnly).unwrap_err();
        assert!(error.to_string().contains("--allow-plaintext"), "{error}");
        nodes(far, Plaintext::Anywhere).unwrap();
    }
}

#[test]
fn a_list_has_at_least_one_node_and_a_bound() {
    assert_eq!(Nodes::new(vec![], Plaintext::LoopbackOnly), Err(AddressError::NoNodes));
    let one: Address = "unix:/a".parse().unwrap();
    let many = vec![one.clone(); NODES_MAX + 1];
    assert_eq!(Nodes::new(many, Plaintext::LoopbackOnly), Err(AddressError::TooManyNodes(NODES_MAX + 1)));
    let two = Nodes::new(vec![one.clone(), "unix:/b".parse().unwrap()], Plaintext::LoopbackOnly).unwrap();
    assert_eq!((two.at(0), two.at(2), two.at(1).to_string().as_str()), (&one, &one, "unix:/b"));
}

#[test]
fn a_credential_never_travels_on_plain_tcp() {
    let may = |text: &str| text.parse::<Address>().unwrap().may_carry_credential();
    assert!(may("tls://a") && may("unix:/a") && may("stdio:a") && !may("tcp://127.0.0.1"));
}
