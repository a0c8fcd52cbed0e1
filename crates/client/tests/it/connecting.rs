//! Every transport, several nodes, and servers that are not there or not the right one.

use std::time::Duration;

use switchboard_client::{
    CallError, Client, ConnectError, Credential, Event, KnownServers, NeverSent, Options, Retry, Trust,
};
use switchboard_commands::bank::{Bank, Command, Refusal};
use switchboard_tls::Identity;

use crate::scripted::{Fault, Scripted};
use crate::{Events, account, deposit, deposit_once, nodes, volatile, whole};

#[tokio::test]
async fn a_call_over_tcp() {
    let server = Scripted::new();
    deposit_once(&server, volatile(&server.tcp().await)).await;
}

#[tokio::test]
async fn a_call_over_a_unix_socket() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    deposit_once(&server, volatile(&server.unix(folder.path()).await)).await;
}

#[tokio::test]
async fn a_call_over_the_pipes_of_a_program() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let port = server.tcp().await.rsplit_once(':').unwrap().1.to_owned();
    let script = folder.path().join("relay.sh");
    let relay = "exec 3<>/dev/tcp/127.0.0.1/$1\ncat <&3 &\ncat >&3\nkill $! 2>&-\n";
    std::fs::write(&script, relay).unwrap();
    deposit_once(&server, volatile(&format!("stdio:bash {} {port}", script.display()))).await;
}

#[tokio::test]
async fn a_read_brings_the_rules_refusal_as_it_is() {
    let server = Scripted::new();
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    let answer = client.read::<Bank>(Command::Balance { account: account() }).await.unwrap();
    assert_eq!(answer.unwrap_err(), Refusal::UnknownAccount { account: account() });
    assert_eq!(client.bank().balance(account()).await.unwrap().unwrap_err().code(), "unknown_account");
}

#[tokio::test]
async fn a_credential_travels_on_unix_and_not_on_plain_tcp() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    for address in [server.unix(folder.path()).await, server.tcp().await] {
        let credential = Some(Credential::new(b"open sesame"));
        let client = Client::open(Options { credential, ..volatile(&address) }).unwrap();
        client.connected().await.unwrap();
        client.close().await;
    }
    assert_eq!(server.memory().credentials, [Some(b"open sesame".to_vec()), None]);
}

#[tokio::test]
async fn a_server_met_for_the_first_time_is_remembered_and_another_in_its_place_refused() {
    let (server, folder) = (Scripted::new(), tempfile::tempdir().unwrap());
    let (first, second) = (Identity::laboratory().unwrap(), Identity::laboratory().unwrap());
    let (address, served) = server.tls(&first).await;
    let known = KnownServers::at(folder.path().join("known_servers"));
    let options = || Options { trust: Trust::FirstUse(known.clone()), ..volatile(&address) };

    let (observed, events) = Events::of(options());
    deposit_once(&server, observed).await;
    let met = events.until(|event| matches!(event, Event::MetServer { .. })).await;
    assert!(met.to_string().contains(&first.fingerprint().to_string()), "{met}");

    served.replace(&second);
    let (observed, events) = Events::of(options());
    let client = Client::open(observed).unwrap();
    // No deadline passes: waiting would not mend this.
    let error = client.call::<Bank>(deposit(1)).await.unwrap_err();
    assert_eq!(error.retry(), Retry::NotUnchanged);
    let text = whole(&error);
    assert!(text.contains(&second.fingerprint().to_string()) && text.contains("known_servers"), "{text}");
    assert!(events.until(|event| matches!(event, Event::NotTrusted { .. })).await.is_alarm());
    let error = client.connected().await.unwrap_err();
    assert!(matches!(error, CallError::NoServer(_)), "{error}");
    assert_eq!(server.memory().executed.len(), 1);

    served.replace(&first);
    assert!(
        client.call::<Bank>(deposit(1)).await.is_ok(),
        "the trusted server is back, and so is the client"
    );
}

