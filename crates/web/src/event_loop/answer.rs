//! A request that was read -> its answer, in the output of the loop.
//!
//! *Promises* that what is sent is what [`plan::plan`] decides: an answer made before is used again only for a request that
//! equals the first in everything on which the plan depends, and from an entry that is still right. *Absent:* sending.

use std::rc::Rc;
use std::sync::Arc;

use http::HeaderMap;

use super::Loop;
use super::connection::{Connection, Settling, Then, Waits};
use super::outgoing::Piece;
use crate::accept::{Accepted, Coding};
use crate::access_log::{Facts, Notes, Spoken, Texts};
use crate::background::{Job, Place};
use crate::conditional::Conditions;
use crate::date;
use crate::http1::respond::{self, Connection as Stays};
use crate::http1::{Head, Method, Refusal, Scheme, Version};
use crate::limits;
use crate::plan::{self, Body, Found, Moment, Plan, Policy};
use crate::status::Status;
use crate::target::Target;
use crate::tree::{self, Compression, Content, Entry, Patience, Thing, Trouble};

/// An answer made up once, and the question to which it is one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) asked: [Option<Box<[u8]>>; 3],
    pub(super) status: Status,
    pub(super) form: Form,
    pub(super) body: Made,
}

/// What precedes the body of an answer made up once.
#[derive(Debug)]
pub(super) enum Form {
    /// The head of HTTP/1, and where in it the date stands.
    Head { connection: Stays, bytes: Box<[u8]>, date_at: usize },
    /// The fields of HTTP/2, without the date.
    Fields(HeaderMap),
}

/// The body of an answer made up once.
#[derive(Debug, Clone)]
pub(super) enum Made {
    Nothing,
    Text(&'static str),
    Whole(Content, u64),
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// Its answer is in the output.
    Yes,
    /// Its file is not settled: again, later.
    Later,
}

impl Loop {
    /// Answers.
    pub(super) fn answer(&mut self, connection: &mut Connection, head: &Head<'_>) -> Answered {
        if !connection.settling.is_due(self.clock.ms()) {
            return Answered::Later;
        }
        // A request that waited for its file has paid.
        if connection.settling.is_new() && !connection.permit.request(self.clock.ns()) {
            self.counters.refused_rate.one();
            let plan = plan::closing(Status::TooManyRequests, self.policy(connection.transport.scheme()));
            self.send_plan(connection, Some(head), &plan, None);
            return Answered::Yes;
        }
        let site = self.tree.sites().of(head.authority);
        let now = self.now();
        let key = tree::plain_key(head.resource);
        let mut entry = key.and_then(|key| self.tree.cached(site, key, now));
        if let (Some(entry), Some(key)) = (&entry, key) {
            self.counters.cache_hits.one();
            // Elsewhere every byte is copied anyway.
            if connection.transport.scheme() == Scheme::Http {
                self.tree.hold(site, key, entry);
            }
            if self.again(connection, head, entry) {
                connection.settling = Settling::default();
                return Answered::Yes;
            }
        }
        let target = match Target::parse(head.resource) {
            Ok(target) => target,
            Err(refusal) => {
                self.refuse(connection, Some(head), &refusal);
                return Answered::Yes;
            }
        };
        let looks = matches!(head.method, Method::Get | Method::Head | Method::Options);
        if let (Target::Path(path), None, true) = (&target, &entry, looks) {
            match self.look_up(connection, site, path) {
                Ok(found) => entry = Some(found),
                Err(Trouble::Unsettled) if connection.settling.waits_on(self.clock.ms()) => {
                    return Answered::Later;
                }
                Err(trouble) => {
                    connection.settling = Settling::default();
                    let status = self.status_of(trouble);
                    let plan = plan::closing(status, self.policy(connection.transport.scheme()));
                    self.send_plan(connection, Some(head), &plan, None);
                    return Answered::Yes;
                }
            }
        }
        connection.settling = Settling::default();
        let found = entry.as_ref().map_or(Found::Missing, |entry| entry.found());
        let asked = head.asked(&target, connection.transport.scheme());
        let moment = Moment { now: self.clock.unix(), boundary: self.boundary() };
        let plan = plan::plan(&asked, &found, self.policy(asked.connection), moment);
        let asks_again = match (&entry, &target) {
            (Some(entry), Target::Path(path)) => {
                self.have_compressed(head.known.accept_encoding, site, path, entry)
            }
            _ => false,
        };
        if let Some(entry) = &entry
            && is_repeatable(head)
            && !asks_again
            && is_timeless(&asked.conditions, entry, moment)
        {
            self.remember(head, asked.connection, entry, &plan);
        }
        self.send_plan(connection, Some(head), &plan, entry.as_deref());
        Answered::Yes
    }

