//! What each line of a dialogue means, in words, with the section that says so. It follows the dialogue, since a reply means what it
//! answers. Absent: what to do about it; the report says that.

use std::collections::VecDeque;

use switchboard_mail::smtp::Line;

/// Follows a dialogue.
#[derive(Debug)]
pub(super) struct Explainer {
    /// What has no answer yet, the greeting first, which answers the connection.
    asked: VecDeque<Asked>,
    /// Lines of the reply so far.
    lines: usize,
}

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Connection,
    Hello,
    StartTls,
    Auth,
    Mail,
    Recipient,
    Data,
    Chunk,
    End,
    Reset,
    Quit,
}

/// What a command asks for, and what it means.
const COMMANDS: [(&str, Asked, &str); 10] = [
    (
        "EHLO",
        Asked::Hello,
        "who this side is, and the question what the server can do (RFC 5321 section 4.1.1.1)",
    ),
    ("HELO", Asked::Hello, "the same for a server that does not know EHLO (RFC 5321 section 4.1.1.1)"),
    ("STARTTLS", Asked::StartTls, "asks to go on under TLS (RFC 3207 section 4)"),
    ("AUTH", Asked::Auth, "begins to show who one is, by this mechanism (RFC 4954 section 4)"),
    ("MAIL", Asked::Mail, "begins a message: where a report of failure is to go (RFC 5321 section 4.1.1.2)"),
    ("RCPT", Asked::Recipient, "one whom it is to; the header is not asked (RFC 5321 section 4.1.1.3)"),
    (
        "DATA",
        Asked::Data,
        "the message comes now, and ends with a line that is a dot (RFC 5321 section 4.1.1.4)",
    ),
    (
        "BDAT",
        Asked::Chunk,
        "so many bytes of the message follow, as they are; LAST ends it (RFC 3030 section 2)",
    ),
    ("RSET", Asked::Reset, "forget the message that was begun (RFC 5321 section 4.1.1.5)"),
    ("QUIT", Asked::Quit, "goodbye (RFC 5321 section 4.1.1.10)"),
];

/// What parameters of MAIL and RCPT mean.
const PARAMETERS: [(&str, &str); 8] = [
    ("SIZE=", "so many bytes long (RFC 1870 section 6)"),
    ("BODY=", "with bytes beyond ASCII (RFC 6152 section 2)"),
    ("SMTPUTF8", "with addresses or fields beyond ASCII (RFC 6531 section 3.4)"),
    ("RET=", "so much of it to be returned with a report (RFC 3461 section 4.3)"),
    ("ENVID=", "under this name in reports (RFC 3461 section 4.4)"),
    ("AUTH=", "submitted by this person (RFC 4954 section 5)"),
    ("NOTIFY=", "a report is wanted in these cases (RFC 3461 section 4.1)"),
    ("ORCPT=", "the address as it was first written (RFC 3461 section 4.2)"),
];

/// What a server can do, by the keyword of its answer to EHLO.
const KEYWORDS: [(&str, &str); 20] = [
    ("STARTTLS", "it can go on under TLS (RFC 3207)"),
    ("AUTH", "the ways of logging in that it takes here (RFC 4954)"),
    ("PIPELINING", "it takes commands before it has answered those before (RFC 2920)"),
    ("SIZE", "the longest message that it takes, in bytes; 0 or nothing for no fixed bound (RFC 1870)"),
    ("CHUNKING", "it takes messages in counted chunks, by BDAT (RFC 3030)"),
    ("BINARYMIME", "it takes messages that are not made of lines (RFC 3030)"),
    ("8BITMIME", "it takes bytes beyond ASCII in a message (RFC 6152)"),
    ("SMTPUTF8", "it takes addresses and header fields beyond ASCII (RFC 6531)"),
    ("DSN", "reports of delivery can be asked for (RFC 3461)"),
    ("ENHANCEDSTATUSCODES", "its replies carry a code that says more (RFC 2034)"),
    ("VRFY", "one may ask whether an address is known (RFC 5321 section 3.5)"),
    ("HELP", "it has a text about itself (RFC 5321 section 4.1.1.8)"),
    ("ETRN", "another server may fetch its queue (RFC 1985)"),
    ("DELIVERBY", "a time by which to deliver can be asked for (RFC 2852)"),
    ("FUTURERELEASE", "a message can be held until a time (RFC 4865)"),
    ("REQUIRETLS", "TLS all the way can be required (RFC 8689)"),
    ("MT-PRIORITY", "a message can be given a priority (RFC 6710)"),
    ("BURL", "it can fetch parts of a message from an IMAP server (RFC 4468)"),
    ("LIMITS", "the bounds that it keeps, such as recipients of a message (RFC 9422)"),
    ("XCLIENT", "an extension of Postfix by which a proxy tells whom it speaks for"),
];

