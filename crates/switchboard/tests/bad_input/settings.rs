//! Configurations that cannot be meant: the key, the place and what would be right, before anything is opened.

use expect_test::{Expect, expect};

use crate::house::House;

/// `config check` with this file, this environment and these arguments ends with 78 and says this.
fn check(file: &str, environment: &[(&str, &str)], arguments: &[&str], expected: &Expect) {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    std::fs::write(house.data().join("switchboard.toml"), file).unwrap();
    let mut command = house.program(&[arguments, &["config", "check"]].concat());
    let ran = crate::house::Ran::of(command.envs(environment.iter().copied()).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (78, ""), "{}", ran.stderr);
    expected.assert_eq(&ran.stderr.replace(&house.path().display().to_string(), "HOUSE"));
    let mut command = house.program(&[arguments, &["serve"]].concat());
    let output = command.envs(environment.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let names: Vec<_> = house.data().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["switchboard.toml"], "nothing was opened");
}

#[test]
fn a_value_of_the_wrong_type() {
    check(
        "[limits]\nslots = \"many\"\n",
        &[],
        &[],
        &expect![[r#"
        switchboard: limits.slots (HOUSE/data/switchboard.toml line 2) must be a whole number that is not negative
    "#]],
    );
    check(
        "[listen]\ntls = 7707\n",
        &[],
        &[],
        &expect![[r#"
        switchboard: listen.tls (HOUSE/data/switchboard.toml line 2) must be a list of texts in quotes, as in ["first", "second"]
    "#]],
    );
    check(
        "[listen]\ntls = [\"everywhere\"]\n",
        &[],
        &[],
        &expect![[r#"
        switchboard: listen.tls (HOUSE/data/switchboard.toml line 2) must be a list of IP address and port, as in ["127.0.0.1:7447", "[::1]:7447"]
    "#]],
    );
    check(
        "[limits]\nslots = 0\n",
        &[],
        &[],
        &expect![[r#"
        switchboard: limits.slots (HOUSE/data/switchboard.toml line 2) must be a number from 1 to 1024
    "#]],
    );
    check(
        "limits = 3\n",
        &[],
        &[],
        &expect![[r#"
        switchboard: unknown setting limits (HOUSE/data/switchboard.toml line 1); did you mean limits.slots?
    "#]],
    );
}

#[test]
fn a_file_that_is_no_toml() {
    check(
        "[limits]\nslots = \n",
        &[],
        &[],
        &expect![[r#"
        switchboard: HOUSE/data/switchboard.toml line 2 is not TOML: string values must be quoted, expected literal string; correct it and run `switchboard config check`
    "#]],
    );
    check(
        "\u{0}\u{1}",
        &[],
        &[],
        &expect![[r#"
        switchboard: HOUSE/data/switchboard.toml line 1 is not TOML: key with no value, expected `=`; correct it and run `switchboard config check`
    "#]],
    );
}

#[test]
fn an_unknown_variable_of_a_section() {
    check(
        "",
        &[("SWITCHBOARD_CLIENT_COLOUR", "1")],
        &[],
        &expect![[r#"
        switchboard: unknown setting SWITCHBOARD_CLIENT_COLOUR (environment variable SWITCHBOARD_CLIENT_COLOUR); did you mean SWITCHBOARD_CLIENT_LINK?
    "#]],
    );
    check(
        "",
        &[("SWITCHBOARD_LIMITS_SLOTZ", "1")],
        &[],
        &expect![[r#"
        switchboard: unknown setting SWITCHBOARD_LIMITS_SLOTZ (environment variable SWITCHBOARD_LIMITS_SLOTZ); did you mean SWITCHBOARD_LIMITS_SLOTS?
    "#]],
    );
    check(
        "",
        &[("SWITCHBOARD_LIMITS_SLOTS", "many")],
        &[],
        &expect![[r#"
        switchboard: limits.slots (environment variable SWITCHBOARD_LIMITS_SLOTS) must be a whole number that is not negative
    "#]],
    );
}

#[test]
fn an_unknown_key_on_the_command_line() {
    check(
        "",
        &[],
        &["--set", "limits.slotz=1"],
        &expect![[r#"
        switchboard: unknown setting limits.slotz (flag --set limits.slotz); did you mean limits.slots?
    "#]],
    );
    check(
        "",
        &[],
        &["--config", "/nonexistent/switchboard.toml"],
        &expect![[r#"
        switchboard: cannot read the configuration file /nonexistent/switchboard.toml; check the path and its permissions
          because: No such file or directory (os error 2)
    "#]],
    );
}