#[tokio::test]
async fn a_pin_is_enough_and_a_wrong_one_is_not() {
    let server = Scripted::new();
    let (right, wrong) = (Identity::laboratory().unwrap(), Identity::laboratory().unwrap());
    let (address, _served) = server.tls(&right).await;
    let pinned =
        |identity: &Identity| Options { trust: Trust::Pin(identity.fingerprint()), ..volatile(&address) };
    deposit_once(&server, pinned(&right)).await;
    let client = Client::open(pinned(&wrong)).unwrap();
    let error = client.read::<Bank>(Command::Audit).await.unwrap_err();
    assert!(matches!(error, CallError::NoServer(_)), "{error}");
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("nobody").display());
    let client = Client::open(volatile(&address)).unwrap();
    let text = whole(&client.connected().await.unwrap_err());
    assert!(text.contains(&address) && text.contains("switchboard serve"), "{text}");
}

#[tokio::test]
async fn a_call_that_found_no_server_was_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("nobody").display());
    let client = Client::open(volatile(&address)).unwrap();
    client.connected().await.unwrap_err();
    let impatient = client.with_deadline(Some(Duration::from_millis(1)));
    let error = impatient.call::<Bank>(deposit(1)).await.unwrap_err();
    let CallError::NotSent { reason: NeverSent::DeadlinePassed, connection: Some(_) } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((error.retry(), error.id()), (Retry::NewCall, None));
    let error = impatient.read::<Bank>(Command::Audit).await.unwrap_err();
    assert!(matches!(error, CallError::NotAnswered { .. }), "{error:?}");
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let client = Client::open(volatile("stdio:no-such-program-anywhere")).unwrap();
    let text = whole(&client.call::<Bank>(deposit(1)).await.unwrap_err());
    assert!(text.contains("no-such-program-anywhere") && text.contains("PATH"), "{text}");
}

#[tokio::test]
async fn plain_frames_on_a_tls_port_are_explained() {
    let server = Scripted::new();
    let (address, _served) = server.tls(&Identity::laboratory().unwrap()).await;
    let client = Client::open(volatile(&address.replace("tls://", "tcp://"))).unwrap();
    let text = whole(&client.connected().await.unwrap_err());
    assert!(text.contains("TLS"), "{text}");
}

#[tokio::test]
async fn the_next_node_takes_over() {
    let server = Scripted::with_faults([Fault::CutBeforeReply]);
    let (first, second) = (server.tcp().await, server.tcp().await);
    let nobody = "unix:/nowhere/at/all";
    let options = Options { nodes: nodes(&[nobody, &first, &second]), ..volatile(&first) };
    let (options, events) = Events::of(options);
    deposit_once(&server, options).await;
    events.until(|event| matches!(event, Event::NotConnected { address, .. } if address == nobody)).await;
    for node in [&first, &second] {
        events.until(|event| matches!(event, Event::Connected { address, .. } if address == node)).await;
    }
}

#[tokio::test]
async fn a_refused_credential_stops_the_client() {
    let reason = switchboard_call::frame::GoodbyeReason::BadCredential;
    let server = Scripted::with_faults([Fault::Goodbye(reason)]);
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    let error = client.call::<Bank>(deposit(1)).await.unwrap_err();
    assert!(error.to_string().contains("credential"), "{error}");
    let error = client.connected().await.unwrap_err();
    assert!(error.to_string().contains("credential"), "{error}");
}

#[tokio::test]
async fn a_closed_client_says_so() {
    let server = Scripted::new();
    let client = Client::open(volatile(&server.tcp().await)).unwrap();
    let other = client.clone();
    client.close().await;
    let error = other.call::<Bank>(deposit(1)).await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    other.close().await;
}

#[test]
fn errors_name_what_to_do() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057/3/9".parse().unwrap();
    let error = CallError::Unresolved { id, why: switchboard_client::Unresolved::NoAnswer };
    assert!(error.to_string().contains(&format!("switchboard call resolve {id}")), "{error}");
    assert_eq!(error.retry(), Retry::FindOutFirst);
    let error = ConnectError::TimedOut { address: "tls://far:1".to_owned(), ms_max: 5 };
    assert!(error.is_transient() && error.to_string().contains("tls://far:1"));
}
