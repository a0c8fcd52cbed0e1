//! The media type of a file by its name, with a charset where the type has one.
//!
//! Absent: a look into the file. A wrong guess would be a type that the owner of the file never gave it, and browsers are
//! told not to guess either (`X-Content-Type-Options: nosniff`).

use std::borrow::Cow;

/// What a file without a known extension is: bytes to save.
pub const UNKNOWN: &str = "application/octet-stream";

/// Extensions for which the table of the crate names another type than the one registered or shown by browsers today.
const OURS: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("jxl", "image/jxl"),
    ("js", "text/javascript; charset=utf-8"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("opus", "audio/ogg"),
    ("ts", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
];

/// The Content-Type of a file with this name.
#[must_use]
pub fn of_name(name: &[u8]) -> Cow<'static, str> {
    let Some(extension) = extension(name) else { return UNKNOWN.into() };
    let extension = extension.to_ascii_lowercase();
    if let Some((_, media)) = OURS.iter().find(|(known, _)| *known == extension) {
        return (*media).into();
    }
    match mime_guess::from_ext(&extension).first_raw() {
        None => UNKNOWN.into(),
        Some(media) if has_charset(media) => format!("{media}; charset=utf-8").into(),
        Some(media) => media.into(),
    }
}

/// Behind the last dot of the last segment; none for `.profile`, whose dot hides it.
fn extension(name: &[u8]) -> Option<&str> {
    let name = name.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    str::from_utf8(&name[dot + 1..]).ok()
}

/// Whether the type is text whose bytes do not say their own charset. XML does (RFC 7303 section 3), and JSON is
/// always UTF-8 (RFC 8259 section 8.1).
fn has_charset(media: &str) -> bool {
    media.starts_with("text/") && media != "text/xml"
}

/// Whether compression is worth trying: text in all its forms, and formats that are not compressed in themselves.
#[must_use]
pub fn is_compressible(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim_end();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence,
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/wasm"
                | "application/x-ndjson"
                | "application/vnd.ms-fontobject"
                | "application/rtf"
                | "font/ttf"
                | "font/otf"
                | "image/bmp"
                | "image/x-icon"
                | "image/vnd.microsoft.icon"
        )
}

#[cfg(test)]
mod tests;
