//! A server of the test's own making: real sockets, real frames, a slot table in memory that executes each call once and
//! counts, and faults on command. Absent: durability and rules; those are the real server's.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use switchboard_call::answer::{Answer, Outcome};
use switchboard_call::frame::{
    Call, Cancel, ClientFrame, Goodbye, GoodbyeReason, Hello, Inbox, OutcomeReply, Read, Reference, Reply,
    ServerFrame, Welcome,
};
use switchboard_call::id::{CallId, SessionId, Slot, StoreId};
use switchboard_call::limits::FRAME_BYTES_MAX;
use switchboard_commands::bank;
use switchboard_tls::{CALL_PROTOCOL, Identity, ServedIdentity, server_config};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What goes wrong at the next occasion for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    CutBeforeWelcome,
    CutWithinWelcome,
    CutAfterWelcome,
    CutBeforeExecution,
    CutBeforeReply,
    CutWithinReply,
    CutAfterReply,
    /// The call is executed, and nobody is told.
    SilentAfterExecution,
    /// The call is lost.
    SilentBeforeExecution,
    /// This is said instead of executing the call.
    Say(Answer),
    Goodbye(GoodbyeReason),
}

/// What the server remembers, whichever of its nodes was asked.
pub(crate) struct Memory {
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) executed: Vec<CallId>,
    pub(crate) credentials: Vec<Option<Vec<u8>>>,
    pub(crate) balance_minor: i64,
    pub(crate) store: StoreId,
    pub(crate) generation: u64,
    pub(crate) records: BTreeMap<(SessionId, Slot), (CallId, Vec<u8>)>,
}

