//! `ping` against `reflect`, two processes on loopback: what each prints, what scripts get, and what becomes of both when
//! they are interrupted or showered with garbage.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::house::{House, Ran};

/// A running reflector; killed at the end of the test.
struct Reflector {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Reflector {
    fn start(house: &House, listen: &str, arguments: &[&str]) -> Self {
        Self::spawn(house, &[&["--listen", listen], arguments].concat())
    }

    fn spawn(house: &House, arguments: &[&str]) -> Self {
        let mut command = house.program(&["reflect", "--json"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let address = told["addresses"][0].as_str().unwrap().to_owned();
        Self { child, output, address }
    }

    /// SIGTERM; returns the summary.
    fn stop(mut self) -> Value {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut summary = String::new();
        self.output.read_to_string(&mut summary).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&summary).unwrap()
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The objects of a run's lines, and the only target of the last.
fn lines(ran: &Ran) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    assert_eq!(summary["event"], "summary");
    (lines, summary["targets"][0].clone())
}

#[test]
fn round_trips_are_measured_by_the_kernel_over_both_families() {
    let house = House::new();
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let reflector = Reflector::start(&house, listen, &[]);
        let ran = house.run(&["ping", "-c", "10", "-i", "0.01", "--json", &reflector.address]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let (answers, summary) = lines(&ran);
        assert_eq!(answers.len(), 10);
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!((&answer["event"], &answer["sequence"]), (&"answer".into(), &n.into()), "{answer}");
            assert_eq!((&answer["ttl"], &answer["reflector_ttl"]), (&64.into(), &64.into()), "{answer}");
            assert!(answer["rtt_ns"].as_u64() <= answer["user_rtt_ns"].as_u64(), "{answer}");
            assert!(answer["residence_ns"].is_u64(), "{answer}");
        }
        // The kernel may turn its stamps on a little after it was asked for them.
        assert!(summary["kernel_stamps"].as_u64().unwrap() >= 5, "{summary}");
        assert_eq!((&summary["answered"], &summary["no_answer"]), (&10.into(), &0.into()));
        let (ways, error) = (&summary["one_way"], summary["one_way"]["error_ns"].as_f64().unwrap());
        assert!(ways["offset_ns"].as_f64().unwrap().abs() <= error, "one clock is no other: {ways}");
        let counted = reflector.stop();
        assert_eq!((&counted["received"], &counted["answered"]), (&10.into(), &10.into()));
    }
}

/// Everything that can happen to a packet, both ways. With the seed 21 none of the last 50 of 480 probes is delayed, so none is
/// under way when the prober ends.
const FAULTS: [&str; 10] = [
    "up:drop:1/20",
    "up:corrupt:1/30",
    "up:duplicate:1/25",
    "up:reorder:1/15",
    "up:delay:1/60:450",
    "down:drop:1/18",
    "down:corrupt:1/35",
    "down:duplicate:1/22",
    "down:reorder:1/17",
    "down:delay:1/70:450",
];

#[test]
fn what_a_prober_counts_is_what_the_reflector_did() {
    let house = House::new();
    let key = house.path().join("session.key").display().to_string();
    house.ok(&["reflect", "--make-key", &key]);
    for keyed in [false, true] {
        let mut arguments: Vec<&str> = FAULTS.iter().flat_map(|fault| ["--fault", fault]).collect();
        arguments.extend(["--seed", "21"]);
        let mut ping = vec!["ping", "-c", "480", "-i", "0.003", "-W", "0.3", "--json"];
        if keyed {
            arguments.extend(["--keys", &key]);
            ping.extend(["--key", &key]);
        }
        let reflector = Reflector::start(&house, "127.0.0.1:0", &arguments);
        let ran = house.run(&[&ping[..], &[&reflector.address]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let (_, told) = lines(&ran);
        let done = reflector.stop();
        let number = |value: &Value| value.as_u64().unwrap();
        let [up, down] = ["up", "down"].map(|way| {
            let done = done["faults"][way].clone();
            move |kind: &str| number(&done[kind])
        });
        let context = format!("keyed {keyed}: {told} {done}");
        // What was changed on the way there is thrown away where there are keys.
        let refused = if keyed { up("corrupted") } else { 0 };
        let lost = |what: &str| number(&told["lost"][what]);
        assert_eq!(lost("unknown"), 0, "the last probe was answered; {context}");
        assert_eq!(lost("up"), up("dropped") + refused, "{context}");
        assert_eq!(lost("down"), down("dropped"), "{context}");
        assert_eq!(number(&told["corrupt"]), up("corrupted") + down("corrupted") - refused, "{context}");
        assert_eq!(lost("duplicated_up"), up("duplicated"), "{context}");
        assert_eq!(lost("duplicated_down"), down("duplicated"), "{context}");
        assert_eq!(number(&told["overtaken"]), up("reordered") + down("reordered"), "{context}");
        assert_eq!(number(&told["late"]), up("delayed") + down("delayed"), "{context}");
        assert!(up("dropped") > 5 && down("reordered") > 5 && down("delayed") > 2, "{context}");
    }
}

#[test]
fn a_signal_asks_a_reflector_for_its_counts() {
    let house = House::new();
    let mut reflector = Reflector::start(&house, "127.0.0.1:0", &["--drop", "1/2"]);
    house.ok(&["ping", "-c", "8", "-i", "0.01", "-W", "0.2", "--quiet", &reflector.address]);
    kill_process(Pid::from_child(&reflector.child), Signal::USR1).unwrap();
    let mut line = String::new();
    reflector.output.read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&told["event"], &told["answered"]), (&"so_far".into(), &4.into()), "{told}");
    assert_eq!(told["faults"]["up"]["dropped"], 4, "{told}");
    assert_eq!(reflector.stop()["answered"], 4);
}

#[test]
fn the_reflector_is_configured_and_flags_win() {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    let settings = "[probe]\nlisten = [\"127.0.0.1:0\"]\nrate = 3\ntwamp_light = [\"127.0.0.0/8\"]\n";
    std::fs::write(house.data().join("switchboard.toml"), settings).unwrap();
    let short = |address: &str| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        for n in 0..6 {
            socket.send_to(&[n; 14], address).unwrap();
        }
        let mut answer = [0; 64];
        (0..6).take_while(|_| socket.recv(&mut answer).is_ok_and(|length| length == 44)).count()
    };
    let configured = Reflector::spawn(&house, &[]);
    assert_eq!(short(&configured.address), 3);
    drop(configured);
    let told =
        Reflector::spawn(&house, &["--rate", "0", "--listen", "127.0.0.1:0", "--twamp-light", "127.0.0.1"]);
    assert_eq!(short(&told.address), 6);
    drop(told);
    std::fs::write(house.data().join("switchboard.toml"), "[probe]\ntwamp_light = [\"here\"]\n").unwrap();
    let ran = house.run(&["reflect"]);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("probe.twamp_light") && ran.stderr.contains("192.0.2.0/24"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_text_protocol_answers_in_capitals_and_drops_four_of_eleven() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &["--text", "--drop", "report", "--seed", "1"]);
    let ran = house.run(&["ping", "--text", "-c", "11", "-i", "0.01", "-W", "0.3", &reflector.address]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout.matches(" octets from ").count(), 7, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("no answer from ").count(), 4, "{}", ran.stdout);
    assert!(ran.stdout.contains("11 sent, 7 answered, 4 not in time (36.4 %)"), "{}", ran.stdout);
    drop(reflector);

