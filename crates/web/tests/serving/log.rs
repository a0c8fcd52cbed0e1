//! The access log and the counters of a server that ran.

use switchboard_web::{AccessLog, LogFormat, LogTarget};

use crate::client::Served;

#[test]
fn each_request_has_its_line_and_rotation_begins_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let served = Served::with(|settings| {
        let to = LogTarget::File(path.clone());
        settings.access_log = Some(AccessLog { to, format: LogFormat::Common });
    });
    served.write("a.txt", "12345");
    served.write("large.bin", vec![0; 1_000_000]);
    let mut client = served.connect();
    client.fetch("/a.txt?q=%22");
    client.request("HEAD", "/a.txt", "");
    client.fetch("/large.bin");
    client.fetch("/none");
    client.send("GET /\x01 HTTP/1.1\r\n\r\n");
    client.answer(false);
    drop(client);
    served.running.shutdown();
    let text = std::fs::read_to_string(&path).unwrap();
    let requests: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("] ")).map(|(_, rest)| rest).collect();
    let page = requests[3].rsplit(' ').next().unwrap();
    assert_eq!(
        requests[..4],
        [
            "\"GET /a.txt?q=%22 HTTP/1.1\" 200 5",
            "\"HEAD /a.txt HTTP/1.1\" 200 0",
            "\"GET /large.bin HTTP/1.1\" 200 1000000",
            &format!("\"GET /none HTTP/1.1\" 404 {page}"),
        ]
    );
    assert!(requests[4].starts_with("\"-\" 400 "), "{}", requests[4]);
    assert_eq!(requests.len(), 5);
    assert!(text.lines().all(|line| line.starts_with("127.0.0.1 - - [")));
}

#[test]
fn counters_are_told_to_prometheus() {
    let served = Served::new();
    served.write("a.txt", "12345");
    let mut client = served.connect();
    client.fetch("/a.txt");
    client.fetch("/a.txt");
    client.fetch("/none");
    let text = served.running.metrics().prometheus();
    for line in [
        "# TYPE switchboard_web_requests_total counter",
        "switchboard_web_requests_total{class=\"2xx\"} 2",
        "switchboard_web_requests_total{class=\"4xx\"} 1",
        "switchboard_web_cache_lookups_total{result=\"hit\"} 1",
        "switchboard_web_connections 1",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(
        types.clone().collect::<std::collections::BTreeSet<_>>().len(),
        types.count(),
        "each family once"
    );
}
