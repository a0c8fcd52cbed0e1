//! What the log says about a connection, and what it never says.

use std::io;
use std::sync::{Arc, Mutex};

use switchboard_call::frame::{ClientFrame, GoodbyeReason, Hello};
use switchboard_server::Limits;

use crate::node::{Node, OPERATOR_KEY, Transport};
use crate::peer::hello;

/// Everything logged in this process, by the other tests too.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_logged_and_secrets_are_not() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let node = Node::start(Limits::default());
    let mut plain = node.connect(Transport::Tcp).await;
    plain.greet_with(Hello { agent: "evil\n\u{1b}[31mforged line".to_owned(), ..hello() }).await;
    let credential = Some(OPERATOR_KEY.to_vec().into());
    let keyed = Hello { credential, agent: "keyed agent".to_owned(), ..hello() };
    node.connect(Transport::Unix).await.greet_with(keyed.clone()).await;
    let mut careless = node.connect(Transport::Tcp).await;
    careless.send(&[ClientFrame::Hello(keyed)]).await;
    careless.turned_away(GoodbyeReason::BadCredential, "").await;

    let text = log.text();
    let line_with =
        |part| text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part} in {text}"));
    let anonymous = line_with("evil");
    assert!(
        anonymous.contains("connection from tcp 127.0.0.1:") && anonymous.contains("(anonymous)"),
        "{anonymous}"
    );
    assert!(anonymous.contains("forged line"), "the agent is escaped: {anonymous}");
    assert!(line_with("keyed agent").contains("(operator)"));
    line_with("said goodbye (BadCredential): a credential came over plain TCP");
    assert!(!text.contains('\u{1b}'), "{text}");
    let config = format!("{:?}", node.config);
    for form in ["42, 42, 42", "2a2a2a2a", "2a, 2a, 2a", "****"] {
        assert!(!text.contains(form) && !config.contains(form), "{form} in {text} {config}");
    }
}
