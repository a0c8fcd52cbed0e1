//! A connection to the host of a URL, directly or through the proxy that the environment names: addresses in a race, TLS by
//! our own trust, HTTP/2 where the host offers it. Absent: keeping connections for later, SOCKS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri, Version};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo};
use switchboard_tls::{ServerAddress, TlsError, Trust, client_config};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::dialogue::Dialogue;
use super::error::GetError;
use super::limits::{ADDRESSES_MAX, ANSWER_FIELDS_MAX, HEAD_BYTES_MAX};
use super::race;

/// What a request is sent over.
pub(super) struct Connection {
    sender: Sender,
    /// Whether requests name the whole URL, as a proxy wants it (RFC 9112 section 3.2.2).
    pub(super) names_whole_url: bool,
    /// What the proxy wants to see with each request.
    pub(super) proxy_credential: Option<HeaderValue>,
}

enum Sender {
    One(http1::SendRequest<Empty<Bytes>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

impl Connection {
    pub(super) fn version(&self) -> Version {
        match self.sender {
            Sender::One(_) => Version::HTTP_11,
            Sender::Two(_) => Version::HTTP_2,
        }
    }

    /// Sends the request; ends with the head of the answer.
    pub(super) async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => sender.send_request(request).await,
            Sender::Two(sender) => sender.send_request(request).await,
        }
    }
}

/// Host and port, as they are told to a person.
pub(super) fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), port(url))
}

/// A proxy on the way.
struct Proxy {
    host: String,
    address: (Host<String>, u16),
    credential: Option<HeaderValue>,
}

/// Opens the connection. `patience` is what all addresses of the host share.
pub(super) async fn connect(
    url: &Url,
    trust: &Trust,
    patience: Duration,
    dialogue: &Dialogue,
) -> Result<Connection, GetError> {
    let host = authority(url);
    let is_secure = url.scheme() == "https";
    let Some(proxy) = proxy_for(url)? else {
        let stream = tcp(&(host_of(url), port(url)), &host, patience, dialogue).await?;
        return match is_secure {
            true => secure(stream, url, trust, dialogue).await,
            false => Ok(Connection::new(plain(stream, &host).await?)),
        };
    };
    dialogue.note(&format!("by the proxy {}", proxy.host));
    let stream = tcp(&proxy.address, &proxy.host, patience, dialogue).await?;
    let sender = plain(stream, &proxy.host).await?;
    match is_secure {
        true => secure(tunnel(sender, &proxy, &host).await?, url, trust, dialogue).await,
        false => Ok(Connection {
            names_whole_url: true,
            proxy_credential: proxy.credential,
            ..Connection::new(sender)
        }),
    }
}

impl Connection {
    fn new(sender: Sender) -> Self {
        Self { sender, names_whole_url: false, proxy_credential: None }
    }
}

/// What http_proxy, https_proxy, all_proxy and no_proxy say about this URL.
fn proxy_for(url: &Url) -> Result<Option<Proxy>, GetError> {
    let uri: Uri = url.as_str().parse().map_err(|error: hyper::http::uri::InvalidUri| GetError::Url {
        text: url.to_string(),
        why: error.to_string(),
    })?;
    let Some(proxy) = Matcher::from_env().intercept(&uri) else { return Ok(None) };
    let named = proxy.uri();
    let host = named.host().unwrap_or_default();
    let told = format!("{}://{host}", named.scheme_str().unwrap_or("http"));
    let parsed = Host::parse(host).ok().filter(|_| matches!(named.scheme_str(), None | Some("http")));
    let parsed = parsed.ok_or(GetError::ProxyScheme { proxy: told })?;
    let port = named.port_u16().unwrap_or(80);
    Ok(Some(Proxy {
        host: format!("{host}:{port}"),
        address: (parsed, port),
        credential: proxy.basic_auth().cloned(),
    }))
}

