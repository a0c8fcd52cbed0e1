//! How many are let in.

use std::io;

use switchboard_call::frame::{ClientFrame, GoodbyeReason, ServerFrame};
use switchboard_server::Limits;

use crate::node::{Command, Node, Transport};
use crate::peer::{Peer, hello, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_gets_its_share_and_gets_it_back() {
    let limits = Limits { connections_per_address_max: 2, retry_after_ms: 123, ..Limits::default() };
    let node = Node::start(limits);
    let mut first = node.connect(Transport::Tcp).await;
    let mut second = node.connect(Transport::Tls).await;
    first.greet().await;
    second.greet().await;

    let goodbye = node.raw_tcp().await.goodbye().await;
    assert_eq!((goodbye.reason, goodbye.retry_after_ms), (GoodbyeReason::Overloaded, 123));
    assert!(goodbye.text.contains("your address"), "{goodbye:?}");
    assert!(node.connect_tls().await.is_err(), "no handshake is spent on it");
    node.connect(Transport::Unix).await.greet().await;

    second
        .send(&[ClientFrame::Goodbye(switchboard_call::frame::Goodbye::new(GoodbyeReason::Done, ""))])
        .await;
    second.goodbye().await;
    drop(second);
    admitted_at_last(&node).await.say(0, "my turn").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_has_room_for_its_operator() {
    let node = Node::start(Limits { connections_max: 1, ..Limits::default() });
    let mut first = node.connect(Transport::Tcp).await;
    first.greet().await;
    node.raw_tcp().await.turned_away(GoodbyeReason::Overloaded, "as many connections as it takes").await;
    node.connect(Transport::Unix).await.greet().await;
}

/// The server counts a connection until it has seen its end: tries until there is room.
async fn admitted_at_last(node: &Node) -> Peer {
    loop {
        let mut peer = node.raw_tcp().await;
        peer.send(&[ClientFrame::Hello(hello())]).await;
        match peer.next().await {
            Some(ServerFrame::Welcome(_)) => return peer,
            Some(ServerFrame::Goodbye(goodbye)) => assert_eq!(goodbye.reason, GoodbyeReason::Overloaded),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_served_side_by_side() {
    const CONNECTIONS: u16 = 1_000;
    raise_open_files(2 * u64::from(CONNECTIONS) + 200).unwrap();
    let node = Node::start(Limits { connections_per_address_max: 2_000, ..Limits::default() });
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut peer = node.connect(Transport::Tcp).await;
        peer.greet().await;
        peers.push(peer);
    }
    for peer in &mut peers {
        peer.send(&[peer.call(0, &Command::Say("all at once".to_owned()))]).await;
    }
    for peer in &mut peers {
        assert_eq!(said(&peer.reply().await), "all at once");
    }
}

fn raise_open_files(wanted: u64) -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(())
}
