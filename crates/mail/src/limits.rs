//! Bounds on what a server may send, on what is sent to it, and on how long is waited. The times are the minimums of RFC 5321
//! section 4.5.3.2, so that no slow but working server is given up. Absent: bounds of the server, which it tells in its replies.

/// A line of a reply, its CRLF included. RFC 5321 section 4.5.3.1.5 says 512; real servers write longer explanations.
pub const REPLY_LINE_BYTES_MAX: usize = 2048;
/// Lines of one reply. The longest real EHLO replies have about thirty.
pub const REPLY_LINES_MAX: usize = 100;
/// A challenge of AUTH or the answer to one: RFC 4954 section 4 wants 12,288 bytes to be possible; they come in one line.
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;
/// A command line with its CRLF (RFC 5321 section 4.5.3.1.4); a longer initial response of AUTH is sent in a line of its own.
pub const COMMAND_LINE_BYTES_MAX: usize = 512;
/// Challenges in one AUTH dialogue. The longest mechanism has three.
pub const AUTH_ROUNDS_MAX: u32 = 8;
/// Iterations that a SCRAM server may ask for: below this a stolen exchange is too cheap to guess from (RFC 7677 section 4).
pub const SCRAM_ITERATIONS_MIN: u32 = 4096;
/// Iterations that a SCRAM server may ask for: beyond this it is an attack on this machine's time.
pub const SCRAM_ITERATIONS_MAX: u32 = 2_000_000;

/// A local part, in bytes (RFC 5321 section 4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// A domain, in bytes (RFC 5321 section 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// An address: a path of 256 bytes has two angle brackets (RFC 5321 section 4.5.3.1.3, erratum 1690 of RFC 3696).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// A display name, in bytes.
pub const DISPLAY_NAME_BYTES_MAX: usize = 1000;
/// Recipients of one message; beyond it a server need not take more (RFC 5321 section 4.5.3.1.8 asks for 100).
pub const RECIPIENTS_MAX: usize = 1000;
/// A subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 10_000;
/// Messages that may have left whole without an answer, on one connection. Each of them is in doubt when it breaks.
pub const UNANSWERED_MESSAGES_MAX: usize = 64;
/// An envelope id (RFC 3461 section 4.4).
pub const ENVELOPE_ID_BYTES_MAX: usize = 100;
/// Attachments and inline images of one message.
pub const ATTACHMENTS_MAX: usize = 1000;
/// The text and the HTML form of a message, each; both are held in memory.
pub const TEXT_BYTES_MAX: usize = 32 << 20;
/// A file name in a message, in bytes: what file systems allow.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// The header of a message that is sent as it is, in bytes; it is held in memory.
pub const HEADER_BYTES_MAX: usize = 256 << 10;
/// A line of a header field without its CRLF (RFC 5322 section 2.1.1, RFC 2047 section 2).
pub const HEADER_LINE_BYTES: usize = 76;
/// No line of a message is longer, without its CRLF (RFC 5322 section 2.1.1).
pub const BODY_LINE_BYTES_MAX: usize = 998;

/// What is read from a file at a time: a multiple of 57, the bytes of one base64 line.
pub const FILE_CHUNK_BYTES: usize = 57 * 1024;
/// Bytes of one chunk of BDAT; a message of more has several, and the last is said when the others are answered.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;
/// What may wait for the network; the message is read no further until it is less.
pub const SEND_BUFFER_BYTES_MAX: usize = 256 << 10;
/// What is read from the network at a time.
pub const RECEIVE_CHUNK_BYTES: usize = 16 << 10;

/// For one address of a server to accept a connection.
pub const CONNECT_MS_MAX: u64 = 30_000;
/// For a TLS handshake.
pub const HANDSHAKE_MS_MAX: u64 = 60_000;
/// For the greeting (RFC 5321 section 4.5.3.2.1).
pub const GREETING_MS_MAX: u64 = 300_000;
/// For the reply to EHLO, HELO, STARTTLS, AUTH, MAIL (section 4.5.3.2.2) and RCPT (section 4.5.3.2.3).
pub const COMMAND_MS_MAX: u64 = 300_000;
/// For the reply to DATA (section 4.5.3.2.4).
pub const DATA_MS_MAX: u64 = 120_000;
/// For the reply to a chunk that is not the last; RFC 3030 names no time.
pub const CHUNK_MS_MAX: u64 = 300_000;
/// For the network to take a piece of the message (section 4.5.3.2.5).
pub const DATA_BLOCK_MS_MAX: u64 = 180_000;
/// For the reply to the final dot (section 4.5.3.2.6): given up earlier, a message is sent twice.
pub const FINAL_MS_MAX: u64 = 600_000;
/// For the reply to QUIT. Nothing depends on it.
pub const QUIT_MS_MAX: u64 = 10_000;
