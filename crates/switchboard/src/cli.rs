//! The command line: flags that every command takes, and the tree of commands. Each command's own arguments stand in its
//! file. Absent: what a command does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    backup, bank, beat, call, config, demo, docs, get, lab, mail, ping, reflect, restore, serve, text, watch,
    web,
};
use crate::config::FlagSetting;
use crate::exit::Exit;

/// A server whose every command takes effect once, however often it is sent and whatever breaks, and its clients.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, propagate_version = true, max_term_width = 100, styles = styles())]
#[command(
    after_help = "Start with `switchboard demo`, or `switchboard serve` and then `switchboard bank --help`."
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The data folder: database, keys, socket, journals of unsettled calls
    #[arg(long, global = true, value_name = "DIR", env = "SWITCHBOARD_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// The configuration file [default: switchboard.toml in the data folder]
    #[arg(long, global = true, value_name = "FILE", env = "SWITCHBOARD_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Sets one setting, such as limits.slots=128; `switchboard config show` lists them
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
    /// The server: tls://HOST:PORT, tcp://HOST:PORT, unix:/PATH or stdio:COMMAND; several are tried in turn
    /// [default: the server that runs for the data folder]
    #[arg(long, global = true, value_name = "URL", value_parser = no_comma)]
    pub server: Vec<String>,
    /// Runs the server inside this command, over the data folder; nothing listens
    #[arg(long, global = true, conflicts_with = "server")]
    pub embedded: bool,
    /// Prints JSON, errors included
    #[arg(long, global = true)]
    pub json: bool,
    /// Tells more: call ids, connections
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows that no withdrawal is lost or done twice while messages vanish and both sides are killed
    Demo(demo::Arguments),
    /// Experiments with faults made on purpose
    #[command(subcommand)]
    Lab(lab::Experiment),
    /// Runs the server of the data folder
    Serve(serve::Arguments),
    /// Fetches a file by HTTP: resumed, verified, whole or not at all
    Get(get::Arguments),
    /// Serves a folder as a web site
    Web(web::Arguments),
    /// Accounts and money
    #[command(subcommand)]
    Bank(bank::Action),
    /// Letters and numbers
    #[command(subcommand)]
    Text(text::Action),
    /// Mail
    #[command(subcommand)]
    Mail(mail::Action),
    /// Calls that were left open, and what became of a call
    #[command(subcommand)]
    Call(call::Action),
    /// Measures delay and loss to reflectors, each way
    Ping(ping::Arguments),
    /// Answers the probes of ping
    Reflect(reflect::Arguments),
    /// Tells a monitor at a fixed interval that this host lives
    Beat(beat::Arguments),
    /// Hears the beats of hosts and says which fell silent
    Watch(watch::Arguments),
    /// The configuration
    #[command(subcommand)]
    Config(config::Action),
    /// Writes the database of a data folder to a file, while the server runs
    Backup(backup::Arguments),
    /// Puts a database back from a backup
    Restore(restore::Arguments),
    /// Reference that the program prints about itself
    #[command(subcommand)]
    Docs(docs::Topic),
    /// The client process of the demonstration
    #[command(hide = true)]
    DemoClient(demo::client::Arguments),
}

impl Global {
    /// The settings that flags give, `--set` first, so that a flag of its own wins.
    #[must_use]
    pub fn settings(&self) -> Vec<FlagSetting> {
        let set = self.set.iter().map(|(key, text)| FlagSetting {
            key: key.clone(),
            text: text.clone(),
            flag: format!("--set {key}"),
        });
        let server = (!self.server.is_empty()).then(|| FlagSetting {
            key: "client.nodes".to_owned(),
            text: self.server.join(","),
            flag: "--server".to_owned(),
        });
        set.chain(server).collect()
    }
}

/// Reads the command line. Help, version and errors are printed here.
///
/// # Errors
/// With the exit code when there is no command to run.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(mail) = mail_alone(&arguments) {
        return Ok(mail);
    }
    let matches = root().try_get_matches_from(arguments);
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        // Nobody is left to be told when this cannot be printed.
        let _printed = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Done }
    })
}

/// The command line of mail without the other commands. A program that sends a mail is started for each, and making the whole tree
/// takes longer than sending.
#[derive(Debug, Parser)]
#[command(name = "switchboard")]
struct MailAlone {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Mail,
}

#[derive(Debug, Subcommand)]
enum Mail {
    #[command(subcommand)]
    Mail(mail::Action),
}

/// What is asked of mail; `None` when it is something else, or help, or wrong: the whole tree says that better.
fn mail_alone(arguments: &[OsString]) -> Option<Cli> {
    let is_mail = arguments.get(1).is_some_and(|first| first == "mail");
    let MailAlone { global, command: Mail::Mail(action) } =
        is_mail.then(|| MailAlone::try_parse_from(arguments).ok()).flatten()?;
    Some(Cli { global, command: Command::Mail(action) })
}

/// The tree of commands, every help complete: examples come from the files of the commands, exit codes from [`Exit`].
#[must_use]
pub fn command() -> clap::Command {
    let mut command = root();
    command.build();
    command
}

fn root() -> clap::Command {
    Cli::command().after_long_help(exit_codes())
}

fn exit_codes() -> String {
    let mut text =
        "Start with `switchboard demo`, or `switchboard serve` and then `switchboard bank --help`.\n\n\
                    Exit codes:\n"
            .to_owned();
    for exit in Exit::ALL {
        text.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
    }
    text
}

fn styles() -> Styles {
    let heading = AnsiColor::Green.on_default().effects(Effects::BOLD);
    let literal = AnsiColor::Cyan.on_default();
    Styles::styled().header(heading).usage(heading).literal(literal).placeholder(AnsiColor::Cyan.on_default())
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as log.level=debug")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn no_comma(text: &str) -> Result<String, String> {
    if text.contains(',') {
        return Err("one server per --server; give the flag several times".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
