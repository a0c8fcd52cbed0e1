//! The exit codes of the binary, in one place: a script may rely on them. They follow sysexits.h where it has a fitting
//! number. Absent: any decision about when each is used; that stands where the failure is met.

/// How a run of the binary ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Decided against by the rules: not enough money, no such account. The answer is final.
    Refused = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The input is not what the command takes (invalid UTF-8, not an integer number, a damaged backup).
    Input = 65,
    /// The mail server refused a recipient.
    NoRecipient = 67,
    /// No server, or one that cannot be reached.
    Unavailable = 69,
    /// A fault of Switchboard itself.
    Internal = 70,
    /// A file or folder cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    InputOutput = 74,
    /// Not known yet: the call is still open; the message says which command settles it.
    Unresolved = 75,
    /// The other side does not keep to the protocol.
    Protocol = 76,
    /// This user may not do that.
    NotPermitted = 77,
    /// The configuration is wrong.
    Configuration = 78,
    /// A web server failed (HTTP 5xx).
    ServerFailed = 79,
    /// It took longer than it was given.
    TimedOut = 124,
    /// Ended by Ctrl-C or another signal before it was done.
    Interrupted = 130,
}

impl Exit {
    /// Every code, for the table of the help.
    pub const ALL: [Self; 16] = [
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::Input,
        Self::NoRecipient,
        Self::Unavailable,
        Self::Internal,
        Self::CannotCreate,
        Self::InputOutput,
        Self::Unresolved,
        Self::Protocol,
        Self::NotPermitted,
        Self::Configuration,
        Self::ServerFailed,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word that stands for it in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Input => "input",
            Self::NoRecipient => "no_recipient",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::CannotCreate => "cannot_create",
            Self::InputOutput => "input_output",
            Self::Unresolved => "unresolved",
            Self::Protocol => "protocol",
            Self::NotPermitted => "not_permitted",
            Self::Configuration => "configuration",
            Self::ServerFailed => "server_failed",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }

    /// One line for the help.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused by the rules (not enough money, no such account, HTTP 4xx); final",
            Self::Usage => "the command line is wrong",
            Self::Input => "the input is malformed",
            Self::NoRecipient => "the mail server refused a recipient for good",
            Self::Unavailable => "no server, or it cannot be reached; nothing was sent",
            Self::Internal => "a fault of Switchboard itself",
            Self::CannotCreate => "a file or folder cannot be made",
            Self::InputOutput => "reading or writing failed",
            Self::Unresolved => {
                "not known yet: a call is still open (call retry, call cancel), or a mail may have arrived"
            }
            Self::Protocol => "the other side does not keep to the protocol",
            Self::NotPermitted => "not permitted",
            Self::Configuration => "the configuration is wrong",
            Self::ServerFailed => "the web server failed (HTTP 5xx)",
            Self::TimedOut => "it took longer than it was given",
            Self::Interrupted => "interrupted before it was done",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
