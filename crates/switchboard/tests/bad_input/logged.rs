//! A server whose log goes to a file: it may say as much as it likes.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::house::{House, Server, wait_until};

pub(crate) struct Logged {
    pub(crate) server: Server,
    log: PathBuf,
}

impl Logged {
    /// Starts `program`, which is to serve, one at a time in each house.
    pub(crate) fn start(house: &House, mut program: Command, arguments: &[&str]) -> Self {
        let (ready, log) = (house.path().join("ready.json"), house.path().join("log"));
        let _first_here = std::fs::remove_file(&ready);
        program.args(["serve", "--tls", "127.0.0.1:0", "--ready-file"]).arg(&ready).args(arguments);
        let child = program.stdin(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut server = Server { child, facts: Value::Null };
        wait_until("the server is ready", || {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", std::fs::read_to_string(&log).unwrap());
            ready.exists()
        });
        server.facts = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        Self { server, log }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM; returns the exit code.
    pub(crate) fn stop(self) -> i32 {
        self.server.signal(Signal::TERM);
        self.ended()
    }

    /// The exit code of a server that was told to end.
    pub(crate) fn ended(mut self) -> i32 {
        self.server.child.wait().unwrap().code().unwrap_or(-1)
    }
}
