//! The server as a process: start, refusals to start, every transport, signals, backup and restore.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::house::{House, wait_until};

#[test]
fn a_second_process_on_the_folder_is_refused_and_names_the_first() {
    let house = House::new();
    let server = house.serve(&[]);
    for command in [&["serve"][..], &["--embedded", "bank", "audit"], &["restore", "/nonexistent"]] {
        let ran = house.run(command);
        assert_eq!(ran.code, 69, "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("process {}", server.pid())), "{}", ran.stderr);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = house.run(&["serve", "--tls", &address]);
    assert_eq!(ran.code, 69);
    assert!(
        ran.stderr.contains(&format!("port {} of 127.0.0.1 is in use", taken.local_addr().unwrap().port())),
        "{}",
        ran.stderr
    );
}

#[test]
fn plain_text_off_loopback_is_refused() {
    let house = House::new();
    let ran = house.run(&["serve", "--tcp", "0.0.0.0:0"]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("not loopback"), "{}", ran.stderr);
}

#[test]
fn a_socket_path_that_is_too_long_is_refused() {
    let house = House::new();
    let path = house.path().join("x".repeat(120));
    let ran = house.run(&["serve", "--tls", "127.0.0.1:0", "--unix", path.to_str().unwrap()]);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    assert!(ran.stderr.contains("shorter"), "{}", ran.stderr);
}

#[test]
fn the_server_says_ready_and_ends_in_order() {
    let house = House::new();
    let server = house.serve(&["--set", "log.format=text"]);
    let key = server.key().to_owned();
    house.ok(&["bank", "open", "Ada", "EUR"]);
    let (code, log) = server.stop();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("ready on tls://127.0.0.1:") && log.contains(&key), "{log}");
    assert!(!house.data().join("socket").exists());
}

#[test]
fn json_logs_are_json_on_every_line() {
    let house = House::new();
    let server = house.serve(&["--set", "log.format=json"]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    let (_, log) = server.stop();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().any(|line| line["message"] == "ready"), "{log}");
}

#[test]
fn neither_log_nor_journal_contains_the_operator_key() {
    let house = House::new();
    let server = house.serve(&["--set", "log.level=trace"]);
    let key_file = house.data().join("keys/operator.key");
    let key = std::fs::read(&key_file).unwrap();
    let setting = format!("client.operator_key={}", key_file.display());
    house.ok(&["--server", &server.address("tls://"), "--set", &setting, "bank", "open", "Ada", "EUR"]);
    let (_, log) = server.stop();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!log.contains(&hex) && !log.as_bytes().windows(32).any(|window| window == key));
    for entry in std::fs::read_dir(house.data().join("client")).unwrap() {
        let journal = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!journal.windows(32).any(|window| window == key));
    }
}

#[test]
fn a_hangup_reads_the_certificate_again_and_keeps_the_key() {
    let house = House::new();
    let server = house.serve(&[]);
    let certificate = house.data().join("keys/server.crt");
    std::fs::remove_file(&certificate).unwrap();
    server.signal(Signal::HUP);
    wait_until("the certificate is there again", || certificate.exists());
    let pin = format!("client.pin={}", server.key());
    house.ok(&["--server", &server.address("tls://"), "--set", &pin, "text", "upper", "a"]);
}

#[test]
fn over_tls_a_stranger_may_use_text_and_nothing_else() {
    let house = House::new();
    let server = house.serve(&[]);
    let address = server.address("tls://");
    let first = house.run(&["--server", &address, "text", "upper", "straße"]);
    assert_eq!(first.stdout, "STRASSE\n", "{}", first.stderr);
    assert!(first.stderr.contains(server.key()), "a server met for the first time is told: {}", first.stderr);
    let refused = house.run(&["--server", &address, "bank", "audit"]);
    assert_eq!(refused.code, 77, "{}", refused.stderr);
    let key = format!("client.operator_key={}", house.data().join("keys/operator.key").display());
    house.ok(&["--server", &address, "--set", &key, "bank", "audit"]);
}

