//! A request of HTTP/2 -> its answer, given to the session. The plan decides; a made-up answer is used again under the rules of
//! HTTP/1's. Absent: bodies from disk after their first bytes.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};

use super::super::Loop;
use super::super::answer::{Answer, Form, Made, index, is_timeless, length, piece, several};
use super::super::connection::{Connection, Settling, Waits};
use super::super::outgoing::Piece;
use super::{Http2, Sending, response};
use crate::accept::Coding;
use crate::access_log::{Facts, Notes, Spoken, Texts};
use crate::http1::{Method, Scheme};
use crate::http2::request::{self, Question};
use crate::http2::{Chunk, Stream};
use crate::limits;
use crate::plan::{self, Asked, Body, Found, Moment, Plan};
use crate::status::Status;
use crate::target::Target;
use crate::tree::{self, Content, Entry, Trouble};

/// What is to be answered.
#[derive(Debug)]
enum Judged {
    /// Its file is not settled: again, later.
    Later,
    Ready(Ready),
}

#[derive(Debug)]
struct Ready {
    status: Status,
    fields: HeaderMap,
    body: Payload,
    bytes: u64,
}

/// A body, as it is sent.
#[derive(Debug)]
enum Payload {
    Nothing,
    Text(&'static str),
    Memory(Arc<[u8]>, std::ops::Range<usize>),
    Pieces(VecDeque<Piece>),
}

/// A request whose answer depends on nothing but these and the file.
struct Asking<'a> {
    method: Method,
    scheme: Scheme,
    asked: [Option<&'a [u8]>; 3],
}

impl<'a> Asking<'a> {
    fn of(asked: &'a Asked<'_>) -> Option<Self> {
        let conditions = &asked.conditions;
        let is_repeatable = matches!(asked.method, Method::Get | Method::Head)
            && asked.scheme == Some(asked.connection)
            && asked.range.is_none()
            && conditions.if_match.is_none()
            && conditions.if_unmodified_since.is_none();
        let values = [
            asked.accept_encoding.as_deref(),
            conditions.if_none_match.as_deref(),
            conditions.if_modified_since,
        ];
        let are_short = values.iter().flatten().all(|value| value.len() <= limits::ANSWER_KEY_BYTES_MAX);
        (is_repeatable && are_short).then_some(Self {
            method: asked.method,
            scheme: asked.connection,
            asked: values,
        })
    }
}

impl Loop {
    /// Answers a request, or keeps it until its file has settled.
    pub(super) fn answer_stream(
        &mut self,
        connection: &mut Connection,
        http2: &mut Http2,
        stream: Box<Stream>,
        settling: Settling,
    ) {
        connection.settling = settling;
        let judged = self.judge(connection, &stream.request);
        let settling = std::mem::take(&mut connection.settling);
        let Judged::Ready(ready) = judged else { return http2.held.push_back((stream, settling)) };
        let Stream { request, respond } = *stream;
        self.note_stream(connection, &request, &ready);
        self.respond(http2, respond, ready);
    }

    fn judge<T>(&mut self, connection: &mut Connection, request: &Request<T>) -> Judged {
        // A request that waited for its file has paid.
        if connection.settling.is_new() && !connection.permit.request(self.clock.ns()) {
            self.counters.refused_rate.one();
            return Judged::Ready(self.page(connection, Status::ServiceUnavailable));
        }
        let judged = Question::of(request).and_then(|question| {
            let target = Target::parse(question.resource)?;
            Ok(self.decide(connection, question, &target))
        });
        judged.unwrap_or_else(|refusal| Judged::Ready(self.page(connection, refusal.status)))
    }

    fn decide(&mut self, connection: &mut Connection, question: Question<'_>, target: &Target<'_>) -> Judged {
        let mut entry = None;
        let site = self.tree.sites().of(Some(question.authority));
        if let (Target::Path(path), Method::Get | Method::Head | Method::Options) = (target, question.method)
        {
            match self.look_up_stream(connection, site, question.resource, path) {
                Ok(found) => entry = Some(found),
                Err(Trouble::Unsettled) if connection.settling.waits_on(self.clock.ms()) => {
                    return Judged::Later;
                }
                Err(trouble) => {
                    let status = self.status_of(trouble);
                    return Judged::Ready(self.page(connection, status));
                }
            }
        }
        let asked = question.asked(target, connection.transport.scheme());
        let asking = Asking::of(&asked);
        if let (Some(entry), Some(asking)) = (&entry, &asking)
            && let Some(ready) = again(entry, asking)
        {
            return Judged::Ready(ready);
        }
        let found = entry.as_ref().map_or(Found::Missing, |entry| entry.found());
        let moment = Moment { now: self.clock.unix(), boundary: self.boundary() };
        let plan = plan::plan(&asked, &found, self.policy(connection.transport.scheme()), moment);
        let fields = fields_of(&plan);
        let asks_again = match (&entry, target) {
            (Some(entry), Target::Path(path)) => {
                self.have_compressed(asked.accept_encoding.as_deref(), site, path, entry)
            }
            _ => false,
        };
        if let (Some(entry), Some(asking)) = (&entry, &asking)
            && !asks_again
            && is_timeless(&asked.conditions, entry, moment)
        {
            remember(entry, asking, &plan, &fields);
        }
        Judged::Ready(ready(asked.method, &plan, fields, entry.as_deref()))
    }

