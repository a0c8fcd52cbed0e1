//! Another implementation on the other side: the web server of Python's library.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::house::House;
use crate::{get, kept};

/// Python's server over a folder; killed at the end of the test.
struct Python {
    child: Child,
    port: String,
}

impl Python {
    fn serve(folder: &std::path::Path) -> Self {
        let mut command = Command::new(xtask::needs::PYTHON);
        command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]).current_dir(folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split(" port ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self { child, port }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn files_of_pythons_server_are_fetched() {
    if xtask::needs::skipped("python3") {
        return;
    }
    let site = tempfile::tempdir().unwrap();
    std::fs::create_dir(site.path().join("folder")).unwrap();
    std::fs::write(site.path().join("folder/index.html"), "<p>index</p>\n").unwrap();
    let large: String = (0..300_000).map(|number| format!("{number}\n")).collect();
    std::fs::write(site.path().join("large file.txt"), &large).unwrap();
    let server = Python::serve(site.path());
    let house = House::new();
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port);

    let ran = get(&house, &["-O", &url("/large%20file.txt")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(kept(&house, "large file.txt").unwrap() == large);
    let ran = get(&house, &[&url("/folder")]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "<p>index</p>\n"),
        "it follows to the folder: {}",
        ran.stderr
    );
    let ran = get(&house, &["http://127.0.0.1", &server.port, "folder/index.html"]);
    assert!(ran.stdout.starts_with("HTTP/1.0 200 OK\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("\n\n<p>index</p>\n"), "{}", ran.stdout);
    assert_eq!(get(&house, &[&url("/absent")]).code, 1);

    // It does not know ranges: what was begun is begun anew.
    let modified = get(&house, &["--json", "-I", &url("/large%20file.txt")]).json();
    let noted = serde_json::json!({
        "url": url("/large%20file.txt"),
        "validator": modified["headers"]["last-modified"][0],
        "length": large.len(),
    });
    std::fs::write(house.path().join("copy.sb-part"), "0\n1\n").unwrap();
    std::fs::write(house.path().join("copy.sb-part.json"), noted.to_string()).unwrap();
    let ran = get(&house, &["-C", "-o", "copy", &url("/large%20file.txt")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(kept(&house, "copy").unwrap() == large);
}
