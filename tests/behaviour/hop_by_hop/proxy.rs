//! A proxy between two servers' idle timeouts: what is said of one connection is not said of the next.
//!
//! The control is the same proxy without the option: the client behind it believes what the server
//! before it said, and loses a request for it.

use std::convert::Infallible;
use std::time::Duration;

use crate::support::client::{EitherError, exchange, get, guarded, keep_alive, plain, unlayered};
use crate::support::link::Link;
use crate::support::server::{Body, LinkConnector, Server, full};
use crate::support::wire::wires;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, HeaderMap, HeaderName, TRAILER, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAliveHint, KeepAlivePolicy};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How long the proxy keeps its clients' connections. It does not say so.
const PROXY_TIMEOUT: Duration = Duration::from_secs(2);

/// In each direction, between the client and the proxy.
const LATENCY: Duration = Duration::from_millis(40);

/// The idle time after which a request meets the proxy's close on its way.
const GAP: Duration = Duration::from_millis(1_960);

#[derive(Clone, Copy, PartialEq)]
enum Proxy {
    Strips,
    PassesAllOn,
}

/// A client of its own, at once or in the proxy.
fn client(
    keep_alive: &KeepAlive,
    proxy: Proxy,
    connector: LinkConnector,
) -> impl crate::support::client::HttpClient<Future: Send> + Send + Sync + 'static {
    let layer = keep_alive.layer().strip_hop_by_hop(proxy == Proxy::Strips);
    layer.layer(unlayered(keep_alive, connector))
}

/// A server before which a proxy stands.
fn behind(proxy: Proxy, server: &Server) -> Server {
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let client = client(&keep_alive, proxy, server.connector(Link::new()));
    Server::builder()
        .idle_timeout(PROXY_TIMEOUT)
        .handler(move |request| pass_on(client.clone(), request))
        .build()
}

async fn pass_on(
    client: impl crate::support::client::HttpClient,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    head.uri = "http://server.test/".parse().unwrap();
    let body = Full::new(body.collect().await.unwrap().to_bytes());
    let answer = exchange(&client, Request::from_parts(head, body)).await;
    answer.unwrap().map(full)
}

/// A server that keeps connections for long, and says so.
fn patient_server() -> Server {
    Server::builder().hint("timeout=120").build()
}

