//! The packages that tests use, Debian's and one of Python's, one line each, and the question a test asks before it uses one.
//!
//! The rule for a test that needs a package begins with the question and leaves at once when the answer is yes:
//!
//! ```
//! fn the_menu_redraws_after_a_resize() {
//!     if xtask::needs::skipped("tmux") {
//!         return;
//!     }
//!     // ... the test
//! }
//! # the_menu_redraws_after_a_resize();
//! ```
//!
//! `cargo xtask test` names the absent packages in [`SKIP_VARIABLE`] and counts who asked for them through
//! [`SKIP_LOG_VARIABLE`]. Under plain `cargo test` nothing is skipped: a test whose program is absent fails.
//!
//! Absent: a test never looks for a program itself in order to pass without it.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the absent packages, separated by commas; unset when none is.
pub const SKIP_VARIABLE: &str = "SWITCHBOARD_SKIP";
/// Path of the file to which [`skipped`] appends a line for each test that it turned away.
pub const SKIP_LOG_VARIABLE: &str = "SWITCHBOARD_SKIP_LOG";
/// `1` when the long form of the tests was asked for.
pub const LONG_VARIABLE: &str = "SWITCHBOARD_LONG";

/// Debian's interpreter. Another python3 may come first on PATH and would not see Debian's modules.
pub const PYTHON: &str = "/usr/bin/python3";

/// Where programs of the Python Package Index are, apart from Debian's.
pub const PYTHON_TOOLS: &str = "/opt/switchboard-tests";

/// Everything the tests need beyond Rust. A new need is a line here.
pub const NEEDS: &[Need] = &[
    Need {
        package: "g++",
        provides: Provides::Program("c++"),
        used_by: "fuzzing: libFuzzer, the engine that drives it, is compiled from C++",
    },
    Need {
        package: "python3",
        provides: Provides::Program(PYTHON),
        used_by: "the clients in examples/python",
    },
    Need {
        package: "python3-cbor2",
        provides: Provides::PythonModule("cbor2"),
        used_by: "the clients in examples/python",
    },
    Need {
        package: "curl",
        provides: Provides::Program("curl"),
        used_by: "the web server under TLS, by HTTP/1.1 and HTTP/2",
    },
    Need {
        package: "chromium",
        provides: Provides::Program("chromium"),
        used_by: "a page of the web server in a browser, under TLS",
    },
    Need {
        package: "python3-venv",
        provides: Provides::PythonModule("ensurepip"),
        used_by: "installing programs of the Python Package Index apart from Debian's",
    },
    Need {
        package: "sslyze",
        provides: Provides::PythonTool { version: "6.3.1" },
        used_by: "what a scanner finds wrong with the web server's TLS",
    },
    Need {
        package: "python3-aiosmtpd",
        provides: Provides::PythonModule("aiosmtpd"),
        used_by: "mail sent to a server of others, and read back by Python's email package",
    },
    Need {
        package: "python3-dkim",
        provides: Provides::PythonModule("dkim"),
        used_by: "signatures of mail (DKIM) verified by somebody else's program",
    },
    Need {
        package: "python3-nacl",
        provides: Provides::PythonModule("nacl"),
        used_by: "the same for Ed25519",
    },
    Need {
        package: "tmux",
        provides: Provides::Program("tmux"),
        used_by: "tests of the menu on a real terminal",
    },
    Need {
        package: "iproute2",
        provides: Provides::Program("ip"),
        used_by: "tests with a network that swallows packets",
    },
    Need {
        package: "user-mode-linux",
        provides: Provides::Program("linux.uml"),
        used_by: "power cuts, and what ping tells of lines",
    },
    Need { package: "e2fsprogs", provides: Provides::Program("mkfs.ext4"), used_by: "power cuts" },
    Need {
        package: "postfix",
        provides: Provides::Server("usr/sbin/postfix"),
        used_by: "mail that is to become two messages, and mail relayed to its mailbox",
    },
    Need {
        package: "exim4-daemon-light",
        provides: Provides::Server("usr/sbin/exim4"),
        used_by: "mail that is to become two messages",
    },
    Need {
        package: "dovecot-lmtpd",
        provides: Provides::Server("usr/lib/dovecot/lmtp"),
        used_by: "mail relayed to its mailbox",
    },
    Need {
        package: "dovecot-submissiond",
        provides: Provides::Server("usr/lib/dovecot/submission"),
        used_by: "mail submitted with a login under TLS",
    },
    Need {
        package: "kmod",
        provides: Provides::Program("insmod"),
        used_by: "lines that delay and lose packets, in user-mode-linux",
    },
    Need {
        package: "tcpdump",
        provides: Provides::Program("tcpdump"),
        used_by: "what ping tells, held against a capture",
    },
];

/// A package that tests use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Its name for apt-get or pip, and for [`skipped`].
    pub package: &'static str,
    /// What shows that it is there.
    pub provides: Provides,
    /// Which tests are skipped without it, in words.
    pub used_by: &'static str,
}

