//! The types of a site.

use super::*;

#[test]
fn types_of_a_site() {
    for (name, media) in [
        ("index.html", "text/html; charset=utf-8"),
        ("a/b.v2/INDEX.HTM", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json"),
        ("data.json", "application/json"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("table.csv", "text/csv; charset=utf-8"),
        ("readme.md", "text/markdown; charset=utf-8"),
        ("feed.xml", "text/xml"),
        ("logo.svg", "image/svg+xml"),
        ("photo.jpg", "image/jpeg"),
        ("photo.png", "image/png"),
        ("photo.webp", "image/webp"),
        ("photo.avif", "image/avif"),
        ("favicon.ico", "image/x-icon"),
        ("font.woff2", "font/woff2"),
        ("module.wasm", "application/wasm"),
        ("app.webmanifest", "application/manifest+json"),
        ("clip.mp4", "video/mp4"),
        ("sound.mp3", "audio/mpeg"),
        ("paper.pdf", "application/pdf"),
        ("all.zip", "application/zip"),
        ("all.tar.gz", "application/gzip"),
        ("README", UNKNOWN),
        (".profile", UNKNOWN),
        ("folder.txt/file", UNKNOWN),
        ("a.", UNKNOWN),
        ("", UNKNOWN),
    ] {
        assert_eq!(of_name(name.as_bytes()), media, "{name}");
    }
    assert_eq!(of_name(b"a.\xff"), UNKNOWN);
}

#[test]
fn text_is_compressed_and_pictures_are_not() {
    for name in ["a.html", "a.css", "a.js", "a.json", "a.svg", "a.xml", "a.wasm", "a.txt", "a.ico", "a.ttf"] {
        assert!(is_compressible(&of_name(name.as_bytes())), "{name}");
    }
    for name in ["a.jpg", "a.png", "a.webp", "a.mp4", "a.zip", "a.gz", "a.woff2", "a.pdf", "a"] {
        assert!(!is_compressible(&of_name(name.as_bytes())), "{name}");
    }
}