    /// Lets a file be compressed when somebody asks for it who would take it so; says whether there was no room for it,
    /// so that the next such request has to come here again.
    pub(super) fn have_compressed(
        &mut self,
        accept_encoding: Option<&[u8]>,
        site: usize,
        path: &crate::target::Path<'_>,
        entry: &Entry,
    ) -> bool {
        let Some(compressor) = &self.compressor else { return false };
        let would_take = || {
            let accepted = Accepted::parse(accept_encoding);
            accepted.weight(Coding::Br).or(accepted.weight(Coding::Gzip)).is_some()
        };
        if entry.compression.get() != Compression::Wanted || !would_take() {
            return false;
        }
        let Some(task) = entry.to_compress() else { return true };
        tree::key(path, &mut self.key);
        let ticket = self.tree.ticket();
        let place = Place { site, key: self.key.as_slice().into(), ticket };
        let is_taken = compressor.offer(Job { task, to: Arc::clone(&self.control), place });
        if is_taken {
            entry.compression.set(Compression::Asked(ticket));
        }
        !is_taken
    }

    pub(super) fn look_up(
        &mut self,
        connection: &Connection,
        site: usize,
        path: &crate::target::Path<'_>,
    ) -> Result<Rc<Entry>, Trouble> {
        let mut key = std::mem::take(&mut self.key);
        tree::key(path, &mut key);
        let now = self.now();
        let found = match self.tree.cached(site, &key, now) {
            Some(entry) => {
                self.counters.cache_hits.one();
                Ok(entry)
            }
            None => {
                let is_hurried = connection.settling.is_hurried();
                let patience = if is_hurried { Patience::Hurry } else { Patience::Wait };
                self.counters.cache_misses.one();
                self.tree.find(site, path, &key, now, patience)
            }
        };
        self.key = key;
        found
    }

    /// Answers as an equal request was answered, if there was one.
    fn again(&mut self, connection: &mut Connection, head: &Head<'_>, entry: &Entry) -> bool {
        if !is_repeatable(head) {
            return false;
        }
        let stays = self.stays(head);
        let asked = asked(head);
        let answers = entry.answers.borrow();
        let scheme = connection.transport.scheme();
        let made = answers.iter().find_map(|answer| match &answer.form {
            Form::Head { connection, bytes, date_at }
                if *connection == stays && answer.is_to(head.method, scheme, asked) =>
            {
                Some((answer, bytes, *date_at))
            }
            Form::Head { .. } | Form::Fields(_) => None,
        });
        let Some((answer, head_bytes, date_at)) = made else { return false };
        let at = self.out.len();
        self.out.extend_from_slice(head_bytes);
        respond::set_date(&mut self.out[at..], date_at, self.clock.date());
        let bytes = match &answer.body {
            Made::Nothing => 0,
            Made::Text(text) => {
                self.out.extend_from_slice(text.as_bytes());
                length(text.len())
            }
            Made::Whole(content, len) => {
                self.follow(content, 0, *len);
                *len
            }
        };
        self.note(connection, Some(head), answer.status, bytes);
        if stays == Stays::Closes {
            connection.then = closing_of(head);
        }
        true
    }

    /// Keeps an answer for the next equal request.
    fn remember(&self, head: &Head<'_>, scheme: Scheme, entry: &Entry, plan: &Plan) {
        let Some(body) = Made::of(plan, entry) else { return };
        let mut bytes = Vec::with_capacity(512);
        let connection = self.stays(head);
        let date_at = respond::write_head(plan, connection, self.clock.date(), &mut bytes);
        entry.remember(Answer {
            method: head.method,
            scheme,
            asked: asked(head).map(|value| value.map(Box::from)),
            status: plan.status,
            form: Form::Head { connection, bytes: bytes.into(), date_at },
            body,
        });
    }

