//! Servers that take every message: Postfix's smtp-sink, as a process, and one of our own that takes BDAT, which smtp-sink does not: a
//! thread for each connection that reads lines and counted bytes, throws them away, and answers when nothing more has come. Both count
//! what they took. Ours keeps messages when it is told to, each byte as it came, and then offers no BDAT: smtp-sink leaves out carriage
//! returns of what it keeps.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;

use crate::child::{self, Owned, Stop};

/// Connections that may wait for smtp-sink.
const BACKLOG: &str = "1024";
const READ_BYTES: usize = 64 << 10;
const LINE_BYTES_MAX: u64 = 64 << 10;

/// A running smtp-sink.
#[derive(Debug)]
pub(super) struct SmtpSink {
    process: Owned,
    address: SocketAddr,
    log: PathBuf,
}

impl SmtpSink {
    /// Starts it; `command` is the program, `folder` is for its log.
    pub(super) fn start(stop: &Stop, mut command: Command, folder: &Path) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, child::free_port()?));
        let log = folder.join("smtp-sink");
        let (out, err) = child::log_file(&log)?;
        command.arg("-c");
        if xtask::install::is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args([address.to_string(), BACKLOG.to_owned()]).stdout(out).stderr(err);
        let mut process = Owned::start("smtp-sink", &mut command, Signal::TERM)?;
        process.wait_ready(stop, &log, || is_listening(address))?;
        Ok(Self { process, address, log })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it when it has taken as many messages as were sent.
    pub(super) fn verify(self, stop: &Stop, sent: u64) -> Result<()> {
        let count = || -> Result<u64> {
            let said = std::fs::read_to_string(&self.log)?;
            let last = said.rsplit("mesg=").next().filter(|_| said.contains("mesg="));
            let number = last.and_then(|rest| rest.split_whitespace().next());
            Ok(number.map_or(Ok(0), str::parse)?)
        };
        stop.wait_until(10, "smtp-sink's count of the messages", || Ok(count()? >= sent))?;
        let taken = count()?;
        ensure!(taken == sent, "{sent} messages were sent, and smtp-sink took {taken}");
        self.process.end(stop)
    }
}

/// Whether somebody listens there, found out without connecting: smtp-sink counts its connections.
fn is_listening(address: SocketAddr) -> bool {
    let wanted = format!(":{:04X} 00000000:0000 0A", address.port());
    std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&wanted))
}

/// A sink of our own.
#[derive(Debug)]
pub(super) struct ChunkingSink {
    address: SocketAddr,
    taken: Arc<Taken>,
    accepting: Option<JoinHandle<()>>,
}

/// What it took.
#[derive(Debug, Default)]
struct Taken {
    messages: AtomicU64,
    bytes: AtomicU64,
    ending: AtomicBool,
    /// The messages, where they are kept.
    kept: Option<Mutex<Vec<Vec<u8>>>>,
}

impl ChunkingSink {
    /// One that offers BDAT and keeps nothing.
    pub(super) fn start() -> Result<Self> {
        Self::with(Taken::default())
    }

    /// One that keeps what it is sent by DATA.
    pub(super) fn keeping() -> Result<Self> {
        Self::with(Taken { kept: Some(Mutex::default()), ..Taken::default() })
    }

    fn with(taken: Taken) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let taken = Arc::new(taken);
        let shared = Arc::clone(&taken);
        let accepting = thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                if shared.ending.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that breaks off is missed when the messages are counted.
                thread::spawn(move || Session::new(&socket, &shared).run());
            }
        });
        Ok(Self { address, taken, accepting: Some(accepting) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it when it has taken one message; returns that without the dots that its way demands.
    pub(super) fn kept(self, stop: &Stop) -> Result<Vec<u8>> {
        let taken = Arc::clone(&self.taken);
        self.verify(stop, 1, None)?;
        let mut kept = taken.kept.as_ref().and_then(|kept| kept.lock().ok()).context("nothing is kept")?;
        kept.pop().context("nothing was kept")
    }

    /// Ends it when it has taken as many messages as were sent, and as many bytes where those are known.
    pub(super) fn verify(self, stop: &Stop, sent: u64, bytes: Option<u64>) -> Result<()> {
        let taken = || self.taken.messages.load(Ordering::Acquire);
        stop.wait_until(10, "the sink's count of the messages", || Ok(taken() >= sent))?;
        ensure!(taken() == sent, "{sent} messages were sent, and the sink took {}", taken());
        let of_them = self.taken.bytes.load(Ordering::Acquire);
        ensure!(
            bytes.is_none_or(|bytes| bytes == of_them),
            "{bytes:?} bytes were sent, and the sink took {of_them}"
        );
        Ok(())
    }
}

impl Drop for ChunkingSink {
    fn drop(&mut self) {
        self.taken.ending.store(true, Ordering::Release);
        // So that the listener looks.
        let _looked = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
    }
}

/// A connection to it.
struct Session<'a> {
    reader: BufReader<&'a TcpStream>,
    socket: &'a TcpStream,
    replies: Vec<u8>,
    taken: &'a Taken,
}

