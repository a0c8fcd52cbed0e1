//! What a configuration comes to, and what each mistake in one is told.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

/// A data folder with this file, this environment and these flags.
fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), file).unwrap();
    load_in(folder.path(), environment, flags)
}

fn load_in(data: &Path, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let flag = |(key, text): &(&str, &str)| FlagSetting {
        key: (*key).to_owned(),
        text: (*text).to_owned(),
        flag: format!("--set {key}"),
    };
    let sources = Sources {
        data: data.to_owned(),
        file: None,
        environment: environment.iter().map(|(name, text)| (name.into(), text.into())).collect(),
        flags: flags.iter().map(flag).collect(),
    };
    Config::load(&sources).map_err(|error| error.to_string().replace(&data.display().to_string(), "DATA"))
}

fn check_refused(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)], expected: &Expect) {
    expected.assert_eq(&load(file, environment, flags).expect_err("this configuration has to be refused"));
}

fn addresses(config: &Config) -> Vec<String> {
    config.listen.addresses.iter().map(ToString::to_string).collect()
}

fn origin(config: &Config, key: &str) -> Origin {
    let (_, _, origin) = config.values.iter().find(|(known, _, _)| *known == key).unwrap();
    origin.clone()
}

#[test]
fn nothing_has_to_be_configured() {
    let folder = tempfile::tempdir().unwrap();
    let config = load_in(folder.path(), &[], &[]).unwrap();
    let socket = folder.path().join("socket");
    let expected = [
        format!("tls://127.0.0.1:{}", switchboard_client::TLS_PORT_DEFAULT),
        format!("unix:{}", socket.display()),
    ];
    assert_eq!(addresses(&config), expected);
    assert_eq!(config.listen.unix(), Some(socket.as_path()));
    assert_eq!(config.limits.server, switchboard_server::Limits::default());
    assert!(config.values.iter().all(|(_, _, origin)| *origin == Origin::Default));
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let file = "[limits]\nslots = 1\nconnections = 1\nidle_ms = 1001\n";
    let environment = [("SWITCHBOARD_LIMITS_SLOTS", "2"), ("SWITCHBOARD_LIMITS_CONNECTIONS", "2")];
    let config = load(file, &environment, &[("limits.slots", "3")]).unwrap();
    let server = config.limits.server;
    assert_eq!((config.limits.slots, server.connections_max, server.idle_ms_max), (3, 2, 1001));
    assert_eq!(origin(&config, "limits.slots"), Origin::Flag { flag: "--set limits.slots".to_owned() });
    let variable = "SWITCHBOARD_LIMITS_CONNECTIONS".to_owned();
    assert_eq!(origin(&config, "limits.connections"), Origin::Environment { name: variable });
    assert!(matches!(origin(&config, "limits.idle_ms"), Origin::File { line: 4, .. }));
    assert_eq!(origin(&config, "limits.in_flight"), Origin::Default);
}

#[test]
fn every_default_is_accepted_and_every_setting_has_a_meaning() {
    for setting in settings() {
        assert!(!setting.meaning.is_empty(), "{}", setting.key);
        load("", &[], &[(setting.key, setting.default)]).unwrap();
    }
}

#[test]
fn lists_and_paths() {
    let config = load(
        "[listen]\ntls = [\"127.0.0.1:1\", \"[::1]:2\"]\nunix = \"/run/switchboard\"\n",
        &[("SWITCHBOARD_LISTEN_NAMES", "bank.example.org, 192.0.2.7")],
        &[],
    )
    .unwrap();
    assert_eq!(addresses(&config), ["tls://127.0.0.1:1", "tls://[::1]:2", "unix:/run/switchboard"]);
    assert_eq!(config.listen.names, ["bank.example.org", "192.0.2.7"]);
    assert_eq!(load("[listen]\nunix = \"\"\n", &[], &[]).unwrap().listen.unix(), None);
}

