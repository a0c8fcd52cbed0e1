//! A server that stops: nothing in flight is dropped, nobody is left guessing.

use switchboard_call::frame::GoodbyeReason;
use switchboard_server::Limits;
use tokio::net::UnixStream;

use crate::node::{Command, Node, Transport};
use crate::peer::said;

const OVER_SOCKETS: [Transport; 3] = [Transport::Tcp, Transport::Tls, Transport::Unix];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_unfinished_connections_are_told_at_once() {
    let mut node = Node::start(Limits { retry_after_ms: 77, ..Limits::default() });
    let mut idle = Vec::new();
    for transport in OVER_SOCKETS {
        let mut peer = node.connect(transport).await;
        peer.greet().await;
        idle.push(peer);
    }
    let mut before_hello = node.connect(Transport::Unix).await;
    let mut before_handshake = node.raw_tls_port().await;
    // Whoever is greeted later was accepted later.
    node.connect(Transport::Tls).await.greet().await;
    node.stop();
    for peer in idle.iter_mut().chain([&mut before_hello]) {
        let goodbye = peer.goodbye().await;
        assert_eq!((goodbye.reason, goodbye.retry_after_ms), (GoodbyeReason::ShuttingDown, 77));
    }
    assert_eq!(before_handshake.next().await, None);
    drop((idle, before_hello));
    node.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_are_answered_before_the_goodbye() {
    for transport in OVER_SOCKETS {
        let mut node = Node::start(Limits::default());
        let mut peer = node.connect(transport).await;
        peer.greet().await;
        peer.send(&[peer.call(0, &Command::Wait)]).await;
        node.gate.reached().await;
        let mut idle = node.connect(transport).await;
        idle.greet().await;
        node.stop();
        // The idle one knows already, so the busy one has its order too.
        idle.turned_away(GoodbyeReason::ShuttingDown, "another node").await;
        node.gate.open();
        assert_eq!(said(&peer.reply().await), "waited");
        peer.turned_away(GoodbyeReason::ShuttingDown, "same call ids").await;
        drop((peer, idle));
        node.ended().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_ends_does_not_keep_the_server() {
    let mut node = Node::start(Limits { drain_ms_max: 100, ..Limits::default() });
    let mut peer = node.connect(Transport::Tcp).await;
    peer.greet().await;
    peer.send(&[peer.call(0, &Command::Wait)]).await;
    node.gate.reached().await;
    node.stop();
    peer.turned_away(GoodbyeReason::ShuttingDown, "").await;
    drop(peer);
    let gate = std::sync::Arc::clone(&node.gate);
    node.ended().await;
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_afterwards_and_the_socket_file_is_gone() {
    let mut node = Node::start(Limits::default());
    node.connect(Transport::Unix).await.greet().await;
    let socket = node.socket.clone();
    assert!(socket.exists());
    node.stop();
    node.ended().await;
    assert!(!socket.exists());
    UnixStream::connect(&socket).await.unwrap_err();
}