impl<'a> Session<'a> {
    fn new(socket: &'a TcpStream, taken: &'a Taken) -> Self {
        Self { reader: BufReader::with_capacity(READ_BYTES, socket), socket, replies: Vec::new(), taken }
    }

    fn run(mut self) -> Result<()> {
        self.socket.set_nodelay(true)?;
        self.say("220 sink")?;
        let mut line = Vec::new();
        while self.line(&mut line)? {
            let (verb, rest) = line.split_at_checked(4).context("no command")?;
            match verb.to_ascii_uppercase().as_slice() {
                b"EHLO" => {
                    let last = if self.taken.kept.is_some() { "250 HELP" } else { "250 CHUNKING" };
                    self.say(&format!("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n{last}"))?;
                }
                b"DATA" => {
                    self.say("354 go on")?;
                    self.text(&mut line)?;
                }
                b"BDAT" => self.chunk(std::str::from_utf8(rest)?)?,
                b"QUIT" => return self.say("221 bye"),
                b"HELO" | b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" | b"XCLI" => self.say("250 ok")?,
                _ => self.say("500 what")?,
            }
        }
        Ok(())
    }

    /// Reads a line; whether there was one.
    fn line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        Ok((&mut self.reader).take(LINE_BYTES_MAX).read_until(b'\n', line)? > 0)
    }

    /// A message until its dot.
    fn text(&mut self, line: &mut Vec<u8>) -> Result<()> {
        let (mut bytes, mut kept) = (0, Vec::new());
        while self.line(line)? {
            if line == b".\r\n" {
                self.taken.bytes.fetch_add(bytes, Ordering::AcqRel);
                if let Some(messages) = &self.taken.kept {
                    messages.lock().map_err(|_| anyhow!("the sink broke"))?.push(kept);
                }
                return self.took();
            }
            let line = line.strip_prefix(b".").unwrap_or(line);
            bytes += u64::try_from(line.len())?;
            if self.taken.kept.is_some() {
                kept.extend_from_slice(line);
            }
        }
        Ok(())
    }

    /// A part of a message, its length told.
    fn chunk(&mut self, arguments: &str) -> Result<()> {
        let mut words = arguments.split_whitespace();
        let length = words.next().context("BDAT without a length")?.parse()?;
        let taken = io::copy(&mut (&mut self.reader).take(length), &mut io::sink())?;
        ensure!(taken == length, "it broke off");
        self.taken.bytes.fetch_add(length, Ordering::AcqRel);
        if words.next().is_some() { self.took() } else { self.say("250 ok") }
    }

    fn took(&mut self) -> Result<()> {
        self.taken.messages.fetch_add(1, Ordering::AcqRel);
        self.say("250 taken")
    }

    /// Answers, at once only when nothing more has come (RFC 2920 section 3.2).
    fn say(&mut self, reply: &str) -> Result<()> {
        self.replies.extend_from_slice(reply.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
        if self.reader.buffer().is_empty() {
            self.socket.write_all(&self.replies)?;
            self.replies.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_their_bytes_are_counted_both_ways() {
        let sink = ChunkingSink::start().unwrap();
        let mut socket = TcpStream::connect(sink.address()).unwrap();
        socket.write_all(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n").unwrap();
        socket.write_all(b"one\r\n..\r\n.\r\n").unwrap();
        socket.write_all(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde").unwrap();
        socket.write_all(b"WHAT\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        assert_eq!(said.matches("250 taken").count(), 2, "{said}");
        assert!(said.contains("CHUNKING") && said.ends_with("500 what\r\n221 bye\r\n"), "{said}");
        sink.verify(&Stop::default(), 2, Some(5 + 3 + 5)).unwrap();
    }

    #[test]
    fn a_message_is_kept_as_it_came() {
        let sink = ChunkingSink::keeping().unwrap();
        let mut socket = TcpStream::connect(sink.address()).unwrap();
        socket.write_all(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n").unwrap();
        socket.write_all(b"one\n..\r\ntw\ro\r\n.\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        assert!(!said.contains("CHUNKING"), "{said}");
        assert_eq!(sink.kept(&Stop::default()).unwrap(), b"one\n.\r\ntw\ro\r\n");
    }

    #[test]
    fn a_message_that_breaks_off_does_not_count() {
        let sink = ChunkingSink::start().unwrap();
        let mut socket = TcpStream::connect(sink.address()).unwrap();
        socket.write_all(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 5 LAST\r\nabc").unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
        sink.verify(&Stop::default(), 0, Some(0)).unwrap();
    }
}