#[test]
fn a_value_is_shown_as_it_would_stand_in_the_file() {
    let odd = "it's \"a\" \\ \u{1b}[31m\u{7f}\u{202e}\n";
    let flags = [("client.trust", odd), ("client.pin", odd), ("listen.names", odd)];
    let config = load("", &[], &flags).unwrap();
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value, _) in config.values.iter() {
        let (section, name) = key.split_once('.').unwrap();
        let line = format!("{name} = {value}\n");
        assert!(!line.trim_end().chars().any(char::is_control), "{line}");
        sections.entry(section).or_default().push_str(&line);
    }
    let file: String = sections.iter().map(|(section, lines)| format!("[{section}]\n{lines}")).collect();
    let again = load(&file, &[], &[]).unwrap();
    let values =
        |config: &Config| -> Vec<Value> { config.values.iter().map(|(_, value, _)| value.clone()).collect() };
    assert_eq!(values(&again), values(&config));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_key() {
    check_refused(
        "[limits]\nslots = 3\nconections = 5\n",
        &[],
        &[],
        &expect![
            "unknown setting limits.conections (DATA/switchboard.toml line 3); did you mean limits.connections?"
        ],
    );
    check_refused(
        "\n[limit]\nslots = 3\n",
        &[],
        &[],
        &expect!["unknown setting limit.slots (DATA/switchboard.toml line 2); did you mean limits.slots?"],
    );
    check_refused(
        "xyzzy = 3\n",
        &[],
        &[],
        &expect![
            "unknown setting xyzzy (DATA/switchboard.toml line 1); `switchboard config show` lists every setting"
        ],
    );
    check_refused(
        "",
        &[],
        &[("client.node", "tls://a")],
        &expect!["unknown setting client.node (flag --set client.node); did you mean client.nodes?"],
    );
}

