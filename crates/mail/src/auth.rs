//! Who the sender is, shown to the server (SASL, RFC 4422; AUTH, RFC 4954): which mechanism, and its messages.
//!
//! *Promises* that nothing a listener could use is sent over a connection without TLS unless that was allowed, that one mechanism is tried
//! and none after it (so nobody can make a client fall from SCRAM to PLAIN by refusing), and that with SCRAM the server has proven that it
//! knows the password too. *Absent:* base64 and reply codes, which are the machine's; any source of randomness.

mod bearer;
mod cram_md5;
mod scram;
mod secret;

pub use secret::Secret;

use crate::limits::AUTH_LINE_BYTES_MAX;
use scram::{Binding, Hash, Scram};

/// A way of showing who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// RFC 7677, bound to the TLS connection (RFC 9266).
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802, bound to the TLS connection.
    ScramSha1Plus,
    /// RFC 5802.
    ScramSha1,
    /// RFC 2195.
    CramMd5,
    /// RFC 4616.
    Plain,
    /// Widespread, never standardised (draft-murchison-sasl-login).
    Login,
    /// RFC 7628.
    OAuthBearer,
    /// Google's and Microsoft's form of the same.
    Xoauth2,
}

/// What is known only to the sender, and whose it is.
#[derive(Debug, Clone)]
pub struct Login {
    credentials: Credentials,
    /// The one mechanism to use; without it the best that the server offers.
    mechanism: Option<Mechanism>,
    in_clear: InClear,
}

/// Whether a password or a token may be sent over a connection that is not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InClear {
    /// Never.
    Refused,
    /// The user said so.
    Allowed,
}

/// What the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// Anyone on the way can read it.
    Clear,
    /// Encrypted.
    Tls {
        /// Keying material exported for channel binding of type tls-exporter (RFC 9266), where the version of TLS has it.
        exporter: Option<Vec<u8>>,
    },
}

/// Why somebody could not be shown to be who they are, apart from a server that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A name, password or token with characters that no mechanism can carry.
    #[error("the {0} has control characters or is empty; check where it comes from")]
    Unfit(&'static str),
    /// Credentials that make a longer line than a server has to take.
    #[error(
        "user name and password or token are too long: a line of a login has at most {AUTH_LINE_BYTES_MAX} bytes; check where \
         they come from"
    )]
    TooLong,
    /// A token without TLS, or a mechanism that shows the password.
    #[error(
        "the server offers no way to log in that is safe without encryption, and nothing secret was sent; \
         use --tls starttls or --tls implicit"
    )]
    InClear,
    /// The server knows none of the mechanisms.
    #[error(
        "the server offers {offered}, none of which can be used here; name one with --auth or check the account"
    )]
    NoMechanism {
        /// What it offers.
        offered: String,
    },
    /// The server does not offer what was asked for.
    #[error("the server does not offer {} (it offers {offered})", wanted.name())]
    NotOffered {
        /// What was asked for.
        wanted: Mechanism,
        /// What it offers.
        offered: String,
    },
    /// A mechanism that needs what is not there.
    #[error("{} {why}", mechanism.name())]
    Unusable {
        /// The mechanism.
        mechanism: Mechanism,
        /// What it needs.
        why: &'static str,
    },
    /// A challenge that does not fit.
    #[error("the server's part of the login is wrong: {0}")]
    Challenge(&'static str),
    /// The server could not show that it knows the password.
    #[error(
        "the server did not prove that it knows this account's password: it may not be the one it claims to be"
    )]
    ServerUnproven,
}

/// One mechanism under way.
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

enum State {
    Initial(Initial),
    LoginName {
        user: String,
        password: Secret,
    },
    LoginPassword {
        password: Secret,
    },
    CramMd5 {
        user: String,
        password: Secret,
    },
    Scram(Box<Scram>),
    /// A token was sent: another challenge explains a refusal, and is answered by this so that the refusal follows.
    Bearer {
        after_refusal: &'static [u8],
    },
    /// Everything was said.
    Said,
}

/// A first message and what follows it.
struct Initial {
    message: Secret,
    next: Box<State>,
}

#[derive(Debug, Clone)]
enum Credentials {
    Password { user: String, password: Secret },
    Token { user: String, token: Secret },
}

