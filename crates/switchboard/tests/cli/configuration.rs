//! The configuration as every command meets it.

use crate::house::House;

#[test]
fn a_sound_configuration_is_said_to_be_sound() {
    let house = House::new();
    assert!(house.ok(&["config", "check"]).contains("sound"));
}

#[test]
fn an_unknown_key_ends_every_command_with_the_place_and_the_nearest_key() {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    std::fs::write(house.data().join("switchboard.toml"), "[limits]\nslotz = 3\n").unwrap();
    for command in [&["config", "check"][..], &["serve"], &["bank", "audit"]] {
        let ran = house.run(command);
        assert_eq!(ran.code, 78, "{command:?}");
        assert!(ran.stderr.contains("switchboard.toml line 2"), "{}", ran.stderr);
        assert!(ran.stderr.contains("did you mean limits.slots?"), "{}", ran.stderr);
    }
}

#[test]
fn show_names_the_origin_of_every_value() {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    std::fs::write(house.data().join("switchboard.toml"), "[limits]\nslots = 3\nidle_ms = 5000\n").unwrap();
    let mut command = house.program(&["--set", "limits.slots=5", "config", "show", "--json"]);
    let output = command.env("SWITCHBOARD_LOG_LEVEL", "warn").output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let from = |key: &str| {
        let settings = shown["settings"].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["key"] == key).unwrap();
        (setting["value"].clone(), setting["from"]["kind"].as_str().unwrap().to_owned())
    };
    assert_eq!(from("limits.slots"), (5.into(), "flag".to_owned()));
    assert_eq!(from("limits.idle_ms"), (5000.into(), "file".to_owned()));
    assert_eq!(from("log.level"), ("warn".into(), "environment".to_owned()));
    assert_eq!(from("limits.in_flight"), (256.into(), "default".to_owned()));
}

#[test]
fn permissions_are_printed_from_the_table_that_the_server_asks() {
    let house = House::new();
    expect_test::expect_file!["../permissions.txt"].assert_eq(&house.ok(&["docs", "permissions"]));
}
