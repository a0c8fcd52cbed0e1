//! One request and the head of its answer. Absent: what the answer means, redirects, another attempt, the body.

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Request, StatusCode, Uri, Version};
use url::{Position, Url};

use super::connect::{Connection, authority, connect};
use super::decode;
use super::dialogue::Dialogue;
use super::error::GetError;
use super::wish::{Compression, Wish};
use super::{Method, redirect};
use crate::screen::harmless;

/// The head of an answer, and the body that follows.
pub(super) struct Answer {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    /// Version, status and reason.
    pub(super) first_line: String,
    pub(super) fields: HeaderMap,
    pub(super) body: Incoming,
    /// Dropped, it would end the connection under HTTP/2.
    _connection: Connection,
}

/// Asks for `url`; `range` are the fields of a request that goes on with a part.
pub(super) async fn exchange(
    wish: &Wish,
    url: &Url,
    range: &HeaderMap,
    dialogue: &Dialogue,
) -> Result<Answer, GetError> {
    let connecting = connect(url, &wish.trust, wish.connect_timeout, dialogue);
    let mut connection =
        tokio::time::timeout(wish.connect_timeout, connecting).await.unwrap_or_else(|_elapsed| {
            let what = format!("no connection to {}", authority(url));
            Err(GetError::TimedOut { what, seconds: wish.connect_timeout, flag: "--connect-timeout" })
        })?;
    let request = request(wish, url, range, &connection)?;
    dialogue.request(&request);
    let answer =
        tokio::time::timeout(wish.stall_timeout, connection.send(request)).await.map_err(|_elapsed| {
            let what = format!("{} did not answer", authority(url));
            GetError::TimedOut { what, seconds: wish.stall_timeout, flag: "--stall-timeout" }
        })?;
    let (head, body) = answer.map_err(|source| unanswered(url, source))?.into_parts();
    let reason =
        head.extensions.get::<ReasonPhrase>().map(|reason| String::from_utf8_lossy(reason.as_bytes()));
    let reason = reason.unwrap_or_else(|| head.status.canonical_reason().unwrap_or_default().into());
    let version = match head.version {
        Version::HTTP_2 => "HTTP/2".to_owned(),
        version => format!("{version:?}"),
    };
    let first_line = harmless(format!("{version} {} {reason}", head.status.as_u16()).trim_end());
    dialogue.answer(&first_line, &head.headers);
    if let Some(why) = ambiguous(&head.headers) {
        return Err(GetError::Framing { host: authority(url), why });
    }
    let url = url.clone();
    Ok(Answer { url, status: head.status, first_line, fields: head.headers, body, _connection: connection })
}

/// Why the end of a body is not beyond doubt: RFC 9112 sections 6.1 and 6.3; no coding is asked for with TE.
fn ambiguous(fields: &HeaderMap) -> Option<&'static str> {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if fields.contains_key(CONTENT_LENGTH) {
        return Some("tells its length both by Content-Length and by Transfer-Encoding");
    }
    let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    (!is_chunked).then_some("has a Transfer-Encoding that was not asked for")
}

fn unanswered(url: &Url, source: hyper::Error) -> GetError {
    let host = authority(url);
    let broke = source.is_incomplete_message() || source.is_canceled() || source.is_closed();
    let is_io = std::error::Error::source(&source).is_some_and(|cause| cause.is::<std::io::Error>());
    match broke || is_io {
        true => GetError::NoAnswer { host, source },
        false => GetError::NotHttp { host, source },
    }
}

fn request(
    wish: &Wish,
    url: &Url,
    range: &HeaderMap,
    connection: &Connection,
) -> Result<Request<Empty<Bytes>>, GetError> {
    let refused = |why: String| GetError::Url { text: url.to_string(), why };
    let is_two = connection.version() == Version::HTTP_2;
    let target = match is_two || connection.names_whole_url {
        true => url.as_str(),
        false => &url[Position::BeforePath..Position::AfterQuery],
    };
    let mut request = Request::new(Empty::new());
    *request.version_mut() = connection.version();
    *request.method_mut() = match wish.method {
        Method::Get => hyper::Method::GET,
        Method::Head => hyper::Method::HEAD,
    };
    *request.uri_mut() = target.parse::<Uri>().map_err(|error| refused(error.to_string()))?;
    let fields = request.headers_mut();
    if !is_two {
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
            .map_err(|error| refused(error.to_string()))?;
        fields.insert(HOST, host);
    }
    fields.insert(USER_AGENT, HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION"))));
    fields.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let codings = match wish.compression {
        Compression::Asked => decode::ACCEPTED,
        Compression::Declined => "identity",
    };
    fields.insert(ACCEPT_ENCODING, HeaderValue::from_static(codings));
    if let Some(credential) = &connection.proxy_credential {
        fields.insert(PROXY_AUTHORIZATION, credential.clone());
    }
    fields.extend(range.clone());
    // The person's own fields are for the host that was named.
    if redirect::same_origin(&wish.url, url) {
        fields.extend(wish.fields.map().clone());
    }
    Ok(request)
}
