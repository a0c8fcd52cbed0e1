//! A server that does what a script says, one step list for each connection, and remembers what it was asked. Absent: HTTP.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the server does once it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends so many bytes, one every few hundredths of a second.
    Trickle { bytes: usize },
    /// Says nothing until the client leaves.
    Hold,
    /// Ends the connection with a reset.
    Reset,
}

/// A request and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) at: Instant,
}

impl Asked {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }
}

/// The server; it ends with the process.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Answers the first connection by the first script and so on; the last script serves all further ones.
    pub(crate) fn new(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let script = scripts[number.min(scripts.len() - 1)].clone();
                serve(stream.unwrap(), script, &noted);
            }
        });
        Self { port, asked }
    }

    /// A server whose every connection gets one of these answers.
    pub(crate) fn answering(answers: &[&str]) -> Self {
        Self::new(answers.iter().map(|answer| vec![Step::Send(answer.as_bytes().to_vec())]).collect())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

#[expect(clippy::disallowed_methods, reason = "notes when a request came, and is slow when it is told to")]
fn serve(mut stream: TcpStream, script: Vec<Step>, noted: &Mutex<Vec<Asked>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    noted.lock().unwrap().push(Asked { head, at: Instant::now() });
    for step in script {
        match step {
            // The client may leave whenever it wants.
            Step::Send(bytes) => drop(stream.write_all(&bytes)),
            Step::Trickle { bytes } => {
                stream.set_nodelay(true).unwrap();
                for _ in 0..bytes {
                    if stream.write_all(b".").is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(30));
                }
            }
            Step::Hold => {
                let mut rest = Vec::new();
                let _left = stream.read_to_end(&mut rest);
            }
            Step::Reset => {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            }
        }
    }
}

/// An answer with these further fields, each ended by a line end, and a body of its length.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}