/// Two requests through a proxy, the second at a moment at which only a hint that is not the proxy's
/// makes the client dare to reuse its connection.
async fn two_requests_through(proxy: Proxy) -> Result<Response<Bytes>, String> {
    let front = behind(proxy, &patient_server());
    // Told of the proxy's timeout, as who runs both would.
    let keep_alive = keep_alive(KeepAlivePolicy::default().max_idle(PROXY_TIMEOUT));
    let client = guarded(&keep_alive, front.connector(Link::new().latency(LATENCY)));

    let ask = || exchange(&client, get("http://proxy.test/"));
    ask().await.unwrap();
    sleep(GAP).await;
    ask().await.map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn without_the_option_a_servers_hint_is_taken_for_that_of_the_proxy_and_loses_a_request() {
    let lost = two_requests_through(Proxy::PassesAllOn).await;
    assert!(lost.is_err(), "the client believed in 120 s: {lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_servers_hint_ends_at_the_proxy() {
    let response = two_requests_through(Proxy::Strips).await.unwrap();
    assert_eq!(response.headers().get(KEEP_ALIVE), None);
    assert_eq!(response.extensions().get::<KeepAliveHint>(), None);
}

#[tokio::test(start_paused = true)]
async fn the_proxy_itself_heeds_the_hint_that_it_strips() {
    let server = Server::builder()
        .idle_timeout(Duration::from_secs(20))
        .hint("timeout=20")
        .build();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = server.connector(Link::new());
    let client = client(&keep_alive, Proxy::Strips, connector);

    let response = exchange(&client, get("http://server.test/")).await.unwrap();
    sleep(Duration::from_secs(15)).await;
    exchange(&client, get("http://server.test/")).await.unwrap();

    assert_eq!(response.headers().get(KEEP_ALIVE), None);
    let connection = response.extensions().get::<ConnectionHandle>().unwrap();
    let hint = connection.hint().unwrap();
    assert_eq!(hint.timeout(), Some(Duration::from_secs(20)));
    assert_eq!(server.connections(), 1, "5 s are expected of a silent one");
}

/// What the server sees of a request that its client marked as the last on its connection.
async fn seen_of_a_last_request(proxy: Proxy) -> HeaderMap {
    let server = Server::builder().build();
    let front = behind(proxy, &server);
    let mut request = get("http://proxy.test/");
    let fields = request.headers_mut();
    fields.insert(CONNECTION, "close, x-hop".parse().unwrap());
    fields.insert("x-hop", "1".parse().unwrap());
    fields.insert("x-end", "2".parse().unwrap());

    let client = plain(front.connector(Link::new()));
    exchange(&client, request).await.unwrap();

    server.requests()[0].headers.clone()
}

#[tokio::test(start_paused = true)]
async fn without_the_option_a_clients_close_closes_the_connection_of_the_proxy_to_the_server() {
    let seen = seen_of_a_last_request(Proxy::PassesAllOn).await;
    assert_eq!(seen[CONNECTION], "close, x-hop");
    assert_eq!(seen["x-hop"], "1");
}

#[tokio::test(start_paused = true)]
async fn what_a_client_says_of_its_connection_ends_at_the_proxy() {
    let seen = seen_of_a_last_request(Proxy::Strips).await;
    assert_eq!(seen[CONNECTION], "keep-alive", "the layer's own");
    assert_eq!(seen.get("x-hop"), None);
    assert_eq!(seen["x-end"], "2");
}

/// A request and its response, both with a field in the head that `Connection` names, and the same field
/// behind the body.
struct WithTrailers {
    /// The request as the server has it.
    seen: String,
    /// The response's fields, and those behind its body.
    fields: HeaderMap,
    trailers: HeaderMap,
}

impl WithTrailers {
    async fn pass(proxy: Proxy) -> Self {
        let (connector, mut far_ends) = wires(Link::new(), Connected::new);
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let layer = keep_alive.layer().strip_hop_by_hop(proxy == Proxy::Strips);
        let client = layer.layer(unlayered(&keep_alive, connector));
        let trailers = HeaderMap::from_iter([
            (HeaderName::from_static("x-hop"), "behind".parse().unwrap()),
            (HeaderName::from_static("x-end"), "behind".parse().unwrap()),
        ]);
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from("hello"))),
            Ok(Frame::trailers(trailers)),
        ];
        let request = Request::post("http://server.test/")
            .header(CONNECTION, "x-hop")
            .header("x-hop", "before")
            .header(TRAILER, "x-hop, x-end")
            .body(StreamBody::new(stream::iter(frames)))
            .unwrap();

        let asking = tokio::spawn(client.oneshot(request));
        let mut server = far_ends.accept().await.unwrap();
        let mut seen = Vec::new();
        while !(seen.ends_with(b"\r\n\r\n") && seen.windows(5).any(|bytes| bytes == b"\r\n0\r\n")) {
            seen.push(server.read_u8().await.unwrap());
        }
        let response = "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: before\r\n\
            trailer: x-hop, x-end\r\ntransfer-encoding: chunked\r\n\r\n\
            2\r\nok\r\n0\r\nx-hop: behind\r\nx-end: behind\r\n\r\n";
        server.write_all(response.as_bytes()).await.unwrap();
        let (head, body) = asking.await.unwrap().unwrap().into_parts();
        let body = body.collect().await.unwrap();
        Self {
            seen: String::from_utf8(seen).unwrap(),
            fields: head.headers,
            trailers: body.trailers().unwrap().clone(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_connection_names_goes_from_heads_and_is_not_announced_behind_bodies() {
    let passed = WithTrailers::pass(Proxy::Strips).await;

    let (head, body) = passed.seen.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("x-hop: before"), "{head}");
    assert!(head.contains("connection: keep-alive"), "the layer's own");
    assert!(head.contains("trailer: x-end\r\n"), "{head}");
    let [hop, end] = ["x-hop: behind\r\n", "x-end: behind\r\n"].map(|field| body.contains(field));
    assert!(!hop && end, "{body}");

    assert_eq!(passed.fields.get(CONNECTION), None);
    assert_eq!(passed.fields.get("x-hop"), None);
    assert_eq!(passed.fields[TRAILER], "x-end");
    // Whoever writes them in HTTP/1 goes by that field.
    assert_eq!(passed.trailers["x-hop"], "behind");
    assert_eq!(passed.trailers["x-end"], "behind");
}

#[tokio::test(start_paused = true)]
async fn without_the_option_what_connection_names_passes() {
    let passed = WithTrailers::pass(Proxy::PassesAllOn).await;

    let (head, body) = passed.seen.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("x-hop: before"), "{head}");
    assert!(head.contains("connection: x-hop"), "{head}");
    assert!(body.contains("x-hop: behind\r\n"), "{body}");
    assert_eq!(passed.fields[CONNECTION], "x-hop");
    assert_eq!(passed.fields["x-hop"], "before");
}

/// Says `hello` back to whom it says it, past HTTP.
async fn greet(mut request: Request<Incoming>) -> Response<Body> {
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut peer = TokioIo::new(upgrading.await.unwrap());
        let mut word = [0; 5];
        peer.read_exact(&mut word).await.unwrap();
        peer.write_all(&word).await.unwrap();
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade, x-hop")
        .header(UPGRADE, "greeting")
        .header("x-hop", "1")
        .body(full(""))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_passes_through() {
    let server = Server::builder().handler(greet).build();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = server.connector(Link::new());
    let client = client(&keep_alive, Proxy::Strips, connector);
    let mut request = get("http://server.test/");
    let fields = request.headers_mut();
    fields.insert(CONNECTION, "Upgrade, x-hop".parse().unwrap());
    fields.insert(UPGRADE, "greeting".parse().unwrap());
    fields.insert("x-hop", "1".parse().unwrap());

    let mut response = client.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    for headers in [&server.requests()[0].headers, response.headers()] {
        assert_eq!(headers[CONNECTION], "upgrade");
        assert_eq!(headers[UPGRADE], "greeting");
        assert_eq!(headers.get("x-hop"), None);
    }
    let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
    let mut peer = TokioIo::new(upgraded);
    peer.write_all(b"hello").await.unwrap();
    let mut word = [0; 5];
    peer.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"hello");
}

/// A request and its response as bytes, the former as the server has it, the latter as the client does.
struct PassedOn {
    request: String,
    response: String,
}

/// Passes bytes through hyper's server, the layer, and hyper's client, and the answer back.
async fn pass(proxy: Proxy, request: &str, response: &str) -> PassedOn {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let layer = keep_alive.layer().strip_hop_by_hop(proxy == Proxy::Strips);
    let client = layer.layer(unlayered::<_, Incoming>(&keep_alive, connector));
    let service = service_fn(move |mut request: Request<Incoming>| {
        *request.uri_mut() = "http://server.test/".parse().unwrap();
        *request.version_mut() = Version::HTTP_11;
        let response = client.clone().oneshot(request);
        async move {
            let mut response = response.await?;
            *response.version_mut() = Version::HTTP_11;
            Ok::<_, EitherError>(response)
        }
    });
    let (mut near, far) = duplex(1 << 16);
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(far), service));
    let response = response.to_owned();
    let server = tokio::spawn(async move {
        let mut server = far_ends.accept().await?;
        let seen = until_silent(&mut server, Duration::from_secs(1)).await;
        server.write_all(response.as_bytes()).await.unwrap();
        server.shutdown().await.unwrap();
        Some(seen)
    });

    near.write_all(request.as_bytes()).await.unwrap();
    let response = until_silent(&mut near, Duration::from_secs(10)).await;
    let refused = response.starts_with("HTTP/1.1 400 ");
    let request = if refused { None } else { server.await.unwrap() };
    PassedOn {
        request: request.unwrap_or_default(),
        response,
    }
}

