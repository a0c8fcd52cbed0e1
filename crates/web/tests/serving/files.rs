//! Which files are served, and that the next request after a change sees it.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, Mode, mknodat};

use switchboard_web::Snapshot;

use crate::client::{Response, Served, replace, until};

#[test]
fn only_regular_files_inside_the_root_are_served() {
    let served = Served::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    served.write(".hidden", "secret");
    std::fs::create_dir(served.path(".git")).unwrap();
    served.write(".git/config", "secret");
    std::fs::create_dir(served.path(".well-known")).unwrap();
    served.write(".well-known/security.txt", "known");
    std::fs::create_dir(served.path("sub")).unwrap();
    served.write("sub/a.txt", "inside");
    symlink(outside.path(), served.path("out")).unwrap();
    symlink(outside.path().join("secret"), served.path("out.txt")).unwrap();
    symlink("../../../../../../../../etc/passwd", served.path("up.txt")).unwrap();
    symlink("circle", served.path("circle")).unwrap();
    symlink("sub/a.txt", served.path("in.txt")).unwrap();
    symlink("sub", served.path("linked")).unwrap();
    mknodat(rustix::fs::CWD, served.path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(served.path("socket")).unwrap();
    let mut client = served.connect();
    for hidden in [
        "/.hidden",
        "/.git/config",
        "/.git/",
        "/out/secret",
        "/out.txt",
        "/up.txt",
        "/circle",
        "/fifo",
        "/socket",
        "/sub/.well-known/x",
        "/sub/a.txt/",
        "/sub/a.txt/b",
        "/%2e%2e/secret",
    ] {
        let status = client.fetch(hidden).status;
        if status == 400 {
            client = served.connect();
        }
        assert!(status == 404 || status == 400, "{hidden}: {status}");
    }
    for (shown, body) in [
        ("/.well-known/security.txt", "known"),
        ("/in.txt", "inside"),
        ("/linked/a.txt", "inside"),
        ("/sub/a.txt", "inside"),
        ("/sub/%61.txt", "inside"),
    ] {
        assert_eq!(client.fetch(shown).body, body.as_bytes(), "{shown}");
    }
    assert_eq!(client.fetch("/sub").field("Location"), Some("/sub/"));
}

/// Runs `check` with events, and without any.
fn both_ways(check: impl Fn(&Served, &dyn Fn())) {
    let watched = Served::new();
    check(&watched, &|| {});
    let polled = Served::limited(|limits| limits.watched_folders_max = 0);
    // Older than this nothing is used that was not compared with the disk.
    #[expect(
        clippy::disallowed_methods,
        reason = "the bound of 50 ms is what is tested: there is no other state to wait for"
    )]
    check(&polled, &|| std::thread::sleep(std::time::Duration::from_millis(51)));
}

#[test]
fn the_next_request_after_a_change_sees_it() {
    both_ways(|served, pass| {
        let path = served.path("a.txt");
        served.write("a.txt", "one");
        let mut client = served.connect();
        let mut expect = |what: &str, body: Option<&str>| {
            pass();
            let answer = client.fetch("/a.txt");
            let body = body.map_or((404, None), |body| (200, Some(body.as_bytes().to_vec())));
            let got = (answer.status, (answer.status == 200).then_some(answer.body));
            assert_eq!(got, body, "{what}");
        };
        expect("written", Some("one"));
        for round in 0..5 {
            let text = format!("round {round}");
            std::fs::write(&path, &text).unwrap();
            expect("rewritten in place", Some(&text));
            replace(&path, b"renamed");
            expect("renamed over", Some("renamed"));
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
            expect("truncated", Some("ren"));
            std::fs::remove_file(&path).unwrap();
            expect("removed", None);
            std::fs::write(&path, "back").unwrap();
            expect("made again", Some("back"));
        }
    });
}

#[test]
fn folders_that_move_take_their_files_along() {
    both_ways(|served, pass| {
        std::fs::create_dir_all(served.path("a/b")).unwrap();
        served.write("a/b/f.txt", "old");
        let mut client = served.connect();
        let mut expect = |target: &str, body: Option<&str>| {
            pass();
            let answer = client.fetch(target);
            assert_eq!(
                (answer.status == 200).then_some(answer.body),
                body.map(|body| body.as_bytes().to_vec()),
                "{target}"
            );
        };
        for round in 0..4 {
            expect("/a/b/f.txt", Some("old"));
            expect("/c/b/f.txt", None);
            std::fs::rename(served.path("a"), served.path("c")).unwrap();
            expect("/a/b/f.txt", None);
            expect("/c/b/f.txt", Some("old"));
            std::fs::create_dir_all(served.path("a/b")).unwrap();
            served.write("a/b/f.txt", format!("new {round}"));
            expect("/a/b/f.txt", Some(&format!("new {round}")));
            std::fs::remove_dir_all(served.path("a")).unwrap();
            expect("/a/b/f.txt", None);
            std::fs::rename(served.path("c"), served.path("a")).unwrap();
        }
    });
}