#[test]
fn an_unknown_variable_is_refused_when_it_can_only_be_meant_for_us() {
    check_refused(
        "",
        &[("SWITCHBOARD_LISTEN_TSL", "127.0.0.1:1")],
        &[],
        &expect![
            "unknown setting SWITCHBOARD_LISTEN_TSL (environment variable SWITCHBOARD_LISTEN_TSL); did you mean SWITCHBOARD_LISTEN_TLS?"
        ],
    );
    check_refused(
        "",
        &[("SWITCHBOARD_LITSEN_TLS", "127.0.0.1:1")],
        &[],
        &expect![
            "unknown setting SWITCHBOARD_LITSEN_TLS (environment variable SWITCHBOARD_LITSEN_TLS); did you mean SWITCHBOARD_LISTEN_TLS?"
        ],
    );
    // An orchestrator sets these for a service of that name.
    load("", &[("SWITCHBOARD_PORT", "tcp://10.0.0.1:80"), ("SWITCHBOARD_SERVICE_HOST", "10.0.0.1")], &[])
        .unwrap();
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_what_would_be_right() {
    check_refused(
        "[limits]\nslots = \"many\"\n",
        &[],
        &[],
        &expect!["limits.slots (DATA/switchboard.toml line 2) must be a whole number that is not negative"],
    );
    check_refused(
        "",
        &[("SWITCHBOARD_LIMITS_SLOTS", "2000")],
        &[],
        &expect![
            "limits.slots (environment variable SWITCHBOARD_LIMITS_SLOTS) must be a number from 1 to 1024"
        ],
    );
    check_refused(
        "[listen]\ntls = [\"localhost\"]\n",
        &[],
        &[],
        &expect![[
            r#"listen.tls (DATA/switchboard.toml line 2) must be a list of IP address and port, as in ["127.0.0.1:7447", "[::1]:7447"]"#
        ]],
    );
    check_refused(
        "[log]\nformat = \"xml\"\n",
        &[],
        &[],
        &expect!["log.format (DATA/switchboard.toml line 2) must be auto, text or json"],
    );
    check_refused(
        "[listen]\ncertificate = \"server.pem\"\n",
        &[],
        &[],
        &expect!["listen.key (default) must be set, because listen.certificate and listen.key go together"],
    );
}

#[test]
fn plain_text_off_loopback_needs_a_word_of_consent() {
    check_refused(
        "[listen]\ntcp = [\"0.0.0.0:7446\"]\n",
        &[],
        &[],
        &expect![
            "listen.tcp would offer unencrypted calls on 0.0.0.0:7446, which is not loopback: anybody on the way could read and alter them. Use listen.tls, or say listen.allow_plaintext = true if the network itself is protected"
        ],
    );
    load("[listen]\ntcp = [\"0.0.0.0:7446\"]\nallow_plaintext = true\n", &[], &[]).unwrap();
    load("[listen]\ntcp = [\"127.0.0.1:7446\"]\n", &[], &[]).unwrap();
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    check_refused(
        "[limits]\nslots = 3\nidle_ms =\n",
        &[],
        &[],
        &expect![
            "DATA/switchboard.toml line 3 is not TOML: string values must be quoted, expected literal string; correct it and run `switchboard config check`"
        ],
    );
}

#[test]
fn a_named_file_has_to_be_there() {
    let sources = Sources { file: Some(PathBuf::from("/nonexistent/file.toml")), ..Sources::default() };
    assert!(matches!(Config::load(&sources), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn several_sites_of_the_web_server() {
    let file = r#"
[web]
listen = ["127.0.0.1:80"]
unix = ["www.sock"]
index = ["home.html"]
cache_mib = 1
head_ms = 5000
access_log = "-"
log_format = "json"

[[web.site]]
root = "www"
hosts = ["example.org", "[::1]"]

[[web.site]]
root = "/srv/other"
index = ["a.html", "b.html"]
well_known = false
"#;
    let config = load(file, &[], &[]).unwrap();
    let settings = &config.web.settings;
    assert!(settings.sites[0].root.is_absolute() && settings.sites[0].root.ends_with("www"));
    assert_eq!(
        (&*settings.sites[0].index, settings.sites[0].well_known),
        (&["home.html".to_owned()][..], true)
    );
    assert_eq!(settings.sites[0].hosts, ["example.org", "[::1]"]);
    assert_eq!(settings.sites[1].root, Path::new("/srv/other"));
    assert_eq!(
        (&*settings.sites[1].index, settings.sites[1].well_known),
        (&["a.html".to_owned(), "b.html".to_owned()][..], false)
    );
    assert_eq!(settings.listeners.len(), 2);
    assert_eq!(settings.limits.cache_bytes_max, 1024 * 1024);
    assert_eq!(settings.limits.head_time_max, std::time::Duration::from_secs(5));
    assert_eq!(settings.access_log.as_ref().unwrap().format, switchboard_web::LogFormat::Json);
    let one = load("[web]\nroot = \"/srv/www\"\n", &[("SWITCHBOARD_WEB_LISTEN", "[::]:80")], &[]).unwrap();
    assert_eq!(one.web.settings.sites.len(), 1);
    assert_eq!(one.web.settings.listeners, [switchboard_web::Listener::Tcp("[::]:80".parse().unwrap())]);
    load("", &[("SWITCHBOARD_WEB_SERVICE_HOST", "10.0.0.1"), ("SWITCHBOARD_WEB_PORT_80_TCP", "x")], &[])
        .unwrap();
}

#[test]
fn what_is_wrong_with_a_site_is_told_with_its_line() {
    check_refused(
        "[[web.site]]\nrot = \"/srv\"\n",
        &[],
        &[],
        &expect!["unknown setting web.site.rot (DATA/switchboard.toml line 2); did you mean web.site.root?"],
    );
    check_refused(
        "[web]\n\n[[web.site]]\nhosts = [\"a\"]\n",
        &[],
        &[],
        &expect!["web.site.root (DATA/switchboard.toml line 3) must be the path of a folder"],
    );
    check_refused(
        "[[web.site]]\nroot = \"/srv\"\nhosts = [\"a:80\"]\n",
        &[],
        &[],
        &expect![[
            r#"web.site.hosts (DATA/switchboard.toml line 3) must be a list of host names without port, as in ["example.org"]"#
        ]],
    );
    check_refused(
        "[web]\nsite = 3\n",
        &[],
        &[],
        &expect!["web.site (DATA/switchboard.toml line 2) must be tables, each under [[web.site]]"],
    );
    check_refused(
        "[web]\nroot = \"/a\"\n[[web.site]]\nroot = \"/b\"\n",
        &[],
        &[],
        &expect![
            "web.root and [[web.site]] cannot both be set; make the folder of web.root a site of its own"
        ],
    );
    check_refused(
        "[web]\nindex = [\"a/b\"]\n",
        &[],
        &[],
        &expect![
            "web.index (DATA/switchboard.toml line 2) must be a list of plain file names, without slashes or a leading dot"
        ],
    );
    check_refused(
        "[web]\nlog_format = \"xml\"\n",
        &[],
        &[],
        &expect!["web.log_format (DATA/switchboard.toml line 2) must be common, combined or json"],
    );
}

#[test]
fn what_is_shown_under_tls() {
    let file = r#"
[web]
listen_tls = ["[::]:443"]
hsts = 0

[[web.certificate]]
cert = "one.crt"
key = "/etc/one.key"

[[web.certificate]]
key = "two.key"
cert = "two.crt"
"#;
    let tls = load(file, &[], &[]).unwrap().web.settings;
    assert_eq!(tls.listeners, [switchboard_web::Listener::Tls("[::]:443".parse().unwrap())]);
    let tls = tls.tls;
    assert!(
        tls.certificates[0].certificate.is_absolute() && tls.certificates[0].certificate.ends_with("one.crt")
    );
    assert_eq!(tls.certificates[0].key, Path::new("/etc/one.key"));
    assert!(tls.certificates[1].key.ends_with("two.key"));
    assert_eq!(tls.hsts, Some(std::time::Duration::ZERO), "0 takes back what was said");
    let none = load("", &[("SWITCHBOARD_WEB_SELF_SIGNED", "/srv/keys")], &[]).unwrap().web.settings.tls;
    assert_eq!(none.hsts, None);
    assert_eq!(none.self_signed, switchboard_web::SelfSigned::Kept("/srv/keys".into()));
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_with_its_line() {
    check_refused(
        "[web]\n\n[[web.certificate]]\ncert = \"a.crt\"\n",
        &[],
        &[],
        &expect![
            "web.certificate.key (DATA/switchboard.toml line 3) must be the path of the certificate's private key in PEM"
        ],
    );
    check_refused(
        "[[web.certificate]]\ncert = \"\"\nkey = \"a.key\"\n",
        &[],
        &[],
        &expect![
            "web.certificate.cert (DATA/switchboard.toml line 2) must be the path of a certificate in PEM"
        ],
    );
    check_refused(
        "[[web.certificate]]\nchain = \"a.crt\"\nkey = \"a.key\"\n",
        &[],
        &[],
        &expect![
            "unknown setting web.certificate.chain (DATA/switchboard.toml line 2); did you mean web.certificate.cert?"
        ],
    );
    check_refused(
        "[web]\nself_signed = \"keys\"\n[[web.certificate]]\ncert = \"a.crt\"\nkey = \"a.key\"\n",
        &[],
        &[],
        &expect![
            "web.self_signed and [[web.certificate]] cannot both be set; a self-signed certificate is for who has no other"
        ],
    );
    check_refused(
        "[web]\nlisten_tls = [\"443\"]\n",
        &[],
        &[],
        &expect![[
            r#"web.listen_tls (DATA/switchboard.toml line 2) must be a list of IP address and port, as in ["0.0.0.0:80"]"#
        ]],
    );
    check_refused(
        "[web]\nhsts = 1000000000000\n",
        &[],
        &[],
        &expect!["web.hsts (DATA/switchboard.toml line 2) must be a number from 0 to 316224000"],
    );
}

#[test]
fn the_examples_of_the_documentation_are_sound() {
    let text = include_str!("../../../../docs/web.md");
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        load(example, &[], &[]).unwrap();
    }
}
