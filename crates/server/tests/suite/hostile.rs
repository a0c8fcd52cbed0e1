//! Peers that are broken, lost, slow or silent: each is told what is wrong, and nobody else notices.

use switchboard_call::frame::{ClientFrame, GoodbyeReason, Hello, ServerFrame};
use switchboard_server::Limits;

use crate::node::{Command, Node, Transport, everywhere};
use crate::peer::{Peer, hello};

/// After a test has misbehaved, everybody else is served as before.
async fn others_are_served(node: &Node) {
    let mut peer = node.connect(Transport::Unix).await;
    peer.greet().await;
    peer.say(0, "still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_other_protocols_are_named() {
    everywhere(Limits::default(), |node, transport| async move {
        let cases: [(&[u8], &str); 4] = [
            (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP request"),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
            (&[0x5a; 300], "not Switchboard frames"),
            (&[0xff, 0xff, 0xff, 0xff, 1, 0, b'S', b'B', 0, 0, 0, 0], "limit of 4096 bytes"),
        ];
        for (bytes, text) in cases {
            let mut peer = node.connect(transport).await;
            peer.send_bytes(bytes).await;
            peer.turned_away(GoodbyeReason::ProtocolError, text).await;
        }
        others_are_served(&node).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_arrives_although_the_peer_goes_on_sending() {
    let node = Node::start(Limits::default());
    let mut peer = node.raw_tcp().await;
    peer.send_bytes(&[0x5a; 100_000]).await;
    let rest = peer.rest().await.expect("an end of the stream, not a reset that may overtake the goodbye");
    let goodbye = String::from_utf8_lossy(&rest);
    assert!(goodbye.contains("not Switchboard frames"), "{goodbye}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_told_which_one_is_spoken() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut peer = node.connect(transport).await;
        peer.send(&[ClientFrame::Hello(Hello { version_min: 7, version_max: 8, ..hello() })]).await;
        peer.turned_away(GoodbyeReason::UnsupportedVersion, "versions 7 to 8").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_oversized_frames_end_a_greeted_connection() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut peer = node.connect(transport).await;
        peer.greet().await;
        let mut bytes = Vec::new();
        peer.call(0, &Command::Say("x".to_owned())).encode(&mut bytes);
        *bytes.last_mut().unwrap() ^= 1;
        peer.send_bytes(&bytes).await;
        peer.turned_away(GoodbyeReason::ProtocolError, "damaged on the way").await;

        let mut peer = node.connect(transport).await;
        peer.greet().await;
        peer.send_bytes(&[0, 16, 0, 1, 3, 0, b'S', b'B', 0, 0, 0, 0]).await;
        peer.turned_away(GoodbyeReason::ProtocolError, "over the limit of 1048576 bytes").await;
        others_are_served(&node).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_frames_on_the_tls_port_are_told_to_use_tls() {
    let node = Node::start(Limits::default());
    for bytes in [&[0, 0, 0, 20, 1, 0, b'S', b'B'][..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut peer = node.raw_tls_port().await;
        peer.send_bytes(bytes).await;
        peer.turned_away(GoodbyeReason::ProtocolError, "this port speaks TLS").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_on_the_plain_port_is_told_so_in_plain_frames() {
    let node = Node::start(Limits::default());
    assert!(node.tls_on_the_plain_port().await.is_err(), "the TLS client gives up");
    let mut peer = node.raw_tcp().await;
    peer.send_bytes(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]).await;
    peer.turned_away(GoodbyeReason::ProtocolError, "look like TLS").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_on_the_tls_port_gets_no_further_than_the_handshake() {
    let node = Node::start(Limits::default());
    let refused = match node.https().await {
        Err(_) => true,
        // TLS 1.3: the server's refusal may arrive after the client's own handshake is complete.
        Ok(mut peer) => !matches!(peer.next().await, Some(ServerFrame::Welcome(_))),
    };
    assert!(refused);
    others_are_served(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_no_hello_in_time_is_let_go() {
    let limits = Limits { handshake_ms_max: 60, ..Limits::default() };
    everywhere(limits, |node, transport| async move {
        let mut silent = node.connect(transport).await;
        silent.turned_away(GoodbyeReason::TimedOut, "no hello within 60 ms").await;
        let mut slow_loris = node.connect(transport).await;
        slow_loris.send_bytes(&[0, 0, 0, 30, 1]).await;
        slow_loris.turned_away(GoodbyeReason::TimedOut, "no hello within 60 ms").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_no_tls_handshake_in_time_is_let_go() {
    let node = Node::start(Limits { handshake_ms_max: 60, ..Limits::default() });
    let mut silent = node.raw_tls_port().await;
    assert_eq!(silent.next().await, None);
    let mut halfway = node.raw_tls_port().await;
    halfway.send_bytes(&[0x16, 0x03, 0x01]).await;
    assert_eq!(halfway.next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_asked_and_let_go_and_one_that_answers_stays() {
    let limits = Limits { idle_ms_max: 600, ..Limits::default() };
    everywhere(limits, |node, transport| async move {
        let mut alive = node.connect(transport).await;
        let mut silent = node.connect(transport).await;
        alive.greet().await;
        silent.greet().await;
        let living = async {
            for _ in 0..3 {
                let Some(ServerFrame::Ping(token)) = alive.next_of_all().await else { panic!("no ping") };
                alive.send(&[ClientFrame::Pong(token)]).await;
            }
            alive.say(0, "alive").await;
        };
        tokio::join!(living, silent.turned_away(GoodbyeReason::TimedOut, "not even a pong"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_much_and_reads_nothing_is_cut() {
    let limits = Limits { stall_ms_max: 150, ..Limits::default() };
    everywhere(limits, |node, transport| async move {
        let mut greedy = node.connect(transport).await;
        greedy.greet().await;
        let reads: Vec<_> = (0..24).map(|tag| Peer::read(tag, &Command::Fill(1_000_000))).collect();
        greedy.send(&reads).await;
        greedy.has_hung_up().await;
        others_are_served(&node).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_executed_although_its_client_has_vanished() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut vanishing = node.connect(transport).await;
        vanishing.greet().await;
        let call = vanishing.call(0, &Command::Wait);
        vanishing.send(std::slice::from_ref(&call)).await;
        node.gate.reached().await;
        drop(vanishing);
        node.gate.open();
        let mut again = node.connect(transport).await;
        again.greet().await;
        again.send(&[call]).await;
        assert_eq!(crate::peer::said(&again.reply().await), "waited");
    })
    .await;
}
