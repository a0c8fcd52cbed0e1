//! The datagrams of the load, in the language of each reflector, and the sequence that a reply gives back. Absent: sockets.

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};

/// What a reflector understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// Whatever comes is sent back; what is sent is a STAMP packet, for no other reason than to be like one.
    Echo,
    /// RFC 8762 with one extra padding TLV (RFC 8972 §4.1).
    Stamp,
    /// sockperf's header: sequence, flags, length.
    Sockperf,
    /// irtt's, within a session that is opened first.
    Irtt,
}

/// The fixed part of a test packet (RFC 8762 §4.2.1).
const STAMP_OCTETS: u16 = 44;
/// Flags, type and length of a TLV (RFC 8972 §4).
const TLV_OCTETS: u16 = 4;
/// Where a reply has the sender's sequence (RFC 8762 §4.3.1).
const STAMP_REPLY_SEQUENCE: usize = 24;
/// sockperf: from a client, to be answered.
const SOCKPERF_ASKS: u16 = 3;
const IRTT_MAGIC: [u8; 3] = [0x14, 0xa7, 0x5b];
const IRTT_OPEN: u8 = 1;
const IRTT_CLOSE: u8 = 4;
/// Magic, flags and the token of the session.
const IRTT_HEADER: usize = 12;
/// A session is asked to last no longer, in nanoseconds.
const IRTT_SESSION_NS: i64 = 7_200_000_000_000;
/// Longest open reply.
const REPLY_OCTETS_MAX: usize = 256;

/// A datagram of a session, into which only the sequence is written again and again.
#[derive(Clone, Debug)]
pub(super) struct Session {
    dialect: Dialect,
    template: Vec<u8>,
}

impl Dialect {
    /// Opens a session over a connected socket that does not wait for ever.
    pub(super) fn open(self, socket: &UdpSocket, octets: u16) -> Result<Session> {
        let mut template = vec![0; usize::from(octets)];
        match self {
            Self::Echo | Self::Stamp => {
                let padding = octets.checked_sub(STAMP_OCTETS + TLV_OCTETS).context("too short for STAMP")?;
                // A time of 2026, and an error estimate that is unknown but not invalid.
                template[4..8].copy_from_slice(&0xed00_0000_u32.to_be_bytes());
                template[12..14].copy_from_slice(&[0, 1]);
                // Unrecognized until recognized, extra padding.
                template[44..46].copy_from_slice(&[0x80, 1]);
                template[46..48].copy_from_slice(&padding.to_be_bytes());
            }
            Self::Sockperf => {
                template[8..10].copy_from_slice(&SOCKPERF_ASKS.to_be_bytes());
                template[10..14].copy_from_slice(&u32::from(octets).to_be_bytes());
            }
            Self::Irtt => {
                socket.send(&irtt_open(octets))?;
                let mut reply = [0; REPLY_OCTETS_MAX];
                let count = socket.recv(&mut reply)?;
                ensure!(count > IRTT_HEADER && reply[..3] == IRTT_MAGIC, "the server opens no session");
                template[..IRTT_HEADER].copy_from_slice(&reply[..IRTT_HEADER]);
                template[3] = 0;
            }
        }
        Ok(Session { dialect: self, template })
    }
}

impl Session {
    /// Writes the datagram with this number.
    pub(super) fn write(&self, sequence: u32, packet: &mut [u8]) {
        packet.copy_from_slice(&self.template);
        match self.dialect {
            Dialect::Echo | Dialect::Stamp => packet[..4].copy_from_slice(&sequence.to_be_bytes()),
            Dialect::Sockperf => packet[4..8].copy_from_slice(&sequence.to_be_bytes()),
            Dialect::Irtt => packet[IRTT_HEADER..IRTT_HEADER + 4].copy_from_slice(&sequence.to_le_bytes()),
        }
    }

    /// The number that this reply answers; none when it is no reply, or not of the length that was sent.
    pub(super) fn answered(&self, reply: &[u8]) -> Option<u32> {
        let whole = (reply.len() == self.template.len()).then_some(reply)?;
        let four = |at: usize| whole.get(at..at + 4)?.try_into().ok();
        match self.dialect {
            Dialect::Echo => four(0).map(u32::from_be_bytes),
            Dialect::Stamp => four(STAMP_REPLY_SEQUENCE).map(u32::from_be_bytes),
            Dialect::Sockperf => four(4).map(u32::from_be_bytes),
            Dialect::Irtt => {
                let same_session = whole[..3] == IRTT_MAGIC && whole[4..12] == self.template[4..12];
                four(IRTT_HEADER).filter(|_| same_session).map(u32::from_le_bytes)
            }
        }
    }

    /// Ends it, where a session has an end.
    pub(super) fn close(&self, socket: &UdpSocket) -> Result<()> {
        if self.dialect == Dialect::Irtt {
            let mut packet = self.template[..IRTT_HEADER].to_vec();
            packet[3] = IRTT_CLOSE;
            socket.send(&packet)?;
        }
        Ok(())
    }
}

/// What irtt's client sends first: version 1, duration, interval, length, statistics and times of every kind, as signed
/// varints behind their keys.
fn irtt_open(octets: u16) -> Vec<u8> {
    let parameters = [1, IRTT_SESSION_NS, 1, i64::from(octets), 3, 3, 3];
    let mut packet = IRTT_MAGIC.to_vec();
    packet.push(IRTT_OPEN);
    for (key, value) in (1..).zip(parameters) {
        packet.push(key);
        // Small numbers of either sign become small unsigned ones, seven bits in an octet.
        let mut rest = u64::from_ne_bytes(((value << 1) ^ (value >> 63)).to_ne_bytes());
        while rest >= 0x80 {
            packet.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
            rest >>= 7;
        }
        packet.push(u8::try_from(rest).expect("seven bits"));
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(dialect: Dialect) -> Session {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        dialect.open(&socket, 64).unwrap()
    }

    #[test]
    fn a_session_is_opened_as_the_client_of_irtt_does_it() {
        // Captured from `irtt client -d 30ms -i 10ms -l 64`, duration and interval aside.
        let open = irtt_open(64);
        assert_eq!(open[..6], [0x14, 0xa7, 0x5b, 1, 1, 2]);
        assert!(open.ends_with(&[4, 0x80, 1, 5, 6, 6, 6, 7, 6]), "{open:x?}");
    }

    #[test]
    fn replies_give_their_sequence_back() {
        for (dialect, at) in [(Dialect::Echo, 0), (Dialect::Sockperf, 4)] {
            let session = session(dialect);
            let mut packet = [0; 64];
            session.write(70_000, &mut packet);
            assert_eq!(packet[at..at + 4], 70_000_u32.to_be_bytes());
            assert_eq!(session.answered(&packet), Some(70_000));
            assert_eq!(session.answered(&packet[..63]), None, "a shorter reply is none");
        }
    }

    #[test]
    fn a_reply_of_stamp_has_it_behind_the_reflectors_own() {
        let session = session(Dialect::Stamp);
        let mut reply = [0; 64];
        reply[..4].copy_from_slice(&9_u32.to_be_bytes());
        reply[24..28].copy_from_slice(&7_u32.to_be_bytes());
        assert_eq!(session.answered(&reply), Some(7));
    }
}
