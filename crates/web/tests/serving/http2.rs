//! HTTP/2 as clients speak it, with prior knowledge over plain sockets: every answer is that of HTTP/1.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::{Client, Served, replace, until};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn run<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = Duration::from_secs(60);
    runtime.block_on(async { tokio::time::timeout(deadline, task).await.expect("an answer in time") })
}

pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    socket: S,
) -> SendRequest<Bytes> {
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 22)
        .handshake(socket)
        .await
        .unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap()
}

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    open(tokio::net::TcpStream::connect(address).await.unwrap()).await
}

pub(crate) fn request(method: &str, uri: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri).version(http::Version::HTTP_2);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

pub(crate) fn ask(client: &mut SendRequest<Bytes>, request: Request<()>) -> ResponseFuture {
    client.send_request(request, true).unwrap().0
}

pub(crate) async fn whole(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, body) = answer.await?.into_parts();
    Ok(Answer { status: head.status.as_u16(), fields: head.headers, body: bytes_of(body).await? })
}

async fn bytes_of(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        bytes.extend_from_slice(&part);
        body.flow_control().release_capacity(part.len())?;
    }
    Ok(bytes)
}

pub(crate) fn get(path: &str) -> Request<()> {
    request("GET", &format!("http://localhost{path}"), &[])
}

#[test]
fn a_hundred_requests_at_once_are_answered_each_with_its_own() {
    let served = Served::new();
    for number in 0..100 {
        served.write(&format!("{number}.txt"), format!("file {number} ").repeat(number * 40));
    }
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    served.write("large.bin", &large);
    run(async {
        let mut client = connect(served.address()).await;
        for _ in 0..2 {
            let file = ask(&mut client, get("/large.bin"));
            let small: Vec<_> =
                (0..100).map(|number| ask(&mut client, get(&format!("/{number}.txt")))).collect();
            for (number, answer) in small.into_iter().enumerate() {
                let answer = whole(answer).await.unwrap();
                assert_eq!(answer.status, 200);
                assert_eq!(answer.body, format!("file {number} ").repeat(number * 40).as_bytes());
            }
            assert!(whole(file).await.unwrap().body == large);
        }
    });
}

/// Method, target, fields.
type Line<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

#[test]
fn every_answer_is_that_of_http1() {
    let served = Served::new();
    served.write("page.html", "<p>".repeat(100));
    served.write("page.html.gz", "not really");
    served.write("empty", "");
    served.write("large.bin", vec![7; 400_000]);
    std::fs::create_dir(served.path("folder")).unwrap();
    served.write(".hidden", "secret");
    let tag = served.fetch("/page.html").field("ETag").unwrap().to_owned();
    let requests: &[Line<'_>] = &[
        ("GET", "/page.html", &[]),
        ("HEAD", "/page.html", &[]),
        ("HEAD", "/large.bin", &[]),
        ("GET", "/empty", &[]),
        ("GET", "/page.html?query=1", &[("accept-encoding", "gzip, br")]),
        ("GET", "/page.html", &[("accept-encoding", "identity;q=0")]),
        ("GET", "/page.html", &[("if-none-match", &tag)]),
        ("GET", "/page.html", &[("if-none-match", "\"other\""), ("if-none-match", &tag)]),
        ("GET", "/page.html", &[("if-match", "\"other\"")]),
        ("GET", "/page.html", &[("range", "bytes=3-9")]),
        ("GET", "/large.bin", &[("range", "bytes=-200000")]),
        ("GET", "/page.html", &[("range", "bytes=9999-")]),
        ("GET", "/page.html", &[("range", "bytes=0-1"), ("if-range", "\"other\"")]),
        ("GET", "/folder", &[]),
        ("GET", "/folder/", &[]),
        ("GET", "/folder?a=b", &[]),
        ("GET", "/.hidden", &[]),
        ("GET", "/none", &[]),
        ("HEAD", "/none", &[]),
        ("GET", "/a/../page.html", &[]),
        ("GET", "/%2e%2e/page.html", &[]),
        ("GET", "/a%2fb", &[]),
        ("GET", "/a%00b", &[]),
        ("GET", "/a%5cb", &[]),
        ("GET", "/%c0%af", &[]),
        ("GET", "/%zz", &[]),
        ("GET", "//page.html", &[]),
        ("POST", "/page.html", &[]),
        ("DELETE", "/none", &[]),
        ("BREW", "/page.html", &[]),
        ("OPTIONS", "/page.html", &[]),
        ("OPTIONS", "*", &[]),
        ("GET", "/page.html", &[("expect", "the-unexpected")]),
    ];
    run(async {
        let mut client = connect(served.address()).await;
        for (method, path, fields) in requests {
            let mut request = request(method, "http://localhost/", fields);
            let uri = http::Uri::builder().scheme("http").authority("localhost").path_and_query(*path);
            *request.uri_mut() = uri.build().unwrap();
            let answer = whole(ask(&mut client, request)).await.unwrap();
            let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let expected = Client::connect(served.address()).request(method, path, &lines);
            assert_eq!(answer.status, expected.status, "{method} {path} {fields:?}");
            assert_eq!(answer.body, expected.body, "{method} {path} {fields:?}");
            let own = answer.fields.iter().filter(|(name, _)| *name != "date");
            let mut own: Vec<String> =
                own.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            let others = expected.head.lines().skip(1).filter(|line| !line.is_empty());
            let mut others: Vec<String> = others
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
                .filter(|line| !line.starts_with("date: ") && !line.starts_with("connection: "))
                .collect();
            own.sort();
            others.sort();
            assert_eq!(own, others, "{method} {path} {fields:?}");
        }
    });
}