impl Explainer {
    pub(super) fn new() -> Self {
        Self { asked: VecDeque::from([Asked::Connection]), lines: 0 }
    }

    /// What the next line means.
    pub(super) fn explain(&mut self, line: &Line) -> String {
        match line {
            Line::Client(text) => self.command(text),
            Line::Server(text) => self.reply(text),
            Line::Note(text) if text == "TLS" => {
                "from here on all is encrypted, and what the server said before counts no more (RFC 3207 section 4.2)"
                    .to_owned()
            }
            Line::Note(_) => "the message itself is not shown (RFC 5321 section 4.5.2)".to_owned(),
        }
    }

    fn command(&mut self, text: &str) -> String {
        let mut words = text.split(' ');
        let verb = words.next().unwrap_or_default();
        let Some((_, asked, meaning)) = COMMANDS.iter().find(|(known, _, _)| *known == verb) else {
            return match verb {
                "*" => "gives the login up (RFC 4954 section 4)".to_owned(),
                _ => "answers the challenge, in base64 (RFC 4954 section 4)".to_owned(),
            };
        };
        let asked = if *asked == Asked::Chunk && text.ends_with(" LAST") { Asked::End } else { *asked };
        self.asked.push_back(asked);
        let mut meaning = (*meaning).to_owned();
        for word in words.filter(|_| matches!(asked, Asked::Mail | Asked::Recipient)) {
            if let Some((_, known)) = PARAMETERS.iter().find(|(known, _)| word.starts_with(known)) {
                meaning.push_str("; ");
                meaning.push_str(known);
            }
        }
        meaning
    }

    fn reply(&mut self, text: &str) -> String {
        let code = text.get(..3).unwrap_or(text);
        let is_last = !text.get(3..).is_some_and(|rest| rest.starts_with('-'));
        let asked = self.asked.front().copied();
        let meaning = self.meaning(asked, code, text.get(4..).unwrap_or_default());
        self.lines += 1;
        if is_last {
            self.lines = 0;
            match code {
                // The login goes on.
                "334" => {}
                "354" => {
                    if let Some(front) = self.asked.front_mut() {
                        *front = Asked::End;
                    }
                }
                _ => drop(self.asked.pop_front()),
            }
        }
        meaning
    }

    fn meaning(&self, asked: Option<Asked>, code: &str, rest: &str) -> String {
        let class = code.bytes().next().unwrap_or_default();
        if class == b'4' || class == b'5' {
            return no(code, asked, class);
        }
        let keyword = rest.split([' ', '=']).next().unwrap_or_default().to_ascii_uppercase();
        let fixed = match asked {
            Some(Asked::Hello) if self.lines > 0 => {
                let known = KEYWORDS.iter().find(|(known, _)| *known == keyword);
                known.map_or(
                    "something that is not used here; unknown words mean nothing (RFC 5321 section 4.1.1.1)",
                    |(_, meaning)| meaning,
                )
            }
            Some(Asked::Connection) => "the server is there, and names itself (RFC 5321 section 4.2)",
            Some(Asked::Hello) => {
                "it greets back; what it can do follows, a line each (RFC 5321 section 4.1.1.1)"
            }
            Some(Asked::StartTls) => "the handshake may begin (RFC 3207 section 4)",
            Some(Asked::Auth) if code == "334" => {
                "a challenge of the mechanism, in base64 (RFC 4954 section 4)"
            }
            Some(Asked::Auth) => "it believes who this is (RFC 4954 section 4)",
            Some(Asked::Mail) => "the sender will do (RFC 5321 section 4.1.1.2)",
            Some(Asked::Recipient) => "it takes mail for this one (RFC 5321 section 4.1.1.3)",
            Some(Asked::Data) => "go on, the message may come (RFC 5321 section 4.1.1.4)",
            Some(Asked::Chunk) => "it has the chunk (RFC 3030 section 2)",
            Some(Asked::End) => {
                "it has taken the message and is responsible for it now (RFC 5321 section 6.1)"
            }
            Some(Asked::Reset) => "it has forgotten it (RFC 5321 section 4.1.1.5)",
            Some(Asked::Quit) => "goodbye (RFC 5321 section 4.1.1.10)",
            None => "an answer to nothing that was asked",
        };
        fixed.to_owned()
    }
}

