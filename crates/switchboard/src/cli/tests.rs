//! The command line as data: the help of every command, lines that are read and lines that are refused.

use expect_test::expect_file;

use super::*;

fn parsed(line: &str) -> Result<Cli, clap::Error> {
    let arguments = std::iter::once("switchboard").chain(line.split_whitespace());
    command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches))
}

/// The help of every command, as a person sees it on a terminal of 100 columns.
#[test]
fn help_of_every_command() {
    let mut pages = Vec::new();
    collect(command(), "switchboard", &mut pages);
    assert!(pages.len() > 20, "{} pages", pages.len());
    let text: Vec<String> = pages.iter().map(|(name, page)| format!("=== {name}\n{page}")).collect();
    expect_file!["../../tests/help.txt"].assert_eq(&text.join("\n"));
}

fn collect(mut command: clap::Command, name: &str, pages: &mut Vec<(String, String)>) {
    pages.push((name.to_owned(), command.render_long_help().to_string()));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        collect(inner.clone(), &format!("{name} {}", inner.get_name()), pages);
    }
}

#[test]
fn every_command_and_every_argument_is_explained() {
    let mut waiting = vec![command()];
    while let Some(command) = waiting.pop() {
        assert!(command.get_about().is_some(), "{} has no description", command.get_name());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        waiting.extend(inner.cloned());
    }
}

#[test]
fn the_tree_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn flags_become_settings_in_order_of_their_precedence() {
    let cli = parsed("--set client.nodes=tls://a --server tls://b --server tls://c config show").unwrap();
    let settings: Vec<_> =
        cli.global.settings().into_iter().map(|setting| (setting.flag, setting.text)).collect();
    let expected = [("--set client.nodes", "tls://a"), ("--server", "tls://b,tls://c")]
        .map(|(a, b)| (a.into(), b.into()));
    assert_eq!(settings, expected);
}

#[test]
fn flags_of_every_command_may_stand_before_and_behind_it() {
    for line in ["--json bank audit", "bank audit --json", "bank --json audit"] {
        assert!(parsed(line).unwrap().global.json, "{line}");
    }
}

#[test]
fn mail_alone_reads_what_the_whole_tree_reads() {
    let words = |line: &str| -> Vec<OsString> {
        std::iter::once("switchboard").chain(line.split_whitespace()).map(OsString::from).collect()
    };
    for line in [
        "mail send --server h:587 --to a@b.example --text -",
        "mail send --server h:587 --to a@b.example --cc c@d.example --bcc e@f.example --from g@h.example --subject x --html f --inline i --attach j",
        "mail send --config f.toml --set mail.account=work --set log.level=debug --json -vv --to a@b.example --text f",
        "mail --json send --to a@b.example --text f -v -v",
        "mail -vv --config f.toml --data d send --to=a@b.example --text=f",
        "mail send --message m.eml --message n.eml --dry-run",
        "mail send --server h:25 --tls off --server-info",
        "mail send --user u --password-command p --stop-after rcpt --to a@b.example --text - --explain --embedded",
    ] {
        let whole = parsed(line).map(|cli| format!("{cli:?}")).map_err(|error| error.to_string());
        let alone = mail_alone(&words(line)).map(|cli| format!("{cli:?}"));
        assert_eq!(alone.ok_or_else(String::new), whole, "{line}");
    }
    for line in [
        "",
        "mail",
        "mail --help",
        "mail send --help",
        "mail help send",
        "mail -V",
        "mail send -h",
        "mail send --version",
        "mail snd",
        "mail send --sbject x",
        "mail send --to a@b.example --text f --set nonsense",
        "mail send --to nobody --text f",
        "mails send",
        "bank audit",
        "--json mail send --to a@b.example --text f",
    ] {
        assert!(mail_alone(&words(line)).is_none(), "{line}");
    }
}

#[test]
fn wrong_lines_are_refused() {
    for line in [
        "bank",
        "bank withdraw 1",
        "bank audit --server tls://a --embedded",
        "bank audit --set nonsense",
        "call status not-a-call",
        "text upper word --file f",
        "serve --stdio --tls 127.0.0.1:0",
        "demo --loss 2",
        "nonsense",
    ] {
        assert!(parsed(line).is_err(), "{line}");
    }
}

#[test]
fn amounts_may_be_negative_so_that_the_rules_can_say_what_is_wrong() {
    parsed("bank withdraw 1 -5.00").unwrap();
    parsed("bank open Ada EUR --floor -5.00").unwrap();
}