#[test]
fn links_and_index_files_and_sidecars_are_followed_too() {
    both_ways(|served, pass| {
        for release in ["one", "two"] {
            std::fs::create_dir(served.path(release)).unwrap();
            served.write(&format!("{release}/index.html"), release);
        }
        symlink("one", served.path("current")).unwrap();
        let mut client = served.connect();
        pass();
        assert_eq!(client.fetch("/current/").body, b"one");
        symlink("two", served.path("next")).unwrap();
        std::fs::rename(served.path("next"), served.path("current")).unwrap();
        pass();
        assert_eq!(client.fetch("/current/").body, b"two");
        served.write("two/index.html", "changed behind the link");
        pass();
        assert_eq!(client.fetch("/current/").body, b"changed behind the link");

        std::fs::hard_link(served.path("one/index.html"), served.path("twin.html")).unwrap();
        pass();
        assert_eq!(client.fetch("/twin.html").body, b"one");
        served.write("one/index.html", "through the other name");
        pass();
        assert_eq!(client.fetch("/twin.html").body, b"through the other name");

        let packed = "Accept-Encoding: br\r\n";
        served.write("a.css", "plain");
        pass();
        let plain = client.request("GET", "/a.css", packed);
        assert_eq!((plain.field("Content-Encoding"), plain.body.as_slice()), (None, b"plain".as_slice()));
        assert_eq!(plain.field("Vary"), Some("Accept-Encoding"));
        served.write("a.css.br", "packed");
        pass();
        let compressed = client.request("GET", "/a.css", packed);
        assert_eq!(compressed.field("Content-Encoding"), Some("br"));
        assert_eq!(compressed.body, b"packed");
        assert_ne!(compressed.field("ETag"), plain.field("ETag"));
        assert_eq!(client.fetch("/a.css").body, b"plain");
        served.write("a.css", "newer than its sidecar");
        pass();
        assert_eq!(client.request("GET", "/a.css", packed).body, b"newer than its sidecar");
    });
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "looks again and again for a state, and gives up after a while"
)]
fn a_name_that_is_made_later_hides_no_change() {
    let outside = tempfile::tempdir().unwrap();
    let served = Served::new();
    for twin in [served.path("twin.txt"), outside.path().join("twin.txt")] {
        served.write("a.txt", "one");
        let mut client = served.connect();
        assert_eq!(client.fetch("/a.txt").body, b"one");
        std::fs::hard_link(served.path("a.txt"), &twin).unwrap();
        std::fs::write(&twin, "two").unwrap();
        let started = std::time::Instant::now();
        while client.fetch("/a.txt").body != b"two" {
            assert!(started.elapsed() < std::time::Duration::from_secs(10), "never: {}", twin.display());
        }
        std::fs::remove_file(&twin).unwrap();
    }
}

#[test]
fn a_reload_follows_the_link_to_the_root_anew() {
    let folder = tempfile::tempdir().unwrap();
    for release in ["one", "two"] {
        std::fs::create_dir(folder.path().join(release)).unwrap();
        std::fs::write(folder.path().join(release).join("index.html"), release).unwrap();
    }
    let link = folder.path().join("current");
    symlink("one", &link).unwrap();
    let served = Served::with(|settings| settings.sites[0].root = link.clone());
    let mut client = served.connect();
    assert_eq!(client.fetch("/").body, b"one");
    std::fs::remove_file(&link).unwrap();
    assert!(served.running.reload().is_err());
    assert_eq!(client.fetch("/").body, b"one", "a reload that fails changes nothing");
    symlink("two", &link).unwrap();
    served.running.reload().unwrap();
    assert_eq!(client.fetch("/").body, b"two");
}

#[test]
fn more_names_than_the_cache_holds_are_served_all_the_same() {
    let served = Served::limited(|limits| limits.cache_bytes_max = 100_000);
    for number in 0..200 {
        served.write(&format!("{number}"), format!("{number} ").repeat(2000));
    }
    let mut client = served.connect();
    for round in 0..3 {
        for number in 0..200 {
            let body = client.fetch(&format!("/{number}")).body;
            assert!(body == format!("{number} ").repeat(2000).as_bytes(), "round {round}");
            assert_eq!(client.fetch(&format!("/none/{round}/{number}")).status, 404);
        }
    }
}

const PACKED: &str = "Accept-Encoding: gzip, br;q=0.5\r\n";

fn unpacked(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    match response.field("Content-Encoding") {
        Some("br") => brotli::BrotliDecompress(&mut &response.body[..], &mut bytes).unwrap(),
        Some("gzip") => {
            flate2::read::GzDecoder::new(&response.body[..]).read_to_end(&mut bytes).unwrap();
        }
        other => {
            assert_eq!(other, None);
            bytes.clone_from(&response.body);
        }
    }
    bytes
}