/// The part of a package that tests use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provides {
    /// A program: an absolute path, or a name on PATH, `/usr/sbin` or `/sbin`.
    Program(&'static str),
    /// A module that [`PYTHON`] can import.
    PythonModule(&'static str),
    /// A program of the Python Package Index, of the package's name, below [`PYTHON_TOOLS`].
    PythonTool {
        /// The version that the tests are written for.
        version: &'static str,
    },
    /// A server: a path below [`unpacked`]. Such packages are not installed: they exclude each other, start by themselves and take
    /// the place of what the machine has. Tests run them as root, in namespaces of their own.
    Server(&'static str),
}

impl Need {
    /// Whether the package's part is absent from this machine.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self.provides {
            Provides::Program(name) => !program_exists(name),
            Provides::PythonModule(name) => !python_imports(name),
            Provides::PythonTool { .. } => !python_tool(self.package).is_file(),
            Provides::Server(path) => !crate::install::is_root() || !unpacked().join(path).is_file(),
        }
    }

    /// What pip is to install; none for a package of Debian.
    #[must_use]
    pub fn requirement(&self) -> Option<String> {
        match self.provides {
            Provides::PythonTool { version } => Some(format!("{}=={version}", self.package)),
            Provides::Program(_) | Provides::PythonModule(_) | Provides::Server(_) => None,
        }
    }
}

/// Those of [`NEEDS`] that this machine lacks.
#[must_use]
pub fn absent() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.is_absent()).collect()
}

/// Those of [`NEEDS`] that are unpacked.
pub fn servers() -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(|need| matches!(need.provides, Provides::Server(_)))
}

/// The folder into which the packages of servers are unpacked, with what they need and the machine lacks: `debian` in cargo's target
/// folder, which it looks for above the running program.
///
/// # Panics
/// When the running program was not built by cargo.
#[must_use]
pub fn unpacked() -> PathBuf {
    let program = env::current_exe().expect("a program knows where it is");
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.expect("cargo marks its target folder").join("debian")
}

/// Whether the running test is to leave at once, because `cargo xtask test` found `package` absent.
///
/// # Panics
/// When `package` is not in [`NEEDS`], or when the log of skips cannot be written.
#[must_use]
pub fn skipped(package: &str) -> bool {
    assert!(
        NEEDS.iter().any(|need| need.package == package),
        "{package} is not in NEEDS; add a line for it in crates/xtask/src/needs.rs"
    );
    let skip = lists(&env::var(SKIP_VARIABLE).unwrap_or_default(), package);
    if skip && let Some(log) = env::var_os(SKIP_LOG_VARIABLE) {
        record(Path::new(&log), package);
    }
    skip
}

/// The program that a package of the Python Package Index provides.
#[must_use]
pub fn python_tool(name: &str) -> PathBuf {
    Path::new(PYTHON_TOOLS).join("bin").join(name)
}

/// Whether `cargo xtask test --long` is running. A test answers with more rounds, never by having none without it.
#[must_use]
pub fn long() -> bool {
    env::var(LONG_VARIABLE).is_ok_and(|value| value == "1")
}

fn lists(packages: &str, package: &str) -> bool {
    packages.split(',').any(|listed| listed == package)
}

fn record(log: &Path, package: &str) {
    let program = env::current_exe().expect("a test knows its own program");
    let thread = std::thread::current();
    // One write call, so that lines of tests that run at the same time stay whole.
    let line = format!("{package}: {} in {}\n", thread.name().unwrap_or("a test"), program.display());
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(log)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the log of skips was made writable by the test command");
}

fn program_exists(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // An absolute name replaces the folder it is joined to.
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(name).is_file())
}

fn python_imports(module: &str) -> bool {
    Command::new(PYTHON)
        .args(["-c", &format!("import {module}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_program_or_module_is_noticed() {
        let program = |name| Need { package: "p", provides: Provides::Program(name), used_by: "" };
        let module = |name| Need { package: "p", provides: Provides::PythonModule(name), used_by: "" };
        assert!(!program("sh").is_absent());
        assert!(!program("/bin/sh").is_absent());
        assert!(program("no-such-program").is_absent());
        assert!(program("/no/such/program").is_absent());
        assert!(module("no_such_module").is_absent());
    }

    #[test]
    fn the_list_of_absent_packages_is_matched_by_whole_names() {
        assert!(lists("tmux,python3-cbor2", "python3-cbor2"));
        assert!(!lists("tmux,python3-cbor2", "python3"));
        assert!(!lists("", "tmux"));
    }

    #[test]
    #[should_panic(expected = "not in NEEDS")]
    fn a_package_outside_the_table_is_refused() {
        let _ = skipped("tmuxx");
    }

    #[test]
    fn each_skip_is_a_line_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("skips");
        record(&log, "tmux");
        record(&log, "python3");
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("tmux: needs::tests::each_skip_is_a_line_in_the_log in "), "{text}");
    }
}
