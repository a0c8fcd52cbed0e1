//! Which mechanism is chosen, what it says, and what is never said in the clear.

use super::*;

const TLS: Channel = Channel::Tls { exporter: None };

fn bound() -> Channel {
    Channel::Tls { exporter: Some(vec![7; 32]) }
}

fn password() -> Login {
    Login::with_password("tim", Secret::new("tanstaaftanstaaf".to_owned())).unwrap()
}

fn token() -> Login {
    Login::with_token("tim@example.org", Secret::new("vF9dft4qmT".to_owned())).unwrap()
}

fn begin(login: &Login, offered: &str, channel: &Channel) -> Result<Exchange, AuthError> {
    let offered: Vec<_> = offered.split_whitespace().map(str::to_owned).collect();
    login.begin(&offered, channel, [0; 18])
}

fn chosen(login: &Login, offered: &str, channel: &Channel) -> Result<&'static str, AuthError> {
    begin(login, offered, channel).map(|exchange| exchange.mechanism().name())
}

#[test]
fn the_best_that_both_have_is_chosen() {
    let all = "XOAUTH2 LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER FOO";
    assert_eq!(chosen(&password(), all, &bound()), Ok("SCRAM-SHA-256-PLUS"));
    assert_eq!(chosen(&password(), all, &TLS), Ok("SCRAM-SHA-256"));
    assert_eq!(chosen(&password(), "login plain", &TLS), Ok("PLAIN"));
    assert_eq!(chosen(&token(), all, &TLS), Ok("OAUTHBEARER"));
    assert_eq!(chosen(&password().by(Mechanism::Login), all, &TLS), Ok("LOGIN"));
    assert!(matches!(chosen(&password(), "XOAUTH2 FOO", &TLS), Err(AuthError::NoMechanism { .. })));
    assert!(matches!(
        chosen(&password().by(Mechanism::ScramSha1), "PLAIN", &TLS),
        Err(AuthError::NotOffered { .. })
    ));
    assert!(matches!(chosen(&password().by(Mechanism::Xoauth2), all, &TLS), Err(AuthError::Unusable { .. })));
}

#[test]
fn nothing_a_listener_could_use_goes_out_in_the_clear() {
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        assert_eq!(chosen(&password(), mechanism, &Channel::Clear), Err(AuthError::InClear), "{mechanism}");
        assert_eq!(chosen(&password().in_clear(InClear::Allowed), mechanism, &Channel::Clear), Ok(mechanism));
        let wanted = password().by(Mechanism::named(mechanism).unwrap());
        assert_eq!(chosen(&wanted, mechanism, &Channel::Clear), Err(AuthError::InClear));
    }
    assert_eq!(chosen(&token(), "XOAUTH2 OAUTHBEARER", &Channel::Clear), Err(AuthError::InClear));
    assert_eq!(chosen(&password(), "PLAIN SCRAM-SHA-1", &Channel::Clear), Ok("SCRAM-SHA-1"));
}

#[test]
fn the_messages_are_those_of_the_standards() {
    let mut plain = begin(&password(), "PLAIN", &TLS).unwrap();
    assert_eq!(plain.initial().unwrap(), b"\0tim\0tanstaaftanstaaf");
    plain.initial_sent();
    assert_eq!(plain.finish(), Ok(()));
    assert!(plain.respond(b"").is_err());

    let mut login = begin(&password(), "LOGIN", &TLS).unwrap();
    assert_eq!(login.initial(), None);
    assert!(login.finish().is_err());
    assert_eq!(login.respond(b"Username:").unwrap().expose(), "tim");
    assert_eq!(login.respond(b"Password:").unwrap().expose(), "tanstaaftanstaaf");
    assert!(login.respond(b"More:").is_err());

    // The example of RFC 2195 section 2.
    let mut cram = begin(&password(), "CRAM-MD5", &TLS).unwrap();
    let answer = cram.respond(b"<1896.697170952@postoffice.reston.mci.net>").unwrap();
    assert_eq!(answer.expose(), "tim b913a602c7eda7a495b4e6e7334d3890");

    let oauth = begin(&token(), "OAUTHBEARER", &TLS).unwrap();
    assert_eq!(oauth.initial().unwrap(), b"n,a=tim@example.org,\x01auth=Bearer vF9dft4qmT\x01\x01");
    let mut google = begin(&token(), "XOAUTH2", &TLS).unwrap();
    assert_eq!(google.initial().unwrap(), b"user=tim@example.org\x01auth=Bearer vF9dft4qmT\x01\x01");
    google.initial_sent();
    assert_eq!(google.respond(b"{\"status\":\"401\"}").unwrap().expose(), "");
}

#[test]
fn a_client_that_could_bind_says_so() {
    let first = |offered, channel: &Channel| {
        let exchange = begin(&password(), offered, channel).unwrap();
        String::from_utf8(exchange.initial().unwrap().to_vec()).unwrap()
    };
    assert!(first("SCRAM-SHA-256", &bound()).starts_with("y,,"));
    assert!(first("SCRAM-SHA-256", &TLS).starts_with("n,,"));
    assert!(first("SCRAM-SHA-256 SCRAM-SHA-256-PLUS", &bound()).starts_with("p=tls-exporter,,"));
}

#[test]
fn secrets_are_not_printed_and_have_no_control_characters() {
    assert!(!format!("{:?}", password()).contains("tanstaaf"));
    assert!(!format!("{:?}", token()).contains("vF9"));
    for bad in ["", "a\0b", "a\r\nb"] {
        assert!(Login::with_password("tim", Secret::new(bad.to_owned())).is_err());
        assert!(Login::with_password(bad, Secret::new("x".to_owned())).is_err());
        assert!(Login::with_token("tim", Secret::new(bad.to_owned())).is_err());
    }
}
