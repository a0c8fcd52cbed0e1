//! A relay between a prober and its reflector, which notes when each probe came by the kernel's stamp: on loopback that is
//! within the system call that sent it. So every prober's sending is heard by the same ear. Absent: what probes say.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often it looks whether it is to end, in nanoseconds.
const LOOK_NS: i64 = 20_000_000;
const OCTETS_MAX: usize = 2048;

/// The sockets: one that the prober sends to, one to the reflector.
#[derive(Debug)]
pub(super) struct Relay {
    front: UdpSocket,
    back: UdpSocket,
}

impl Relay {
    /// A relay to this reflector.
    pub(super) fn to(reflector: SocketAddr) -> Result<Self> {
        let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let (front, back) = (open()?, open()?);
        back.connect(reflector)?;
        for socket in [&front, &back] {
            socket.set_nonblocking(true)?;
        }
        setsockopt(&front, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { front, back })
    }

    /// Where the prober is to send.
    pub(super) fn address(&self) -> Result<SocketAddr> {
        Ok(self.front.local_addr()?)
    }

    /// Relays until it is told to end; returns when datagrams of so many octets came, in nanoseconds.
    pub(super) fn carry(&self, octets: usize, ending: &AtomicBool) -> Result<Vec<u64>> {
        let (mut stamps, mut prober) = (Vec::new(), None);
        let mut buffer = [0; OCTETS_MAX];
        while !ending.load(Ordering::Acquire) {
            let wait = Timespec { tv_sec: 0, tv_nsec: LOOK_NS };
            let mut sockets = [&self.front, &self.back].map(|socket| PollFd::new(socket, PollFlags::IN));
            poll(&mut sockets, Some(&wait))?;
            while let Some((length, from, stamp)) = self.next_probe(&mut buffer)? {
                if length == octets {
                    stamps.push(stamp);
                }
                prober = Some(from);
                // A reflector that is not there says so at the next one; the prober will miss the reply.
                let _as_good_as_lost = self.back.send(&buffer[..length]);
            }
            while let (Ok(length), Some(to)) = (self.back.recv(&mut buffer), prober) {
                let _as_good_as_lost = self.front.send_to(&buffer[..length], to);
            }
        }
        Ok(stamps)
    }

    fn next_probe(&self, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr, u64)>> {
        let mut slices = [IoSliceMut::new(buffer)];
        let mut space = nix::cmsg_space!(TimeSpec);
        let socket = self.front.as_fd().as_raw_fd();
        let message: RecvMsg<'_, '_, SockaddrIn> =
            match recvmsg(socket, &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT) {
                Ok(message) => message,
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return Ok(None),
                Err(error) => return Err(error).context("the relay cannot receive"),
            };
        let stamp = message.cmsgs()?.find_map(stamp).context("the kernel gave no stamp")?;
        let from = message.address.context("a datagram from nowhere")?;
        Ok(Some((message.bytes, SocketAddr::from(std::net::SocketAddrV4::from(from)), stamp)))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the kernel has more messages than were asked for")]
fn stamp(message: ControlMessageOwned) -> Option<u64> {
    match message {
        ControlMessageOwned::ScmTimestampns(stamp) => {
            let seconds = u64::try_from(stamp.tv_sec()).ok()?;
            seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(stamp.tv_nsec()).ok()?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_and_replies_pass_and_only_probes_are_noted() {
        let reflector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let relay = Relay::to(reflector.local_addr().unwrap()).unwrap();
        let (address, ending) = (relay.address().unwrap(), AtomicBool::new(false));
        let stamps = std::thread::scope(|scope| {
            let carried = scope.spawn(|| relay.carry(64, &ending));
            let prober = UdpSocket::bind("127.0.0.1:0").unwrap();
            for octets in [25, 64, 64] {
                prober.send_to(&vec![7; octets], address).unwrap();
                let mut heard = [0; 100];
                let (length, from) = reflector.recv_from(&mut heard).unwrap();
                assert_eq!(length, octets);
                reflector.send_to(&heard[..length], from).unwrap();
                assert_eq!(prober.recv(&mut heard).unwrap(), octets);
            }
            ending.store(true, Ordering::Release);
            carried.join().unwrap().unwrap()
        });
        assert_eq!(stamps.len(), 2);
        assert!(stamps[0] < stamps[1], "{stamps:?}");
    }
}