impl Mechanism {
    /// All, best first.
    pub const ALL: [Self; 9] = [
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
        Self::OAuthBearer,
        Self::Xoauth2,
    ];

    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::CramMd5 => "CRAM-MD5",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// The mechanism of this name, in capitals or not.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether a listener learns nothing but something to guess slowly from.
    fn is_safe_in_clear(self) -> bool {
        matches!(self, Self::ScramSha256 | Self::ScramSha1)
    }

    fn is_bound(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }

    fn takes_token(self) -> bool {
        matches!(self, Self::OAuthBearer | Self::Xoauth2)
    }
}

impl Login {
    /// With a password.
    ///
    /// # Errors
    /// When the name or the password has control characters or is empty.
    pub fn with_password(user: &str, password: Secret) -> Result<Self, AuthError> {
        let user = fit("user name", user)?;
        fit("password", password.expose())?;
        Ok(Self::new(Credentials::Password { user, password }))
    }

    /// With an OAuth 2.0 access token.
    ///
    /// # Errors
    /// When the name or the token has characters that cannot be sent.
    pub fn with_token(user: &str, token: Secret) -> Result<Self, AuthError> {
        let user = fit("user name", user)?;
        if token.expose().is_empty() || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AuthError::Unfit("token"));
        }
        Ok(Self::new(Credentials::Token { user, token }))
    }

    fn new(credentials: Credentials) -> Self {
        Self { credentials, mechanism: None, in_clear: InClear::Refused }
    }

    /// Uses this mechanism and no other.
    #[must_use]
    pub fn by(mut self, mechanism: Mechanism) -> Self {
        self.mechanism = Some(mechanism);
        self
    }

    /// Says whether secrets may be sent without encryption.
    #[must_use]
    pub fn in_clear(mut self, in_clear: InClear) -> Self {
        self.in_clear = in_clear;
        self
    }

    /// Begins with the best mechanism that `offered` has and `channel` allows. `nonce` is fresh from the kernel.
    ///
    /// # Errors
    /// When there is none. Nothing is to be sent then.
    pub fn begin(
        &self,
        offered: &[String],
        channel: &Channel,
        nonce: [u8; 18],
    ) -> Result<Exchange, AuthError> {
        let mechanism = self.choose(offered, channel)?;
        Ok(Exchange { mechanism, state: self.state(mechanism, offered, channel, nonce)? })
    }

    fn choose(&self, offered: &[String], channel: &Channel) -> Result<Mechanism, AuthError> {
        let list = || if offered.is_empty() { "no login".to_owned() } else { offered.join(" ") };
        let known: Vec<_> = offered.iter().filter_map(|name| Mechanism::named(name)).collect();
        if let Some(wanted) = self.mechanism {
            self.check_fits(wanted, channel)?;
            return match known.contains(&wanted) {
                true => Ok(wanted),
                false => Err(AuthError::NotOffered { wanted, offered: list() }),
            };
        }
        let fitting = Mechanism::ALL.into_iter().filter(|mechanism| known.contains(mechanism));
        let mut refused = None;
        for mechanism in fitting {
            match self.check_fits(mechanism, channel) {
                Ok(()) => return Ok(mechanism),
                Err(AuthError::InClear) => refused = Some(AuthError::InClear),
                Err(_) => {}
            }
        }
        Err(refused.unwrap_or_else(|| AuthError::NoMechanism { offered: list() }))
    }

    fn check_fits(&self, mechanism: Mechanism, channel: &Channel) -> Result<(), AuthError> {
        let unusable = |why| Err(AuthError::Unusable { mechanism, why });
        let has_token = matches!(self.credentials, Credentials::Token { .. });
        if mechanism.takes_token() != has_token {
            return unusable(if has_token {
                "takes a password, not a token"
            } else {
                "takes a token, not a password"
            });
        }
        match channel {
            Channel::Clear if mechanism.is_bound() => unusable("needs TLS"),
            Channel::Clear if !mechanism.is_safe_in_clear() && self.in_clear == InClear::Refused => {
                Err(AuthError::InClear)
            }
            Channel::Tls { exporter: None } if mechanism.is_bound() => unusable("needs TLS 1.3 here"),
            Channel::Clear | Channel::Tls { .. } => Ok(()),
        }
    }

    fn state(
        &self,
        mechanism: Mechanism,
        offered: &[String],
        channel: &Channel,
        nonce: [u8; 18],
    ) -> Result<State, AuthError> {
        let (user, secret) = match &self.credentials {
            Credentials::Password { user, password } => (user.clone(), password.clone()),
            Credentials::Token { user, token } => (user.clone(), token.clone()),
        };
        let scram = |hash| {
            let binding = binding(mechanism, offered, channel);
            let (scram, first) = Scram::begin(hash, binding, &user, &secret, nonce)?;
            Ok(State::first(first, State::Scram(Box::new(scram))))
        };
        Ok(match mechanism {
            Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => return scram(Hash::Sha256),
            Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => return scram(Hash::Sha1),
            Mechanism::CramMd5 => State::CramMd5 { user, password: secret },
            Mechanism::Login => State::LoginName { user, password: secret },
            Mechanism::Plain => {
                State::first(Secret::new(format!("\0{user}\0{}", secret.expose())), State::Said)
            }
            Mechanism::OAuthBearer => {
                State::first(bearer::oauthbearer(&user, &secret), State::Bearer { after_refusal: b"\x01" })
            }
            Mechanism::Xoauth2 => {
                State::first(bearer::xoauth2(&user, &secret), State::Bearer { after_refusal: b"" })
            }
        })
    }
}

