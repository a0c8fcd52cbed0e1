//! Accounts of the configuration, and what flags change of them.

use expect_test::{Expect, expect};

use super::Server;
use crate::house::House;

/// A data folder with this configuration.
fn configured(text: &str) -> House {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    std::fs::write(house.data().join("switchboard.toml"), text).unwrap();
    house
}

#[test]
fn an_account_says_what_flags_do_not() {
    let server = Server::answering(&[]);
    let account = "[mail.account.work]\nserver = \"ADDRESS\"\ntls = \"off\"\nfrom = \"Me <me@example.org>\"\nuser = \"ada\"\n\
         password_command = \"printf pencil; echo\"\nallow_clear_password = true\n";
    let house = configured(&account.replace("ADDRESS", &server.address));
    let ran = house.run_with_input(
        &["mail", "send", "--account", "work", "--to", "b@b.example", "--text", "-"],
        b"hi\n",
    );
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let heard = server.heard();
    assert!(heard.contains("MAIL FROM:<me@example.org>"), "{heard}");
    // ada and pencil as PLAIN has them.
    assert!(heard.contains("AUTH PLAIN AGFkYQBwZW5jaWw=\n"), "{heard}");
}

#[test]
fn the_default_account_is_used_and_flags_win() {
    let account = "[mail]\ndefault_account = \"work\"\n[mail.account.work]\nserver = \"mail.example.org\"\nfrom = \"me@example.org\"\n\
         user = \"ada\"\npassword_command = \"touch asked; echo pencil\"\n[mail.account.other]\nserver = \"other.example.org\"\n";
    let house = configured(account);
    let plan = |more: &[&str]| {
        let usual = ["mail", "send", "--to", "b@b.example", "--text", "-", "--dry-run"];
        let ran = house.run_with_input(&[usual.as_slice(), more].concat(), b"hi\n");
        assert!(!house.path().join("asked").exists(), "no command runs");
        (ran.code, ran.stderr)
    };
    let (code, told) = plan(&[]);
    assert_eq!(code, 0, "{told}");
    for line in [
        "connect to mail.example.org port 587 with TLS after STARTTLS",
        "log in as ada",
        "from me@example.org",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let (_, told) = plan(&["--tls", "implicit", "--from", "you@example.org", "--user", "bob"]);
    let bob =
        "log in as bob by the best mechanism that the server offers, with the password that is asked for";
    for line in ["port 465 with TLS from the first byte", bob, "from you@example.org"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // Nobody's password goes to a server that is named without an account.
    let (_, told) = plan(&["--server", "elsewhere.example.org", "--from", "me@example.org"]);
    assert!(told.contains("connect to elsewhere.example.org port 587"), "{told}");
    assert!(told.contains("log in as nobody"), "{told}");
    let (code, told) = plan(&["--account", "other"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("nothing says who the message is from"), "{told}");
    let (code, told) = plan(&["--account", "absent"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("there is no mail account \"absent\"") && told.contains("other, work"), "{told}");
}

/// A configuration with this account is refused in these words.
fn check_account(lines: &str, expected: &Expect) {
    let house = configured(&format!("[mail.account.work]\n{lines}"));
    let ran = house.run(&["config", "check"]);
    assert_eq!(ran.code, 78, "{lines}: {}", ran.stdout);
    expected.assert_eq(&ran.stderr.replace(&house.path().display().to_string(), "HOUSE"));
}

#[test]
fn a_value_that_is_none_is_told_with_its_line() {
    check_account(
        "server = 5\n",
        &expect![[r#"
            switchboard: mail.account.server (HOUSE/data/switchboard.toml line 2) must be a text in quotes
        "#]],
    );
    check_account(
        "srver = \"a.example\"\n",
        &expect![[r#"
            switchboard: unknown setting mail.account.srver (HOUSE/data/switchboard.toml line 2); did you mean mail.account.server?
        "#]],
    );
    check_account(
        "server = \"a.example\"\ntls = \"ssl\"\n",
        &expect![[r#"
            switchboard: mail.account.work.tls (HOUSE/data/switchboard.toml line 3) must be starttls, implicit or off
        "#]],
    );
    check_account(
        "server = \"smtp://a.example\"\n",
        &expect![[r#"
            switchboard: mail.account.work.server (HOUSE/data/switchboard.toml line 2) must be a host, as in mail.example.org or mail.example.org:587
        "#]],
    );
    check_account(
        "server = \"a.example\"\nfrom = \"nobody\"\n",
        &expect![[r#"
            switchboard: mail.account.work.from (HOUSE/data/switchboard.toml line 3) must be an address, as in "Ada <ada@example.org>"
        "#]],
    );
    check_account(
        "server = \"a.example\"\nuser = \"ada\"\nauth = \"MAGIC\"\n",
        &expect![[r#"
            switchboard: mail.account.work.auth (HOUSE/data/switchboard.toml line 4) must be one of: SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN, CRAM-MD5, OAUTHBEARER, XOAUTH2
        "#]],
    );
}

#[test]
fn settings_that_need_or_exclude_each_other_are_told_with_their_line() {
    check_account(
        "user = \"ada\"\n",
        &expect![[r#"
            switchboard: mail.account.work.server (HOUSE/data/switchboard.toml line 1) must be set: the mail server, as in mail.example.org
        "#]],
    );
    check_account(
        "server = \"a.example\"\npassword_command = \"pass\"\n",
        &expect![[r#"
            switchboard: mail.account.work.user (HOUSE/data/switchboard.toml line 1) must be set: it says whose password that is
        "#]],
    );
    check_account(
        "server = \"a.example\"\nuser = \"a\"\npassword_file = \"f\"\ntoken_command = \"t\"\n",
        &expect![[r#"
            switchboard: mail.account.work.token_command (HOUSE/data/switchboard.toml line 5) must be left out, since password_file is set and says the same otherwise
        "#]],
    );
    check_account(
        "server = \"a.example\"\ncacert = \"ca\"\npin = \"sha256:00\"\n",
        &expect![[r#"
            switchboard: mail.account.work.pin (HOUSE/data/switchboard.toml line 4) must be left out, since cacert is set and says the same otherwise
        "#]],
    );
    check_account(
        "server = \"a.example\"\npin = \"sha256:00\"\n",
        &expect![[r#"
            switchboard: mail.account.work.pin (HOUSE/data/switchboard.toml line 3) must be a fingerprint: sha256: and 64 hexadecimal digits
        "#]],
    );
    check_account(
        "server = \"a.example\"\ncertificate = \"c.pem\"\n",
        &expect![[r#"
            switchboard: mail.account.work.key (HOUSE/data/switchboard.toml line 1) must be set: the key of the certificate
        "#]],
    );
    let house =
        configured("[mail]\ndefault_account = \"hom\"\n[mail.account.home]\nserver = \"a.example\"\n");
    let told = house.run(&["config", "check"]).stderr;
    assert!(told.contains("mail.default_account") && told.contains("must be one of: home"), "{told}");
}

#[test]
fn the_accounts_of_the_documents_are_sound() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for document in ["mail.md", "mail-providers.md"] {
        let text = std::fs::read_to_string(docs.join(document)).unwrap();
        let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let accounts: String = blocks.collect();
        assert!(accounts.contains("[mail.account."), "{document} has no account");
        configured(&accounts).ok(&["config", "check"]);
    }
}

#[test]
fn accounts_are_shown_without_secrets() {
    let house = configured(
        "[mail.account.home]\nserver = \"a.example\"\nuser = \"ada\"\npassword_command = \"pass mail\"\n",
    );
    let shown = house.ok(&["config", "show"]);
    assert!(shown.contains("mail.account.password_command (home)") && shown.contains("pass mail"), "{shown}");
    let json = house.run(&["config", "show", "--json"]).json();
    assert_eq!(json["mail_accounts"]["home"][0]["key"], "mail.account.password_command");
}
