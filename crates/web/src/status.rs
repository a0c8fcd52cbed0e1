//! The status codes that this server sends.
//!
//! Absent: every other one.

/// A status code of RFC 9110 section 15, or of RFC 6585 (429, 431).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200: the whole file.
    Ok,
    /// 204: the answer to OPTIONS.
    NoContent,
    /// 206: one range or several.
    PartialContent,
    /// 304: the client's copy is the current one.
    NotModified,
    /// 308: a directory was named without its closing slash.
    PermanentRedirect,
    /// 400: not HTTP as the RFCs have it.
    BadRequest,
    /// 404: no such file, or none that is shown.
    NotFound,
    /// 405: a method of HTTP that this server does not offer.
    MethodNotAllowed,
    /// 406: every form of the file was excluded by Accept-Encoding.
    NotAcceptable,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 412: a precondition does not hold.
    PreconditionFailed,
    /// 413: a request body larger than what is thrown away.
    ContentTooLarge,
    /// 414: a request target longer than the bound.
    UriTooLong,
    /// 416: no byte of the range exists.
    RangeNotSatisfiable,
    /// 417: an expectation other than 100-continue.
    ExpectationFailed,
    /// 421: the target's scheme is not the connection's.
    MisdirectedRequest,
    /// 429: the address asks too often.
    TooManyRequests,
    /// 431: too many fields, or too long.
    FieldsTooLarge,
    /// 500: the file could not be read.
    InternalServerError,
    /// 501: a method or transfer coding that this server does not know.
    NotImplemented,
    /// 503: a bound on connections or requests is reached.
    ServiceUnavailable,
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
}

impl Status {
    /// The three digits.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::NoContent => 204,
            Self::PartialContent => 206,
            Self::NotModified => 304,
            Self::PermanentRedirect => 308,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::RequestTimeout => 408,
            Self::PreconditionFailed => 412,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::RangeNotSatisfiable => 416,
            Self::ExpectationFailed => 417,
            Self::MisdirectedRequest => 421,
            Self::TooManyRequests => 429,
            Self::FieldsTooLarge => 431,
            Self::InternalServerError => 500,
            Self::NotImplemented => 501,
            Self::ServiceUnavailable => 503,
            Self::VersionNotSupported => 505,
        }
    }

    /// Code and phrase as they stand in a status line.
    #[must_use]
    pub const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::NoContent => "204 No Content",
            Self::PartialContent => "206 Partial Content",
            Self::NotModified => "304 Not Modified",
            Self::PermanentRedirect => "308 Permanent Redirect",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::NotAcceptable => "406 Not Acceptable",
            Self::RequestTimeout => "408 Request Timeout",
            Self::PreconditionFailed => "412 Precondition Failed",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::UriTooLong => "414 URI Too Long",
            Self::RangeNotSatisfiable => "416 Range Not Satisfiable",
            Self::ExpectationFailed => "417 Expectation Failed",
            Self::MisdirectedRequest => "421 Misdirected Request",
            Self::TooManyRequests => "429 Too Many Requests",
            Self::FieldsTooLarge => "431 Request Header Fields Too Large",
            Self::InternalServerError => "500 Internal Server Error",
            Self::NotImplemented => "501 Not Implemented",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }

    /// The page that a person sees. Its text says what to do next; empty where the status has no body or another one.
    #[must_use]
    pub const fn page(self) -> &'static str {
        macro_rules! page {
            ($title:literal, $text:literal) => {
                concat!(
                    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>",
                    $title,
                    "</title>\n<h1>",
                    $title,
                    "</h1>\n<p>",
                    $text,
                    "</p>\n</html>\n"
                )
            };
        }
        match self {
            Self::Ok | Self::NoContent | Self::PartialContent | Self::NotModified => "",
            Self::PermanentRedirect => page!("Moved", "The address of a folder ends in a slash."),
            Self::BadRequest => page!("Bad request", "The request is not correct HTTP. Check the address."),
            Self::NotFound => page!("Not found", "There is nothing at this address. Check its spelling."),
            Self::MethodNotAllowed => {
                page!("Method not allowed", "This server offers GET, HEAD and OPTIONS.")
            }
            Self::NotAcceptable => {
                page!("Not acceptable", "Accept-Encoding excludes every form of this file.")
            }
            Self::RequestTimeout => {
                page!("Request time-out", "The request took too long to arrive. Try again.")
            }
            Self::PreconditionFailed => page!("Precondition failed", "The file is not the one asked about."),
            Self::ContentTooLarge => page!("Content too large", "This server takes no uploads."),
            Self::UriTooLong => page!("Address too long", "The address is longer than 8 KiB. Shorten it."),
            Self::RangeNotSatisfiable => {
                page!("Range not satisfiable", "The file ends before the range begins.")
            }
            Self::ExpectationFailed => {
                page!("Expectation failed", "The only expectation known is 100-continue.")
            }
            Self::MisdirectedRequest => {
                page!("Misdirected request", "This address belongs to another listener.")
            }
            Self::TooManyRequests => {
                page!("Too many requests", "This address asks too often. Try again in a second.")
            }
            Self::FieldsTooLarge => {
                page!("Fields too large", "The header is too long. Clear cookies and try again.")
            }
            Self::InternalServerError => {
                page!("Internal server error", "The file could not be read. Try again.")
            }
            Self::NotImplemented => {
                page!("Not implemented", "The request asks for what this server cannot do.")
            }
            Self::ServiceUnavailable => {
                page!("Service unavailable", "The server is busy. Try again shortly.")
            }
            Self::VersionNotSupported => page!("Version not supported", "Use HTTP/1.1."),
        }
    }
}
