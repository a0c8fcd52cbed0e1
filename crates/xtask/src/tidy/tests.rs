//! Each rule is shown a clean tree and one with a planted violation; the last test shows them this repository.

use super::*;

const WORKSPACE: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\n\
    disallowed_methods = { level = \"deny\", priority = 1 }\ntodo = \"deny\"\nunimplemented = \"deny\"\n";
const PACKAGE: &str = "[package]\nname = \"switchboard-call\"\ndescription = \"d\"\nversion.workspace = true\n\
    edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
    [lints]\nworkspace = true\n";

/// A clean workspace of one crate.
const CLEAN: &[(&str, &str)] = &[
    ("Cargo.toml", WORKSPACE),
    (
        "README.md",
        "Read [the protocol](docs/protocol.md#frames), protocol.cddl, `[x](y)` and [us](https://example.org).\n",
    ),
    ("crates/call/Cargo.toml", PACKAGE),
    ("crates/call/src/lib.rs", "//! Calls.\nmod frame;\nmod inline { mod deep; }\n"),
    ("crates/call/src/frame.rs", "//! Frames.\nmod header;\n"),
    ("crates/call/src/frame/header.rs", "//! Headers.\n"),
    ("crates/call/src/inline/deep.rs", "//! Deep.\n"),
    ("crates/call/tests/all/main.rs", "//! Tests.\nmod replay;\n"),
    ("crates/call/tests/all/replay.rs", "//! Replay.\n// golden/hello.bin examples/python/draw.py\n"),
    ("crates/call/tests/golden/hello.bin", "x"),
    ("docs/protocol.md", "Frames.\n"),
    ("docs/protocol.cddl", "frame = bytes\n"),
    ("examples/python/draw.py", "print(1)\n"),
];

/// Adds `files` to the clean workspace (or replaces them in it) and expects exactly these findings.
#[track_caller]
fn check_planted(files: &[(&str, &str)], expected: &[&str]) {
    let all: Vec<_> = CLEAN.iter().chain(files).copied().collect();
    let seen: Vec<String> = check(&Tree::planted(&all), &[]).iter().map(Finding::to_string).collect();
    assert_eq!(seen.len(), expected.len(), "{seen:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(seen.contains(expected), "{seen} does not contain {expected}");
    }
}

fn crate_using(name: &str, depends_on: &[&str]) -> Crate {
    let folder = name.trim_start_matches("switchboard-").into();
    Crate { name: name.into(), folder, depends_on: depends_on.iter().map(|used| (*used).into()).collect() }
}

#[track_caller]
fn check_crates(name: &str, depends_on: &[&str], expected: &[&str]) {
    let others = ["switchboard-call", "switchboard-store", "switchboard-engine", "xtask"];
    let mut crates: Vec<Crate> =
        others.iter().filter(|other| **other != name).map(|other| crate_using(other, &[])).collect();
    crates.push(crate_using(name, depends_on));
    let seen: Vec<String> = edges::check(&crates).iter().map(Finding::to_string).collect();
    assert_eq!(seen.len(), expected.len(), "{seen:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(seen.contains(expected), "{seen} does not contain {expected}");
    }
}

#[test]
fn a_clean_tree_has_no_findings() {
    check_planted(&[], &[]);
}

#[test]
fn edges_outside_the_table_are_found() {
    check_crates("switchboard-engine", &["switchboard-call", "switchboard-store", "thiserror"], &[]);
    check_crates("switchboard", &["switchboard-call", "switchboard-store", "tokio"], &[]);
    check_crates("xtask", &["switchboard-call"], &[]);
    check_crates("switchboard-call", &["switchboard-store"], &["may not depend on switchboard-store"]);
    check_crates("switchboard-server", &["switchboard-store"], &["may not depend on switchboard-store"]);
    check_crates("switchboard", &["xtask"], &["may not depend on xtask"]);
}

#[test]
fn foreign_crates_that_break_a_promise_are_found() {
    check_crates("switchboard-call", &["tokio", "rusqlite"], &["depend on tokio", "depend on rusqlite"]);
    check_crates("switchboard-server", &["tokio", "rusqlite"], &["depend on rusqlite"]);
}

#[test]
fn a_crate_without_a_line_or_with_another_name_is_found() {
    check_crates("switchboard-fax", &[], &["in no table"]);
    let renamed = Crate { folder: "line".into(), ..crate_using("switchboard-call", &[]) };
    assert!(edges::check(&[renamed])[0].message.contains("named switchboard-line"));
}

#[test]
fn a_manifest_without_the_workspace_lints_is_found() {
    let manifest = PACKAGE.replace("[lints]\nworkspace = true\n", "");
    check_planted(&[("crates/call/Cargo.toml", &manifest)], &["[lints] workspace = true"]);
    let manifest = PACKAGE.replace("license.workspace = true", "license = \"MIT\"");
    check_planted(&[("crates/call/Cargo.toml", &manifest)], &["license.workspace = true"]);
}

#[test]
fn the_simulation_copies_the_lints_and_denies_unsafe_code() {
    let lints = WORKSPACE.replace("[workspace.", "[").replace("forbid", "deny");
    let manifest = PACKAGE.replace("[lints]\nworkspace = true\n", &lints).replace("switchboard-call", "sim");
    let check_sim = |manifest: &str, expected: &[&str]| {
        check_planted(
            &[("crates/sim/Cargo.toml", manifest), ("crates/sim/src/lib.rs", "//! Sim.\n")],
            expected,
        );
    };
    check_sim(&manifest, &[]);
    check_sim(&manifest.replace("\"deny\"", "\"allow\""), &["copy the workspace's lints"]);
    check_sim(&manifest.replace("todo = \"deny\"\n", ""), &["copy the workspace's lints"]);
    let elsewhere = manifest.replace("\"sim\"", "\"switchboard-call\"");
    check_planted(&[("crates/call/Cargo.toml", &elsewhere)], &["[lints] workspace = true"]);
}

#[test]
fn a_workspace_that_permits_unsafe_code_is_found() {
    check_planted(&[("Cargo.toml", &WORKSPACE.replace("forbid", "deny"))], &["unsafe_code = \"forbid\""]);
}

#[test]
fn a_source_without_its_first_line_is_found() {
    let source = "// Frames.\nmod header;\n";
    check_planted(&[("crates/call/src/frame.rs", source)], &["frame.rs:1: the first line"]);
}

#[test]
fn names_that_say_nothing_are_found() {
    let lib = "//! Calls.\nmod frame;\nmod inline { mod deep; }\nmod utils;\nmod text_helpers {}\n";
    check_planted(
        &[("crates/call/src/lib.rs", lib), ("crates/call/src/utils.rs", "//! What?\n")],
        &["lib.rs:4: `mod utils`", "lib.rs:5: `mod text_helpers`", "utils.rs: `utils` says nothing"],
    );
    check_planted(
        &[("crates/core/Cargo.toml", PACKAGE), ("crates/core/src/lib.rs", "//! Core.\n")],
        &["crates/core/Cargo.toml: `core`", "crates/core/src/lib.rs: `core`"],
    );
}

#[test]
fn placeholders_are_found() {
    let later = concat!("//! Headers.\nfn f() { to", "do!() }\n// TO", "DO\n");
    check_planted(&[("crates/call/src/frame/header.rs", later)], &["header.rs:2", "header.rs:3"]);
    let text = concat!("Frames. FIX", "ME\n");
    check_planted(&[("docs/protocol.md", text)], &["protocol.md:1"]);
    check_planted(&[("docs/protocol.md", "mktemp XXXXXX, a todo list, TODOS\n")], &[]);
    let currency = concat!("//! Headers.\nconst NONE: &str = \"XX", "X\";\n");
    check_planted(&[("crates/call/src/frame/header.rs", currency)], &[]);
}

#[test]
fn documents_that_end_in_the_middle_are_found() {
    check_planted(&[("docs/protocol.md", "Frames\n\n## Cancel\n\n")], &["protocol.md:3: the document ends"]);
    check_planted(&[("docs/protocol.md", "And so on ...\n")], &["protocol.md:1: the document ends"]);
    check_planted(&[("docs/protocol.md", "")], &["protocol.md: is empty"]);
}

#[test]
fn sources_that_no_mod_reaches_are_found() {
    let orphan = ("crates/call/src/orphan.rs", "//! Alone.\n");
    check_planted(&[orphan], &["orphan.rs: nothing reaches"]);
    // A comment is no declaration, and a module of the same name elsewhere is another one.
    let lib = "//! Calls. mod orphan;\nmod frame { mod orphan; }\nmod inline { mod deep; }\n";
    check_planted(
        &[orphan, ("crates/call/src/lib.rs", lib)],
        &["frame.rs: nothing", "header.rs: nothing", "orphan.rs: nothing"],
    );
    check_planted(&[("crates/call/tests/all/lost.rs", "//! Lost.\n")], &["lost.rs: nothing reaches"]);
}

#[test]
fn named_targets_and_path_attributes_are_reached() {
    let manifest = format!("{PACKAGE}[[bin]]\nname = \"odd\"\npath = \"odd/start.rs\"\n");
    check_planted(
        &[
            ("crates/call/Cargo.toml", &manifest),
            ("crates/call/odd/start.rs", "//! Start.\n#[path = \"next/door.rs\"]\nmod door;\n"),
            ("crates/call/odd/next/door.rs", "//! Door.\nmod mat;\n"),
            ("crates/call/odd/next/door/mat.rs", "//! Mat.\n"),
            ("crates/call/benches/speed.rs", "//! Speed.\n"),
        ],
        &[],
    );
}

#[test]
fn examples_and_golden_files_that_nothing_names_are_found() {
    check_planted(&[("examples/ruby/draw.rb", "puts 1\n")], &["draw.rb: nothing reaches"]);
    check_planted(&[("crates/call/tests/old/bye.bin", "x")], &["bye.bin: nothing reaches"]);
    let header = ("crates/call/src/frame/header.rs", "//! Headers of src/.\n");
    check_planted(&[header, ("crates/call/src/lost.sql", "x")], &["lost.sql: nothing reaches"]);
}

#[test]
fn documents_that_nothing_links_are_found() {
    check_planted(&[("docs/alone.md", "Alone.\n")], &["alone.md: nothing leads"]);
    // Two that link only each other are alone too.
    let (one, two) = (("docs/one.md", "[two](two.md)\n"), ("docs/two.md", "[one](one.md)\n"));
    check_planted(&[one, two], &["one.md: nothing leads", "two.md: nothing leads"]);
    check_planted(&[("docs/picture.svg", "<svg/>\n")], &["picture.svg: nothing leads"]);
}

#[test]
fn links_that_lead_nowhere_are_found() {
    let text = "See [gone](../gone.md)\n\n```\n[code](no.md)\n```\n[label]: away.md\nEnd.\n";
    check_planted(&[("docs/protocol.md", text)], &["protocol.md:1: the link to ../gone.md", "away.md"]);
}

fn function_of(lines: usize) -> String {
    format!("//! Frames.\nmod header;\nfn long() {{\n{}}}\n", "\n".repeat(lines - 2))
}

#[test]
fn files_and_functions_over_the_limit_are_found() {
    let path = "crates/call/src/frame.rs";
    check_planted(&[(path, &function_of(size::FUNCTION_LINES_MAX))], &[]);
    check_planted(&[(path, &function_of(size::FUNCTION_LINES_MAX + 1))], &["frame.rs:3: long has 71 lines"]);
    let file = |lines: usize| format!("//! Frames.\nmod header;\n{}", "\n".repeat(lines - 2));
    check_planted(&[(path, &file(size::FILE_LINES_MAX))], &[]);
    check_planted(&[(path, &file(size::FILE_LINES_MAX + 1))], &["the file has 801 lines"]);
}

#[test]
fn the_ratchet_turns_one_way() {
    let with = |lines: usize, ratchet: &str, expected: &[&str]| {
        let ratchet = format!("{ratchet}\n");
        check_planted(
            &[("crates/call/src/frame.rs", &function_of(lines)), (size::RATCHET, &ratchet)],
            expected,
        );
    };
    let eighty = "[functions]\n\"crates/call/src/frame.rs::long\" = 80";
    with(80, eighty, &[]);
    with(81, eighty, &["grew from 80 to 81"]);
    with(75, eighty, &["write 75 for 80"]);
    with(20, eighty, &["within the limit"]);
    with(20, "[functions]\n\"crates/call/src/frame.rs::gone\" = 90", &["is gone"]);
    with(20, "[tables]\n\"crates/call/src/gone.rs\" = \"a table\"", &["is gone"]);
    with(20, "[file]", &["cannot be read"]);
    with(900, "[tables]\n\"crates/call/src/frame.rs\" = \"a table\"", &["long has 900 lines"]);
}

#[test]
fn a_clock_outside_the_drivers_is_found() {
    let source = "//! Headers.\n#[expect(clippy::disallowed_methods, reason = \"r\")]\nfn now() {}\n";
    check_planted(&[("crates/call/src/frame/header.rs", source)], &["header.rs:2: only drivers"]);
    check_planted(&[("crates/call/tests/all/replay.rs", &format!("{source}// golden/ draw.py\n"))], &[]);
}

#[test]
fn this_repository_is_tidy() {
    let found = findings(&crate::workspace_root()).unwrap();
    let lines: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}
