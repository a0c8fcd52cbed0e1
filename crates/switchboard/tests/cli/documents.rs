//! Every command that a document shows in a code block is run as it stands, in the order of the document.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::house::{House, Ran};

/// Commands that build or run these very tests, those that the tests of the simulation run, and mail through a server or an account of somebody's;
/// `cargo run` is the program itself, which is run.
const NOT_FROM_WITHIN: &[&str] = &[
    "cargo xtask test",
    "cargo xtask tidy",
    "cargo run --release -p sim",
    "cargo run --release -p bench",
    "switchboard mail send --server mail.example.org",
    "switchboard mail send --account",
];

#[test]
fn the_commands_of_every_document_work_as_they_are_written() {
    let documents = documents();
    assert!(documents.len() >= 6, "found only {documents:?}");
    let mut seen = BTreeSet::new();
    let shown: usize = documents.iter().map(|document| run_all(document, &mut seen)).sum();
    assert!(shown >= 8, "found only {shown} commands: are code blocks still recognised?");
}

/// Runs one document's commands in one data folder, those of cargo only where they are shown first; returns
/// how many there were.
fn run_all(document: &Path, seen: &mut BTreeSet<String>) -> usize {
    let text = std::fs::read_to_string(document).unwrap();
    let commands = commands_of(&text);
    let house = House::new();
    let site = house.path().join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("index.html"), "<!doctype html>\n<title>A page</title>\n").unwrap();
    let ports = PORTS.map(|(port, protocol)| (port, free_port(protocol)));
    let (mut server, mut listening) = (None, Vec::new());
    for command in &commands {
        let command = &ports.iter().fold((*command).to_owned(), |command, (port, free)| {
            let on_loopback = command.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
            on_loopback.replace(&format!("localhost:{port}"), &format!("localhost:{free}"))
        });
        if let Some(stream) = says_ready_on(command) {
            listening.push(Listening::start(&house, command, stream));
        } else if command.trim_end_matches('&').trim_end() == "switchboard serve" {
            server = Some(house.serve(&[]));
        } else if NOT_FROM_WITHIN.iter().any(|ours| command.starts_with(ours)) {
            continue;
        } else if !command.starts_with("cargo ") || seen.insert(command.clone()) {
            let ran = in_a_shell(&house, command);
            assert_eq!(ran.code, 0, "{}: {command}\n{}{}", document.display(), ran.stdout, ran.stderr);
        }
    }
    drop(server);
    listening.into_iter().for_each(Listening::stop);
    commands.len()
}

/// The ports on loopback that documents name. What listens there may be anything, on the machine of a developer, so each
/// document gets free ones instead.
const PORTS: [(u16, Protocol); 7] = [
    (8080, Protocol::Tcp),
    (8620, Protocol::Udp),
    (8621, Protocol::Udp),
    (8622, Protocol::Udp),
    (8623, Protocol::Udp),
    (8862, Protocol::Udp),
    (9620, Protocol::Tcp),
];

#[derive(Clone, Copy)]
enum Protocol {
    Tcp,
    Udp,
}

fn free_port(protocol: Protocol) -> u16 {
    let address = match protocol {
        Protocol::Tcp => std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr(),
        Protocol::Udp => std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr(),
    };
    address.unwrap().port()
}

/// Where a command that runs until it is stopped says that it listens; nothing for a command that ends by itself.
fn says_ready_on(command: &str) -> Option<Stream> {
    if command.starts_with("switchboard web ") {
        Some(Stream::Error)
    } else if command.starts_with("switchboard reflect ") && !command.contains("--make-key") {
        Some(Stream::Output)
    } else {
        None
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Error,
}

/// A command that listens, as a document shows it: it runs until the document ends.
struct Listening {
    child: Child,
    said: BufReader<Box<dyn Read>>,
    command: String,
}

impl Listening {
    fn start(house: &House, command: &str, stream: Stream) -> Self {
        let mut shell = shell(house, &format!("exec {}", command.trim_end_matches('&')));
        let mut child = match stream {
            Stream::Output => shell.stdout(Stdio::piped()).spawn().unwrap(),
            Stream::Error => shell.stderr(Stdio::piped()).spawn().unwrap(),
        };
        let said: Box<dyn Read> = match stream {
            Stream::Output => Box::new(child.stdout.take().unwrap()),
            Stream::Error => Box::new(child.stderr.take().unwrap()),
        };
        let mut said = BufReader::new(said);
        let mut text = String::new();
        while !text.lines().any(|line| line.contains("ready") || line.starts_with("reflecting ")) {
            assert_ne!(said.read_line(&mut text).unwrap(), 0, "{command}: {text}");
        }
        Self { child, said, command: command.to_owned() }
    }

    fn stop(mut self) {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}: {rest}", self.command);
    }
}

/// Lines of code blocks that begin with a program of ours.
fn commands_of(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && ["switchboard ", "cargo "].iter().any(|program| line.starts_with(program)) {
            commands.push(line.split("  #").next().unwrap_or(line).trim());
        }
    }
    commands
}

/// As a reader types it, with the built program on the path.
fn in_a_shell(house: &House, command: &str) -> Ran {
    Ran::of(shell(house, command).output().unwrap())
}

fn shell(house: &House, command: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_switchboard"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let typed = command.replace("cargo run --release --", "switchboard");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(typed).env_clear().env("PATH", path).current_dir(house.path());
    shell.env("SWITCHBOARD_DATA", house.data()).env("TMPDIR", house.path());
    shell
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let in_folder = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect()
    };
    let mut documents = in_folder(&root);
    documents.extend(in_folder(&root.join("docs")));
    documents.sort();
    documents
}
