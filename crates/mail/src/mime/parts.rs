//! The tree of parts as one row of pieces: headers, texts and boundaries as bytes, files as files.

use std::collections::VecDeque;

use super::header::Fields;
use super::text::Encoding;
use super::{Attachment, Draft, Piece};

/// The message: `fields` and then the parts. `random` makes boundaries that nothing in a message has.
pub(super) fn assemble(draft: &Draft, fields: Fields, random: &str) -> VecDeque<Piece> {
    let mut writer = Writer { pieces: VecDeque::new(), random, levels: 0 };
    writer.mixed(draft, fields);
    writer.pieces
}

struct Writer<'a> {
    pieces: VecDeque<Piece>,
    random: &'a str,
    levels: usize,
}

/// How a file is offered to who reads.
#[derive(Clone, Copy)]
enum Disposition {
    Attachment,
    Inline { number: usize },
}

impl Writer<'_> {
    fn mixed(&mut self, draft: &Draft, fields: Fields) {
        if draft.attachments.is_empty() {
            return self.related(draft, fields);
        }
        let boundary = self.begin("multipart/mixed", fields);
        if draft.text.is_some() || draft.html.is_some() {
            self.bytes(delimiter(&boundary));
            self.related(draft, Fields::default());
        }
        for attachment in &draft.attachments {
            self.bytes(delimiter(&boundary));
            self.file(attachment, Disposition::Attachment);
        }
        self.bytes(closing(&boundary));
    }

    fn related(&mut self, draft: &Draft, fields: Fields) {
        if draft.inline.is_empty() {
            return self.alternative(draft, fields);
        }
        let root = if draft.text.is_some() { "multipart/alternative" } else { "text/html" };
        let boundary = self.begin(&format!("multipart/related; type=\"{root}\""), fields);
        self.bytes(delimiter(&boundary));
        self.alternative(draft, Fields::default());
        for (number, inline) in draft.inline.iter().enumerate() {
            self.bytes(delimiter(&boundary));
            self.file(inline, Disposition::Inline { number });
        }
        self.bytes(closing(&boundary));
    }

    fn alternative(&mut self, draft: &Draft, fields: Fields) {
        match (&draft.text, &draft.html) {
            (Some(text), Some(html)) => {
                let boundary = self.begin("multipart/alternative", fields);
                self.bytes(delimiter(&boundary));
                self.text("plain", text, Fields::default());
                // The best form comes last (RFC 2046 section 5.1.4).
                self.bytes(delimiter(&boundary));
                self.html(draft, html, Fields::default());
                self.bytes(closing(&boundary));
            }
            (None, Some(html)) => self.html(draft, html, fields),
            (Some(text), None) => self.text("plain", text, fields),
            (None, None) => self.text("plain", "", fields),
        }
    }

    fn html(&mut self, draft: &Draft, html: &str, fields: Fields) {
        let numbered = draft.inline.iter().enumerate();
        let html = numbered.fold(html.to_owned(), |html, (number, inline)| {
            with_content_id(&html, inline.name(), &self.content_id(number))
        });
        self.text("html", &html, fields);
    }

    fn text(&mut self, subtype: &str, text: &str, mut fields: Fields) {
        let encoding = Encoding::of(text);
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        fields.plain("Content-Type", &format!("text/{subtype}; charset={charset}"));
        fields.plain("Content-Transfer-Encoding", encoding.name());
        let mut bytes = fields.end();
        encoding.write(text, &mut bytes);
        self.bytes(bytes);
    }

    fn file(&mut self, file: &Attachment, disposition: Disposition) {
        let mut fields = Fields::default();
        fields.with_parameter("Content-Type", file.media_type(), "name", file.name());
        let word = match disposition {
            Disposition::Attachment => "attachment",
            Disposition::Inline { .. } => "inline",
        };
        fields.with_parameter("Content-Disposition", word, "filename", file.name());
        if let Disposition::Inline { number } = disposition {
            fields.plain("Content-ID", &format!("<{}>", self.content_id(number)));
        }
        fields.plain("Content-Transfer-Encoding", "base64");
        self.bytes(fields.end());
        self.pieces.push_back(Piece::File(file.clone()));
    }

    /// An id of the form of an address (RFC 2392).
    fn content_id(&self, number: usize) -> String {
        format!("{number}.{}@inline.invalid", self.random)
    }

    /// Writes the header of a multipart and returns its boundary.
    fn begin(&mut self, media_type: &str, mut fields: Fields) -> String {
        self.levels += 1;
        // Neither base64 nor quoted-printable has `=_`.
        let boundary = format!("=_{}.{}", self.random, self.levels);
        fields.plain("Content-Type", &format!("{media_type}; boundary=\"{boundary}\""));
        self.bytes(fields.end());
        boundary
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        if let Some(Piece::Bytes(last)) = self.pieces.back_mut() {
            last.extend_from_slice(&bytes);
        } else {
            self.pieces.push_back(Piece::Bytes(bytes));
        }
    }
}

/// The CRLF before a boundary belongs to the boundary (RFC 2046 section 5.1.1): without it a text would lose its last line end.
fn delimiter(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}\r\n").into_bytes()
}

fn closing(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

/// `html` with each `cid:NAME` that stands alone made `cid:ID`.
fn with_content_id(html: &str, name: &str, id: &str) -> String {
    let wanted = format!("cid:{name}");
    let mut written = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(&wanted) {
        let (before, found) = rest.split_at(at);
        let after = &found[wanted.len()..];
        let ends = after.chars().next().is_none_or(|c| c.is_whitespace() || "\"'()<>;&,".contains(c));
        written.push_str(before);
        written.push_str(if ends { "cid:" } else { wanted.as_str() });
        if ends {
            written.push_str(id);
        }
        rest = after;
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_replaced() {
        let html = "<img src=\"cid:a.png\"><img src='cid:a.png.old'> url(cid:a.png)";
        let expected = "<img src=\"cid:ID\"><img src='cid:a.png.old'> url(cid:ID)";
        assert_eq!(with_content_id(html, "a.png", "ID"), expected);
    }
}
