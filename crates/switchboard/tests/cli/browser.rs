//! A page in headless Chromium, from the web server under TLS and without: style, image, sound by ranges, and what scripts ask
//! for by Range and If-None-Match.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::house::{House, Server, wait_until};

const PAGE: &str = r#"<!doctype html>
<html><head><meta charset="utf-8"><title>page</title><link rel="stylesheet" href="style.css"></head>
<body><p id="text">text</p><img id="image" src="image.svg" alt=""><audio id="sound" src="sound.wav" preload="auto"></audio>
<script>
const once = (target, event) => new Promise(resolve => target.addEventListener(event, resolve, { once: true }));
const fresh = headers => fetch('digits.txt', { cache: 'no-store', headers });
(async () => {
  if (document.readyState !== 'complete') await once(window, 'load');
  const told = { protocol: performance.getEntriesByType('navigation')[0].nextHopProtocol };
  told.colour = getComputedStyle(document.getElementById('text')).color;
  told.image = document.getElementById('image').naturalWidth;
  const sound = document.getElementById('sound');
  if (sound.readyState < 1) await once(sound, 'loadedmetadata');
  told.seconds = sound.duration;
  sound.currentTime = 15;
  await once(sound, 'seeked');
  told.at = sound.currentTime;
  const whole = await fresh({});
  const tag = whole.headers.get('ETag');
  told.whole = [whole.status, await whole.text()];
  const part = await fresh({ 'Range': 'bytes=2-4' });
  told.part = [part.status, await part.text(), part.headers.get('Content-Range'), part.headers.get('ETag') === tag];
  const beyond = await fresh({ 'Range': 'bytes=99-' });
  told.beyond = [beyond.status, beyond.headers.get('Content-Range')];
  told.same = (await fresh({ 'If-None-Match': tag })).status;
  told.other = (await fresh({ 'If-None-Match': '"other"' })).status;
  await fetch('digits.txt');
  told.again = (await fetch('digits.txt', { cache: 'no-cache' })).status;
  told.absent = (await fetch('absent')).status;
  return told;
})().catch(error => ({ error: String(error) })).then(told => fetch('/told?' + encodeURIComponent(JSON.stringify(told))));
</script></body></html>
"#;

/// Twenty seconds of silence: 8,000 samples of one byte a second.
fn sound() -> Vec<u8> {
    const SAMPLES: u32 = 160_000;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + SAMPLES).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend([8000_u32.to_le_bytes(), 8000_u32.to_le_bytes()].concat());
    wav.extend(b"\x01\0\x08\0data");
    wav.extend(SAMPLES.to_le_bytes());
    wav.resize(wav.len() + 160_000, 0x80);
    wav
}

fn site(root: &Path) {
    std::fs::create_dir(root).unwrap();
    let image = r#"<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"/>"#;
    for (name, bytes) in [
        ("index.html", PAGE.as_bytes()),
        ("style.css", b"p { color: rgb(1, 2, 3) }"),
        ("image.svg", image.as_bytes()),
        ("digits.txt", b"0123456789"),
        ("sound.wav", &sound()),
    ] {
        std::fs::write(root.join(name), bytes).unwrap();
    }
}

fn serve(house: &House, listen: &[&str]) -> Server {
    let mut command = house.program(&["web", "www", "--json", "--access-log", "log", "--log-format", "json"]);
    command.current_dir(house.path()).args(listen).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    Server { child, facts: serde_json::from_str(&line).unwrap() }
}

/// The lines of the access log so far.
fn log(house: &House) -> Vec<Value> {
    let text = std::fs::read_to_string(house.path().join("log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What the page has told, once it has.
fn told(house: &House) -> Option<Value> {
    let log = log(house);
    let target = log
        .iter()
        .filter_map(|line| line["target"].as_str())
        .find_map(|target| target.strip_prefix("/told?"))?;
    let decoded: Vec<u8> = url::form_urlencoded::parse(target.as_bytes()).next()?.0.into_owned().into_bytes();
    serde_json::from_slice(&decoded).ok()
}

/// Opens the page and waits until it has told what it saw.
fn visited(house: &House, server: &Server, url: &str) -> Value {
    let profile = house.path().join("profile");
    let flags =
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
    let mut command = Command::new("chromium");
    command.args(flags).args(["--mute-audio", "--disable-breakpad", "--remote-debugging-port=0"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    // It believes this key alone, and then keeps what it got, which it would not after an error that it ignores.
    command.args(keys(server).map(|key| format!("--ignore-certificate-errors-spki-list={key}"))).arg(url);
    command.env("HOME", house.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut browser = Server { child: command.spawn().unwrap(), facts: Value::Null };
    wait_until("the page has told what it saw", || told(house).is_some());
    // So it ends its own processes.
    browser.signal(rustix::process::Signal::TERM);
    browser.child.wait().unwrap();
    told(house).unwrap()
}

/// The hashes of the server's keys in base64, joined; nothing without TLS.
fn keys(server: &Server) -> Option<String> {
    let pins: Vec<String> = serde_json::from_value(server.facts["fingerprints"].clone()).unwrap();
    let hashes = pins.iter().map(|pin| pin.parse::<switchboard_tls::Fingerprint>().unwrap());
    let keys: Vec<String> = hashes.map(|hash| BASE64_STANDARD.encode(hash.as_bytes())).collect();
    (!keys.is_empty()).then(|| keys.join(","))
}

fn check(listen: &[&str], scheme: &str, protocol: &str) {
    if xtask::needs::skipped("chromium") {
        return;
    }
    let house = House::new();
    site(&house.path().join("www"));
    let mut server = serve(&house, listen);
    let told = visited(&house, &server, &server.address(scheme));
    let expected = serde_json::json!({
        "protocol": protocol,
        "colour": "rgb(1, 2, 3)",
        "image": 7,
        "seconds": 20,
        "at": 15,
        "whole": [200, "0123456789"],
        "part": [206, "234", "bytes 2-4/10", true],
        "beyond": [416, "bytes */10"],
        "same": 304,
        "other": 200,
        "again": 200,
        "absent": 404,
    });
    assert_eq!(told, expected);
    let log = log(&house);
    let seen = |target: &str, status: u16| {
        log.iter().filter(|line| line["target"] == target && line["status"] == status).count()
    };
    assert!(seen("/sound.wav", 206) > 0, "sound is asked for by ranges: {log:?}");
    assert_eq!(
        seen("/digits.txt", 304),
        2,
        "once by the script and once by the browser's own cache: {log:?}"
    );
    server.signal(rustix::process::Signal::TERM);
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn a_page_is_whole_in_a_browser_under_tls() {
    check(&["--listen-tls", "127.0.0.1:0"], "https://", "h2");
}

#[test]
fn a_page_is_whole_in_a_browser_in_the_clear() {
    check(&["--listen", "127.0.0.1:0"], "http://", "http/1.1");
}