/// One store; give it as many nodes as you like.
#[derive(Clone)]
pub(crate) struct Scripted {
    memory: Arc<Mutex<Memory>>,
    /// Rises with every frame that a client sent.
    frames: watch::Sender<u64>,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        let memory = Memory {
            faults: VecDeque::new(),
            executed: Vec::new(),
            credentials: Vec::new(),
            balance_minor: 0,
            store: StoreId([7; 16]),
            generation: 1,
            records: BTreeMap::new(),
        };
        Self { memory: Arc::new(Mutex::new(memory)), frames: watch::Sender::new(0) }
    }

    pub(crate) fn with_faults(faults: impl IntoIterator<Item = Fault>) -> Self {
        let server = Self::new();
        server.memory().faults.extend(faults);
        server
    }

    pub(crate) fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// Waits until the memory satisfies `holds`.
    pub(crate) async fn until(&self, holds: impl Fn(&Memory) -> bool) {
        let mut frames = self.frames.subscribe();
        frames.wait_for(|_| holds(&self.memory())).await.unwrap();
    }

    /// A node on a loopback port; returns its address.
    pub(crate) async fn tcp(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        address
    }

    pub(crate) async fn unix(&self, folder: &Path) -> String {
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        format!("unix:{}", path.display())
    }

    /// A TLS node that shows `identity`, and the handle to change it.
    pub(crate) async fn tls(&self, identity: &Identity) -> (String, Arc<ServedIdentity>) {
        let served = ServedIdentity::new(identity);
        let acceptor = TlsAcceptor::from(server_config(&served, &[CALL_PROTOCOL]).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tls://{}", listener.local_addr().unwrap());
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, acceptor) = (server.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        server.serve(stream).await;
                    }
                });
            }
        });
        (address, served)
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        let mut bytes = vec![0; 4096];
        loop {
            let mut frames = Vec::new();
            while let Some(raw) = inbox.next_frame().unwrap() {
                frames.push(ClientFrame::decode(raw).unwrap());
            }
            for frame in frames {
                let said = self.frame(frame);
                self.frames.send_modify(|count| *count += 1);
                match said {
                    Said::Nothing => {}
                    Said::All(bytes) if stream.write_all(&bytes).await.is_ok() => {}
                    Said::AndCut(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                        return;
                    }
                    Said::All(_) => return,
                }
            }
            match stream.read(&mut bytes).await {
                Ok(count) if count > 0 => inbox.push(&bytes[..count]),
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn frame(&self, frame: ClientFrame) -> Said {
        let mut memory = self.memory();
        match frame {
            ClientFrame::Hello(hello) => memory.hello(hello),
            ClientFrame::Call(call) => memory.call(call),
            ClientFrame::Read(read) => memory.read(&read),
            ClientFrame::Cancel(cancel) => memory.cancel(cancel),
            ClientFrame::Outcome(query) => {
                let outcome = memory.outcome(query.id);
                all(&ServerFrame::Outcome(OutcomeReply { id: query.id, outcome }))
            }
            ClientFrame::Ping(token) => all(&ServerFrame::Pong(token)),
            ClientFrame::Pong(_) => Said::Nothing,
            ClientFrame::Goodbye(_) => Said::AndCut(Vec::new()),
        }
    }
}

enum Said {
    Nothing,
    All(Vec<u8>),
    AndCut(Vec<u8>),
}

fn all(frame: &ServerFrame) -> Said {
    Said::All(encoded(frame))
}

fn encoded(frame: &ServerFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

impl Memory {
    fn strikes(&mut self, fault: &Fault) -> bool {
        let strikes = self.faults.front() == Some(fault);
        if strikes {
            self.faults.pop_front();
        }
        strikes
    }

    fn hello(&mut self, hello: Hello) -> Said {
        self.credentials.push(hello.credential.map(Into::into));
        if let Some(Fault::Goodbye(reason)) = self.faults.front().cloned() {
            self.faults.pop_front();
            return Said::AndCut(encoded(&ServerFrame::Goodbye(Goodbye::new(reason, "go away"))));
        }
        let welcome = encoded(&ServerFrame::Welcome(Welcome {
            version: 1,
            store: self.store,
            generation: self.generation,
            server_time_us: 1_800_000_000_000_000,
            mint_time_ms: 1_800_000_000_000,
            slots_max: 64,
            frame_bytes_max: u32::try_from(FRAME_BYTES_MAX).unwrap(),
            in_flight_max: 256,
            idle_ms_max: 60_000,
            services: Vec::new(),
            greeting: "scripted".to_owned(),
            principal: "anonymous".to_owned(),
        }));
        match () {
            () if self.strikes(&Fault::CutBeforeWelcome) => Said::AndCut(Vec::new()),
            () if self.strikes(&Fault::CutWithinWelcome) => Said::AndCut(half(&welcome)),
            () if self.strikes(&Fault::CutAfterWelcome) => Said::AndCut(welcome),
            () => Said::All(welcome),
        }
    }

    fn call(&mut self, call: Call) -> Said {
        if self.strikes(&Fault::CutBeforeExecution) {
            return Said::AndCut(Vec::new());
        }
        if self.strikes(&Fault::SilentBeforeExecution) {
            return Said::Nothing;
        }
        if let Some(Fault::Say(answer)) = self.faults.front().cloned() {
            self.faults.pop_front();
            return all(&reply(call.id, call.attempt, false, answer.to_bytes()));
        }
        let (replayed, answer) = self.claim(call.id, |memory| memory.execute(&call));
        let said = encoded(&reply(call.id, call.attempt, replayed, answer));
        match () {
            () if self.strikes(&Fault::SilentAfterExecution) => Said::Nothing,
            () if self.strikes(&Fault::CutBeforeReply) => Said::AndCut(Vec::new()),
            () if self.strikes(&Fault::CutWithinReply) => Said::AndCut(half(&said)),
            () if self.strikes(&Fault::CutAfterReply) => Said::AndCut(said),
            () => Said::All(said),
        }
    }

    fn claim(&mut self, id: CallId, execute: impl FnOnce(&mut Self) -> Answer) -> (bool, Vec<u8>) {
        let place = (id.session, id.slot);
        match self.records.get(&place) {
            Some((held, answer)) if *held == id => (true, answer.clone()),
            Some((held, _)) if held.sequence > id.sequence => (false, Answer::Superseded.to_bytes()),
            Some(_) | None => {
                let answer = execute(self).to_bytes();
                self.records.insert(place, (id, answer.clone()));
                (false, answer)
            }
        }
    }

    fn execute(&mut self, call: &Call) -> Answer {
        let bank::Command::Deposit { account, money, .. } = minicbor::decode(&call.body).unwrap() else {
            panic!("the scripted bank only takes deposits");
        };
        self.executed.push(call.id);
        self.balance_minor += money.amount.minor();
        let balance = switchboard_commands::money::Amount::from_minor(self.balance_minor).of(money.currency);
        let number = i64::try_from(self.executed.len()).unwrap();
        let transfer = bank::TransferId::from_number(number).unwrap();
        Answer::Done(minicbor::to_vec(bank::Reply::Deposited { transfer, account, balance }).unwrap())
    }

    fn read(&mut self, read: &Read) -> Said {
        let refusal = bank::Refusal::UnknownAccount { account: crate::account() };
        let answer = Answer::Refused(minicbor::to_vec(refusal).unwrap()).to_bytes();
        all(&ServerFrame::Reply(Reply {
            reference: Reference::Read(read.tag),
            attempt: 0,
            replayed: false,
            answer,
        }))
    }

    fn cancel(&mut self, cancel: Cancel) -> Said {
        let (replayed, answer) = self.claim(cancel.id, |_| Answer::Cancelled);
        all(&reply(cancel.id, 0, replayed, answer))
    }

    fn outcome(&self, id: CallId) -> Outcome {
        match self.records.get(&(id.session, id.slot)) {
            Some((held, answer)) if *held == id => Outcome::Done(answer.clone()),
            Some((held, _)) if held.sequence > id.sequence => Outcome::Superseded,
            Some(_) | None => Outcome::NotYet,
        }
    }
}

fn reply(id: CallId, attempt: u32, replayed: bool, answer: Vec<u8>) -> ServerFrame {
    ServerFrame::Reply(Reply { reference: Reference::Call(id), attempt, replayed, answer })
}
