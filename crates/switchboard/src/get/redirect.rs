//! Where a redirect leads and what may go there, as pure functions (RFC 9110 section 15.4). Absent: the request itself.

use hyper::StatusCode;
use hyper::header::{HeaderMap, LOCATION};
use url::Url;

use super::error::GetError;
use super::target;

/// Whether an answer points elsewhere. 300 and 304 do not; GET and HEAD stay what they are under each of these.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The URL that the answer to `from` points to.
pub(super) fn destination(from: &Url, fields: &HeaderMap, may_downgrade: Downgrade) -> Result<Url, GetError> {
    let refused = |why: &str| GetError::Redirect { from: from.to_string(), why: why.to_owned() };
    let location = fields.get(LOCATION).ok_or_else(|| refused("it has no field Location"))?;
    let text =
        std::str::from_utf8(location.as_bytes()).map_err(|_bad| refused("its Location is not text"))?;
    if text.len() > super::limits::URL_BYTES_MAX {
        return Err(refused("its Location is too long"));
    }
    let mut to = from.join(text).map_err(|error| refused(&format!("its Location is no URL: {error}")))?;
    target::check(&to).map_err(|why| refused(&format!("its Location is refused: {why}")))?;
    if from.scheme() == "https" && to.scheme() == "http" && may_downgrade == Downgrade::Refused {
        return Err(GetError::Downgrade { from: from.to_string(), to: to.to_string() });
    }
    to.set_fragment(None);
    Ok(to)
}

/// Whether a redirect may lead from https to http.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Downgrade {
    /// The file could be changed on the way.
    Refused,
    /// The person wants it.
    Allowed,
}

/// Whether both are one host, so that the person's fields may go to both.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(from: &str, location: &str) -> Result<String, GetError> {
        let fields = [(LOCATION, location.parse().unwrap())].into_iter().collect();
        destination(&from.parse().unwrap(), &fields, Downgrade::Refused).map(|url| url.to_string())
    }

    #[test]
    fn a_location_is_resolved_against_the_url_it_answers() {
        for (location, url) in [
            ("/x", "http://a/x"),
            ("y?z", "http://a/b/y?z"),
            ("../q", "http://a/q"),
            ("//other/x", "http://other/x"),
            ("https://a/s#part", "https://a/s"),
        ] {
            assert_eq!(lead("http://a/b/c", location).unwrap(), url);
        }
    }

    #[test]
    fn what_leads_astray_is_refused() {
        assert!(matches!(lead("https://a/", "http://a/"), Err(GetError::Downgrade { .. })));
        for location in ["file:///etc/passwd", "ftp://a/", "http://u:p@a/", "http://", "javascript:alert(1)"]
        {
            assert!(matches!(lead("http://a/", location), Err(GetError::Redirect { .. })), "{location}");
        }
        let none = destination(&"http://a/".parse().unwrap(), &HeaderMap::new(), Downgrade::Allowed);
        assert!(none.is_err());
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        assert!(same_origin(&url("http://a/x"), &url("http://a:80/y")));
        for other in ["http://a:81/", "https://a/", "http://b/"] {
            assert!(!same_origin(&url("http://a/"), &url(other)), "{other}");
        }
    }
}
