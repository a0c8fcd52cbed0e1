//! `switchboard mail send --server-info`: what a server says that it can do, before TLS and under it, and who it is. Nobody logs in and
//! nothing is sent. Absent: tries of what it says.

use serde_json::{Value, json};
use switchboard_mail::deliver::{Ending, Secured};
use switchboard_mail::smtp::{Line, Options};
use switchboard_tls::ShownCertificate;

use super::dialogue::Dialogue;
use super::outcome::exit_of_trouble;
use super::way::Way;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Screen, harmless};

/// What the server said.
#[derive(Default)]
struct Said {
    greeting: Vec<String>,
    /// The answers to EHLO: name first, then what it can do; before TLS, or the only one.
    hellos: Vec<Hello>,
    in_hello: bool,
}

#[derive(Default)]
struct Hello {
    is_encrypted: bool,
    lines: Vec<String>,
}

impl Said {
    fn see(&mut self, line: &Line, is_encrypted: &mut bool) {
        match line {
            Line::Client(text) => {
                self.in_hello = text.starts_with("EHLO ") || text.starts_with("HELO ");
                if self.in_hello {
                    self.hellos.push(Hello { is_encrypted: *is_encrypted, lines: Vec::new() });
                }
            }
            Line::Server(text) => {
                let said = harmless(text.get(4..).unwrap_or_default());
                match self.hellos.last_mut() {
                    Some(hello) if self.in_hello && text.starts_with("250") => hello.lines.push(said),
                    None => self.greeting.push(said),
                    Some(_) => {}
                }
            }
            Line::Note(text) => *is_encrypted |= text == "TLS",
        }
    }
}

/// Asks it.
pub(super) fn run(
    screen: &Screen,
    way: &Way,
    mut dialogue: Dialogue<'_>,
    options: Options,
) -> Result<Exit, Failure> {
    let (mut said, mut is_encrypted) = (Said::default(), false);
    let ending = dialogue.without_message(way, options, &mut |line| said.see(line, &mut is_encrypted))?;
    let mut exit = Exit::Done;
    if let Some((phase, cause)) = &ending.trouble {
        screen.notice(&format!("it ended at {phase}: {cause}"));
        exit = exit_of_trouble(*phase, cause);
    }
    screen.answer(|| view(way, &said, &ending, dialogue.finish()), || in_words(way, &said, &ending))?;
    Ok(exit)
}

fn in_words(way: &Way, said: &Said, ending: &Ending) -> String {
    let mut text = format!("server    {} port {}", way.server.host, way.server.port);
    let mut line = |name: &str, value: &str| text.push_str(&format!("\n{name:<9} {value}"));
    for greeting in &said.greeting {
        line("greeting", greeting);
    }
    for hello in &said.hellos {
        let heading = if hello.is_encrypted { "under TLS" } else { "in clear" };
        for offered in hello.lines.iter().skip(1) {
            line(heading, offered);
        }
    }
    if let Some(secured) = &ending.secured {
        line("TLS", &format!("{}, {}", secured.version, secured.cipher_suite));
    }
    if ending.refused.is_some() {
        line(
            "TLS",
            "none: this certificate is not believed, and anybody can show it; compare the key before you pin it",
        );
    }
    let believed = ending.secured.as_ref().and_then(|secured| secured.certificate.as_ref());
    if let Some(shown) = believed.or(ending.refused.as_ref()) {
        line("for", &harmless(&shown.names.join(", ")));
        line("subject", &harmless(&shown.subject));
        line("issuer", &harmless(&shown.issuer));
        line("counts", &format!("from {} until {}", date(shown.not_before), date(shown.not_after)));
        line("key", &shown.fingerprint.to_string());
    }
    if let Some(bytes_max) = ending.extensions.size.and_then(|size| size.bytes_max) {
        line("message", &format!("at most {bytes_max} bytes"));
    }
    if !ending.extensions.auth.is_empty() {
        line("login", &harmless(&ending.extensions.auth.join(" ")));
    }
    text
}

fn view(way: &Way, said: &Said, ending: &Ending, transcript: Option<Value>) -> Value {
    let hello = |is_encrypted: bool| -> Value {
        let found = said.hellos.iter().find(|hello| hello.is_encrypted == is_encrypted);
        found.map_or(Value::Null, |hello| {
            json!({ "name": hello.lines.first(), "offers": hello.lines.get(1..).unwrap_or_default() })
        })
    };
    let mut view = json!({
        "server": way.server.host,
        "port": way.server.port,
        "greeting": said.greeting,
        "in_clear": hello(false),
        "under_tls": hello(true),
        "tls": ending.secured.as_ref().map(secured),
        "refused_certificate": ending.refused.as_ref().map(certificate),
        "message_bytes_max": ending.extensions.size.and_then(|size| size.bytes_max),
        "auth": ending.extensions.auth,
        "trouble": ending.trouble.as_ref().map(|(phase, cause)| {
            json!({ "phase": phase.name(), "cause": cause.name(), "message": cause.to_string() })
        }),
    });
    if let Some(lines) = transcript {
        view["transcript"] = lines;
    }
    view
}

fn secured(secured: &Secured) -> Value {
    let certificate = secured.certificate.as_ref().map(certificate);
    json!({ "version": secured.version, "cipher_suite": secured.cipher_suite, "certificate": certificate })
}

fn certificate(shown: &ShownCertificate) -> Value {
    json!({
        "subject": shown.subject,
        "issuer": shown.issuer,
        "names": shown.names,
        "not_before": shown.not_before,
        "not_after": shown.not_after,
        "fingerprint": shown.fingerprint.to_string(),
    })
}

/// A second since 1970 as a date of UTC.
fn date(unix_seconds: i64) -> String {
    let date = jiff::Timestamp::from_second(unix_seconds);
    date.map_or_else(|_| "a time that no calendar has".to_owned(), |date| date.to_string())
}
