//! What the program does: one file per command. Each is given the same [`Invocation`] and says what it could not do in one
//! [`Failure`]. Absent: the command line itself, and rules of services.

pub mod backup;
pub mod bank;
pub mod beat;
pub mod call;
pub mod config;
pub mod demo;
pub mod docs;
pub mod get;
pub mod lab;
pub mod mail;
pub mod ping;
pub mod reflect;
pub mod restore;
pub mod serve;
pub mod text;
pub mod watch;
pub mod web;

use std::path::PathBuf;

use switchboard_engine::Registry;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, Command, Global};
use crate::config::{Config, FlagSetting, Sources};
use crate::data_folder::{self, Homes};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Form, Screen};

/// What every command is given.
#[derive(Debug)]
pub struct Invocation {
    /// The flags of every command.
    pub global: Global,
    /// The data folder.
    pub data: PathBuf,
    /// What is configured.
    pub config: Config,
    /// Where answers go.
    pub screen: Screen,
    /// What a server offers.
    pub services: Registry,
}

/// Runs the command, with these services where it runs a server, and tells how it ended.
#[must_use]
pub fn run(cli: Cli, services: Registry) -> Exit {
    let form = if cli.global.json { Form::Json } else { Form::Text };
    let screen = Screen::new(form, cli.global.verbose > 0);
    let ended = match cli.command {
        Command::Demo(arguments) => demo::run(&screen, &arguments),
        Command::DemoClient(arguments) => {
            client_command(cli.global, &screen, services, |on| demo::client::run(on, &arguments))
        }
        Command::Lab(experiment) => lab::run(&screen, services, &experiment),
        Command::Get(arguments) => get::run(&screen, &arguments),
        Command::Web(arguments) => {
            client_command(cli.global, &screen, services, |on| web::run(on, &arguments))
        }
        Command::Ping(arguments) => ping::run(&screen, &arguments),
        Command::Beat(arguments) => beat::run(&screen, &arguments),
        Command::Watch(arguments) => watch::run(&screen, &arguments),
        Command::Reflect(arguments) => {
            client_command(cli.global, &screen, services, |on| reflect::run(on, &arguments))
        }
        Command::Mail(action) => {
            // The server of a mail is not one of Switchboard.
            let global = Global { server: Vec::new(), ..cli.global };
            client_command(global, &screen, services, |on| mail::run(on, action))
        }
        Command::Docs(topic) => docs::run(&screen, &services, topic),
        Command::Serve(arguments) => {
            Invocation::prepare(cli.global, screen.clone(), services, arguments.settings())
                .and_then(|invocation| serve::run(&invocation, &arguments))
        }
        Command::Bank(action) => client_command(cli.global, &screen, services, |on| bank::run(on, action)),
        Command::Text(action) => client_command(cli.global, &screen, services, |on| text::run(on, action)),
        Command::Call(action) => client_command(cli.global, &screen, services, |on| call::run(on, action)),
        Command::Config(action) => {
            client_command(cli.global, &screen, services, |on| config::run(on, action))
        }
        Command::Backup(arguments) => {
            client_command(cli.global, &screen, services, |on| backup::run(on, &arguments))
        }
        Command::Restore(arguments) => {
            client_command(cli.global, &screen, services, |on| restore::run(on, &arguments))
        }
    };
    match ended {
        Ok(exit) => exit,
        Err(failure) => screen.failed(&failure),
    }
}

fn client_command(
    global: Global,
    screen: &Screen,
    services: Registry,
    command: impl FnOnce(&Invocation) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    command(&Invocation::prepare(global, screen.clone(), services, Vec::new())?)
}

impl Invocation {
    /// Finds the data folder and reads the configuration; `flags` are those of the command itself.
    fn prepare(
        global: Global,
        screen: Screen,
        services: Registry,
        flags: Vec<FlagSetting>,
    ) -> Result<Self, Failure> {
        let named = global.data.clone();
        let data = named.unwrap_or_else(|| data_folder::default(&Homes::of_this_process()));
        let data = std::path::absolute(&data).map_err(|error| {
            let what = format!("{} is not a path for a data folder", data.display());
            Failure::new(Exit::Usage, what).because(error).advise("name a folder with --data DIR")
        })?;
        let sources = Sources {
            data: data.clone(),
            file: global.config.clone(),
            environment: std::env::vars_os().collect(),
            flags: [global.settings(), flags].concat(),
        };
        let config =
            Config::load(&sources).map_err(|error| Failure::from_error(Exit::Configuration, error))?;
        Ok(Self { global, data, config, screen, services })
    }

    /// Runs asynchronous work to its end. A thread that still waits for a key on the terminal is left behind.
    fn block_on<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = runtime()?;
        let ended = runtime.block_on(work);
        runtime.shutdown_background();
        ended
    }
}

/// The asynchronous runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Exit::Internal, "cannot start the threads of this program")
            .because(error)
            .advise("check the limits of this user (ulimit -u, ulimit -n)")
    })
}

/// Takes the signals over that end a program, at once; the future ends with the first of them. Where they cannot be taken
/// over, the system's default stays.
fn interrupted() -> impl Future<Output = ()> {
    let signals =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    async {
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A seed for what is to be random and repeatable: short enough to be typed again.
fn random_seed() -> Result<u64, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Internal, "the kernel gives no random numbers").because(error))?;
    Ok(u64::from(u32::from_be_bytes(bytes)))
}
