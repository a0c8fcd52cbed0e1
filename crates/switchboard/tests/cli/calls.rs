//! Calls left open by a killed command: listed, resolved, settled and cancelled, each executed once.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use switchboard::lab::proxy::{Direction, Event, Fault, Faults, Plan, Proxy};

use crate::house::{House, Server, wait_until};

/// A server behind a proxy that loses every reply.
struct Mute {
    house: House,
    _server: Server,
    proxy: Proxy,
    lost: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Mute {
    fn new() -> Self {
        let house = House::new();
        let server = house.serve(&[]);
        house.ok(&["bank", "open", "Ada", "EUR"]);
        house.ok(&["bank", "deposit", "1", "100.00"]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let lost = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lost);
        let listener = Arc::new(move |event: Event| {
            if let (Direction::Reply, Fault::Lost, Some(call)) = (event.direction, event.fault, event.call) {
                heard.lock().unwrap().push(call.to_string());
            }
        });
        let replies = Faults { lose: 1.0, ..Faults::default() };
        let plan = Plan { seed: 1, requests: Faults::default(), replies };
        let proxy = runtime.block_on(Proxy::start(plan, house.data().join("socket"), listener)).unwrap();
        Self { house, _server: server, proxy, lost, _runtime: runtime }
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let key = self.house.data().join("keys/operator.key");
        let ours = [
            "--server".to_owned(),
            format!("tls://{}", self.proxy.address()),
            "--set".to_owned(),
            format!("client.pin={}", self.proxy.fingerprint()),
            "--set".to_owned(),
            format!("client.operator_key={}", key.display()),
        ];
        ours.into_iter().chain(more.iter().map(|&argument| argument.to_owned())).collect()
    }

    /// A withdrawal that is executed, and whose command is killed before it hears of that.
    fn withdraw_and_kill(&self) -> String {
        let arguments = self.arguments(&["bank", "withdraw", "1", "20.00", "EUR"]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.house.program(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the reply is lost", || !self.lost.lock().unwrap().is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        self.lost.lock().unwrap()[0].clone()
    }
}

#[test]
fn a_killed_command_leaves_its_call_to_be_settled_and_it_was_executed_once() {
    let mute = Mute::new();
    let id = mute.withdraw_and_kill();
    let house = &mute.house;
    let listed = house.ok(&["call", "status"]);
    assert!(listed.contains(&id) && listed.contains("withdraw 20.00 EUR from account 1"), "{listed}");
    let resolved = house.ok(&["call", "resolve", &id]);
    assert!(resolved.contains("balance 80.00 EUR"), "{resolved}");
    let retried = house.run(&["call", "retry", "--json"]).json();
    assert_eq!((retried["call"].as_str(), retried["state"].as_str()), (Some(id.as_str()), Some("done")));
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
    assert!(house.ok(&["bank", "balance", "1"]).contains("balance 80.00 EUR"));
    house.ok(&["bank", "audit"]);
}

#[test]
fn a_cancel_that_comes_too_late_reports_what_was_executed() {
    let mute = Mute::new();
    let id = mute.withdraw_and_kill();
    let cancelled = mute.house.run(&["call", "cancel", &id, "--json"]).json();
    assert_eq!(cancelled["state"], "done");
    assert!(mute.house.ok(&["bank", "balance", "1"]).contains("balance 80.00 EUR"));
}

#[test]
fn the_next_command_announces_what_earlier_ones_left_open() {
    let mute = Mute::new();
    mute.withdraw_and_kill();
    let ran = mute.house.run(&["bank", "withdraw", "1", "5.00"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let announced: Vec<_> =
        ran.stderr.lines().filter(|line| line.contains("earlier commands left 1 call")).collect();
    assert_eq!(announced.len(), 1, "{}", ran.stderr);
    assert!(mute.house.ok(&["bank", "balance", "1"]).contains("balance 75.00 EUR"));
}

#[test]
fn without_any_answer_the_exit_code_says_unresolved_and_the_message_says_which_command_helps() {
    let mute = Mute::new();
    let arguments = mute.arguments(&["--set", "client.wait_ms=200", "bank", "withdraw", "1", "20.00", "EUR"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = mute.house.run(&arguments);
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    let id = mute.lost.lock().unwrap()[0].clone();
    assert!(ran.stderr.contains(&format!("switchboard call resolve {id}")), "{}", ran.stderr);
    mute.house.ok(&["call", "retry"]);
    mute.house.ok(&["bank", "audit"]);
}

#[test]
fn a_call_nobody_knows_is_said_to_be_unknown() {
    let house = House::new();
    let _server = house.serve(&[]);
    // Of a session young enough to be executed, were it ever sent.
    let opened = house.run(&["bank", "open", "Ada", "EUR", "--json"]).json();
    let session = opened["call"].as_str().unwrap().split('/').next().unwrap().to_owned();
    let id = format!("{session}/60/1");
    let ran = house.run(&["call", "status", &id]);
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(ran.stdout.contains("not executed so far"), "{}", ran.stdout);
    assert_eq!(house.run(&["call", "retry", &id]).code, 65);
    assert!(house.ok(&["call", "retry"]).contains("no call is open"));
}
