//! Tests of the test command: shell scripts stand in for `cargo test`.

use super::*;

const GOOD: &str = "echo 'running 2 tests'; echo; \
    echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'";

fn shell(script: &str) -> Run {
    stream(Command::new("sh").args(["-c", script]), Duration::from_millis(100), &mut Vec::new()).unwrap()
}

fn check(run: &Run, skips: &str, in_ci: bool, line: &str, success: bool) {
    let figures = conclude(run, skips, in_ci, &mut Vec::new());
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

#[test]
fn only_a_clear_yes_means_ci() {
    assert!(is_ci(Some("true")));
    assert!(is_ci(Some("1")));
    assert!(!is_ci(Some("false")));
    assert!(!is_ci(Some("")));
    assert!(!is_ci(None));
}
