//! What holds over every transport alike, and who a peer is taken for on each.

use switchboard_call::answer::Outcome;
use switchboard_call::frame::{
    ClientFrame, Goodbye, GoodbyeReason, Hello, OutcomeQuery, Reference, ServerFrame,
};
use switchboard_call::id::StoreId;
use switchboard_server::Limits;

use crate::node::{Command, OPERATOR_KEY, Transport, everywhere};
use crate::peer::{Peer, hello, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_greeted_served_and_let_go() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut peer = node.connect(transport).await;
        let welcome = peer.greet().await;
        let facts = node.engine.facts().unwrap();
        assert_eq!((welcome.version, welcome.store, welcome.slots_max), (1, facts.store, 1024));
        assert_eq!(welcome.greeting, "welcome to the test");
        assert_eq!(welcome.services[0].service, "echo");
        peer.say(0, "hello").await;
        peer.send(&[ClientFrame::Ping(*b"12345678")]).await;
        assert_eq!(peer.next().await, Some(ServerFrame::Pong(*b"12345678")));
        peer.send(&[ClientFrame::Goodbye(Goodbye::new(GoodbyeReason::Done, "thanks"))]).await;
        assert_eq!(peer.goodbye().await.reason, GoodbyeReason::Done);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_call_gets_the_same_bytes_again() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut peer = node.connect(transport).await;
        peer.greet().await;
        let call = peer.call(5, &Command::Say("once".to_owned()));
        peer.send(std::slice::from_ref(&call)).await;
        let first = peer.reply().await;
        peer.send(std::slice::from_ref(&call)).await;
        let second = peer.reply().await;
        assert_eq!((first.replayed, second.replayed), (false, true));
        assert_eq!(first.answer, second.answer);
        let Reference::Call(id) = first.reference else { panic!("{first:?}") };
        peer.send(&[ClientFrame::Outcome(OutcomeQuery { id, nonce: None })]).await;
        let Some(ServerFrame::Outcome(outcome)) = peer.next().await else { panic!("no outcome") };
        assert_eq!(outcome.outcome, Outcome::Done(first.answer));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_and_large_reads_in_one_write_are_all_answered() {
    const CALLS: u16 = 500;
    everywhere(Limits { in_flight_max: 16, ..Limits::default() }, |node, transport| async move {
        let mut peer = node.connect(transport).await;
        peer.greet().await;
        let mut frames: Vec<_> =
            (0..CALLS).map(|slot| peer.call(slot, &Command::Say(format!("call {slot}")))).collect();
        frames.extend((0..4).map(|tag| Peer::read(tag, &Command::Fill(900_000))));
        peer.send(&frames).await;
        let mut slots = vec![false; usize::from(CALLS)];
        let mut read_bytes = 0;
        for _ in 0..frames.len() {
            let reply = peer.reply().await;
            match reply.reference {
                Reference::Call(id) => {
                    assert_eq!(said(&reply), format!("call {}", id.slot.0));
                    assert!(!std::mem::replace(&mut slots[usize::from(id.slot.0)], true));
                }
                Reference::Read(_) => read_bytes += said(&reply).len(),
            }
        }
        assert_eq!((slots.iter().all(|seen| *seen), read_bytes), (true, 4 * 900_000));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_its_side_still_gets_its_answers() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut peer = node.connect(transport).await;
        peer.greet().await;
        peer.send(&[peer.call(0, &Command::Wait)]).await;
        peer.shut().await;
        node.gate.reached().await;
        node.gate.open();
        assert_eq!(said(&peer.reply().await), "waited");
        assert_eq!(peer.goodbye().await.reason, GoodbyeReason::Done);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_store_is_told_which_store_this_is() {
    everywhere(Limits::default(), |node, transport| async move {
        let mut peer = node.connect(transport).await;
        let foreign = Hello { store: Some(StoreId([9; 16])), ..hello() };
        peer.send(&[ClientFrame::Hello(foreign)]).await;
        let store = node.engine.facts().unwrap().store.to_string();
        peer.turned_away(GoodbyeReason::WrongStore, &store).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transport_and_the_key_say_who_is_asking() {
    everywhere(Limits::default(), |node, transport| async move {
        let with = |credential: &[u8]| Hello { credential: Some(credential.to_vec().into()), ..hello() };
        let mut plain = node.connect(transport).await;
        let expected = match transport {
            Transport::Tcp | Transport::Tls => "anonymous",
            Transport::Unix | Transport::Pipe => "operator",
        };
        assert_eq!(plain.greet().await.principal, expected, "{transport:?}");

        let mut keyed = node.connect(transport).await;
        keyed.send(&[ClientFrame::Hello(with(&OPERATOR_KEY))]).await;
        if transport == Transport::Tcp {
            keyed.turned_away(GoodbyeReason::BadCredential, "over plain TCP").await;
        } else {
            let Some(ServerFrame::Welcome(welcome)) = keyed.next().await else { panic!("{transport:?}") };
            assert_eq!(welcome.principal, "operator");
        }

        for wrong in [&[41; 32][..], &OPERATOR_KEY[..31], b""] {
            let mut thief = node.connect(transport).await;
            thief.send(&[ClientFrame::Hello(with(wrong))]).await;
            let goodbye = thief.goodbye().await;
            assert_eq!(goodbye.reason, GoodbyeReason::BadCredential);
        }
    })
    .await;
}
