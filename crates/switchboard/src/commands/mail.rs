//! `switchboard mail`: submits mail. Absent: the dialogue and the making of messages, which are the mail crate's; a queue.

mod delivery;
mod dialogue;
mod dry_run;
mod explain;
mod outcome;
mod parcels;
mod secret;
mod send;
mod server_info;
mod way;

use clap::Subcommand;

use crate::commands::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;

/// What can be done with mail.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Sends a message through a mail server, and says for each recipient what became of it
    #[command(
        after_help = "Exit codes: 0 accepted for every recipient; 67 a recipient was refused for good, 1 the message or the sender; \
        69 not now, nothing was sent to those named, safe to repeat; 75 the whole message left and no answer came: it may have \
        arrived; 76 the server does not keep to SMTP; 77 the login was refused, or the server is not the right one.\n\n\
        Examples:\n  \
        switchboard mail send --server mail.example.org --user ada --password-command 'pass mail' \\\n    \
        --from 'Ada <ada@example.org>' --to bob@example.org --subject hello --text -\n  \
        switchboard mail send --server localhost:25 --tls off --from a@localhost --to b@localhost \\\n    \
        --subject report --html page.html --inline logo.png --attach report.pdf --explain\n  \
        switchboard mail send --account work --to bob@example.org --subject hello --text note.txt --dry-run\n  \
        switchboard mail send --account work --stop-after auth --transcript\n  \
        switchboard mail send --server mail.example.org --server-info\n  \
        switchboard mail send --account work --message 1.eml --message 2.eml"
    )]
    Send(Box<send::Arguments>),
}

/// Runs the action.
///
/// # Errors
/// When there is no message to send. What became of one that was sent is in the exit code.
pub fn run(on: &Invocation, action: Action) -> Result<Exit, Failure> {
    match action {
        Action::Send(arguments) => send::run(on, &arguments),
    }
}