#[test]
fn a_file_is_compressed_once_and_never_shown_stale() {
    both_ways(|served, pass| {
        let mut client = served.connect();
        for length in [10_000, 600_000] {
            let before = served.running.metrics().snapshot().compressed;
            let text = format!("<!doctype html>{length}").repeat(length / 20).into_bytes();
            served.write("page.html", &text);
            pass();
            let first = client.request("GET", "/page.html", PACKED);
            assert_eq!(
                (first.field("Content-Encoding"), first.field("Vary")),
                (None, Some("Accept-Encoding"))
            );
            assert!(first.body == text);
            let counted = |now: &Snapshot| now.compressed > before;
            until(served, "it is compressed", counted);
            let mut packed = client.request("GET", "/page.html", PACKED);
            // Where nothing tells of changes, a slow machine may have looked at the disk anew.
            while packed.field("Content-Encoding").is_none() {
                packed = client.request("GET", "/page.html", PACKED);
            }
            assert_eq!(
                (packed.field("Content-Encoding"), packed.field("Vary")),
                (Some("gzip"), first.field("Vary"))
            );
            assert!(packed.body.len() < text.len() / 2 && unpacked(&packed) == text);
            let br = client.request("GET", "/page.html", "Accept-Encoding: br\r\n");
            assert!(unpacked(&br) == text);
            let tags = [&first, &packed, &br].map(|response| response.field("ETag").unwrap());
            assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
            assert!(client.fetch("/page.html").body == text, "who takes no coding gets none");
            let other = "other ".repeat(length / 6);
            replace(&served.path("page.html"), other.as_bytes());
            pass();
            for _ in 0..20 {
                assert!(unpacked(&client.request("GET", "/page.html", PACKED)) == other.as_bytes());
            }
        }
    });
}

#[test]
fn a_large_file_is_held_in_memory_and_never_shown_stale() {
    both_ways(|served, pass| {
        let mut client = served.connect();
        for length in [400_000_usize, 3_000_000] {
            let before = served.running.metrics().snapshot().held;
            let first = vec![length.to_le_bytes()[1]; length];
            served.write("film.mp4", &first);
            pass();
            let part = "Range: bytes=300000-300099\r\n";
            // Where nothing tells of changes, a slow machine may look at the disk anew before it was asked for twice.
            while served.running.metrics().snapshot().held == before {
                assert!(client.fetch("/film.mp4").body == first);
                assert!(client.request("GET", "/film.mp4", part).body == first[300_000..300_100]);
            }
            assert!(client.fetch("/film.mp4").body == first);
            assert!(client.request("GET", "/film.mp4", part).body == first[300_000..300_100]);
            let second = vec![1; length];
            replace(&served.path("film.mp4"), &second);
            pass();
            assert!(client.fetch("/film.mp4").body == second, "{length} bytes, replaced");
            let third = vec![2; length];
            served.write("film.mp4", &third);
            pass();
            for _ in 0..20 {
                assert!(client.fetch("/film.mp4").body == third, "{length} bytes, overwritten");
            }
        }
    });
}

#[test]
fn a_file_takes_no_more_memory_than_it_may() {
    let served = Served::limited(|limits| limits.cache_bytes_max = 3_000_000);
    served.write("fits", vec![1; 400_000]);
    served.write("too much", vec![2; 800_000]);
    let mut client = served.connect();
    for _ in 0..3 {
        assert_eq!(client.fetch("/fits").body.len(), 400_000);
    }
    until(&served, "the first is held", |counted| counted.held == 1);
    for _ in 0..40 {
        assert!(client.fetch("/too%20much").body == vec![2; 800_000]);
    }
    served.write("after.html", "compressed after all that was asked before".repeat(100));
    client.request("GET", "/after.html", PACKED);
    until(&served, "what was asked later is done", |counted| counted.compressed == 1);
    assert_eq!(served.running.metrics().snapshot().held, 1, "it is more than one file may take");
}

#[test]
fn nothing_is_compressed_that_is_not_to_be() {
    let served = Served::with(|settings| settings.compress = false);
    served.write("page.html", "text ".repeat(1000));
    let mut client = served.connect();
    for _ in 0..50 {
        assert_eq!(client.request("GET", "/page.html", PACKED).field("Content-Encoding"), None);
    }
    let served = Served::new();
    served.write("small.html", "t".repeat(255));
    served.write("picture.png", "t".repeat(10_000));
    served.write("beside.html", "t".repeat(10_000));
    served.write("beside.html.zst", "packed already");
    served.write("last.html", "t".repeat(10_000));
    let mut client = served.connect();
    for name in ["/small.html", "/picture.png", "/beside.html", "/last.html"] {
        client.request("GET", name, PACKED);
    }
    until(&served, "the last one is compressed", |counted| counted.compressed > 0);
    assert_eq!(served.running.metrics().snapshot().compressed, 1, "in order, so the others were left alone");
}

#[test]
fn a_file_that_never_stands_still_is_answered_503() {
    let served = Served::new();
    let path = served.path("busy.txt");
    std::fs::write(&path, "x").unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Several, so that one that has to wait for the processor is no pause.
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::fs::write(&path, "never the same").unwrap();
                }
            });
        }
        let mut answer = served.fetch("/busy.txt");
        while answer.status == 200 {
            answer = served.fetch("/busy.txt");
        }
        is_over.store(true, Ordering::Relaxed);
        assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")));
    });
    assert_eq!(served.fetch("/busy.txt").body, b"never the same");
}
