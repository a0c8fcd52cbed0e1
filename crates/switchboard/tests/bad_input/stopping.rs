//! SIGTERM while calls are under way: each is answered, or stays open and is settled by `call retry`; the server ends in order.

use rustix::process::Signal;

use crate::house::{House, Ran};
use crate::logged::Logged;
use crate::till::{Till, check_books, furnish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_the_servers_hands_are_answered_or_settled_by_a_retry() {
    const CALLS: usize = 200;
    let house = House::new();
    let logged = Logged::start(&house, house.program(&[]), &[]);
    furnish(&house, 1000);
    let till = Till::open(&house).await;
    // All of them lie before the server when it wakes up to the signal.
    logged.server.signal(Signal::STOP);
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let mut call = till.begin().await;
        if calls.len() < 64 {
            call.id().await.expect("a call gets its id before it is sent");
        }
        calls.push(call);
    }
    logged.server.signal(Signal::TERM);
    logged.server.signal(Signal::CONT);
    assert_eq!(tokio::task::spawn_blocking(|| logged.ended()).await.unwrap(), 0);
    till.close().await;
    let _server = house.serve(&[]);
    let retried = house.run(&["call", "retry", "--json"]);
    assert_eq!(retried.code, 0, "{}{}", retried.stdout, retried.stderr);
    let mut withdrawn = done(&retried);
    for call in calls {
        // Those that ended without an id were never sent; those without an answer are among the retried.
        if let Ok(answered) = call.answer().await {
            withdrawn.push(answered.id.to_string());
        }
    }
    withdrawn.sort();
    withdrawn.dedup();
    assert!(house.ok(&["call", "status"]).contains("no call is open"));
    check_books(&house, 1000 - u32::try_from(withdrawn.len()).unwrap());
}

#[test]
fn commands_that_meet_a_stopping_server_say_what_became_of_them() {
    const COMMANDS: usize = 24;
    let house = House::new();
    let server = house.serve(&[]);
    furnish(&house, 1000);
    let mut running = Vec::new();
    for _ in 0..COMMANDS {
        let mut command = house.program(&[
            "--set",
            "client.wait_ms=1000",
            "bank",
            "withdraw",
            "1",
            "1.00",
            "EUR",
            "--json",
        ]);
        let piped = || std::process::Stdio::piped();
        running.push(command.stdout(piped()).stderr(piped()).spawn().unwrap());
    }
    let first = running.remove(0).wait_with_output().unwrap();
    let (code, log) = server.stop();
    assert_eq!(code, 0, "{log}");
    let others = running.into_iter().map(|child| child.wait_with_output().unwrap());
    let ran: Vec<Ran> = std::iter::once(first).chain(others).map(Ran::of).collect();
    let unexpected = ran.iter().find(|ran| ![0, 69, 75].contains(&ran.code));
    assert!(unexpected.is_none_or(|ran| panic!("{} {}{}", ran.code, ran.stdout, ran.stderr)));
    let answered = ran.iter().filter(|ran| ran.code == 0).count();
    let open = ran.iter().filter(|ran| ran.code == 75).count();
    let _server = house.serve(&[]);
    let retried = house.run(&["call", "retry", "--json"]);
    assert_eq!(retried.code, 0, "{}{}", retried.stdout, retried.stderr);
    assert_eq!(settled(&retried), open, "{}", retried.stdout);
    check_books(&house, 1000 - u32::try_from(answered + done(&retried).len()).unwrap());
}

/// The calls that took effect, by what `call retry` shows.
fn done(retried: &Ran) -> Vec<String> {
    let ended = documents(retried).into_iter().filter(|document| document["state"] == "done");
    ended.map(|document| document["call"].as_str().unwrap().to_owned()).collect()
}

fn settled(retried: &Ran) -> usize {
    documents(retried).iter().filter(|document| document["state"].is_string()).count()
}

fn documents(ran: &Ran) -> Vec<serde_json::Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
