//! What is written on the command line, as URLs and file names.

use super::*;

#[test]
fn host_port_and_file_make_a_url() {
    for (host, port, file, url) in [
        ("localhost", "8000", "index.html", "http://localhost:8000/index.html"),
        ("http://localhost", "8000", "/index.html", "http://localhost:8000/index.html"),
        ("https://example.org/", "8443", "a b#c?d=1", "https://example.org:8443/a%20b%23c?d=1"),
        ("::1", "80", "x", "http://[::1]/x"),
        ("[::1]", "81", "", "http://[::1]:81/"),
    ] {
        assert_eq!(report_target(host, port, file).unwrap().as_str(), url);
    }
}

#[test]
fn what_is_no_target_is_refused() {
    for (host, port, file) in [
        ("localhost", "0", "x"),
        ("localhost", "65536", "x"),
        ("localhost", "http", "x"),
        ("", "80", "x"),
        ("a/b", "80", "x"),
        ("user@a", "80", "x"),
        ("ftp://a", "80", "x"),
        ("a", "80", "x\r\nEvil: 1"),
    ] {
        assert!(report_target(host, port, file).is_err(), "{host} {port} {file}");
    }
    for text in [
        "localhost:8000/x",
        "ftp://a/x",
        "http://",
        "http://u:secret@a/",
        "http://a/ b",
        "file:///etc/passwd",
    ] {
        let error = url_target(text).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    assert!(url_target(&format!("http://a/{}", "x".repeat(URL_BYTES_MAX))).is_err());
}

#[test]
fn a_fragment_is_not_sent() {
    assert_eq!(url_target("http://a/b#c").unwrap().as_str(), "http://a/b");
}

#[test]
fn a_remote_name_stays_in_its_folder() {
    for (path, name) in [
        ("/a/b.tar.gz?x=1", "b.tar.gz"),
        ("/caf%C3%A9", "café"),
        ("/..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("/%2Ebashrc", "bashrc"),
        ("/%2E%2E%2E.x", "x"),
        ("/a%00b%0Ac%1B[31m", "a_b_c_[31m"),
        ("/-rf", "rf"),
        ("/%5C..%5Cx", "_.._x"),
        ("/100%25", "100%"),
    ] {
        let url = url_target(&format!("http://h{path}")).unwrap();
        assert_eq!(remote_name(&url).unwrap(), name, "{path}");
    }
    for path in ["/", "", "/a/", "/%2E", "/%2E%2E%2F"] {
        let url = url_target(&format!("http://h{path}")).unwrap();
        assert!(!matches!(remote_name(&url), Ok(name) if name.starts_with('.') || name.is_empty()), "{path}");
    }
    let long = url_target(&format!("http://h/{}", "é".repeat(400))).unwrap();
    assert!(remote_name(&long).unwrap().len() <= NAME_BYTES_MAX);
}
