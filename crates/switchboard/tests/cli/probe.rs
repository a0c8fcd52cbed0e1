//! `ping` against `reflect`, two processes on loopback: what each prints, what scripts get, and what becomes of both when
//! they are interrupted or showered with garbage.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
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

#[test]
fn when_replies_really_left_is_told_to_who_asks() {
    let house = House::new();
    let key = house.path().join("session.key").display().to_string();
    house.ok(&["reflect", "--make-key", &key]);
    for keyed in [&[][..], &["--key", &key]] {
        let keys = if keyed.is_empty() { &[][..] } else { &["--keys", &key][..] };
        let reflector = Reflector::start(&house, "127.0.0.1:0", keys);
        // An IPv4 address in the form of IPv6 is one of IPv4, with its TTL.
        let target = format!("[::ffff:127.0.0.1]:{}", reflector.address.split_once(':').unwrap().1);
        let ping = ["ping", "-c", "20", "-i", "0.005", "--follow-up", &target];
        let (answers, summary) = lines(&house.run(&[&ping[..], keyed, &["--json"]].concat()));
        assert_eq!(answers[0]["ttl"], 64, "{}", answers[0]);
        let lead = &summary["reflector_lead"];
        assert!(lead["count"].as_u64().unwrap() >= 10, "{summary}");
        let mean = |of: &Value| of["mean_ns"].as_f64().unwrap();
        let without = summary["rtt_mean_without_lead_ns"].as_f64().unwrap();
        assert!((mean(&summary["rtt"]) - mean(lead)).max(0.0) - without < 1.0, "{summary}");
        let told = house.ok(&[&ping[..], keyed, &["--quiet"]].concat());
        assert!(told.contains("\nreflector's lead "), "{told}");
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
    for (wrong, words) in [
        (&["255.255.255.255:9"][..], "255.255.255.255:9 stands for many hosts or for none"),
        (&["[ff02::1]:9"], "stands for many hosts or for none"),
        (&["--from", "::1", "127.0.0.1:9"], "cannot come from ::1: one is IPv4, the other IPv6"),
        (&["--from", "127.0.0.1", "192.0.2.1:9"], "no route to 192.0.2.1:9"),
        (&["-4", "::1"], "has no address of the family that was asked for"),
    ] {
        let ran = house.run(&[&["ping", "-c", "1", "-W", "0.1"], wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("to do: "), "{}", ran.stderr);
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

/// Resident memory of a process in KiB.
fn resident_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn garbage_from_many_addresses_costs_no_memory_and_an_honest_sender_is_still_counted() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &["--rate", "1000"]);
    let ping = ["ping", "-c", "200", "-i", "0.005", "-W", "0.5", "--json", &reflector.address];
    house.ok(&["ping", "-c", "3", "-i", "0.01", "--quiet", &reflector.address]);
    let before = resident_kib(&reflector.child);
    let mut honest = house.program(&ping).stdout(Stdio::piped()).spawn().unwrap();
    let sockets: Vec<UdpSocket> =
        (0..200_u8).map(|n| UdpSocket::bind((std::net::Ipv4Addr::new(127, 9, n, 1), 0)).unwrap()).collect();
    let mut sent = 0_u64;
    let mut packet = [0_u8; 120];
    // As fast as this machine can, until the honest one has ended.
    while honest.try_wait().unwrap().is_none() {
        for (n, socket) in sockets.iter().enumerate() {
            packet[n % 120] ^= 0xa5;
            sent += u64::from(socket.send_to(&packet[..n % 121], &reflector.address).is_ok());
        }
    }
    let after = resident_kib(&reflector.child);
    let (_, summary) = lines(&Ran::of(honest.wait_with_output().unwrap()));
    let counted = reflector.stop();
    let number = |value: &Value| value.as_u64().unwrap();
    assert!(number(&summary["answered"]) > 0, "{summary}");
    // What the kernel had no room for is lost, and told on the right way.
    let lost = &summary["lost"];
    let told = number(&lost["up"]) + number(&lost["down"]) + number(&lost["unknown"]);
    assert_eq!(told, number(&summary["no_answer"]) - number(&summary["late"]), "{summary}");
    assert!(number(&counted["received"]) <= sent + 203, "{counted}");
    assert!(number(&counted["not_answered"]["too_short"]) > 100, "{counted}");
    assert!(sent > 10_000, "only {sent} were sent");
    // Pages of its tables that are touched for the first time are not growth: they were asked for at the start.
    assert!(after < before + 8 * 1024, "from {before} to {after} KiB");
}

#[test]
fn several_targets_are_compared_at_the_end_and_told_apart_in_json() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ping = ["ping", "-c", "4", "-i", "0.01", "-W", "0.2", &reflector.address, &nobody];
    let ran = house.run(&ping);
    assert_eq!(ran.code, 1, "one of them did not answer: {}", ran.stderr);
    let row = |name: &str| ran.stdout.lines().rfind(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("target ").contains("median"), "{}", ran.stdout);
    assert!(row(&reflector.address).contains("0 (0.0 %)"), "{}", ran.stdout);
    assert!(row(&nobody).contains("4 (100.0 %)"), "{}", ran.stdout);
    let ran = house.run(&[&ping[..], &["--json"]].concat());
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, events) = lines.split_last().unwrap();
    assert_eq!(events.len(), 8, "an object for each probe: {}", ran.stdout);
    for (name, event) in [(&reflector.address, "answer"), (&nobody, "no_answer")] {
        let of = events.iter().filter(|line| line["target"] == **name && line["event"] == event);
        assert_eq!(of.count(), 4, "{}", ran.stdout);
    }
    let answered: Vec<&Value> =
        summary["targets"].as_array().unwrap().iter().map(|target| &target["answered"]).collect();
    assert_eq!(answered, [4, 0]);
}