/// What SCRAM says about the TLS connection: a client that could bind says so even where the server offers nothing to bind with, so that
/// the server notices when somebody took the offer out (RFC 5802 section 6).
fn binding(mechanism: Mechanism, offered: &[String], channel: &Channel) -> Binding {
    let offers_binding = offered.iter().filter_map(|name| Mechanism::named(name)).any(Mechanism::is_bound);
    match channel {
        Channel::Tls { exporter: Some(exporter) } if mechanism.is_bound() => {
            Binding::Exporter(exporter.clone())
        }
        Channel::Tls { exporter: Some(_) } if !offers_binding => Binding::NotOffered,
        Channel::Tls { .. } | Channel::Clear => Binding::Unsupported,
    }
}

impl State {
    fn first(message: Secret, next: Self) -> Self {
        Self::Initial(Initial { message, next: Box::new(next) })
    }
}

impl Exchange {
    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The message that can be sent at once, when the mechanism begins with the client.
    #[must_use]
    pub fn initial(&self) -> Option<&[u8]> {
        match &self.state {
            State::Initial(initial) => Some(initial.message.expose().as_bytes()),
            State::LoginName { .. }
            | State::LoginPassword { .. }
            | State::CramMd5 { .. }
            | State::Scram(_)
            | State::Bearer { .. }
            | State::Said => None,
        }
    }

    /// To be called when [`Self::initial`] went out together with the name of the mechanism.
    pub fn initial_sent(&mut self) {
        if let State::Initial(initial) = std::mem::replace(&mut self.state, State::Said) {
            self.state = *initial.next;
        }
    }

    /// The answer to a challenge, both without base64.
    ///
    /// # Errors
    /// When the challenge is not one that the mechanism has here; the dialogue is to be cancelled.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthError> {
        match std::mem::replace(&mut self.state, State::Said) {
            State::Initial(initial) => {
                if !challenge.is_empty() {
                    return Err(AuthError::Challenge("it speaks first where the client does"));
                }
                self.state = *initial.next;
                Ok(initial.message)
            }
            State::LoginName { user, password } => {
                self.state = State::LoginPassword { password };
                Ok(Secret::new(user))
            }
            State::LoginPassword { password } => Ok(password),
            State::CramMd5 { user, password } => Ok(cram_md5::response(&user, &password, challenge)),
            State::Scram(mut scram) => {
                let answer = scram.respond(challenge)?;
                self.state = State::Scram(scram);
                Ok(answer)
            }
            State::Bearer { after_refusal } => {
                Ok(Secret::new(String::from_utf8_lossy(after_refusal).into_owned()))
            }
            State::Said => Err(AuthError::Challenge("it asks for more than the mechanism has")),
        }
    }

    /// To be called when the server says that all is well.
    ///
    /// # Errors
    /// When it said so without having shown what the mechanism wants it to show.
    pub fn finish(&self) -> Result<(), AuthError> {
        match &self.state {
            State::Scram(scram) => scram.finish(),
            State::Bearer { .. } | State::Said => Ok(()),
            State::Initial(_)
            | State::LoginName { .. }
            | State::LoginPassword { .. }
            | State::CramMd5 { .. } => Err(AuthError::Challenge("it ends before anything was shown")),
        }
    }
}

fn fit(what: &'static str, text: &str) -> Result<String, AuthError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(AuthError::Unfit(what));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
