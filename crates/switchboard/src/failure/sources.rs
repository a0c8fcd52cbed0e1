//! Errors of the crates below as failures of a command: their words, and the exit code of each kind.

use switchboard_call::answer::DoorCause;
use switchboard_call::client::{BeginError, NeverSent, ReadFailure, StopReason};
use switchboard_client::{CallError, ConnectError, JournalError};
use switchboard_mail::MailError;
use switchboard_probe::ProbeError;
use switchboard_server::ServerError;
use switchboard_store::StoreError;
use switchboard_tls::TlsError;

use super::Failure;
use crate::exit::Exit;
use crate::get::GetError;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::FolderInUse { .. } => Exit::Unavailable,
            StoreError::Folder { action, .. } if *action == "creating" => Exit::CannotCreate,
            StoreError::KeyExposed { .. }
            | StoreError::NetworkFileSystem { .. }
            | StoreError::NoLog { .. }
            | StoreError::NewerSchema { .. } => Exit::Configuration,
            StoreError::KeyDamaged { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Foreign { .. }
            | StoreError::RestoreInterrupted { .. }
            | StoreError::BadBackup { .. } => Exit::Input,
            StoreError::Folder { .. }
            | StoreError::Full(_)
            | StoreError::FsyncFailed(_)
            | StoreError::Sql(_) => Exit::InputOutput,
            StoreError::Impossible(_) | StoreError::RowTooLarge { .. } => Exit::Internal,
        };
        Self::from_error(exit, error)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let exit = match &error {
            ServerError::PortInUse { .. } | ServerError::SocketInUse(_) => Exit::Unavailable,
            ServerError::NoSuchAddress { .. }
            | ServerError::PlaintextOffLoopback(_)
            | ServerError::NoIdentity { .. }
            | ServerError::SocketPathTooLong(_)
            | ServerError::NotASocket(_) => Exit::Configuration,
            ServerError::Listen { .. } => Exit::CannotCreate,
            ServerError::Store(_) => Exit::InputOutput,
        };
        Self::from_error(exit, error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let exit = match &error {
            CallError::NoServer(cause) => of_connection(cause),
            CallError::NotSent { reason, .. } => of_never_sent(reason),
            CallError::NotAnswered { reason: ReadFailure::Stopped(reason), .. } => of_stop(*reason),
            CallError::NotTaken(reason) => of_begin(reason),
            CallError::NoRoom(_) => Exit::InputOutput,
            CallError::TurnedAway { door, .. } => of_door(door.cause),
            CallError::Unresolved { .. } => Exit::Unresolved,
            CallError::Unreadable { .. } => Exit::Protocol,
            CallError::Unknown { .. } => Exit::Input,
            CallError::NotAnswered { reason: ReadFailure::DeadlinePassed, .. }
            | CallError::Cancelled { .. }
            | CallError::TooLate { .. }
            | CallError::Expired { .. } => Exit::Unavailable,
        };
        let call = error.id();
        let failure = Self::from_error(exit, error);
        match call {
            Some(id) => failure.about_call(id),
            None => failure,
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match &error {
            JournalError::File { .. } | JournalError::NoRoom { .. } | JournalError::Poisoned { .. } => {
                Exit::InputOutput
            }
            JournalError::Locked { .. } | JournalError::AllLocked { .. } | JournalError::Full { .. } => {
                Exit::Unavailable
            }
            JournalError::Exposed { .. } => Exit::NotPermitted,
            JournalError::Refused { .. } | JournalError::TooLarge { .. } => Exit::Input,
        };
        Self::from_error(exit, error)
    }
}

fn of_connection(error: &ConnectError) -> Exit {
    match error {
        ConnectError::Unreachable { .. }
        | ConnectError::TimedOut { .. }
        | ConnectError::NotGreeted { .. }
        | ConnectError::Program { .. } => Exit::Unavailable,
        ConnectError::NotUnderstood { .. } => Exit::Protocol,
        ConnectError::Tls { source } => of_tls(source),
    }
}

fn of_never_sent(reason: &NeverSent) -> Exit {
    match reason {
        NeverSent::Cancelled | NeverSent::DeadlinePassed => Exit::Unavailable,
        NeverSent::OverLimit { .. } => Exit::Input,
        NeverSent::Stopped(reason) => of_stop(*reason),
    }
}

fn of_begin(reason: &BeginError) -> Exit {
    match reason {
        BeginError::BodyTooLong { .. } | BeginError::NameTooLong => Exit::Input,
        BeginError::TooManyOpen => Exit::Unavailable,
        BeginError::JournalClosed => Exit::InputOutput,
        BeginError::Stopped(reason) => of_stop(*reason),
    }
}

fn of_stop(reason: StopReason) -> Exit {
    match reason {
        StopReason::Closed | StopReason::WrongStore => Exit::Unavailable,
        StopReason::BadCredential => Exit::NotPermitted,
        StopReason::UnsupportedVersion => Exit::Protocol,
        StopReason::JournalFailed => Exit::InputOutput,
    }
}