#[test]
fn several_ranges_come_as_parts_from_disk_and_from_memory() {
    let served = Served::new();
    served.write("small.txt", "0123456789");
    served.write("large.bin", vec![7; 900_000]);
    run(async {
        let mut client = connect(served.address()).await;
        for (path, ranges, least) in
            [("/small.txt", "bytes=0-1,5-6", 4), ("/large.bin", "bytes=0-9,700000-", 200_010)]
        {
            let uri = format!("http://localhost{path}");
            let answer = whole(ask(&mut client, request("GET", &uri, &[("range", ranges)]))).await.unwrap();
            assert_eq!(answer.status, 206);
            let length: usize = answer.fields["content-length"].to_str().unwrap().parse().unwrap();
            assert_eq!(answer.body.len(), length);
            assert!(length > least && answer.body.ends_with(b"--\r\n"));
        }
    });
}

#[test]
fn a_body_is_refused_without_being_read() {
    let served = Served::new();
    run(async {
        let mut client = connect(served.address()).await;
        let (answer, mut body) =
            client.send_request(request("POST", "http://localhost/", &[]), false).unwrap();
        body.reserve_capacity(60_000);
        body.send_data(Bytes::from(vec![0; 60_000]), false).unwrap();
        assert_eq!(whole(answer).await.unwrap().status, 405);
        let again = whole(ask(&mut client, get("/"))).await.unwrap();
        assert_eq!(again.status, 404, "the connection goes on");
    });
}

#[test]
fn a_changed_file_is_never_answered_old() {
    let served = Served::new();
    served.write("a.txt", "0");
    run(async {
        let mut client = connect(served.address()).await;
        for version in 1..60 {
            replace(&served.path("a.txt"), version.to_string().as_bytes());
            let answer = whole(ask(&mut client, get("/a.txt"))).await.unwrap();
            assert_eq!(answer.body, version.to_string().as_bytes());
        }
    });
}

#[test]
fn a_file_that_changes_while_it_is_sent_ends_its_stream_and_no_other() {
    let served = Served::new();
    served.write("small.txt", "small");
    let large = served.path("large.bin");
    std::fs::write(&large, vec![1; 6_000_000]).unwrap();
    run(async {
        let mut client = connect(served.address()).await;
        let answer = ask(&mut client, get("/large.bin")).await.unwrap();
        let mut body = answer.into_body();
        // The windows are open for a part of it only, so the rest is not read yet.
        assert_eq!(body.data().await.unwrap().unwrap()[0], 1);
        let file = std::fs::OpenOptions::new().write(true).open(&large).unwrap();
        std::os::unix::fs::FileExt::write_at(&file, &[2; 10], 5_999_000).unwrap();
        let rest = bytes_of(body).await;
        assert_eq!(rest.unwrap_err().reason(), Some(h2::Reason::INTERNAL_ERROR));
        assert_eq!(whole(ask(&mut client, get("/small.txt"))).await.unwrap().body, b"small");
    });
    assert_eq!(served.running.metrics().snapshot().cut_changed, 1);
}

