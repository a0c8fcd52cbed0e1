//! https: whom the program believes, HTTP/2, and that nothing leaves the encryption unasked.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use switchboard_tls::{Identity, ServedIdentity, server_config};
use tokio_rustls::TlsAcceptor;

use crate::get;
use crate::house::House;

/// A server under TLS with a certificate of its own; it ends with the test.
struct Secure {
    port: u16,
    certificate: PathBuf,
    pin: String,
    _runtime: tokio::runtime::Runtime,
}

impl Secure {
    /// Speaks these protocols (ALPN) and says which one it spoke.
    fn serve(house: &House, alpn: &'static [&'static [u8]]) -> Self {
        Self::with(house, alpn, accept)
    }

    fn with<F>(
        house: &House,
        alpn: &'static [&'static [u8]],
        accept: impl FnOnce(tokio::net::TcpListener, TlsAcceptor) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let keys = house.path().join("keys");
        let (identity, _) = Identity::load_or_create(&keys, &[], now()).unwrap();
        let config = server_config(&ServedIdentity::new(&identity), alpn).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(accept(listener, TlsAcceptor::from(Arc::clone(&config))));
        let certificate = std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path());
        let certificate =
            certificate.into_iter().find(|path| path.extension().is_some_and(|end| end == "crt")).unwrap();
        Self { port, certificate, pin: identity.fingerprint().to_string(), _runtime: runtime }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

#[expect(clippy::disallowed_methods, reason = "a certificate is valid from now on")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

async fn accept(listener: tokio::net::TcpListener, acceptor: TlsAcceptor) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not believe this server leaves here.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let stream = TokioIo::new(stream);
            let service = service_fn(answer);
            match is_two {
                true => {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(stream, service).await);
                }
                false => {
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await)
                }
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut answer =
        Response::new(Full::new(Bytes::from(format!("{:?} {}", request.version(), request.uri().path()))));
    if request.uri().path() == "/down" {
        *answer.status_mut() = hyper::StatusCode::FOUND;
        answer.headers_mut().insert("location", "http://localhost:1/".parse().unwrap());
    }
    Ok(answer)
}

#[test]
fn a_server_is_believed_by_its_authority_or_its_key_and_not_otherwise() {
    let house = House::new();
    let server = Secure::serve(&house, &[b"h2", b"http/1.1"]);
    let authority = server.certificate.to_str().unwrap().to_owned();
    for trust in [["--cacert", &authority], ["--pin", &server.pin]] {
        let ran = get(&house, &[&trust[..], &[&server.url("/x")]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "HTTP/2.0 /x"), "{}", ran.stderr);
    }
    let wrong = format!("sha256:{}", "0".repeat(64));
    let ran = get(&house, &["--pin", &wrong, &server.url("/x")]);
    assert_eq!(ran.code, 77, "{}", ran.stderr);
    assert!(ran.stderr.contains("WRONG SERVER"), "{}", ran.stderr);
    let ran = get(&house, &["--cacert", "absent.pem", &server.url("/x")]);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    let ran = get(&house, &["--retry", "2", &server.url("/x")]);
    assert!([77, 78].contains(&ran.code), "an unknown authority, or none on this machine: {}", ran.stderr);
    let ran = get(&house, &[&format!("http://localhost:{}/", server.port)]);
    assert!([69, 76].contains(&ran.code), "{}", ran.stderr);
}

#[test]
fn a_server_without_http2_is_spoken_to_in_http1() {
    let house = House::new();
    const OFFERED: [&[&[u8]]; 2] = [&[b"http/1.1"], &[]];
    for alpn in OFFERED {
        let server = Secure::serve(&house, alpn);
        let ran = get(&house, &["-v", "--pin", &server.pin, &server.url("/x")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "HTTP/1.1 /x"), "{}", ran.stderr);
        assert!(ran.stderr.contains("* TLSv1_3, HTTP/1.1"), "{}", ran.stderr);
    }
}

#[test]
fn a_redirect_out_of_the_encryption_is_followed_only_when_told() {
    let house = House::new();
    let server = Secure::serve(&house, &[b"h2"]);
    let ran = get(&house, &["--pin", &server.pin, &server.url("/down")]);
    assert_eq!(ran.code, 77, "{}", ran.stderr);
    assert!(ran.stderr.contains("not encrypted"), "{}", ran.stderr);
    let ran = get(&house, &["--allow-downgrade", "--pin", &server.pin, &server.url("/down")]);
    assert_eq!(ran.code, 69, "it went there, where nobody listens: {}", ran.stderr);
}

/// Sends a body of no told length and cuts the connection, as somebody on the way could, without TLS's own goodbye.
async fn cut_off(listener: tokio::net::TcpListener, acceptor: TlsAcceptor) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    let _request = stream.read(&mut [0; 4096]).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf of it").await.unwrap();
    stream.flush().await.unwrap();
}

#[test]
fn a_body_without_a_length_cannot_be_cut_under_tls() {
    let house = House::new();
    let server = Secure::with(&house, &[b"http/1.1"], cut_off);
    let ran = get(&house, &["--pin", &server.pin, "-o", "x", &server.url("/x")]);
    assert_eq!(ran.code, 76, "{}", ran.stderr);
    assert_eq!(crate::kept(&house, "x"), None);
}