#[test]
fn a_server_with_another_key_than_the_pinned_one_is_not_spoken_to() {
    let house = House::new();
    let server = house.serve(&[]);
    let pin = format!("client.pin=sha256:{}", "0".repeat(64));
    let ran = house.run(&["--server", &server.address("tls://"), "--set", &pin, "text", "upper", "a"]);
    assert_eq!(ran.code, 77, "{}", ran.stderr);
    assert!(ran.stderr.contains("WRONG SERVER"), "{}", ran.stderr);
}

#[test]
fn plain_tcp_on_loopback_serves_strangers_and_the_operator_where_it_is_said() {
    let house = House::new();
    let server = house.serve(&["--tcp", "127.0.0.1:0"]);
    let address = server.address("tcp://");
    house.ok(&["--server", &address, "text", "lower", "A"]);
    assert_eq!(house.run(&["--server", &address, "bank", "audit"]).code, 77);
    drop(server);
    let server = house.serve(&["--tcp", "127.0.0.1:0", "--trust-loopback"]);
    house.ok(&["--server", &server.address("tcp://"), "bank", "audit"]);
}

#[test]
fn a_pipe_reaches_the_running_server_and_without_one_the_store_itself() {
    let house = House::new();
    let pipe = format!(
        "stdio:{} serve --stdio --data {}",
        env!("CARGO_BIN_EXE_switchboard"),
        house.data().display()
    );
    house.ok(&["--server", &pipe, "bank", "open", "Ada", "EUR"]);
    let _server = house.serve(&[]);
    house.ok(&["--server", &pipe, "bank", "deposit", "1", "5.00"]);
    assert!(house.ok(&["bank", "balance", "1"]).contains("5.00 EUR"));
}

#[test]
fn a_backup_made_under_a_running_server_can_be_put_back() {
    let house = House::new();
    let server = house.serve(&[]);
    house.ok(&["bank", "open", "Ada", "EUR"]);
    house.ok(&["bank", "deposit", "1", "5.00"]);
    let file = house.path().join("monday.db");
    let file = file.to_str().unwrap();
    assert!(house.ok(&["backup", file]).contains("checked"));
    assert_ne!(house.run(&["backup", file]).code, 0, "a backup is never written over");
    house.ok(&["bank", "deposit", "1", "7.00"]);
    server.stop();
    let restored = house.run(&["restore", file, "--json"]).json();
    assert!(restored["generation"].as_u64().unwrap() > 1);
    assert_eq!(restored["audit"]["report"]["sound"], true);
    let _server = house.serve(&[]);
    assert!(house.ok(&["bank", "balance", "1"]).contains("balance 5.00 EUR"));
}

#[test]
fn a_file_that_is_no_backup_is_refused_and_nothing_is_changed() {
    let house = House::new();
    house.ok(&["--embedded", "bank", "open", "Ada", "EUR"]);
    let file = house.path().join("noise.db");
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    let ran = house.run(&["restore", file.to_str().unwrap()]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(house.ok(&["--embedded", "bank", "accounts"]).contains("Ada"));
}

#[test]
fn a_damaged_database_is_refused_and_the_message_says_how_to_restore() {
    let house = House::new();
    house.ok(&["--embedded", "bank", "open", "Ada", "EUR"]);
    let database = house.data().join("switchboard.db");
    std::fs::write(&database, vec![7; 8192]).unwrap();
    let ran = house.run(&["serve"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(ran.stderr.contains("switchboard restore FILE"), "{}", ran.stderr);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let house = House::new();
    std::fs::write(house.data(), "a file").unwrap();
    let ran = house.run(&["serve"]);
    assert_eq!(ran.code, 73, "{}", ran.stderr);
    assert!(ran.stderr.contains(house.data().to_str().unwrap()), "{}", ran.stderr);
}

#[test]
fn a_stranger_of_another_protocol_is_told_apart_from_a_server() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _client_may_be_gone =
                std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let ran = house.run(&["--server", &address, "text", "upper", "a"]);
    assert_eq!(ran.code, 76, "{}", ran.stderr);
    assert!(ran.stderr.contains("HTTP"), "{}", ran.stderr);
}

#[test]
fn an_address_where_nobody_listens_is_named() {
    let house = House::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = house.run(&["--server", &format!("tls://{free}"), "text", "upper", "a"]);
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains(&free.to_string()), "{}", ran.stderr);
    assert_eq!(house.run(&["--server", "ftp://example.org", "text", "upper", "a"]).code, 2);
}