/// What a refusal means.
fn no(code: &str, asked: Option<Asked>, class: u8) -> String {
    let specific = match (code, asked) {
        ("421", _) => "the server closes the connection, for now (RFC 5321 section 4.2.3)",
        ("450" | "451" | "452", _) => {
            "not now: a mailbox, the server or its disk is busy (RFC 5321 section 4.2.3)"
        }
        ("530", _) => "it wants a login or TLS first (RFC 4954 section 6)",
        ("534" | "538", _) => "it does not take this mechanism, or not here (RFC 4954 section 6)",
        ("535", _) => "name and password are not right, for this server (RFC 4954 section 6)",
        ("550", Some(Asked::Recipient)) => "no such mailbox, or not for this sender (RFC 5321 section 4.2.3)",
        ("552", _) => "too large, or the mailbox is full (RFC 5321 section 4.2.3)",
        ("554", _) => "it does not take this at all (RFC 5321 section 4.2.3)",
        ("500" | "501" | "502" | "503" | "504" | "555", _) => {
            "it does not understand the command, or not here (RFC 5321 section 4.2.4)"
        }
        _ if class == b'4' => "not now; the same may succeed later (RFC 5321 section 4.2.1)",
        _ => "no, and the same will fail again (RFC 5321 section 4.2.1)",
    };
    specific.to_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn each_line_of_a_dialogue_is_told_what_it_is() {
        let dialogue = "S 220 mx ESMTP\nC EHLO [127.0.0.1]\nS 250-mx\nS 250-SIZE 1000\nS 250 X-OWN\nC AUTH LOGIN\nS 334 [hidden]\nC [hidden]\nS 235 ok\n\
             C MAIL FROM:<a@example.org> SIZE=3\nC RCPT TO:<b@example.org>\nC RCPT TO:<c@example.org>\nC DATA\nS 250 ok\nS 250 ok\nS 550 5.1.1 no\nS 354 go\nN message\nS 250 ok\nC QUIT\nS 221 bye";
        let mut explainer = Explainer::new();
        let told: Vec<String> = dialogue
            .lines()
            .map(|line| {
                let (who, text) = line.split_once(' ').unwrap();
                let text = text.to_owned();
                let line = match who {
                    "C" => Line::Client(text),
                    "S" => Line::Server(text),
                    _ => Line::Note(text),
                };
                explainer.explain(&line)
            })
            .collect();
        expect![[r#"
            the server is there, and names itself (RFC 5321 section 4.2)
            who this side is, and the question what the server can do (RFC 5321 section 4.1.1.1)
            it greets back; what it can do follows, a line each (RFC 5321 section 4.1.1.1)
            the longest message that it takes, in bytes; 0 or nothing for no fixed bound (RFC 1870)
            something that is not used here; unknown words mean nothing (RFC 5321 section 4.1.1.1)
            begins to show who one is, by this mechanism (RFC 4954 section 4)
            a challenge of the mechanism, in base64 (RFC 4954 section 4)
            answers the challenge, in base64 (RFC 4954 section 4)
            it believes who this is (RFC 4954 section 4)
            begins a message: where a report of failure is to go (RFC 5321 section 4.1.1.2); so many bytes long (RFC 1870 section 6)
            one whom it is to; the header is not asked (RFC 5321 section 4.1.1.3)
            one whom it is to; the header is not asked (RFC 5321 section 4.1.1.3)
            the message comes now, and ends with a line that is a dot (RFC 5321 section 4.1.1.4)
            the sender will do (RFC 5321 section 4.1.1.2)
            it takes mail for this one (RFC 5321 section 4.1.1.3)
            no such mailbox, or not for this sender (RFC 5321 section 4.2.3)
            go on, the message may come (RFC 5321 section 4.1.1.4)
            the message itself is not shown (RFC 5321 section 4.5.2)
            it has taken the message and is responsible for it now (RFC 5321 section 6.1)
            goodbye (RFC 5321 section 4.1.1.10)
            goodbye (RFC 5321 section 4.1.1.10)"#]].assert_eq(&told.join("\n"));
    }
}
