//! Programs that send one message, each as its manual says, without a configuration of its user. Absent: what they cost.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::needs::PYTHON;

use super::case::SHORT_BYTES;
use super::peers::Peer;

pub(super) const FROM: &str = "ada@example.net";
/// Postfix of the tests has mailboxes for that domain.
pub(super) const TO: &str = "bob@example.org";
/// Who may send through Dovecot.
pub(super) const USER: &str = "ada";
const PASSWORD: &str = "pencil";
const SUBJECT: &str = "bench";
const SCRIPT: &str = include_str!("tools/send.py");

/// Lines of text, so many bytes.
pub(super) fn text(bytes: usize) -> String {
    const LINE: &str = "The quick brown fox jumps over the lazy dog, and then it is the dog's turn.\n";
    let mut text = LINE.repeat(bytes / LINE.len());
    text.push_str(&"x".repeat((bytes - text.len()).saturating_sub(1)));
    text.push('\n');
    text
}

/// What they send, and what they need for it.
#[derive(Debug)]
pub(super) struct Letter {
    /// Their home, where no configuration is.
    home: PathBuf,
    /// The text alone.
    text: PathBuf,
    /// The same with the line ends of a message, for who sends a file as it is.
    text_crlf: PathBuf,
    /// A whole message with that text.
    message: PathBuf,
    script: PathBuf,
    password: PathBuf,
}

/// Where and how a message is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand<'a> {
    pub(super) server: SocketAddr,
    pub(super) attachment: Option<&'a Path>,
    /// The certificate of a server that speaks TLS from the first byte, and wants a login.
    pub(super) certificate: Option<&'a Path>,
}

impl Letter {
    /// Writes it below `place`.
    pub(super) fn write(place: &Path) -> Result<Self> {
        let home = place.join("home");
        fs::create_dir(&home)?;
        let letter = Self {
            text: home.join("text"),
            text_crlf: home.join("text-crlf"),
            message: home.join("message"),
            script: home.join("send.py"),
            password: home.join("password"),
            home,
        };
        let text = text(SHORT_BYTES);
        let head = format!(
            "From: {FROM}\nTo: {TO}\nSubject: {SUBJECT}\nDate: Fri, 02 Jan 2026 03:04:05 +0000\n\
             Message-ID: <bench@example.net>\n\n"
        );
        fs::write(&letter.message, head + &text)?;
        fs::write(&letter.text_crlf, text.replace('\n', "\r\n"))?;
        fs::write(&letter.text, text)?;
        fs::write(&letter.script, SCRIPT)?;
        write_private(&letter.password, PASSWORD)?;
        Ok(letter)
    }