/// What comes until nothing comes any more, or the end.
async fn until_silent(io: &mut (impl AsyncRead + Unpin), silence: Duration) -> String {
    let mut seen = Vec::new();
    while let Ok(Ok(1..)) = timeout(silence, io.read_buf(&mut seen)).await {}
    String::from_utf8(seen).unwrap()
}

/// The fields of a head that say how the body is framed, in order of their names, and the bytes behind it.
fn framing(message: &str) -> (String, &str) {
    const FRAMING: [&str; 4] = ["content-length:", "te:", "trailer:", "transfer-encoding:"];
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or_default();
    let is_framing = |line: &&str| FRAMING.iter().any(|name| line.starts_with(name));
    let mut fields: Vec<_> = head.lines().filter(is_framing).collect();
    fields.sort_unstable();
    (fields.join(" | "), body)
}

const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

/// The RFC, the request behind its `Host`, the fields that the server sees of it, and the body.
type RequestCase = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const REQUESTS: &[RequestCase] = &[
    (
        "RFC 9112 §6.2",
        "POST / HTTP/1.1",
        "content-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.2",
        "GET / HTTP/1.1",
        "content-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.2",
        "POST / HTTP/1.0",
        "content-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.2",
        "POST / HTTP/1.1",
        "connection: content-length\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.3, rule 5",
        "POST / HTTP/1.1",
        "content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    ("RFC 9112 §6.3, rule 7", "POST / HTTP/1.1", "\r\n", "", ""),
    ("RFC 9112 §6.3, rule 7", "GET / HTTP/1.1", "\r\n", "", ""),
    (
        "RFC 9112 §6.1",
        "POST / HTTP/1.1",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.1",
        "GET / HTTP/1.1",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.1",
        "HEAD / HTTP/1.1",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.1",
        "GET / HTTP/1.1",
        "connection: transfer-encoding\r\ntransfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.1",
        "POST / HTTP/1.1",
        "transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: gzip, chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.1",
        "POST / HTTP/1.1",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked | transfer-encoding: gzip",
        HELLO,
    ),
    (
        "RFC 9112 §6.1",
        "POST / HTTP/1.1",
        "transfer-encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §7",
        "POST / HTTP/1.1",
        "transfer-encoding: identity, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 3",
        "POST / HTTP/1.1",
        "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 3",
        "POST / HTTP/1.1",
        "transfer-encoding: gzip, chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: gzip, chunked",
        HELLO,
    ),
    (
        "RFC 9110 §6.6.2",
        "GET / HTTP/1.1",
        "trailer: x-end, keep-alive\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nkeep-alive: timeout=9\r\nx-end: 1\r\n\r\n",
        "trailer: x-end | transfer-encoding: chunked",
        "5\r\nhello\r\n0\r\nx-end: 1\r\n\r\n",
    ),
    (
        "RFC 9110 §10.1.4",
        "GET / HTTP/1.1",
        "connection: te\r\nte: trailers\r\n\r\n",
        "",
        "",
    ),
];

/// hyper's server answers them with 400, so that they are not passed on.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "RFC 9112 §6.3, rule 4",
        "POST / HTTP/1.1",
        "transfer-encoding: gzip\r\n\r\nhello",
    ),
    (
        "RFC 9112 §6.3, rule 4",
        "POST / HTTP/1.1",
        "transfer-encoding: chunked, gzip\r\n\r\nhello",
    ),
    (
        "RFC 9112 §6.3, rule 4",
        "POST / HTTP/1.1",
        "transfer-encoding: identity\r\ncontent-length: 5\r\n\r\nhello",
    ),
    (
        "RFC 9112 §6.1",
        "POST / HTTP/1.0",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "RFC 9112 §6.3, rule 5",
        "POST / HTTP/1.1",
        "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    ),
    (
        "RFC 9112 §6.3, rule 5",
        "POST / HTTP/1.1",
        "content-length: 5, 5\r\n\r\nhello",
    ),
    (
        "RFC 9112 §6.3, rule 5",
        "POST / HTTP/1.1",
        "content-length: +5\r\n\r\nhello",
    ),
];

