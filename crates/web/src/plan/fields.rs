//! Which fields go with which answer, in the order in which they are sent.
//!
//! Absent: Date and Connection (`http1::respond`), Content-Length (a number of the plan), Server (never sent: it helps
//! only those who look for a version to attack).

use std::borrow::Cow;

use crate::date::{self, UnixSeconds};

use super::{Facts, Variant};

/// A field of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As registered.
    pub name: &'static str,
    /// Visible ASCII and spaces.
    pub value: Cow<'static, str>,
}

impl Field {
    pub(super) fn new(name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self { name, value: value.into() }
    }

    const fn fixed(name: &'static str, value: &'static str) -> Self {
        Self { name, value: Cow::Borrowed(value) }
    }
}

pub(super) const ALLOW: Field = Field::fixed("Allow", "GET, HEAD, OPTIONS");
pub(super) const VARY: Field = Field::fixed("Vary", "Accept-Encoding");
pub(super) const RETRY_AFTER: Field = Field::fixed("Retry-After", "1");
const NO_SNIFF: Field = Field::fixed("X-Content-Type-Options", "nosniff");

/// What a site says with each of its answers. Operators' words, checked when the configuration is read: names are
/// tokens, values are visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Cache-Control of files. `no-cache` unless configured: a cache may keep the file and has to ask each
    /// time whether it is still the one (a 304 without a body), where silence lets it guess from Last-Modified for how
    /// long it may show an old one (RFC 9111 section 4.2.2).
    pub cache_control: Cow<'static, str>,
    /// Strict-Transport-Security; for a listener with TLS only (RFC 6797 section 7.2).
    pub hsts: Option<Cow<'static, str>>,
    /// Fields of every answer with content: by default no guessing of types, no full address to other sites, no frames
    /// in them.
    pub security: Vec<Field>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cache_control: Cow::Borrowed("no-cache"),
            hsts: None,
            security: vec![
                NO_SNIFF,
                Field::fixed("Referrer-Policy", "strict-origin-when-cross-origin"),
                Field::fixed("X-Frame-Options", "SAMEORIGIN"),
            ],
        }
    }
}

impl Policy {
    fn finish(&self, mut fields: Vec<Field>) -> Vec<Field> {
        fields.extend(self.security.iter().cloned());
        self.transport(fields)
    }

    fn transport(&self, mut fields: Vec<Field>) -> Vec<Field> {
        fields.extend(self.hsts.iter().map(|value| Field::new("Strict-Transport-Security", value.clone())));
        fields
    }
}

/// Of 200 and 206. `media` is that of the message, which differs from the file's when several ranges are sent.
pub(super) fn of_file(
    facts: &Facts,
    variant: &Variant,
    policy: &Policy,
    now: UnixSeconds,
    media: Cow<'static, str>,
) -> Vec<Field> {
    let mut fields = vec![Field::new("Content-Type", media)];
    fields.extend(variant.coding.name().map(|name| Field::fixed("Content-Encoding", name)));
    fields.extend(last_modified(facts, now));
    fields.push(Field::new("ETag", variant.etag.as_str().to_owned()));
    fields.push(Field::fixed("Accept-Ranges", "bytes"));
    fields.push(Field::new("Cache-Control", policy.cache_control.clone()));
    fields.extend(facts.negotiated.then_some(VARY));
    policy.finish(fields)
}

/// RFC 9110 section 15.4.5: what a cache needs to freshen its copy, and no more.
pub(super) fn of_not_modified(facts: &Facts, variant: &Variant, policy: &Policy) -> Vec<Field> {
    let mut fields = vec![
        Field::new("ETag", variant.etag.as_str().to_owned()),
        Field::new("Cache-Control", policy.cache_control.clone()),
    ];
    fields.extend(facts.negotiated.then_some(VARY));
    policy.transport(fields)
}

/// Of an answer whose content is about the request. Not to be kept: the next request may be right.
pub(super) fn of_page(policy: &Policy) -> Vec<Field> {
    policy.finish(vec![
        Field::fixed("Content-Type", "text/html; charset=utf-8"),
        Field::fixed("Cache-Control", "no-store"),
    ])
}

pub(super) fn of_options(policy: &Policy) -> Vec<Field> {
    policy.transport(vec![ALLOW, Field::fixed("Cache-Control", "no-store")])
}

/// None while the time lies ahead of the clock: RFC 9110 section 8.8.2.1 forbids to send it.
fn last_modified(facts: &Facts, now: UnixSeconds) -> Option<Field> {
    let modified = facts.modified.filter(|&modified| modified <= now)?;
    let text = date::format(modified).map(char::from);
    Some(Field::new("Last-Modified", String::from_iter(text)))
}
