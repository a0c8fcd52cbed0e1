//! `switchboard docs ...`: reference that is made from the program's own tables. Absent: prose; that is in docs/.

use clap::Subcommand;
use serde_json::json;
use switchboard_engine::{CommandSpec, Effect, MachineId, Principal, Registry, permit};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Screen, Side, table};

/// What can be printed.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Topic {
    /// Who may send which command
    #[command(after_help = "Example:\n  switchboard docs permissions")]
    Permissions,
}

/// Prints the topic.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(screen: &Screen, services: &Registry, topic: Topic) -> Result<Exit, Failure> {
    match topic {
        Topic::Permissions => {
            let lines = permissions(services);
            screen.answer(|| lines.iter().map(Line::to_json).collect(), || permissions_table(&lines))?
        }
    }
    Ok(Exit::Done)
}

/// One command and who may send it, asked of the very function that the server asks.
struct Line {
    service: &'static str,
    command: &'static CommandSpec,
    everybody: bool,
    machines: bool,
    operators: bool,
}

fn permissions(services: &Registry) -> Vec<Line> {
    let machine = Principal::Machine(MachineId::new(1).expect("1 is a machine's number"));
    let line = |(service, command): (&'static str, &'static CommandSpec)| Line {
        service,
        command,
        everybody: permit(Principal::Anonymous, command),
        machines: permit(machine, command),
        operators: permit(Principal::Operator, command),
    };
    services.commands().map(line).collect()
}

fn permissions_table(lines: &[Line]) -> String {
    let yes = |permitted: bool| if permitted { "yes" } else { "-" }.to_owned();
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let name = format!("{} {}", line.service, line.command.name);
            let effect = effect(line.command).to_owned();
            [name, effect, yes(line.everybody), yes(line.machines), yes(line.operators)]
        })
        .collect();
    let columns = ["command", "effect", "anonymous", "machine", "operator"].map(|name| (name, Side::Left));
    table(columns, &rows)
}

fn effect(command: &CommandSpec) -> &'static str {
    match command.effect {
        Effect::Command => "command",
        Effect::Read => "read",
    }
}

impl Line {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "service": self.service,
            "command": self.command.name,
            "effect": effect(self.command),
            "anonymous": self.everybody,
            "machine": self.machines,
            "operator": self.operators,
        })
    }
}