#[test]
fn a_shutdown_ends_downloads_whole_and_says_goaway() {
    let served = Served::new();
    served.write("large.bin", vec![9; 20_000_000]);
    let Served { root, running } = served;
    let address = crate::client::tcp(&running);
    run(async {
        let mut client = connect(address).await;
        let answer = ask(&mut client, get("/large.bin")).await.unwrap();
        let stopping = std::thread::spawn(move || running.shutdown());
        assert_eq!(bytes_of(answer.into_body()).await.unwrap(), vec![9; 20_000_000]);
        let ended = loop {
            match client.clone().ready().await {
                Ok(mut ready) => match ready.send_request(get("/"), true) {
                    Ok((answer, _)) => {
                        if let Err(error) = answer.await {
                            break error;
                        }
                    }
                    Err(error) => break error,
                },
                Err(error) => break error,
            }
        };
        assert!(ended.is_go_away() || ended.is_io(), "{ended:?}");
        client.ready().await.unwrap_err();
        stopping.join().unwrap();
    });
    drop(root);
}

#[test]
fn a_file_that_is_asked_for_by_http2_is_compressed_once() {
    let served = Served::new();
    served.write("page.html", "<p>the same again and again".repeat(1_000));
    run(async {
        let mut client = connect(served.address()).await;
        let ask_for = |coding| request("GET", "http://localhost/page.html", &[("accept-encoding", coding)]);
        let first = whole(ask(&mut client, ask_for("br"))).await.unwrap();
        assert_eq!((first.fields.get("content-encoding"), first.body.len()), (None, 27_000));
        until(&served, "it is compressed", |counted| counted.compressed == 1);
        for coding in ["br", "gzip"] {
            let answer = whole(ask(&mut client, ask_for(coding))).await.unwrap();
            assert_eq!(answer.fields["content-encoding"], coding);
            assert!(answer.body.len() < 1_000);
        }
    });
}

#[test]
fn a_peer_that_opens_no_window_holds_few_files_and_gets_all_in_the_end() {
    let served = Served::limited(|limits| limits.cache_bytes_max = 1_000_000);
    let body = |number: usize| format!("{number:04}").repeat(50_000).into_bytes();
    for number in 0..60 {
        served.write(&format!("{number}.bin"), body(number));
    }
    run(async {
        let socket = tokio::net::TcpStream::connect(served.address()).await.unwrap();
        let (send, mut connection) = h2::client::Builder::new()
            .initial_window_size(0)
            .initial_connection_window_size(1 << 24)
            .handshake::<_, Bytes>(socket)
            .await
            .unwrap();
        let mut resize = connection.ping_pong().unwrap();
        let (opened, open) = tokio::sync::oneshot::channel::<u32>();
        tokio::spawn(async move {
            let mut open = Some(open);
            std::future::poll_fn(|context| {
                if let Some(waiting) = &mut open
                    && let std::task::Poll::Ready(size) = std::pin::Pin::new(waiting).poll(context)
                {
                    open = None;
                    connection.set_initial_window_size(size.unwrap()).unwrap();
                }
                std::pin::Pin::new(&mut connection).poll(context)
            })
            .await
        });
        let mut send = send.ready().await.unwrap();
        let asked: Vec<_> = (0..60).map(|number| ask(&mut send, get(&format!("/{number}.bin")))).collect();
        // Whatever was sent before it is looked at before it is answered.
        resize.ping(h2::Ping::opaque()).await.unwrap();
        let answered = served.running.metrics().snapshot().status_2xx;
        assert!(answered < 10, "{answered} files wait for a peer that takes nothing");
        opened.send(1 << 20).unwrap();
        for (number, answer) in asked.into_iter().enumerate() {
            let answer = whole(answer).await.unwrap();
            assert!(answer.status == 200 && answer.body == body(number), "file {number}");
        }
    });
}
