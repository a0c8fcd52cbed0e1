//! Where the keys of a data folder are after everything was done that a day brings, with every word logged: in `keys/`, and
//! nowhere else.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::house::{House, Server, wait_until};
use crate::logged::Logged;
use crate::till::furnish;

#[test]
fn keys_are_in_the_folder_of_keys_and_nowhere_else() {
    let house = House::new();
    let everything = ["--tcp", "127.0.0.1:0", "--set", "log.level=trace", "-vv"];
    let logged = Logged::start(&house, house.program(&[]), &everything);
    let server = &logged.server;
    furnish(&house, 10);
    let wrong = house.data().join("keys/wrong.key");
    std::fs::write(&wrong, (0..32).map(|n| 0xa0 ^ (n * 7)).collect::<Vec<u8>>()).unwrap();
    let mut said = Vec::new();
    for (key, code) in [("operator.key", 0), ("wrong.key", 77)] {
        let key = format!("client.operator_key={}", house.data().join("keys").join(key).display());
        let tls = server.address("tls://");
        let ran =
            house.run(&["-vv", "--server", &tls, "--set", &key, "bank", "withdraw", "1", "1.00", "EUR"]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        said.extend([ran.stdout, ran.stderr]);
        let plain = server.address("tcp://");
        let over_tcp = house.run(&["-vv", "--server", &plain, "--set", &key, "bank", "balance", "1"]);
        assert_ne!(over_tcp.code, 0, "a key does not travel in the clear");
        said.extend([over_tcp.stdout, over_tcp.stderr]);
    }
    said.push(command_lines(&house, server));
    said.push(house.ok(&["config", "show"]));
    let backup = house.path().join("monday.db");
    house.ok(&["backup", backup.to_str().unwrap()]);
    let needles = needles(&house.data().join("keys"));
    for file in files_below(house.path()) {
        if !file.starts_with(house.data().join("keys")) {
            check(&needles, &std::fs::read(&file).unwrap(), &file.display().to_string());
        }
    }
    assert_eq!(logged.stop(), 0);
    house.ok(&["restore", backup.to_str().unwrap()]);
    for file in
        files_below(house.path()).into_iter().filter(|file| !file.starts_with(house.data().join("keys")))
    {
        check(&needles, &std::fs::read(&file).unwrap(), &file.display().to_string());
    }
    said.iter().for_each(|said| check(&needles, said.as_bytes(), said));
}

/// What the system shows of the server and of a client that holds the key: command line and environment.
fn command_lines(house: &House, server: &Server) -> String {
    let key = format!("client.operator_key={}", house.data().join("keys/operator.key").display());
    let mut client = house.program(&["--server", &server.address("tls://"), "--set", &key, "text", "upper"]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let of = |pid, name| std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
    let names_the_file = |line: &[u8]| line.windows(12).any(|window| window == b"operator.key");
    wait_until("the client has begun", || names_the_file(&of(client.id(), "cmdline")));
    let pids = [server.pid(), client.id()];
    let shown = pids.iter().flat_map(|pid| [of(*pid, "cmdline"), of(*pid, "environ")].concat()).collect();
    client.stdin.take().unwrap().write_all(b"a\n").unwrap();
    assert_eq!(client.wait_with_output().unwrap().stdout, b"A\n");
    String::from_utf8(shown).unwrap()
}

/// Every key in each form in which carelessness prints one.
fn needles(keys: &Path) -> Vec<Vec<u8>> {
    let mut needles = Vec::new();
    for name in ["operator.key", "digest.key", "wrong.key"] {
        let key = std::fs::read(keys.join(name)).unwrap();
        assert_eq!(key.len(), 32);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers = format!("{key:?}");
        needles.extend([hex.to_uppercase().into_bytes(), hex.into_bytes()]);
        needles.push(numbers.trim_matches(['[', ']']).as_bytes().to_vec());
        needles.push(key);
    }
    let pem = std::fs::read_to_string(keys.join("server.key")).unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    needles.extend(lines.map(|line| line.as_bytes().to_vec()));
    needles
}

fn check(needles: &[Vec<u8>], hay: &[u8], name: &str) {
    for needle in needles {
        assert!(!hay.windows(needle.len()).any(|window| window == needle), "a key is in {name}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}
