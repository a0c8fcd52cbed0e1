//! Fuzzing: builds the libFuzzer driver of `crates/fuzz` with instrumented code and runs its targets, as many at a time as
//! there are cores.
//!
//! Nothing has to be installed but a C++ compiler, which libFuzzer itself is compiled with. The driver is built with the
//! features that `cargo test` gives all dependencies, so that those are compiled already.
//!
//! ```text
//!   crates/fuzz/corpus/NAME/   inputs in the tree: read, and added to by a merge
//!   target/fuzz/NAME/grown/    what runs found interesting: read and written
//!   target/fuzz/NAME/found/    inputs that break a property
//!   target/fuzz/NAME/log       what libFuzzer said last
//! ```
//!
//! Absent: cargo-fuzz, a nightly compiler, sanitizers (no crate holds unsafe code).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;

/// Names the target to the driver.
const TARGET_VARIABLE: &str = "SWITCHBOARD_FUZZ_TARGET";
/// The inputs in the tree; its folders are the targets.
const CORPUS: &str = "crates/fuzz/corpus";
/// Stands before rustc for the crates of the workspace.
const INSTRUMENT: &str = "crates/fuzz/instrument.sh";
/// Longest input of any target, in bytes.
const INPUT_BYTES_MAX: usize = 2048;
/// An input that takes longer is a failure, in seconds.
const INPUT_SECONDS_MAX: u64 = 10;
/// Memory of one run, in MiB: no input may ask for much.
const MEMORY_MIB_MAX: u64 = 1024;
/// Lines of a failed run that are shown.
const LOG_LINES_SHOWN: usize = 40;

/// The driver, built.
#[derive(Debug)]
pub struct Driver {
    program: PathBuf,
    root: PathBuf,
    work: PathBuf,
}

/// How one target's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which target.
    pub name: String,
    /// Whether every input held.
    pub held: bool,
    /// The figures of the run, or the end of its log and where the input lies.
    pub text: String,
}

/// The targets of the workspace at `root`, by name.
///
/// # Errors
/// When the folder of the corpora cannot be read.
pub fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(CORPUS);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

impl Driver {
    /// Builds the driver of the workspace at `root`.
    ///
    /// # Errors
    /// When it cannot be built; the compiler's own messages say why.
    pub fn build(root: &Path) -> Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo metadata does not understand the workspace")?;
        let target_folder = metadata.target_directory.into_std_path_buf();
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(root)
            .args(["build", "--workspace", "--exclude", "sim", "--features", "fuzz/libfuzzer"])
            .args(["--example", "libfuzzer"])
            .env("RUSTC_WORKSPACE_WRAPPER", root.join(INSTRUMENT))
            .env("CARGO_INCREMENTAL", "0")
            .stdin(Stdio::null())
            .status()
            .context("cannot start cargo")?;
        ensure!(status.success(), "the fuzzing driver could not be built: {status}");
        let program = target_folder.join("debug/examples/libfuzzer");
        ensure!(program.is_file(), "cargo built no {}; unset CARGO_BUILD_TARGET", program.display());
        Ok(Self { program, root: root.to_path_buf(), work: target_folder.join("fuzz") })
    }

    /// Runs each of `names` for `seconds`, as many at a time as there are cores; reports each as it ends.
    ///
    /// # Errors
    /// When a run cannot be started.
    pub fn run(
        &self,
        names: &[String],
        seconds: u64,
        report: impl Fn(&Report) + Sync,
    ) -> Result<Vec<Report>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (left, done) = (Mutex::new(names.iter()), Mutex::new(Vec::new()));
        let work_through = || {
            loop {
                let next = left.lock().expect("no holder panics").next();
                let Some(name) = next else { return };
                let result = self.run_one(name, seconds);
                result.iter().for_each(&report);
                done.lock().expect("no holder panics").push(result);
            }
        };
        thread::scope(|scope| {
            for _ in 0..cores.min(names.len()) {
                scope.spawn(work_through);
            }
        });
        done.into_inner().expect("no holder panics").into_iter().collect()
    }

    fn run_one(&self, name: &str, seconds: u64) -> Result<Report> {
        let folder = self.folder(name)?;
        let found = folder.join("found");
        let mut command = self.command(name);
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg("-print_final_stats=1")
            .args([folder.join("grown"), self.corpus(name)]);
        let log = folder.join("log");
        let held = run_logged(command, &log)?;
        let said = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
        Ok(conclude(name, held, &said, &found))
    }

    /// Adds to the corpus in the tree what of the grown one reaches code that nothing there reaches.
    ///
    /// # Errors
    /// When libFuzzer fails; its log says why.
    pub fn merge(&self, name: &str) -> Result<()> {
        let folder = self.folder(name)?;
        let mut command = self.command(name);
        command.arg("-merge=1").args([self.corpus(name), folder.join("grown")]);
        let log = folder.join("log");
        ensure!(run_logged(command, &log)?, "the merge of {name} failed; see {}", log.display());
        Ok(())
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env(TARGET_VARIABLE, name)
            .current_dir(&self.root)
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
        command
    }

    fn corpus(&self, name: &str) -> PathBuf {
        self.root.join(CORPUS).join(name)
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        for inner in ["grown", "found"] {
            let path = folder.join(inner);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(folder)
    }
}