#[tokio::test(start_paused = true)]
async fn a_request_is_framed_as_it_was_received() {
    let mut wrong = Vec::new();
    for (section, start, rest, fields, body) in REQUESTS {
        let request = format!("{start}\r\nhost: a\r\n{rest}");
        let passed = pass(Proxy::Strips, &request, "HTTP/1.1 204 No Content\r\n\r\n").await;
        if framing(&passed.request) != ((*fields).to_owned(), *body)
            || !passed.response.contains(" 204 ")
        {
            wrong.push(format!(
                "{section}: {request:?}: {:?} {:?}",
                passed.request, passed.response
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_has_no_certain_end_is_not_passed_on() {
    for (section, start, rest) in REFUSED {
        let request = format!("{start}\r\nhost: a\r\n{rest}");
        let passed = pass(Proxy::Strips, &request, "").await;
        assert_eq!(passed.request, "", "{section}: {request}");
        assert!(
            passed.response.contains(" 400 "),
            "{section}: {request}: {}",
            passed.response
        );
    }
}

/// The RFC, the request, the response, the fields that the client sees of it, and the body.
type ResponseCase = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const RESPONSES: &[ResponseCase] = &[
    (
        "RFC 9112 §6.2",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.1",
        "GET / HTTP/1.1",
        "200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 3",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 3",
        "GET / HTTP/1.1",
        "200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 50\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 3",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 3\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: gzip, chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 4",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 3\r\ntransfer-encoding: gzip\r\n\r\nhello",
        "transfer-encoding: gzip, chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 4",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 3\r\ntransfer-encoding: identity\r\n\r\nhello",
        "transfer-encoding: chunked",
        HELLO,
    ),
    (
        "RFC 9112 §6.3, rule 5",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 5, 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.3, rule 5",
        "GET / HTTP/1.1",
        "200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 5",
        "hello",
    ),
    (
        "RFC 9112 §6.3, rule 8",
        "GET / HTTP/1.1",
        "200 OK\r\n\r\nhello",
        "transfer-encoding: chunked",
        HELLO,
    ),
    // The last chunk is the end of the connection in HTTP/1.0.
    (
        "RFC 9112 §6.1",
        "GET / HTTP/1.0",
        "200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "",
        "hello",
    ),
    (
        "RFC 9112 §6.3, rule 1",
        "HEAD / HTTP/1.1",
        "200 OK\r\ncontent-length: 5\r\n\r\n",
        "content-length: 5",
        "",
    ),
    (
        "RFC 9112 §6.3, rule 1",
        "HEAD / HTTP/1.1",
        "200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
        "content-length: 5",
        "",
    ),
    (
        "RFC 9112 §6.3, rule 1",
        "HEAD / HTTP/1.1",
        "200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "",
        "",
    ),
    (
        "RFC 9112 §6.3, rule 1",
        "HEAD / HTTP/1.1",
        "200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "",
        "",
    ),
    (
        "RFC 9112 §6.3, rule 1",
        "GET / HTTP/1.1",
        "304 Not Modified\r\ncontent-length: 5\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "",
        "",
    ),
    (
        "RFC 9112 §6.3, rule 1",
        "GET / HTTP/1.1",
        "204 No Content\r\ncontent-length: 5\r\n\r\n",
        "",
        "",
    ),
    (
        "RFC 9110 §6.6.2",
        "GET / HTTP/1.1",
        "200 OK\r\nconnection: x-hop\r\ntrailer: x-hop, x-end\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-hop: 1\r\n\r\n",
        "trailer: x-end | transfer-encoding: chunked",
        HELLO,
    ),
];

#[tokio::test(start_paused = true)]
async fn a_response_is_framed_as_it_was_received() {
    let mut wrong = Vec::new();
    for (section, start, response, fields, body) in RESPONSES {
        let request = format!("{start}\r\nhost: a\r\n\r\n");
        let response = format!("HTTP/1.1 {response}");
        let passed = pass(Proxy::Strips, &request, &response).await;
        if framing(&passed.response) != ((*fields).to_owned(), *body) {
            wrong.push(format!("{section}: {response:?}: {:?}", passed.response));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// With both lengths: the shorter is that of the field which does not count.
const BOTH_LENGTHS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
    5\r\nhello\r\n0\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_response_with_both_lengths_arrives_whole() {
    let passed = pass(
        Proxy::Strips,
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        BOTH_LENGTHS,
    )
    .await;
    assert!(passed.response.ends_with(HELLO), "{}", passed.response);
}

#[tokio::test(start_paused = true)]
async fn without_the_option_a_response_with_both_lengths_does_not_arrive_whole() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let passed = pass(Proxy::PassesAllOn, request, BOTH_LENGTHS).await;
    assert!(!passed.response.contains("hello"), "{}", passed.response);
}
