//! Switchboard itself, under this crate's own load.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::calls::case::Case;
use crate::cpu;
use crate::load::{ACCOUNTS, FILLED_MINOR, Load, Pace};
use crate::server::{self, Server};

use super::books::Books;
use super::{Ran, WARM_SECONDS};
use crate::child::{self, Stop};

/// How calls travel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    Plain,
    Tls,
}

/// The built program and the folder for its runs.
#[derive(Debug)]
pub(super) struct Site {
    binary: PathBuf,
    place: PathBuf,
}

impl Site {
    pub(super) fn make(place: &Path) -> Result<Self> {
        std::fs::create_dir(place)?;
        Ok(Self { binary: server::build()?, place: place.to_owned() })
    }

    pub(super) fn version(&self, stop: &Stop) -> Result<String> {
        let told = child::run(stop, "switchboard", child::guarded(&self.binary).arg("--version"))?;
        Ok(told.trim().replace("switchboard", "Switchboard"))
    }

    pub(super) fn run(&self, case: Case, seconds: f64, wire: Wire, stop: &Stop) -> Result<Ran> {
        let run = tempfile::tempdir_in(&self.place)?;
        let data = run.path().join("data");
        let command = ["setpriv", "--pdeathsig", "KILL", "--"].map(Into::into);
        let command = [&command[..], &[self.binary.clone().into_os_string()]].concat();
        let server = Server::open(&command, &data)?;
        server.fill(ACCOUNTS)?;
        let load = |seconds, seed| Load {
            target: match wire {
                Wire::Plain => server.tcp.clone(),
                Wire::Tls => server.tls.clone(),
            },
            connections: case.connections.into(),
            depth: case.depth,
            work: case.work(),
            pace: Pace::Closed(Duration::from_secs_f64(seconds)),
            seed,
        };
        let warm = load(WARM_SECONDS.min(seconds), 1).run()?;
        let mut ready = load(seconds, 2).connect()?;
        let before = cpu::spent(server.pid());
        let done = ready.run()?;
        let cpu = cpu::spent(server.pid()) - before;
        drop(ready);
        self.books(&data, stop)?
            .verify_entries(case.withdrawn(warm.calls + done.calls), case.entries(warm.calls + done.calls))?;
        server.stop()?;
        Ok(Ran { calls: done.calls * case.counted(), elapsed: done.elapsed, cpu })
    }

    /// The books by the program's own audit, which proves every balance from its transfers, and by the balances.
    fn books(&self, data: &Path, stop: &Stop) -> Result<Books> {
        let report = &self.ask(data, &["audit"], stop)?["report"];
        ensure!(report["sound"] == true, "the audit found: {}", report["findings"]);
        let [currency] = report["currencies"].as_array().map_or(&[][..], Vec::as_slice) else {
            anyhow::bail!("the audit knows other currencies than the load: {report}");
        };
        let filled = FILLED_MINOR * i64::from(ACCOUNTS);
        let transfers = report["transfers"].as_i64().context("the audit counts transfers")?;
        Ok(Books {
            gone: filled - self.balances(data, stop)?,
            // What the till owes: less by what it paid out.
            entered: filled + minor(&currency["cash"])?,
            // Each account was filled by one transfer.
            entries: transfers - i64::from(ACCOUNTS),
        })
    }

    /// Sum of all members' balances, in minor units.
    fn balances(&self, data: &Path, stop: &Stop) -> Result<i64> {
        let (mut sum, mut after) = (0, None::<String>);
        loop {
            let mut question = vec!["accounts".to_owned()];
            question.extend(after.iter().flat_map(|last| ["--after".to_owned(), last.clone()]));
            let page = self.ask(data, &question, stop)?;
            for account in page["accounts"].as_array().context("a list of accounts")? {
                let is_member = account["account"].as_str().is_some_and(|name| name.parse::<u32>().is_ok());
                sum += if is_member { minor(&account["balance"])? } else { 0 };
            }
            if page["after"].is_null() {
                return Ok(sum);
            }
            after = Some(page["after"].to_string().replace('"', ""));
        }
    }

    fn ask<S: AsRef<std::ffi::OsStr>>(&self, data: &Path, question: &[S], stop: &Stop) -> Result<Value> {
        let mut command: Command = child::guarded(&self.binary);
        command.arg("--data").arg(data).args(["--json", "bank"]).args(question);
        let told = child::run(stop, "switchboard bank", &mut command)?;
        serde_json::from_str(&told).with_context(|| format!("no JSON: {told}"))
    }
}

/// Minor units of `{"amount":"12.50","currency":"EUR"}`.
fn minor(money: &Value) -> Result<i64> {
    let amount = money["amount"].as_str().with_context(|| format!("no amount: {money}"))?;
    Ok(amount.replace('.', "").parse()?)
}