/// Fuzzes by hand: one target or all of them; merges what was found when asked to. Whether everything held.
///
/// # Errors
/// When there is no such target, no C++ compiler, or the driver cannot be built or run.
pub fn by_hand(root: &Path, target: Option<&str>, seconds: u64, merge: bool) -> Result<bool> {
    let mut names = targets(root)?;
    if let Some(target) = target {
        if !names.iter().any(|name| name == target) {
            bail!("there is no fuzz target {target}; there are {}", names.join(", "));
        }
        names = vec![target.to_owned()];
    }
    if let Some(need) = crate::needs::absent().into_iter().find(|need| need.package == COMPILER) {
        bail!("{} is absent: {}; install it with: apt-get install {COMPILER}", need.package, need.used_by);
    }
    let driver = Driver::build(root)?;
    let reports = driver.run(&names, seconds, show)?;
    let held = reports.iter().all(|report| report.held);
    if merge && held {
        names.iter().try_for_each(|name| driver.merge(name))?;
    }
    Ok(held)
}

/// The Debian package of the C++ compiler that libFuzzer needs.
pub const COMPILER: &str = "g++";

/// Prints a report as it comes.
#[expect(clippy::print_stdout, reason = "the figures are what the command is run for")]
pub fn show(report: &Report) {
    println!("fuzz {}: {}", report.name, report.text);
}

fn run_logged(mut command: Command, log: &Path) -> Result<bool> {
    let complain = || format!("cannot write {}", log.display());
    let file = File::create(log).with_context(complain)?;
    let errors = file.try_clone().with_context(complain)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    Ok(status.success())
}

/// A run holds when libFuzzer says that it came to its end.
fn conclude(name: &str, held: bool, said: &str, found: &Path) -> Report {
    let name = name.to_owned();
    if let Some(figures) = figures(said).filter(|_| held) {
        return Report { name, held: true, text: figures };
    }
    let lines: Vec<&str> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
    let text = format!(
        "a property does not hold\n{end}\nthe input is in {}; copy it into {CORPUS}/{name}/, and `cargo test -p fuzz` repeats it",
        found.display()
    );
    Report { name, held: false, text }
}

/// `#1234 DONE cov: 10 ft: 20 corp: 5/60b lim: 4 exec/s: 99 rss: 30Mb`, in words.
fn figures(said: &str) -> Option<String> {
    let last = said.lines().rev().find(|line| line.starts_with('#') && line.contains("DONE"))?;
    let mut words = last.split_whitespace();
    let inputs = words.next()?.trim_start_matches('#');
    let mut after = |key: &str| words.by_ref().find(|word| *word == key).and_then(|_| words.next());
    let (edges, corpus, speed) = (after("cov:")?, after("corp:")?, after("exec/s:")?);
    Some(format!("held for {inputs} inputs, {speed}/s, {edges} edges, corpus {corpus}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: &str = "INFO: seed\n#1234\tDONE   cov: 10 ft: 20 corp: 5/60b lim: 4 exec/s: 99 rss: 30Mb\n\
        ###### Recommended dictionary. ######\nstat::number_of_executed_units: 1234\n";

    fn report(held: bool, said: &str) -> Report {
        conclude("frames", held, said, Path::new("/found"))
    }

    #[test]
    fn a_run_that_came_to_its_end_has_figures() {
        let good = report(true, DONE);
        assert_eq!(
            (good.held, good.text.as_str()),
            (true, "held for 1234 inputs, 99/s, 10 edges, corpus 5/60b")
        );
    }

    #[test]
    fn a_run_that_fails_or_says_nothing_is_a_failure_that_names_the_input() {
        assert!(!report(false, DONE).held);
        assert!(!report(true, "").held);
        let bad =
            report(false, "thread panicked at crates/fuzz/src/frames.rs: left\n==1== ERROR: libFuzzer\n");
        assert!(bad.text.contains("frames.rs: left") && bad.text.contains("/found"), "{}", bad.text);
    }

    #[test]
    fn a_log_is_kept_and_the_status_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            run_logged(command, &log).unwrap()
        };
        assert!(!shell("echo no >&2; exit 77"));
        assert_eq!(fs::read_to_string(&log).unwrap(), "no\n");
        assert!(shell("true"));
    }

    #[test]
    fn every_folder_of_the_corpus_is_a_target() {
        let names = targets(&crate::workspace_root()).unwrap();
        assert!(names.contains(&"frames".to_owned()) && names.is_sorted(), "{names:?}");
    }
}
