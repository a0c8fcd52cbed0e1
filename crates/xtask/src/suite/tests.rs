//! Tests of the test command: shell scripts stand in for `cargo test`.

use super::*;

const GOOD: &str = "echo 'running 2 tests'; echo; \
    echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'";

fn shell(script: &str) -> Run {
    stream(Command::new("sh").args(["-c", script]), Duration::from_millis(100), &mut Vec::new()).unwrap()
}

fn check(run: &Run, skips: &str, in_ci: bool, line: &str, success: bool) {
    let figures = conclude(&settle(run, &mut Vec::new()), skips, in_ci, &mut Vec::new());
    assert_eq!(closing_line(&figures), line);
    assert_eq!(is_success(&figures), success);
}

#[test]
fn a_good_run_succeeds() {
    check(&shell(GOOD), "", true, "2 passed, 0 failed", true);
}

#[test]
fn a_run_that_ends_badly_without_a_failed_test_is_a_failure() {
    check(&shell(&format!("{GOOD}; exit 101")), "", false, "2 passed, 1 failed", false);
}

#[test]
fn a_run_of_nothing_is_a_failure() {
    check(&shell("true"), "", false, "0 passed, 0 failed", false);
}

#[test]
fn a_process_left_behind_is_a_failure_and_does_not_hang_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    // Opening a named pipe waits for the other side, so this process lives until the test ends it.
    let run = shell(&format!("mkfifo {0}; cat {0} & {GOOD}", pipe.display()));
    fs::write(&pipe, "").unwrap();
    check(&run, "", false, "2 passed, 1 failed", false);
}

#[test]
fn output_without_line_ends_or_text_is_survived() {
    check(
        &shell(&format!("printf '\\377\\n'; head -c 200000 /dev/zero; echo; {GOOD}")),
        "",
        false,
        "2 passed, 0 failed",
        true,
    );
}

#[test]
fn skips_are_told_apart_from_passes_and_fail_in_ci() {
    let run = shell(GOOD);
    let skips = "tmux: menu in a\ntmux: menu in a\n";
    check(&run, skips, false, "1 passed, 0 failed, 1 skipped", true);
    check(&run, skips, true, "1 passed, 1 failed", false);
    check(&run, "tmux: a in a\ntmux: b in a\n", false, "0 passed, 0 failed, 2 skipped", false);
}

fn simulated(script: &str) -> Tally {
    simulation(Command::new("sh").args(["-c", script]), &mut Vec::new()).unwrap()
}

#[test]
fn a_simulation_is_one_test_whatever_it_prints() {
    assert_eq!(simulated("true"), Tally { passed: 1, ..Tally::default() });
    assert_eq!(simulated("exit 1"), Tally { failed: 1, ..Tally::default() });
}

#[test]
fn the_figures_of_the_stages_add_up() {
    let mut figures = Tally { passed: 1, failed: 2, ignored: 3 };
    add(&mut figures, &simulated("exit 3"));
    add(&mut figures, &settle(&shell(GOOD), &mut Vec::new()));
    assert_eq!(figures, Tally { passed: 3, failed: 3, ignored: 3 });
}

#[test]
fn fuzzing_without_a_compiler_is_skipped_and_fails_in_ci() {
    let root = crate::workspace_root();
    let absent: Vec<&Need> = needs::NEEDS.iter().filter(|need| need.package == COMPILER).collect();
    let settings = Settings { root: &root, skip_log: Path::new("/"), absent: &absent, long: false };
    let mut said = Vec::new();
    let figures = fuzz(&settings, &mut said);
    assert!(String::from_utf8(said).unwrap().contains("skipped for want of g++: fuzzing of beat, "));
    assert!(figures.ignored > 1 && figures.passed == 0 && figures.failed == 0, "{figures:?}");
    assert!(conclude(&figures, "", true, &mut Vec::new()).failed > 1);
}

#[test]
fn arguments_for_cargo_mean_cargo_test_alone() {
    let request = |only, arguments: &[&str]| Request {
        install: false,
        long: false,
        only,
        cargo_arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
    };
    assert_eq!(stages(&request(None, &[])), [Stage::Tests, Stage::Simulation, Stage::Fuzz]);
    assert_eq!(stages(&request(Some(Stage::Fuzz), &[])), [Stage::Fuzz]);
    assert_eq!(stages(&request(None, &["-p", "xtask"])), [Stage::Tests]);
    assert_eq!(simulation_arguments(true).last(), Some(&"100000"));
}

#[test]
fn only_a_clear_yes_means_ci() {
    assert!(is_ci(Some("true")));
    assert!(is_ci(Some("1")));
    assert!(!is_ci(Some("false")));
    assert!(!is_ci(Some("")));
    assert!(!is_ci(None));
}
