//! The race of a host's addresses for a connection (RFC 8305): families take turns, and each attempt has a head start of 250 ms
//! before the next, so that an address that swallows everything costs no more than that. Absent: names, and who may wait how long.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::dialogue::Dialogue;
use super::limits::HEAD_START;

/// The first connection that stands; the other attempts are given up.
///
/// # Errors
/// What the last attempt met, when all have failed. Without an address that none was found.
pub(super) async fn connect(addresses: Vec<SocketAddr>, dialogue: &Dialogue) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for next in alternating(addresses) {
        dialogue.note(&format!("connecting to {next}"));
        attempts.spawn(TcpStream::connect(next));
        // Who has failed ends the head start of who has not.
        match tokio::time::timeout(HEAD_START, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = error,
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(ended) => last = ended.into(),
        }
    }
    Err(last)
}

/// The families by turns, beginning with that of the first address; within a family the resolver's order (RFC 8305 section 4).
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let count = addresses.len();
    let leads_with_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (leading, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == leads_with_v6);
    let (mut leading, mut other) = (leading.into_iter(), other.into_iter());
    (0..count).flat_map(|_| [leading.next(), other.next()]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// A listener whose queue is full: the kernel drops what else wants to connect, as a network that swallows packets does.
    struct Full {
        address: SocketAddr,
        _listener: socket::Listener,
        _queued: Vec<std::net::TcpStream>,
    }

    mod socket {
        use rustix::fd::OwnedFd;
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
        use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

        pub(super) type Listener = OwnedFd;

        /// Keeps one connection waiting and no more.
        pub(super) fn listener() -> (Listener, SocketAddr) {
            let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
            listen(&listener, 0).unwrap();
            let address = SocketAddrV4::try_from(getsockname(&listener).unwrap()).unwrap();
            (listener, address.into())
        }
    }

    impl Full {
        fn new() -> Self {
            let (listener, address) = socket::listener();
            let _queued = vec![std::net::TcpStream::connect(address).unwrap()];
            Self { address, _listener: listener, _queued }
        }
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    fn quiet() -> Dialogue {
        Dialogue::with_bar(indicatif::ProgressBar::hidden())
    }

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(given), expected);
        let given = addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(alternating(given), addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]));
        assert!(alternating(Vec::new()).is_empty());
    }

    #[test]
    fn an_address_that_swallows_everything_is_overtaken() {
        let silent = Full::new();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = vec![silent.address, good.local_addr().unwrap()];
        let patience = std::time::Duration::from_secs(60);
        let stream = run(async { tokio::time::timeout(patience, connect(addresses, &quiet())).await });
        // Without a race the kernel would go on with the first one for two minutes.
        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), good.local_addr().unwrap());
    }

    #[test]
    fn a_refusal_is_followed_by_the_next_address_and_the_last_one_is_told() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = run(connect(vec![gone, good.local_addr().unwrap()], &quiet())).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
        let error = run(connect(vec![gone], &quiet())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(run(connect(Vec::new(), &quiet())).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
