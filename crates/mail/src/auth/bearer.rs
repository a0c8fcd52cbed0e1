//! OAuth 2.0 access tokens: OAUTHBEARER (RFC 7628 section 3.1) and XOAUTH2, which Google and Microsoft had before it.

use super::Secret;

pub(super) fn oauthbearer(user: &str, token: &Secret) -> Secret {
    // A saslname writes = and , by their numbers (RFC 5801 section 4).
    let user = super::scram::saslname(user);
    Secret::new(format!("n,a={user},\x01auth=Bearer {}\x01\x01", token.expose()))
}

pub(super) fn xoauth2(user: &str, token: &Secret) -> Secret {
    Secret::new(format!("user={user}\x01auth=Bearer {}\x01\x01", token.expose()))
}