/// A connection to whichever address answers first.
async fn tcp(
    (name, port): &(Host<String>, u16),
    host: &str,
    patience: Duration,
    dialogue: &Dialogue,
) -> Result<TcpStream, GetError> {
    let addresses: Vec<SocketAddr> = match name {
        Host::Ipv4(address) => vec![(*address, *port).into()],
        Host::Ipv6(address) => vec![(*address, *port).into()],
        Host::Domain(name) => {
            let failed = |source| GetError::Resolve { host: name.clone(), source };
            let found = tokio::net::lookup_host((name.as_str(), *port)).await.map_err(failed)?;
            found.take(ADDRESSES_MAX).collect()
        }
    };
    match tokio::time::timeout(patience, race::connect(addresses, dialogue)).await {
        Ok(Ok(stream)) => {
            // Whole requests are written at once; without this the last piece could wait for an acknowledgement.
            let _unchanged = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(source)) if source.kind() != io::ErrorKind::TimedOut => {
            Err(GetError::Connect { host: host.to_owned(), source })
        }
        Ok(Err(_)) | Err(_) => Err(GetError::TimedOut {
            what: format!("no connection to {host}"),
            seconds: patience,
            flag: "--connect-timeout",
        }),
    }
}

async fn secure<S>(stream: S, url: &Url, trust: &Trust, dialogue: &Dialogue) -> Result<Connection, GetError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let host = authority(url);
    let server = ServerAddress::new(&unbracketed(url), port(url))?;
    let tls = client_config(trust, &server, &[b"h2", b"http/1.1"])?;
    let stream = TlsConnector::from(tls.config())
        .connect(tls.server_name(), stream)
        .await
        .map_err(|error| TlsError::from_handshake(&host, error))?;
    let (_, session) = stream.get_ref();
    let is_two = session.alpn_protocol() == Some(b"h2");
    let version = session.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
    dialogue.note(&format!("{version}, {}", if is_two { "HTTP/2" } else { "HTTP/1.1" }));
    if !is_two {
        return Ok(Connection::new(plain(stream, &host).await?));
    }
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .adaptive_window(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|source| GetError::NotHttp { host, source })?;
    // How it ends is told by the answer and its body.
    tokio::spawn(async { drop(connection.await) });
    Ok(Connection::new(Sender::Two(sender)))
}

async fn plain<S>(stream: S, host: &str) -> Result<Sender, GetError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(ANSWER_FIELDS_MAX)
        .max_buf_size(usize::try_from(HEAD_BYTES_MAX).unwrap_or(usize::MAX))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|source| GetError::NotHttp { host: host.to_owned(), source })?;
    tokio::spawn(async { drop(connection.with_upgrades().await) });
    Ok(Sender::One(sender))
}

/// Has the proxy connect to the host (RFC 9110 section 9.3.6).
async fn tunnel(
    sender: Sender,
    proxy: &Proxy,
    host: &str,
) -> Result<TokioIo<hyper::upgrade::Upgraded>, GetError> {
    let failed = |source| GetError::NotHttp { host: proxy.host.clone(), source };
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = host.parse().map_err(|_bad| GetError::Url {
        text: host.to_owned(),
        why: "a proxy cannot be asked for this host".to_owned(),
    })?;
    if let Ok(value) = HeaderValue::from_str(host) {
        request.headers_mut().insert(HOST, value);
    }
    if let Some(credential) = &proxy.credential {
        request.headers_mut().insert(hyper::header::PROXY_AUTHORIZATION, credential.clone());
    }
    let answer = Connection::new(sender).send(request).await.map_err(failed)?;
    if !answer.status().is_success() {
        let (proxy, host) = (proxy.host.clone(), host.to_owned());
        return Err(GetError::Proxy { proxy, host, status: answer.status() });
    }
    Ok(TokioIo::new(hyper::upgrade::on(answer).await.map_err(failed)?))
}

fn host_of(url: &Url) -> Host<String> {
    url.host().map_or_else(|| Host::Domain(String::new()), |host| host.to_owned())
}

fn unbracketed(url: &Url) -> String {
    match host_of(url) {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}