    /// Answers a request that the parser refused.
    pub(super) fn refuse(&mut self, connection: &mut Connection, head: Option<&Head<'_>>, refusal: &Refusal) {
        let plan = plan::refused(refusal, self.policy(connection.transport.scheme()));
        self.send_plan(connection, head, &plan, None);
    }

    /// Says `status` to a connection without a request, and that it ends.
    pub(super) fn dismiss(&mut self, connection: &mut Connection, status: Status) {
        let plan = plan::closing(status, self.policy(connection.transport.scheme()));
        self.send_plan(connection, None, &plan, None);
    }

    fn send_plan(
        &mut self,
        connection: &mut Connection,
        head: Option<&Head<'_>>,
        plan: &Plan,
        entry: Option<&Entry>,
    ) {
        let stays = match head {
            Some(_) if plan.close => Stays::Closes,
            Some(head) => self.stays(head),
            None => Stays::Closes,
        };
        respond::write_head(plan, stays, self.clock.date(), &mut self.out);
        let is_head = head.is_some_and(|head| head.method == Method::Head);
        let bytes = if is_head || plan.body == Body::Nothing { 0 } else { plan.content_length.unwrap_or(0) };
        let content = |coding| entry.and_then(|entry| entry.content(coding));
        match &plan.body {
            Body::Nothing => {}
            Body::Text(_) if is_head => {}
            Body::Text(text) => self.out.extend_from_slice(text.as_bytes()),
            Body::Whole(coding) => {
                if let Some(content) = content(*coding) {
                    self.follow(content, 0, bytes);
                }
            }
            Body::One(coding, range) => {
                if let Some(content) = content(*coding) {
                    self.follow(content, range.offset, range.offset + bytes);
                }
            }
            Body::Several(parts) => {
                if let Some(content) = content(Coding::Identity) {
                    self.pieces.extend(several(parts, content));
                }
            }
        }
        self.note(connection, head, plan.status, bytes);
        if stays == Stays::Closes {
            connection.then = head.map_or(Then::Linger, closing_of);
        }
    }

    /// Lets the bytes of `content` from `start` to `end` follow the head: at once if they are few.
    fn follow(&mut self, content: &Content, start: u64, end: u64) {
        if let Content::Memory(memory) = content {
            let part = &memory[index(start)..index(end)];
            if part.len() <= limits::INLINE_BODY_BYTES_MAX {
                self.out.extend_from_slice(part);
                return;
            }
        }
        if start < end {
            self.pieces.push_back(piece(content, start, end));
        }
    }

    /// What is answered when nothing can be said about a file.
    pub(super) fn status_of(&self, trouble: Trouble) -> Status {
        match trouble {
            Trouble::Unsettled => Status::ServiceUnavailable,
            Trouble::Full => {
                self.counters.refused_descriptors.one();
                Status::ServiceUnavailable
            }
            Trouble::System(_) => Status::InternalServerError,
        }
    }

    pub(super) fn count(&self, status: Status) {
        match status.code() / 100 {
            2 => self.counters.status_2xx.one(),
            3 => self.counters.status_3xx.one(),
            4 => self.counters.status_4xx.one(),
            _ => self.counters.status_5xx.one(),
        }
    }

    /// What is said with every answer under this scheme.
    pub(super) const fn policy(&self, scheme: Scheme) -> &Policy {
        match scheme {
            Scheme::Http => &self.policy,
            Scheme::Https => &self.policy_of_tls,
        }
    }

    /// Counts and logs an answer, and takes what follows it.
    fn note(
        &mut self,
        connection: &mut Connection,
        head: Option<&Head<'_>>,
        status: Status,
        body_bytes: u64,
    ) {
        connection.served = true;
        // The next wait is for another request.
        connection.waits = (Waits::Idle, self.clock.ms());
        self.count(status);
        if let Some(log) = &mut self.log {
            let texts = head.map_or_else(Texts::default, |head| Texts {
                method: head.method_name,
                target: head.target,
                referer: head.known.referer,
                agent: head.known.user_agent,
            });
            let version = match head.map(|head| head.version) {
                Some(Version::Http10) => Spoken::Http10,
                Some(Version::Http11) | None => Spoken::Http11,
            };
            let at_us = self.clock.unix_us();
            let facts = Facts { at_us, status: status.code(), body_bytes, peer: connection.peer, version };
            log.push(facts, texts);
        }
        if !self.pieces.is_empty() {
            let mut outgoing = self.spare.pop().unwrap_or_default();
            std::mem::swap(&mut outgoing.pieces, &mut self.pieces);
            outgoing.record = self.log.as_mut().and_then(Notes::pop);
            (outgoing.since_ns, outgoing.progress_ms) = (self.clock.ns(), self.clock.ms());
            connection.outgoing = Some(outgoing);
        }
    }

