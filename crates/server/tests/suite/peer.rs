//! A client that says exactly what a test wants, over any stream.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_call::answer::Answer;
use switchboard_call::frame::{
    Call, ClientFrame, Goodbye, GoodbyeReason, Hello, Inbox, Read, Reference, Reply, ServerFrame, Welcome,
};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_call::limits::FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::node::{Command, PATIENCE};

pub(crate) struct Peer {
    from_server: Box<dyn AsyncRead + Unpin + Send>,
    /// None when our side has ended.
    to_server: Option<Box<dyn AsyncWrite + Unpin + Send>>,
    inbox: Inbox,
    session: SessionId,
}

pub(crate) fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        store: None,
        sessions: Vec::new(),
        credential: None,
        agent: "the server's tests".to_owned(),
    }
}

impl Peer {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (from_server, to_server) = tokio::io::split(stream);
        Self::of(from_server, to_server)
    }

    pub(crate) fn of(
        from_server: impl AsyncRead + Unpin + Send + 'static,
        to_server: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Self {
        static MINTED: AtomicU64 = AtomicU64::new(0);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&MINTED.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let session = SessionId::mint(1_750_000_000_000, random);
        let inbox = Inbox::new(FRAME_BYTES_MAX);
        Self { from_server: Box::new(from_server), to_server: Some(Box::new(to_server)), inbox, session }
    }

    /// Says hello and waits for the welcome.
    pub(crate) async fn greet(&mut self) -> Welcome {
        self.greet_with(hello()).await
    }

    pub(crate) async fn greet_with(&mut self, hello: Hello) -> Welcome {
        self.send(&[ClientFrame::Hello(hello)]).await;
        match self.next().await {
            Some(ServerFrame::Welcome(welcome)) => welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// A call of this peer's session in the given slot, the slot's first.
    pub(crate) fn call(&self, slot: u16, command: &Command) -> ClientFrame {
        let id = CallId { session: self.session, slot: Slot(slot), sequence: Sequence::FIRST };
        ClientFrame::Call(Call {
            service: "echo".to_owned(),
            id,
            nonce: Nonce([3; 16]),
            previous: ReplyHash::NONE,
            version: 1,
            not_after_us: None,
            attempt: 1,
            body: minicbor::to_vec(command).unwrap(),
        })
    }

    pub(crate) fn read(tag: u64, command: &Command) -> ClientFrame {
        let body = minicbor::to_vec(command).unwrap();
        ClientFrame::Read(Read { tag, service: "echo".to_owned(), version: 1, body })
    }

    pub(crate) async fn send(&mut self, frames: &[ClientFrame]) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.send_bytes(&bytes).await;
    }

    /// Sends bytes; a server that hung up meanwhile is seen by who reads next.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let to_server = self.to_server.as_mut().expect("our side has not ended");
        let sent = async {
            to_server.write_all(bytes).await?;
            to_server.flush().await
        };
        let _ = timeout(PATIENCE, sent).await.expect("the server takes what is sent");
    }

    /// Ends our side of the stream.
    pub(crate) async fn shut(&mut self) {
        let mut to_server = self.to_server.take().expect("ended once");
        to_server.shutdown().await.unwrap();
    }

    /// The next frame that is no ping, `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<ServerFrame> {
        loop {
            match self.next_of_all().await? {
                ServerFrame::Ping(_) => {}
                frame => return Some(frame),
            }
        }
    }

    pub(crate) async fn next_of_all(&mut self) -> Option<ServerFrame> {
        loop {
            if let Some(raw) = self.inbox.next_frame().unwrap() {
                return Some(ServerFrame::decode(raw).unwrap());
            }
            let mut bytes = vec![0; 16 * 1024];
            let read = timeout(PATIENCE, self.from_server.read(&mut bytes))
                .await
                .expect("the server says something");
            match read {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.inbox.push(&bytes[..read]),
            }
        }
    }

    /// Sends until the server has hung up, without reading anything.
    pub(crate) async fn has_hung_up(&mut self) {
        let mut ping = Vec::new();
        ClientFrame::Ping([0; 8]).encode(&mut ping);
        let to_server = self.to_server.as_mut().expect("our side has not ended");
        let hung_up =
            async { while to_server.write_all(&ping).await.is_ok() && to_server.flush().await.is_ok() {} };
        timeout(PATIENCE, hung_up).await.expect("the server hangs up");
    }

    /// The bytes up to the end of the stream.
    pub(crate) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        let read = self.from_server.read_to_end(&mut rest);
        timeout(PATIENCE, read).await.expect("the server ends the stream").map(|_| rest)
    }

    /// The next frame, a reply.
    pub(crate) async fn reply(&mut self) -> Reply {
        match self.next().await {
            Some(ServerFrame::Reply(reply)) => reply,
            other => panic!("no reply but {other:?}"),
        }
    }

    /// Calls `Say` and checks what comes back.
    pub(crate) async fn say(&mut self, slot: u16, text: &str) {
        self.send(&[self.call(slot, &Command::Say(text.to_owned()))]).await;
        let reply = self.reply().await;
        assert!(matches!(reply.reference, Reference::Call(id) if id.slot == Slot(slot)), "{reply:?}");
        assert_eq!(said(&reply), text);
    }

    /// The goodbye that comes, pings and nothing else before it, and the end of the stream after it.
    pub(crate) async fn goodbye(&mut self) -> Goodbye {
        match self.next().await {
            Some(ServerFrame::Goodbye(goodbye)) => {
                assert_eq!(self.next().await, None, "a goodbye is the last frame");
                goodbye
            }
            other => panic!("no goodbye but {other:?}"),
        }
    }

    /// As [`Self::goodbye`], of this kind and with this in its text.
    pub(crate) async fn turned_away(&mut self, reason: GoodbyeReason, text: &str) {
        let goodbye = self.goodbye().await;
        assert_eq!(goodbye.reason, reason, "{goodbye:?}");
        assert!(goodbye.text.contains(text), "{goodbye:?}");
    }
}

/// The text that `echo` answered.
pub(crate) fn said(reply: &Reply) -> String {
    match Answer::from_bytes(&reply.answer).unwrap() {
        Answer::Done(body) => minicbor::decode(&body).unwrap(),
        answer => panic!("not done but {answer:?}"),
    }
}