    fn look_up_stream(
        &mut self,
        connection: &mut Connection,
        site: usize,
        resource: &[u8],
        path: &crate::target::Path<'_>,
    ) -> Result<Rc<Entry>, Trouble> {
        let now = self.now();
        if let Some(entry) = tree::plain_key(resource).and_then(|key| self.tree.cached(site, key, now)) {
            self.counters.cache_hits.one();
            return Ok(entry);
        }
        self.look_up(connection, site, path)
    }

    fn page(&self, connection: &Connection, status: Status) -> Ready {
        let plan = plan::closing(status, self.policy(connection.transport.scheme()));
        ready(Method::Get, &plan, fields_of(&plan), None)
    }

    fn respond(&mut self, http2: &mut Http2, mut respond: SendResponse<Chunk>, ready: Ready) {
        let status = StatusCode::from_u16(ready.status.code()).expect("every status has three digits");
        let date = HeaderValue::from_bytes(self.clock.date()).expect("a date is visible ASCII");
        let head = response(status, ready.fields, date);
        let is_whole = matches!(ready.body, Payload::Nothing);
        // An error is that of a stream which the peer has reset.
        let Ok(mut stream) = respond.send_response(head, is_whole) else { return };
        let gauge = http2.session.gauge();
        let _sent = match ready.body {
            Payload::Nothing => Ok(()),
            Payload::Text(text) => stream.send_data(Chunk::text(text, gauge), true),
            Payload::Memory(memory, range) => stream.send_data(Chunk::shared(memory, range, gauge), true),
            Payload::Pieces(pieces) => {
                let record = self.log.as_mut().and_then(Notes::pop);
                http2.sending.push_back(Sending { stream, pieces, record, since_ns: self.clock.ns() });
                Ok(())
            }
        };
    }

    /// Counts and logs an answer.
    fn note_stream<T>(&mut self, connection: &mut Connection, request: &Request<T>, ready: &Ready) {
        connection.served = true;
        // The next wait is for another request.
        connection.waits = (Waits::Idle, self.clock.ms());
        self.count(ready.status);
        if let Some(log) = &mut self.log {
            let field = |name| request.headers().get(name).map(HeaderValue::as_bytes);
            let texts = Texts {
                method: request.method().as_str().as_bytes(),
                target: request::resource(request.uri()),
                referer: field(header::REFERER),
                agent: field(header::USER_AGENT),
            };
            let at_us = self.clock.unix_us();
            let (status, peer) = (ready.status.code(), connection.peer);
            let facts = Facts { at_us, status, body_bytes: ready.bytes, peer, version: Spoken::Http2 };
            log.push(facts, texts);
        }
    }
}

/// Answers as an equal request was answered, if there was one.
fn again(entry: &Entry, asking: &Asking<'_>) -> Option<Ready> {
    let answers = entry.answers.borrow();
    let (answer, fields) = answers.iter().find_map(|answer| match &answer.form {
        Form::Fields(fields) if answer.is_to(asking.method, asking.scheme, asking.asked) => {
            Some((answer, fields))
        }
        Form::Fields(_) | Form::Head { .. } => None,
    })?;
    let (body, bytes) = match &answer.body {
        Made::Nothing => (Payload::Nothing, 0),
        Made::Text(text) => (Payload::Text(text), length(text.len())),
        Made::Whole(content, len) => (payload(content, 0, *len), *len),
    };
    Some(Ready { status: answer.status, fields: fields.clone(), body, bytes })
}

/// Keeps an answer for the next equal request.
fn remember(entry: &Entry, asking: &Asking<'_>, plan: &Plan, fields: &HeaderMap) {
    let Some(body) = Made::of(plan, entry) else { return };
    entry.remember(Answer {
        method: asking.method,
        scheme: asking.scheme,
        asked: asking.asked.map(|value| value.map(Box::from)),
        status: plan.status,
        form: Form::Fields(fields.clone()),
        body,
    });
}

fn ready(method: Method, plan: &Plan, fields: HeaderMap, entry: Option<&Entry>) -> Ready {
    let content = |coding| entry.and_then(|entry| entry.content(coding));
    let len = plan.content_length.unwrap_or(0);
    let body = match &plan.body {
        Body::Nothing => Payload::Nothing,
        Body::Text(_) if method == Method::Head => Payload::Nothing,
        Body::Text("") => Payload::Nothing,
        Body::Text(text) => Payload::Text(text),
        Body::Whole(coding) => content(*coding).map_or(Payload::Nothing, |content| payload(content, 0, len)),
        Body::One(coding, range) => content(*coding)
            .map_or(Payload::Nothing, |content| payload(content, range.offset, range.offset + len)),
        Body::Several(parts) => content(Coding::Identity)
            .map_or(Payload::Nothing, |content| Payload::Pieces(several(parts, content).into())),
    };
    let bytes = if matches!(body, Payload::Nothing) { 0 } else { len };
    Ready { status: plan.status, fields, body, bytes }
}

fn payload(content: &Content, start: u64, end: u64) -> Payload {
    match content {
        _ if start == end => Payload::Nothing,
        Content::Memory(memory) => Payload::Memory(Arc::clone(memory), index(start)..index(end)),
        Content::Snapshot(_) | Content::Open(_) => {
            Payload::Pieces(VecDeque::from([piece(content, start, end)]))
        }
    }
}

/// The fields as HTTP/2 has them, without the date.
fn fields_of(plan: &Plan) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(plan.fields.len() + 2);
    for field in &plan.fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("names of fields are tokens");
        let value = HeaderValue::from_str(&field.value).expect("values of fields are visible ASCII");
        fields.append(name, value);
    }
    if let Some(length) = plan.content_length {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    fields
}