    fn stays(&self, head: &Head<'_>) -> Stays {
        match head.version {
            _ if self.is_stopping || !head.persistent => Stays::Closes,
            Version::Http10 => Stays::StaysForOld,
            Version::Http11 => Stays::Stays,
        }
    }
}

impl Answer {
    /// Whether it was made for such a request.
    pub(super) fn is_to(&self, method: Method, scheme: Scheme, asked: [Option<&[u8]>; 3]) -> bool {
        self.method == method
            && self.scheme == scheme
            && self.asked.iter().zip(asked).all(|(own, asked)| own.as_deref() == asked)
    }
}

impl Made {
    /// The body that `plan` decides, if it can be kept.
    pub(super) fn of(plan: &Plan, entry: &Entry) -> Option<Self> {
        match &plan.body {
            _ if plan.close => None,
            Body::Nothing => Some(Self::Nothing),
            Body::Text(text) => Some(Self::Text(text)),
            Body::Whole(coding) => {
                let content = entry.content(*coding)?;
                Some(Self::Whole(content.clone(), plan.content_length.unwrap_or(0)))
            }
            Body::One(..) | Body::Several(_) => None,
        }
    }
}

/// Whether the answer depends on nothing but the entry, the method and the fields of [`asked`].
fn is_repeatable(head: &Head<'_>) -> bool {
    let known = &head.known;
    matches!(head.method, Method::Get | Method::Head)
        && head.scheme.is_none()
        && known.range.is_none()
        && known.if_match.is_none()
        && known.if_unmodified_since.is_none()
        && !known.has_split_lists()
        && asked(head).iter().flatten().all(|value| value.len() <= limits::ANSWER_KEY_BYTES_MAX)
}

fn asked<'a>(head: &Head<'a>) -> [Option<&'a [u8]>; 3] {
    let known = &head.known;
    [known.accept_encoding, known.if_none_match, known.if_modified_since]
}

/// Whether the same request has the same answer at any later time. The plan looks at the clock when a file is of the
/// future, and when it reads a date other than the file's own.
pub(super) fn is_timeless(conditions: &Conditions<'_>, entry: &Entry, moment: Moment) -> bool {
    let Thing::File(facts) = &entry.thing else { return !matches!(entry.thing, Thing::Directory) };
    let modified = facts.modified.filter(|modified| *modified <= moment.now);
    match (modified, conditions.if_modified_since) {
        (None, _) => facts.modified.is_none() && conditions.if_modified_since.is_none(),
        (Some(_), None) => true,
        (Some(_), Some(_)) if conditions.if_none_match.is_some() => true,
        (Some(modified), Some(since)) => since == date::format(modified),
    }
}

/// Who is still sending, a body or the next request, would not read the answer if the connection ended at once.
fn closing_of(head: &Head<'_>) -> Then {
    if head.expects_continue || head.persistent { Then::Linger } else { Then::Close }
}

pub(super) fn several(parts: &plan::Multipart, content: &Content) -> Vec<Piece> {
    let part = |part: &plan::Part| {
        let end = part.range.offset + part.range.len.get();
        [Piece::Bytes(part.head.clone().into_bytes()), piece(content, part.range.offset, end)]
    };
    let mut pieces: Vec<Piece> = parts.parts.iter().flat_map(part).collect();
    pieces.push(Piece::Bytes(parts.end.clone().into_bytes()));
    pieces
}

pub(super) fn piece(content: &Content, start: u64, end: u64) -> Piece {
    match content {
        Content::Memory(memory) => Piece::Memory(Arc::clone(memory), index(start)..index(end)),
        Content::Snapshot(snapshot) => Piece::Snapshot(Arc::clone(snapshot), start..end),
        Content::Open(file) => Piece::File(Rc::clone(file), start..end),
    }
}

pub(super) fn index(at: u64) -> usize {
    usize::try_from(at).expect("a file in memory has a length that fits in memory")
}

pub(super) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length fits in 64 bits")
}