fn of_door(cause: DoorCause) -> Exit {
    match cause {
        DoorCause::NotPermitted => Exit::NotPermitted,
        DoorCause::Malformed | DoorCause::UnknownCommand => Exit::Protocol,
        DoorCause::OverLimit => Exit::Input,
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        let (exit, advice) = match &error {
            ProbeError::PortInUse { .. } => (
                Exit::Unavailable,
                Some("end the other program, or listen elsewhere with --listen ADDR:PORT"),
            ),
            ProbeError::PortNotPermitted { .. } => {
                (Exit::NotPermitted, Some("use another port with --listen ADDR:PORT, such as 127.0.0.1:8620"))
            }
            ProbeError::NoSuchAddress { .. } => {
                (Exit::Configuration, Some("name an address of this machine (ip address)"))
            }
            ProbeError::NoRoute { .. } => {
                (Exit::Usage, Some("check the address and the network of this machine"))
            }
            ProbeError::NotOneHost { .. } => (Exit::Usage, Some("name a single host, or its address")),
            ProbeError::OtherFamily { .. } => (
                Exit::Usage,
                Some("name an address of the target's family with --from, or choose it by -4 or -6"),
            ),
            ProbeError::Socket { .. } => (Exit::Unavailable, None),
            ProbeError::System { .. } => (Exit::Internal, None),
        };
        let failure = Self::from_error(exit, error);
        match advice {
            Some(advice) => failure.advise(advice),
            None => failure,
        }
    }
}

impl From<MailError> for Failure {
    fn from(error: MailError) -> Self {
        let exit = match &error {
            MailError::Address { .. }
            | MailError::Field { .. }
            | MailError::Bound { .. }
            | MailError::NotAFile { .. }
            | MailError::FileChanged { .. }
            | MailError::Written { .. }
            | MailError::Signing(_)
            | MailError::ChangedSinceSigned => Exit::Input,
            MailError::File { .. } => Exit::InputOutput,
            MailError::NoRandomness(_) => Exit::Internal,
            MailError::Trust(error) => of_tls(error),
        };
        Self::from_error(exit, error)
    }
}

impl From<GetError> for Failure {
    fn from(error: GetError) -> Self {
        let exit = match &error {
            GetError::Url { .. } | GetError::Field { .. } | GetError::NoName { .. } | GetError::Binary => {
                Exit::Usage
            }
            GetError::ProxyScheme { .. } => Exit::Configuration,
            GetError::Proxy { .. }
            | GetError::Resolve { .. }
            | GetError::Connect { .. }
            | GetError::NoAnswer { .. }
            | GetError::InUse { .. } => Exit::Unavailable,
            GetError::Tls(error) => of_tls(error),
            GetError::TimedOut { .. } | GetError::TooSlow { .. } => Exit::TimedOut,
            GetError::NotHttp { .. }
            | GetError::CutShort { .. }
            | GetError::Unasked { .. }
            | GetError::Framing { .. }
            | GetError::Contradiction { .. }
            | GetError::Decode { .. }
            | GetError::UnknownCoding { .. }
            | GetError::Redirect { .. }
            | GetError::RedirectsTooMany { .. } => Exit::Protocol,
            GetError::Downgrade { .. } => Exit::NotPermitted,
            // A class that does not exist is as good as 5xx (RFC 9110 section 15).
            GetError::Status { status, .. } if status.as_u16() >= 500 => Exit::ServerFailed,
            GetError::Status { .. } => Exit::Refused,
            GetError::Place { .. } => Exit::CannotCreate,
            GetError::File { .. } | GetError::Output { .. } => Exit::InputOutput,
            GetError::TooLarge { .. } => Exit::Input,
        };
        Self::from_error(exit, error)
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::from_error(of_tls(&error), error)
    }
}

fn of_tls(error: &TlsError) -> Exit {
    match error {
        TlsError::File { .. } => Exit::InputOutput,
        TlsError::Generate { .. } | TlsError::Library { .. } => Exit::Internal,
        TlsError::Broken { .. } => Exit::Unavailable,
        TlsError::Refused(_) | TlsError::Certificate { .. } | TlsError::PeerRefused { .. } => {
            Exit::NotPermitted
        }
        TlsError::NotTls { .. } | TlsError::WrongProtocol { .. } | TlsError::Handshake { .. } => {
            Exit::Protocol
        }
        TlsError::FileTooLarge { .. }
        | TlsError::KeyReadableByOthers { .. }
        | TlsError::FolderWritableByOthers { .. }
        | TlsError::KeyMissing { .. }
        | TlsError::FileMissing { .. }
        | TlsError::Unusable { .. }
        | TlsError::NotAPair { .. }
        | TlsError::IssuedByAuthority { .. }
        | TlsError::Name { .. }
        | TlsError::Address { .. }
        | TlsError::TooManyNames { .. }
        | TlsError::Clock { .. }
        | TlsError::Fingerprint { .. }
        | TlsError::NoSystemRoots { .. }
        | TlsError::KnownServersDamaged { .. } => Exit::Configuration,
    }
}