    let reflector = Reflector::start(&house, "127.0.0.1:0", &["--text"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"ping 7 Hello", &reflector.address).unwrap();
    let mut answer = [0; 64];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"PING 7 HELLO");
}

#[test]
fn sessions_with_a_key_are_answered_and_others_are_not() {
    let house = House::new();
    let key = house.path().join("session.key").display().to_string();
    let made = house.ok(&["reflect", "--make-key", &key]);
    assert!(made.contains("switchboard ping --key"), "{made}");
    let secret = std::fs::read_to_string(&key).unwrap();
    assert!(!made.contains(secret.split_whitespace().last().unwrap()), "the key is not shown");
    let reflector = Reflector::start(&house, "127.0.0.1:0", &["--keys", &key]);
    let fast = ["ping", "-c", "3", "-i", "0.01", "-W", "0.3", &reflector.address];
    house.ok(&[&fast[..], &["--key", &key, "--size", "300"]].concat());
    assert_eq!(house.run(&fast).code, 1);
    let counted = reflector.stop();
    assert_eq!((&counted["answered"], &counted["not_answered"]["too_short"]), (&3.into(), &3.into()));
    let again = house.run(&["reflect", "--make-key", &key]);
    assert_eq!(again.code, 73, "{}", again.stderr);
}

#[test]
fn targets_that_cannot_be_reached_are_told_in_words() {
    let house = House::new();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ran = house.run(&["ping", "-c", "2", "-i", "0.01", "-W", "0.2", &nobody]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("port unreachable: no reflector listens there"), "{}", ran.stdout);
    let ran = house.run(&["ping", "no-such-host.invalid"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no-such-host.invalid does not resolve"), "{}", ran.stderr);
    for wrong in [&["ping", "--size", "50", "127.0.0.1"][..], &["ping"], &["ping", "-i", "0", "127.0.0.1"]] {
        assert_eq!(house.run(wrong).code, 2, "{wrong:?}");
    }
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let ran = house.run(&["reflect", "--listen", &reflector.address]);
    assert_eq!(ran.code, 69, "{}", ran.stderr);
    assert!(ran.stderr.contains("is in use by another program"), "{}", ran.stderr);
}

#[test]
fn an_interrupt_prints_what_was_measured() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let mut command = house.program(&["ping", "-c", "0", "-i", "0.02", &reflector.address]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("seq=2 ") {
        assert!(output.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    output.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(seen.contains(" sent, ") && seen.contains("round trip"), "{seen}");
}

#[test]
fn garbage_gets_no_answer_and_an_honest_sender_is_still_counted() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let garbage = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0_u64;
    let ping = ["ping", "-c", "20", "-i", "0.005", "--json", &reflector.address];
    let child = house.program(&ping).stdout(Stdio::piped()).spawn().unwrap();
    for n in 0..5_000_usize {
        sent += u64::from(garbage.send_to(&vec![0xa5; n % 44], &reflector.address).is_ok());
    }
    let (_, summary) = lines(&Ran::of(child.wait_with_output().unwrap()));
    let counted = reflector.stop();
    assert_eq!(summary["answered"], counted["answered"], "only the honest sender was answered");
    assert!(counted["not_answered"]["too_short"].as_u64().unwrap() <= sent);
    assert!(summary["answered"].as_u64().unwrap() > 0, "{summary}");
    garbage.set_nonblocking(true).unwrap();
    assert!(garbage.recv(&mut [0; 64]).is_err(), "garbage was answered");
}