#[test]
fn a_flood_is_as_fast_as_its_answers_and_shows_what_is_missing_as_dots() {
    let house = House::new();
    let faults = ["--rate", "0", "--network-rate", "0", "--fault", "up:drop:3/2000"];
    let reflector = Reflector::start(&house, "127.0.0.1:0", &faults);
    let ran = house.run(&["ping", "--flood", "-c", "2000", "-W", "0.3", &reflector.address]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (dots, taken_back) = (ran.stdout.matches('.'), ran.stdout.matches("\u{8} \u{8}"));
    assert_eq!(taken_back.count(), 1_997);
    assert!(dots.count() >= 2_000);
    assert!(ran.stdout.contains("2000 sent, 1997 answered, 3 not in time"), "{}", ran.stdout);
}

#[test]
fn spinning_keeps_to_the_schedule_more_exactly_than_sleep_can() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let arguments = ["ping", "--spin", "-c", "200", "-i", "0.002", "--quiet", "--json", &reflector.address];
    let (_, summary) = lines(&house.run(&arguments));
    assert_eq!(summary["sent"].as_u64().unwrap() + summary["skipped"].as_u64().unwrap(), 200, "{summary}");
    let late = summary["sending_late"]["median_ns"].as_f64().unwrap();
    assert!(late < 20_000.0, "{late} ns late, half of the time");
}

#[test]
fn a_run_is_drawn_into_a_file_that_is_not_replaced_unasked() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &["--drop", "1/5", "--seed", "3"]);
    let file = |name: &str| house.path().join(name).display().to_string();
    let ping = ["ping", "-c", "20", "-i", "0.005", "-W", "0.2", "--quiet", &reflector.address, "--plot"];
    for (name, beginning) in [("run.svg", &b"<svg "[..]), ("run.png", b"\x89PNG")] {
        house.ok(&[&ping[..], &[&file(name)]].concat());
        let drawn = std::fs::read(file(name)).unwrap();
        assert!(drawn.starts_with(beginning), "{name}");
    }
    let drawn = std::fs::read_to_string(file("run.svg")).unwrap();
    assert!(drawn.contains("4 of 20 not in time") && drawn.contains("lost there"), "{drawn}");
    let svg = file("run.svg");
    let again = [&ping[..], &[&svg]].concat();
    assert_eq!(house.run(&again).code, 73);
    house.ok(&[&again[..], &["--overwrite"]].concat());
    for (wrong, code) in [("run.pdf", 2), ("no/such/run.svg", 73)] {
        assert_eq!(house.run(&[&ping[..], &[&file(wrong)]].concat()).code, code, "{wrong}");
    }
}