    /// The text, for who compares.
    pub(super) fn text(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.text)?)
    }

    /// The program of `peer` on its errand. `switchboard` is ours, `smtp_source` Postfix's.
    pub(super) fn command(
        &self,
        peer: Peer,
        errand: Errand<'_>,
        switchboard: &Path,
        smtp_source: &dyn Fn() -> Command,
    ) -> Result<Command> {
        let mut command = match peer {
            Peer::Switchboard => self.switchboard(errand, switchboard),
            Peer::SmtpSource => {
                let mut command = smtp_source();
                command.args(["-f", FROM, "-t", TO, "-l", &SHORT_BYTES.to_string()]);
                command.arg(errand.server.to_string());
                command
            }
            Peer::Curl => self.curl(errand),
            Peer::Msmtp => self.msmtp(errand)?,
            Peer::Swaks => self.swaks(errand),
            Peer::SNail => self.s_nail(errand)?,
            Peer::Python => self.python(errand),
            Peer::SwitchboardOneByOne | Peer::SwitchboardData | Peer::SmtpSourceReused => {
                bail!("{peer} is no program that sends one message")
            }
        };
        command.env("HOME", &self.home).stdout(Stdio::null());
        Ok(command)
    }

    fn switchboard(&self, errand: Errand<'_>, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["mail", "send", "--from", FROM, "--to", TO, "--subject", SUBJECT, "--text"]);
        command.arg(&self.text).args(["--server", &errand.server.to_string()]);
        match errand.certificate {
            Some(certificate) => {
                command.args(["--tls", "implicit", "--user", USER, "--auth", "PLAIN", "--cacert"]);
                command.arg(certificate).arg("--password-file").arg(&self.password);
            }
            None => {
                command.args(["--tls", "off"]);
            }
        }
        if let Some(attachment) = errand.attachment {
            command.arg("--attach").arg(attachment);
        }
        command.stdin(Stdio::null());
        command
    }

    fn curl(&self, errand: Errand<'_>) -> Command {
        let mut command = Command::new("curl");
        command.args(["--disable", "--silent", "--show-error", "--mail-from", FROM, "--mail-rcpt", TO]);
        match errand.certificate {
            Some(certificate) => {
                command.arg("--cacert").arg(certificate).args(["--login-options", "AUTH=PLAIN", "--user"]);
                command.arg(format!("{USER}:{PASSWORD}")).arg(format!("smtps://{}", errand.server));
            }
            None => {
                command.arg(format!("smtp://{}", errand.server));
            }
        }
        match errand.attachment {
            Some(attachment) => {
                let header = |name: &str, value: &str| format!("{name}: {value}");
                for header in [header("From", FROM), header("To", TO), header("Subject", SUBJECT)] {
                    command.args(["--header", &header]);
                }
                command.args(["--form", &format!("=<{};type=text/plain", self.text_crlf.display())]);
                command.args(["--form", &format!("=@{};encoder=base64", attachment.display())]);
            }
            None => {
                command.arg("--crlf").arg("--upload-file").arg(&self.message);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    fn msmtp(&self, errand: Errand<'_>) -> Result<Command> {
        ensure!(errand.attachment.is_none(), "msmtp makes no attachments");
        let mut command = Command::new("msmtp");
        let (host, port) = (errand.server.ip(), errand.server.port());
        command.args([format!("--host={host}"), format!("--port={port}")]);
        command.args(["--file=/dev/null", "--from", FROM]);
        match errand.certificate {
            Some(certificate) => {
                command.args(["--tls=on", "--tls-starttls=off", "--auth=plain", &format!("--user={USER}")]);
                command.arg(format!("--tls-trust-file={}", certificate.display()));
                command.arg(format!("--passwordeval=cat {}", self.password.display()));
            }
            None => {
                command.args(["--auth=off", "--tls=off"]);
            }
        }
        command.args(["--", TO]).stdin(opened(&self.message)?);
        Ok(command)
    }

    fn swaks(&self, errand: Errand<'_>) -> Command {
        let mut command = Command::new("swaks");
        command.args(["--silent", "2", "--from", FROM, "--to", TO, "--h-Subject", SUBJECT]);
        command.args([
            "--server",
            &errand.server.ip().to_string(),
            "--port",
            &errand.server.port().to_string(),
        ]);
        command.arg("--body").arg(format!("@{}", self.text.display()));
        if errand.certificate.is_some() {
            command.args(["--tls-on-connect", "--auth", "PLAIN", "--auth-user", USER]);
            command.args(["--auth-password", PASSWORD]);
        }
        if let Some(attachment) = errand.attachment {
            command.arg("--attach").arg(format!("@{}", attachment.display()));
        }
        command.stdin(Stdio::null());
        command
    }

    fn s_nail(&self, errand: Errand<'_>) -> Result<Command> {
        ensure!(errand.certificate.is_none(), "s-nail is not asked to log in");
        let mut command = Command::new("s-nail");
        command.args(["-:/", "-S", "v15-compat", "-S", "sendwait", "-S", "smtp-auth=none"]);
        command.args(["-S", &format!("mta=smtp://{}", errand.server), "-s", SUBJECT, "-r", FROM]);
        if let Some(attachment) = errand.attachment {
            command.arg("-a").arg(attachment);
        }
        command.arg(TO).stdin(opened(&self.text)?);
        Ok(command)
    }

    fn python(&self, errand: Errand<'_>) -> Command {
        let mut command = Command::new(PYTHON);
        command.args(["-I", "-B"]).arg(&self.script);
        command.args([&errand.server.ip().to_string(), &errand.server.port().to_string(), FROM, TO, SUBJECT]);
        command.arg(&self.text);
        command.args(errand.attachment);
        if let Some(certificate) = errand.certificate {
            command.env("CERTIFICATE", certificate).env("LOGIN", USER).env("PASSWORD_FILE", &self.password);
        }
        command.stdin(Stdio::null());
        command
    }
}

fn opened(file: &Path) -> Result<Stdio> {
    Ok(fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?.into())
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// What a kept message holds: whether its lines end as they must (RFC 5321 section 2.3.8), all of `text` is in it, and the file that is
/// attached.
pub(super) fn verify(kept: &[u8], text: &str, attachment: Option<&[u8]>) -> Result<()> {
    use base64::Engine as _;
    let kept = String::from_utf8_lossy(kept);
    for line in kept.split("\r\n") {
        ensure!(!line.contains('\n'), "a line feed stands alone in what arrived");
        ensure!(!line.contains('\r'), "a carriage return stands alone in what arrived");
    }
    let kept = kept.replace("\r\n", "\n");
    ensure!(
        kept.contains(text),
        "the text did not arrive as it was sent: {}",
        kept.get(..2000).unwrap_or(&kept)
    );
    let Some(attachment) = attachment else { return Ok(()) };
    let encoded = kept.rsplit("\n\n").find(|part| part.len() > attachment.len() && !part.contains(' '));
    let encoded = encoded.context("no attachment arrived")?;
    let is_base64 = |line: &&str| !line.starts_with("--");
    let encoded: String = encoded.lines().take_while(is_base64).collect();
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).context("it is no base64")?;
    ensure!(decoded == attachment, "the attachment did not arrive as it was sent");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_it_is_asked_for() {
        for bytes in [100, SHORT_BYTES, 1 << 20] {
            assert_eq!(text(bytes).len(), bytes);
        }
        assert!(text(SHORT_BYTES).lines().all(|line| line.len() <= 78));
    }

    #[test]
    fn what_arrived_is_compared() {
        let (text, file) = ("one\ntwo\n", &b"a file of some bytes"[..]);
        let kept = |body: &str| -> Vec<u8> {
            format!(
                "From: a\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\n\r\none\r\ntwo\r\n\r\n--b\r\nX: base64\r\n\r\n{body}\r\n--b--\r\n"
            )
            .into_bytes()
        };
        verify(&kept("YSBmaWxlIG9mIHNv\r\nbWUgYnl0ZXM="), text, Some(file)).unwrap();
        assert!(verify(&kept("YSBmaWxlIG9mIHNv\r\nbWUgYnl0ZXN="), text, Some(file)).is_err());
        assert!(verify(&kept(""), text, Some(file)).is_err());
        assert!(verify(&kept(""), "three\n", None).is_err());
    }

    #[test]
    fn a_line_end_that_is_half_of_one_is_noticed() {
        let told = |kept: &[u8]| verify(kept, "one\ntwo\n", None).map_err(|error| error.to_string());
        assert_eq!(told(b"A: b\r\n\r\none\r\ntwo\r\n"), Ok(()));
        for bare in [&b"A: b\r\n\r\none\ntwo\r\n"[..], b"A: b\n\r\none\r\ntwo\r\n"] {
            assert_eq!(told(bare), Err("a line feed stands alone in what arrived".to_owned()));
        }
        for bare in [&b"A: b\r\n\r\none\r\ntwo\r\n\r"[..], b"A: b\r\n\r\r\none\r\ntwo\r\n"] {
            assert_eq!(told(bare), Err("a carriage return stands alone in what arrived".to_owned()));
        }
    }
}