#[test]
fn figures_are_told_to_prometheus_while_it_runs() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let arguments = ["ping", "-c", "0", "-i", "0.02", "--metrics", "127.0.0.1:0", &reflector.address];
    let mut command = house.program(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    let address = told.trim().split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("seq=3 ") {
        assert!(output.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    let scraped = scrape(&address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(scraped.starts_with("HTTP/1.1 200 OK\r\n"), "{scraped}");
    let value = |line: &str| {
        let line = scraped
            .lines()
            .find(|known| known.starts_with(line))
            .unwrap_or_else(|| panic!("{line}: {scraped}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let named = format!("{{target=\"{0}\",address=\"{0}\"", reflector.address);
    assert!(value(&format!("switchboard_ping_answered_total{named}}}")) >= 4.0);
    let median = value(&format!("switchboard_ping_rtt_seconds{named},quantile=\"0.5\"}}"));
    assert!(median > 0.0 && median < 1.0, "{median}");
    assert!(scrape(&address, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(scrape(&address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    let taken = house.run(&["ping", "-c", "1", "--metrics", &address, &reflector.address]);
    assert_eq!(taken.code, 69, "{}", taken.stderr);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

fn scrape(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_machine_tests_its_own_timers() {
    let house = House::new();
    let told = house.ok(&["ping", "--self-test"]);
    for what in ["sleep of 1 ms", "spin of 1 ms", "round trip on loopback", "kernel stamps: ", "wall clock: "]
    {
        assert!(told.contains(what), "{told}");
    }
    let told: Value = serde_json::from_str(&house.ok(&["ping", "--self-test", "--json"])).unwrap();
    assert!(told["sleep_overshoot"]["p99_ns"].as_f64().unwrap() > 0.0, "{told}");
    assert!(told["clocks"]["rising"]["resolution_ns"].is_u64(), "{told}");
}

/// A terminal of 100 by 30: what the program writes there, and what is typed.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&theirs, size).unwrap();
    (File::from(ours), theirs)
}

#[test]
fn the_live_chart_is_drawn_on_a_terminal_until_q_and_leaves_the_figures() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let (mut ours, theirs) = terminal();
    let mut command = house.program(&["ping", "--live", "-c", "0", "-i", "0.02", &reflector.address]);
    command.env("TERM", "xterm").stdin(theirs.try_clone().unwrap()).stdout(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    let mut typed = false;
    let mut bytes = [0; 4096];
    // When the program has ended, reading its terminal is an error.
    while let Ok(read @ 1..) = ours.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..read]);
        if !typed && String::from_utf8_lossy(&shown).contains("median") {
            ours.write_all(b"q").unwrap();
            typed = true;
        }
    }
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(typed && shown.contains("q ends"), "{shown}");
    let behind = shown.split("\u{1b}[?1049l").nth(1).unwrap();
    assert!(behind.contains(" answered") && behind.contains("round trip"), "the figures stay: {behind}");
    assert!(!shown.contains("octets from"), "no lines beside the chart: {shown}");
}

#[test]
fn without_a_terminal_the_live_chart_is_lines() {
    let house = House::new();
    let reflector = Reflector::start(&house, "127.0.0.1:0", &[]);
    let told = house.ok(&["ping", "--live", "-c", "3", "-i", "0.01", &reflector.address]);
    assert_eq!(told.matches(" octets from ").count(), 3, "{told}");
}
