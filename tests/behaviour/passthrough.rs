//! What is not this crate's business passes: other protocols, flags, extras and errors, over
//! connections that would have been closed long since if they were idle ones.
//!
//! hyper is at both ends, or the test itself where no hyper would do it.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use crate::support::client::{
    EitherClient, EitherError, Guarded, HttpClient, exchange, get, guarded, is_own, keep_alive,
    plain, unlayered_with,
};
use crate::support::link::{Link, LinkEnd};
use crate::support::server::{LinkInfo, Server, full};
use crate::support::wire::{FarEnds, Peer, Wire, WireConnector, wires};
use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use http_keepalive::{
    ConnectionHandle, IdleAwareConnector, IdleAwareIo, KeepAlive, KeepAlivePolicy,
};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::{Connect, Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

const URI: &str = "http://server.test/";
/// The idle timeout expected of the server; with it, connections are good for 900 ms.
const EXPECTED: Duration = Duration::from_secs(1);
const GOOD_FOR: Duration = Duration::from_millis(900);
/// Longer than any deadline.
const LONG: Duration = Duration::from_secs(3600);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: server.test\r\n\r\n";

/// Bytes that would be HTTP if they were on an HTTP connection, and some that would not.
const LOOKALIKES: [&[u8]; 5] = [
    GET,
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"0\r\n\r\n",
    b"\0\xff\r\n",
];

fn brief() -> KeepAlive {
    keep_alive(KeepAlivePolicy::default().max_idle(EXPECTED))
}

/// Sends bytes to an echo, which sends them back.
async fn assert_echo(io: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    let (mut reader, mut writer) = tokio::io::split(io);
    let mut back = vec![0; bytes.len()];
    let (sent, read) = tokio::join!(writer.write_all(bytes), reader.read_exact(&mut back));
    sent.unwrap();
    read.unwrap();
    assert!(back == bytes, "not a byte is altered");
}

/// Some megabytes without a pattern.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()
    };
    std::iter::repeat_with(next)
        .take(500_000)
        .flatten()
        .collect()
}

/// An origin that switches to an echo where it is asked to, with `Upgrade: echo` or CONNECT; not
/// under `/refused`, and not for `refused.test`.
fn echo_server() -> Server {
    Server::builder()
        .handler(|request| async move {
            let refused = request.uri().to_string().contains("refused");
            let tunnel = request.method() == Method::CONNECT;
            if refused || !tunnel && !request.headers().contains_key(UPGRADE) {
                return Response::new(full("plain"));
            }
            tokio::spawn(async move {
                let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                echo(&mut io).await;
            });
            let mut response = Response::new(full(""));
            if !tunnel {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert(CONNECTION, "upgrade".parse().unwrap());
                headers.insert(UPGRADE, "echo".parse().unwrap());
            }
            response
        })
        .build()
}

/// Sends back what comes, until nothing comes any more.
async fn echo(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut buf = vec![0; 4096];
    while let Ok(len @ 1..) = io.read(&mut buf).await {
        io.write_all(&buf[..len]).await.unwrap();
    }
}

/// Connects by hand, without a pool.
async fn connect<C>(connector: &mut C) -> C::Response
where
    C: Service<Uri>,
    C::Error: std::fmt::Debug,
{
    connector
        .ready()
        .await
        .unwrap()
        .call(Uri::from_static(URI))
        .await
        .unwrap()
}

/// HTTP/1 on a connection, driven by a task of its own.
async fn handshake<T>(io: T) -> http1::SendRequest<Full<Bytes>>
where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    sender
}

/// Turns a promise that is broken into a failure, instead of a test that hangs.
async fn some_day<F: Future>(event: F) -> F::Output {
    let event = tokio::time::timeout(24 * LONG, event).await;
    event.expect("it happens some day")
}

mod an_upgraded_connection {
    use super::*;

    fn upgrade(path: &str) -> Request<Full<Bytes>> {
        Request::get(format!("{URI}{path}"))
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "echo")
            .body(Full::default())
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn is_left_alone_for_good() {
        let keep_alive = brief();
        let server = echo_server();
        let client = guarded(&keep_alive, server.connector(Link::new()));

        let response = client.clone().oneshot(upgrade("")).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let handle = response.extensions().get::<ConnectionHandle>().cloned();
        let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());

        for bytes in LOOKALIKES {
            assert_echo(&mut io, bytes).await;
            sleep(LONG).await;
        }
        assert_echo(&mut io, &noise()).await;
        let handle = handle.unwrap();
        assert_eq!(handle.deadline(), None, "nothing is known of it");
        handle.retire();
        assert_echo(&mut io, b"retiring is for HTTP connections").await;

        assert_eq!(server.open(), 1, "the connection is still that one");
        let stats = keep_alive.stats();
        assert_eq!(stats.opaque.upgrade, 1);
        assert_eq!(stats.opaque.total(), 1);
        assert_eq!(
            stats.exchanges, 1,
            "what passes afterwards is not counted as HTTP"
        );
        drop(io);
        server.closed(1).await;
        assert_eq!(keep_alive.stats().retired.total(), 0);
        assert_eq!(keep_alive.stats().closed_while_idle, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn is_one_only_if_the_server_agreed() {
        let keep_alive = brief();
        let server = echo_server();
        let client = guarded(&keep_alive, server.connector(Link::new()));

        let response = exchange(&client, upgrade("refused")).await.unwrap();

        assert_eq!(response.into_body(), "plain");
        let answered = Instant::now();
        server.closed(1).await;
        assert_eq!(answered.elapsed(), GOOD_FOR, "it is HTTP, and was idle");
        assert_eq!(keep_alive.stats().opaque.total(), 0);
        assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn needs_its_connection_field_to_pass_the_layer() {
        let server = echo_server();
        let client = guarded(&brief(), server.connector(Link::new()));

        let response = client.clone().oneshot(upgrade("")).await.unwrap();

        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let headers = &server.requests()[0].headers;
        let fields: Vec<_> = headers.get_all(CONNECTION).into_iter().collect();
        assert_eq!(
            fields,
            ["upgrade"],
            "the request's own field is not touched"
        );
    }
}

mod a_tunnel {
    use super::*;

    async fn connect_to(server: &Server, keep_alive: &KeepAlive, host: &str) -> Response<Incoming> {
        let mut connector = keep_alive.connector(server.connector(Link::new()));
        let mut sender = handshake(connect(&mut connector).await).await;
        let request = Request::connect(host).body(Full::default()).unwrap();
        sender.send_request(request).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn is_left_alone_for_good() {
        let keep_alive = brief();
        let server = echo_server();

        let response = connect_to(&server, &keep_alive, "target.test:443").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());

        for bytes in LOOKALIKES {
            assert_echo(&mut io, bytes).await;
            sleep(LONG).await;
        }
        assert_echo(&mut io, &noise()).await;
        assert_eq!(server.open(), 1, "the connection is still that one");
        let stats = keep_alive.stats();
        assert_eq!(stats.opaque.tunnel, 1);
        assert_eq!(stats.opaque.total(), 1);
        assert_eq!(stats.exchanges, 1);
        drop(io);
        server.closed(1).await;
        assert_eq!(keep_alive.stats().retired.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn is_one_only_if_the_server_agreed() {
        let keep_alive = brief();
        let (connector, mut far_ends) = wires(Link::new(), Connected::new);
        let mut connector = keep_alive.connector(connector);
        let mut sender = handshake(connect(&mut connector).await).await;
        let mut peer = far_ends.peer().await;

        let request = Request::connect("refused.test:443")
            .body(Full::default())
            .unwrap();
        let (response, _) = tokio::join!(sender.send_request(request), async {
            peer.request().await;
            peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
                .await;
        });
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.collect().await.unwrap().to_bytes(), "no");

        let answered = Instant::now();
        assert_eq!(some_day(peer.rest()).await, b"");
        assert_eq!(answered.elapsed(), GOOD_FOR, "it is HTTP, and was idle");
        assert_eq!(keep_alive.stats().opaque.total(), 0);
    }
}

mod http2 {
    use super::*;

    /// What an HTTP/2 server got.
    struct Server {
        accepted: mpsc::UnboundedReceiver<()>,
        requests: mpsc::UnboundedReceiver<HeaderMap>,
    }

    impl Server {
        /// Serves HTTP/2 on each connection: sends back the body.
        fn start(mut far_ends: FarEnds) -> Self {
            let (accepted, accepted_rx) = mpsc::unbounded_channel();
            let (requests, requests_rx) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                while let Some(end) = far_ends.accept().await {
                    accepted.send(()).unwrap();
                    tokio::spawn(serve(end, requests.clone()));
                }
            });
            Self {
                accepted: accepted_rx,
                requests: requests_rx,
            }
        }

        fn connections(&self) -> usize {
            self.accepted.len()
        }

        fn requests(&mut self) -> Vec<HeaderMap> {
            std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
        }
    }

    async fn serve(end: LinkEnd, requests: mpsc::UnboundedSender<HeaderMap>) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            requests.send(request.headers().clone()).unwrap();
            async move { Ok::<_, Infallible>(Response::new(request.into_body())) }
        });
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(end), service)
            .await
            .unwrap();
    }

    /// How both sides know that it is HTTP/2.
    #[derive(Clone, Copy, Debug)]
    enum Agreed {
        Alpn,
        PriorKnowledge,
    }

    impl Agreed {
        const BOTH: [Self; 2] = [Self::Alpn, Self::PriorKnowledge];

        fn wires(self) -> (WireConnector, FarEnds) {
            wires(
                Link::new(),
                match self {
                    Self::Alpn => || Connected::new().negotiated_h2(),
                    Self::PriorKnowledge => Connected::new,
                },
            )
        }

        fn client<C>(self, keep_alive: &KeepAlive, connector: C) -> EitherClient<C>
        where
            C: Service<Uri>,
            IdleAwareConnector<C>: Connect + Clone,
        {
            let is_http2_only = matches!(self, Self::PriorKnowledge);
            unlayered_with(
                keep_alive,
                connector,
                |legacy| {
                    legacy
                        .timer(TokioTimer::new())
                        .pool_timer(TokioTimer::new())
                        .pool_idle_timeout(None)
                        .http2_only(is_http2_only);
                },
                |own| {
                    #[cfg(feature = "http2")]
                    own.http2_idle_timeout(None)
                        .http2_prior_knowledge(is_http2_only);
                    #[cfg(not(feature = "http2"))]
                    let _ = own;
                },
            )
        }
    }

    /// Whether the client under test speaks HTTP/2.
    fn is_spoken() -> bool {
        !is_own() || cfg!(feature = "http2")
    }

    fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::post(URI).body(Full::new(body.into())).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn stays_on_its_connection_for_good() {
        if !is_spoken() {
            return;
        }
        for agreed in Agreed::BOTH {
            let keep_alive = brief();
            let (connector, far_ends) = agreed.wires();
            let mut server = Server::start(far_ends);
            let client = agreed.client(&keep_alive, connector);
            let client = keep_alive.layer().layer(client);

            for body in [Vec::new(), b"hello".to_vec(), noise()] {
                let response = exchange(&client, post(body.clone())).await.unwrap();

                assert_eq!(response.version(), Version::HTTP_2, "{agreed:?}");
                let handle = response.extensions().get::<ConnectionHandle>().unwrap();
                assert_eq!(
                    (handle.requests(), handle.deadline(), handle.idle_before()),
                    (0, None, None),
                    "{agreed:?}: nothing is known of it"
                );
                handle.retire();
                assert!(response.into_body() == body, "{agreed:?}: nothing altered");
                sleep(LONG).await;
            }

            assert_eq!(
                server.connections(),
                1,
                "{agreed:?}: HTTP/2 needs no new connections"
            );
            let requests = server.requests();
            assert_eq!(requests.len(), 3);
            assert!(
                requests
                    .iter()
                    .all(|fields| !fields.contains_key(CONNECTION)),
                "{agreed:?}: the field is forbidden there"
            );
            let stats = keep_alive.stats();
            assert_eq!(
                (stats.opaque.http2, stats.opaque.total()),
                (1, 1),
                "{agreed:?}"
            );
            assert_eq!((stats.opened, stats.exchanges), (1, 0), "{agreed:?}");
            assert_eq!(stats.retired.total(), 0, "{agreed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn serves_requests_side_by_side() {
        if !is_spoken() {
            return;
        }
        for agreed in Agreed::BOTH {
            let (connector, far_ends) = agreed.wires();
            let server = Server::start(far_ends);
            let client = guarded_by(agreed, connector);
            exchange(&client, post("warm up")).await.unwrap();
            sleep(LONG).await;

            let bodies = ["one", "two", "three"];
            let (one, two, three) = tokio::join!(
                exchange(&client, post(bodies[0])),
                exchange(&client, post(bodies[1])),
                exchange(&client, post(bodies[2])),
            );

            let got = [one, two, three].map(|response| response.unwrap().into_body());
            assert_eq!(got, bodies);
            assert_eq!(server.connections(), 1, "{agreed:?}");
        }
    }

    fn guarded_by(agreed: Agreed, connector: WireConnector) -> Guarded<WireConnector> {
        let keep_alive = brief();
        let client = agreed.client(&keep_alive, connector);
        keep_alive.layer().layer(client)
    }

    #[tokio::test(start_paused = true)]
    async fn has_the_field_added_once_and_not_again() {
        if !is_spoken() {
            return;
        }
        let keep_alive = brief();
        let (connector, far_ends) = Agreed::Alpn.wires();
        let _server = Server::start(far_ends);
        let (added, mut seen) = mpsc::unbounded_channel();
        let client = Agreed::Alpn.client(&keep_alive, connector).map_request(
            move |request: Request<Full<Bytes>>| {
                added
                    .send(request.headers().contains_key(CONNECTION))
                    .unwrap();
                request
            },
        );
        let client = keep_alive.layer().layer(client);

        for _ in 0..3 {
            exchange(&client, post("")).await.unwrap();
        }

        let seen: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).collect();
        assert_eq!(
            seen,
            [true, false, false],
            "hyper strips it, and logs a warning each time"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn is_told_apart_from_http1_which_needs_a_new_connection() {
        let server = crate::support::server::Server::builder().build();
        let keep_alive = brief();
        let client = Agreed::Alpn.client(&keep_alive, server.connector(Link::new()));
        let client = keep_alive.layer().layer(client);

        for _ in 0..3 {
            let response = exchange(&client, post("")).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_11);
            sleep(LONG).await;
        }

        assert_eq!(server.connections(), 3, "each was idle for too long");
        assert_eq!(keep_alive.stats().opaque.total(), 0);
        assert_eq!(
            server.requests()[2].headers[CONNECTION],
            "keep-alive",
            "and is asked each time"
        );
    }
}

mod what_comes_while_nothing_is_awaited {
    use super::*;

    /// A connection, driven by hand at both ends.
    async fn open(keep_alive: &KeepAlive) -> (TokioIo<IdleAwareIo<Wire>>, Peer) {
        let (connector, mut far_ends) = wires(Link::new(), Connected::new);
        let io = connect(&mut keep_alive.connector(connector)).await;
        (TokioIo::new(io), far_ends.peer().await)
    }

    /// Reads so many bytes, with room for no more than `room` of them at once.
    async fn read(io: &mut (impl AsyncRead + Unpin), bytes: usize, room: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() < bytes {
            let mut buf = vec![0; room.min(bytes - read.len())];
            let came = some_day(io.read(&mut buf)).await.unwrap();
            assert!(came > 0, "no end before its time");
            read.extend_from_slice(&buf[..came]);
        }
        read
    }

    /// Waits for something to read, as a client does that has nothing to send.
    async fn await_nothing(io: &mut (impl AsyncRead + Unpin)) {
        let mut buf = [0];
        let read = tokio::time::timeout(GOOD_FOR / 8, io.read(&mut buf)).await;
        assert!(read.is_err(), "{read:?}");
    }

    /// A body may, behind a head that came by itself: it is not known yet that there is one.
    #[tokio::test(start_paused = true)]
    async fn comes_whole_whatever_room_there_is_for_it() {
        let body = &noise()[..10_000];
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n";
        let whole = head.len();
        for room in [1, 7, whole - 1, whole, whole + 1, 1_000, 20_000] {
            let keep_alive = brief();
            let (mut io, mut peer) = open(&keep_alive).await;

            // Often enough that nothing is to be learned from a reuse any more.
            for _ in 0..20 {
                io.write_all(GET).await.unwrap();
                peer.request().await.unwrap();
                peer.send(head).await;
                assert_eq!(read(&mut io, whole, room).await, head.as_bytes());
                peer.send(body).await;
                assert!(read(&mut io, body.len(), room).await == body, "room {room}");
                await_nothing(&mut io).await;
            }
            peer.send("farewell").await;
            assert_eq!(read(&mut io, 8, room).await, b"farewell", "room {room}");

            let stats = keep_alive.stats();
            assert_eq!((stats.exchanges, stats.reused), (20, 19), "room {room}");
            assert_eq!(
                (stats.opaque.unsolicited, stats.opaque.total()),
                (1, 1),
                "room {room}: only the farewell answers no request"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn may_be_nothing_at_all_if_there_is_no_room() {
        let keep_alive = brief();
        let (mut io, mut peer) = open(&keep_alive).await;
        io.write_all(GET).await.unwrap();
        peer.serve("").await;
        let response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        read(&mut io, response.len(), 1_000).await;

        peer.send("farewell").await;
        assert_eq!(io.read(&mut []).await.unwrap(), 0, "that is not the end");

        assert_eq!(read(&mut io, 8, 8).await, b"farewell");
        assert_eq!(keep_alive.stats().closed_while_idle, 0);
    }
}

mod what_the_transport_says_of_itself {
    use super::*;

    fn connected(keep_alive: &KeepAlive, connected: fn() -> Connected) -> Connected {
        let (connector, _far_ends) = wires(Link::new(), connected);
        let connecting = keep_alive.connector(connector).call(Uri::from_static(URI));
        let io = tokio_test::assert_ready_ok!(tokio_test::task::spawn(connecting).poll());
        io.connected()
    }

    #[test]
    fn stays_true() {
        for (says, is_proxied, is_http2) in [
            (Connected::new as fn() -> _, false, false),
            (|| Connected::new().proxy(true), true, false),
            (|| Connected::new().negotiated_h2(), false, true),
            (|| Connected::new().proxy(true).negotiated_h2(), true, true),
        ] {
            let connected = connected(&brief(), says);

            assert_eq!(connected.is_proxied(), is_proxied);
            assert_eq!(connected.is_negotiated_h2(), is_http2);
        }
    }

    #[test]
    fn is_known_before_the_first_byte_if_it_is_http2() {
        let keep_alive = brief();

        connected(&keep_alive, || Connected::new().negotiated_h2());
        connected(&keep_alive, Connected::new);

        assert_eq!(keep_alive.stats().opened, 2);
        assert_eq!(keep_alive.stats().opaque.http2, 1);
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Extra(u8);

    #[test]
    fn keeps_its_extras_beside_the_handle() {
        let connected = connected(&brief(), || Connected::new().extra(Extra(7)));

        let mut extensions = http::Extensions::new();
        connected.get_extras(&mut extensions);
        assert_eq!(extensions.get(), Some(&Extra(7)));
        assert!(extensions.get::<ConnectionHandle>().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn is_in_the_extensions_of_each_response_beside_the_handle() {
        let keep_alive = brief();
        let server = Server::builder().build();
        let bare = plain(server.connector(Link::new()));
        let guarded = guarded(&keep_alive, server.connector(Link::new()));

        let control = exchange(&bare, get(URI)).await.unwrap();
        assert!(control.extensions().get::<ConnectionHandle>().is_none());
        for _ in 0..2 {
            let response = exchange(&guarded, get(URI)).await.unwrap();

            let info = response.extensions().get::<LinkInfo>();
            assert_eq!(info, Some(&LinkInfo { connection: 1 }));
            let handle = response.extensions().get::<ConnectionHandle>();
            assert_eq!(handle.map(ConnectionHandle::id), Some(0));
        }
    }

    /// What a server gets as the target of a request.
    async fn target(keep_alive: Option<&KeepAlive>, connected: fn() -> Connected) -> String {
        let (connector, mut far_ends) = wires(Link::new(), connected);
        let serving = async { far_ends.peer().await.serve("").await };
        let (response, head) = match keep_alive {
            Some(keep_alive) => {
                let client = guarded(keep_alive, connector);
                tokio::join!(exchange(&client, get(URI)), serving)
            }
            None => {
                let client = plain(connector);
                tokio::join!(exchange(&client, get(URI)), serving)
            }
        };
        response.unwrap();
        head.split(' ').nth(1).unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn has_requests_to_a_proxy_name_their_origin() {
        let keep_alive = brief();
        for keep_alive in [None, Some(&keep_alive)] {
            assert_eq!(target(keep_alive, Connected::new).await, "/");
            assert_eq!(
                target(keep_alive, || Connected::new().proxy(true)).await,
                URI,
                "a proxy is told whom to ask, by an absolute form"
            );
        }
    }
}

mod a_request_that_fails {
    use super::*;

    /// An error, and what it says of the connection.
    struct Failure {
        error: EitherError,
        handle: Option<ConnectionHandle>,
    }

    /// Has the `n`th of several requests, `gap` apart, fail: the server closes the connection once
    /// it has read it.
    async fn nth_fails<S>(client: S, mut far_ends: FarEnds, n: usize, gap: Duration) -> Failure
    where
        S: HttpClient<Error: Into<EitherError>>,
    {
        let serving = async {
            let mut peer = far_ends.peer().await;
            for _ in 1..n {
                peer.serve("").await;
            }
            peer.request().await.unwrap();
        };
        let requesting = async {
            for _ in 1..n {
                exchange(&client, get(URI)).await.unwrap();
                sleep(gap).await;
            }
            client.clone().oneshot(get(URI)).await.unwrap_err()
        };
        let (error, ()) = tokio::join!(requesting, serving);
        let error = error.into();
        let handle = error.connection();
        Failure { error, handle }
    }

    fn is_incomplete(error: &EitherError) -> bool {
        let cause = error.hyper();
        cause.is_some_and(hyper::Error::is_incomplete_message)
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_reused_connection_says_so() {
        let gap = Duration::from_millis(100);
        let keep_alive = brief();
        let (connector, far_ends) = wires(Link::new(), Connected::new);

        let failure = nth_fails(guarded(&keep_alive, connector), far_ends, 3, gap).await;

        assert!(is_incomplete(&failure.error));
        let handle = failure.handle.expect("errors carry the handle");
        assert_eq!(handle.requests(), 3);
        assert!(handle.is_reused());
        assert_eq!(handle.idle_before(), Some(gap));
        let stats = keep_alive.stats();
        assert_eq!(stats.stale_failures, 1, "it is the failure that is counted");
        assert_eq!((stats.exchanges, stats.reused), (3, 2));
        assert_eq!(stats.closed_while_idle, 0, "it was not idle");
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_new_connection_says_so() {
        let keep_alive = brief();
        let (connector, far_ends) = wires(Link::new(), Connected::new);

        let failure = nth_fails(guarded(&keep_alive, connector), far_ends, 1, LONG).await;

        assert!(is_incomplete(&failure.error));
        let handle = failure.handle.expect("errors carry the handle");
        assert_eq!(handle.requests(), 1);
        assert!(!handle.is_reused());
        assert_eq!(handle.idle_before(), Some(Duration::ZERO));
        assert_eq!(
            keep_alive.stats().stale_failures,
            0,
            "a new connection is not a stale one"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_this_crate_fails_with_the_same_error_and_no_handle() {
        let gap = Duration::from_millis(100);
        let (connector, far_ends) = wires(Link::new(), Connected::new);

        let failure = nth_fails(plain(connector), far_ends, 3, gap).await;

        assert!(is_incomplete(&failure.error));
        assert!(failure.handle.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn for_a_reset_fails_with_that_error() {
        let keep_alive = brief();
        let (connector, mut far_ends) = wires(Link::new(), Connected::new);
        let client = guarded(&keep_alive, connector);

        let (error, ()) = tokio::join!(
            async {
                exchange(&client, get(URI)).await.unwrap();
                client.clone().oneshot(get(URI)).await.unwrap_err()
            },
            async {
                let mut peer = far_ends.peer().await;
                peer.serve("").await;
                peer.request().await.unwrap();
                peer.reset();
            }
        );

        let cause = cause::<std::io::Error>(&error).expect("the transport's own error");
        assert_eq!(cause.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(keep_alive.stats().stale_failures, 1);
    }
}

/// The first error of a type in a chain of causes.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        link = error.source();
    }
    None
}

mod the_connector_within {
    use std::fmt;
    use std::future::{Ready, pending, ready};
    use std::sync::{Arc, Weak};

    use tokio_test::task;
    use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};
    use tower::service_fn;
    use tower_test::mock;

    use super::*;

    /// An error of its own kind.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Refused(u8);

    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("refused")
        }
    }

    impl StdError for Refused {}

    fn refuse(_: Uri) -> Ready<Result<Wire, Refused>> {
        ready(Err(Refused(7)))
    }

    #[tokio::test(start_paused = true)]
    async fn fails_with_its_own_error_unchanged() {
        let keep_alive = brief();

        let failed = keep_alive
            .connector(service_fn(refuse))
            .oneshot(Uri::from_static(URI));

        let error: Refused = failed.await.unwrap_err();
        assert_eq!(error, Refused(7));
        assert_eq!(keep_alive.stats().opened, 0, "no connection was opened");
    }

    #[tokio::test(start_paused = true)]
    async fn fails_through_the_client_as_without_this_crate() {
        let control = plain(service_fn(refuse)).oneshot(get(URI)).await;
        let guarded = guarded(&brief(), service_fn(refuse)).oneshot(get(URI));

        let errors = [control.unwrap_err().into(), guarded.await.unwrap_err()];
        for error in &errors {
            assert!(EitherError::is_connect(error));
            assert_eq!(cause(error), Some(&Refused(7)));
        }
    }

    #[test]
    fn decides_when_it_is_ready_and_is_the_one_that_is_called() {
        let (within, mut handle) = mock::pair::<Uri, Wire>();
        let mut connector = mock::Spawn::new(brief().connector(within));
        handle.allow(0);
        assert_pending!(connector.poll_ready(), "it has no room");

        handle.allow(1);
        assert!(connector.is_woken(), "the caller's own waker is told");
        assert_ready_ok!(connector.poll_ready());
        let clone = connector.clone();
        // A clone of the mock is not ready, and panics.
        let connecting = connector.call(Uri::from_static(URI));

        drop((clone, connecting));
        let asked = tokio_test::assert_ready!(handle.poll_request()).unwrap().0;
        assert_eq!(asked, URI, "it is asked for what was asked for");
        handle.send_error("out of order");
        let error = assert_ready_err!(connector.poll_ready());
        assert_eq!(error.to_string(), "out of order");
    }

    #[test]
    fn has_its_future_dropped_with_the_connecting_one() {
        let alive: Arc<()> = Arc::default();
        let seen: Weak<()> = Arc::downgrade(&alive);
        let mut given = Some(alive);
        let mut connector = brief().connector(service_fn(move |_: Uri| {
            let alive = given.take();
            async move {
                let wire: Wire = pending().await;
                drop(alive);
                Ok::<_, Refused>(wire)
            }
        }));
        let mut connecting = task::spawn(connector.call(Uri::from_static(URI)));
        assert_pending!(connecting.poll());
        assert!(
            seen.upgrade().is_some(),
            "it runs for as long as it is wanted"
        );

        drop(connecting);

        assert!(seen.upgrade().is_none(), "nothing else holds it");
    }
}

mod bytes_that_are_not_http1 {
    use super::*;

    /// A connection by hand, and the far end.
    async fn raw(keep_alive: &KeepAlive) -> (TokioIo<IdleAwareIo<Wire>>, LinkEnd) {
        let (connector, mut far_ends) = wires(Link::new(), Connected::new);
        let io = connect(&mut keep_alive.connector(connector)).await;
        (TokioIo::new(io), far_ends.accept().await.unwrap())
    }

    async fn echoing(keep_alive: &KeepAlive) -> TokioIo<IdleAwareIo<Wire>> {
        let (io, mut end) = raw(keep_alive).await;
        tokio::spawn(async move { echo(&mut end).await });
        io
    }

    /// The head of a TLS handshake record with a ClientHello.
    const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on";

    #[tokio::test(start_paused = true)]
    async fn pass_for_good() {
        for opening in [CLIENT_HELLO, b"SSH-2.0-OpenSSH_9.9\r\n", b"\0", b"GET\0"] {
            let keep_alive = brief();
            let mut io = echoing(&keep_alive).await;

            assert_echo(&mut io, opening).await;
            for bytes in LOOKALIKES {
                sleep(LONG).await;
                assert_echo(&mut io, bytes).await;
            }
            assert_echo(&mut io, &noise()).await;

            let stats = keep_alive.stats();
            assert_eq!(
                (stats.opaque.unrecognized, stats.opaque.total()),
                (1, 1),
                "{opening:?}"
            );
            assert_eq!(stats.retired.total(), 0, "{opening:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pass_both_ways_where_the_server_speaks_first() {
        for greeting in [&b"220 mail.test ESMTP\r\n"[..], b"\0", LOOKALIKES[1]] {
            let keep_alive = brief();
            let (mut io, mut end) = raw(&keep_alive).await;

            end.write_all(greeting).await.unwrap();
            let mut got = vec![0; greeting.len()];
            io.read_exact(&mut got).await.unwrap();
            assert_eq!(got, greeting);
            tokio::spawn(async move { echo(&mut end).await });
            for bytes in LOOKALIKES {
                sleep(LONG).await;
                assert_echo(&mut io, bytes).await;
            }

            let stats = keep_alive.stats();
            assert_eq!(
                (stats.opaque.unsolicited, stats.opaque.total()),
                (1, 1),
                "{greeting:?}"
            );
            assert_eq!(stats.retired.total(), 0, "{greeting:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lift_the_deadline_and_silence_does_not() {
        let keep_alive = brief();
        let (mut io, _end) = raw(&keep_alive).await;
        let connected = Instant::now();

        let error = some_day(io.read(&mut [0; 8])).await.unwrap_err();

        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
        let first_use = Duration::from_secs(1);
        assert_eq!(connected.elapsed(), first_use, "it was never used");
        drop(io);
        assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn end_as_the_server_ends_them() {
        let (mut io, mut end) = raw(&brief()).await;
        io.write_all(CLIENT_HELLO).await.unwrap();
        end.write_all(b"bye").await.unwrap();
        drop(end);
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"bye");

        let (mut io, end) = raw(&brief()).await;
        io.write_all(CLIENT_HELLO).await.unwrap();
        end.reset();
        let error = io.read_to_end(&mut rest).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }

    #[tokio::test(start_paused = true)]
    async fn end_for_the_server_as_the_client_ends_them() {
        let (mut io, mut end) = raw(&brief()).await;
        io.write_all(CLIENT_HELLO).await.unwrap();
        io.shutdown().await.unwrap();

        let mut rest = Vec::new();
        some_day(end.read_to_end(&mut rest)).await.unwrap();

        assert_eq!(rest, CLIENT_HELLO);
    }
}

mod without_a_pool {
    use super::*;

    /// A request straight to a connection.
    fn direct() -> Request<Full<Bytes>> {
        Request::get("/").body(Full::default()).unwrap()
    }

    /// Whether a connection takes another request, `gap` after its first exchange.
    async fn is_ready_after<T>(io: T, gap: Duration) -> bool
    where
        T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let mut sender = handshake(io).await;
        let response = sender.send_request(direct()).await.unwrap();
        response.into_body().collect().await.unwrap();
        sleep(gap).await;

        let ready = sender.ready().await;
        assert_eq!(ready.is_err(), sender.is_closed());
        if let Err(error) = &ready {
            assert!(error.is_closed(), "the connection is over, nothing else");
            assert!(
                sender
                    .send_request(direct())
                    .await
                    .unwrap_err()
                    .is_canceled()
            );
        } else {
            let response: Response<Incoming> = sender.send_request(direct()).await.unwrap();
            assert_eq!(response.collect().await.unwrap().to_bytes(), "ok");
        }
        ready.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_takes_requests_until_its_deadline() {
        let tick = Duration::from_millis(1);
        for (gap, is_ready) in [
            (Duration::ZERO, true),
            (GOOD_FOR - tick, true),
            (GOOD_FOR + tick, false),
            (LONG, false),
        ] {
            let server = Server::builder().build();
            let mut connector = brief().connector(server.connector(Link::new()));
            let io = connect(&mut connector).await;

            assert_eq!(is_ready_after(io, gap).await, is_ready, "after {gap:?}");

            server.closed(1).await;
            assert_eq!(
                server.requests().len(),
                if is_ready { 2 } else { 1 },
                "what was refused was not sent"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_this_crate_takes_requests_for_ever() {
        let server = Server::builder().build();
        let io = connect(&mut server.connector(Link::new())).await;

        assert!(is_ready_after(io, LONG).await);
    }
}

mod bytes_that_answer_no_request {
    use super::*;

    const TIMEOUT: &str =
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    /// Two exchanges, between which the server sends `bytes` on the idle connection, and waits for
    /// the client to let go of it. The second goes to another connection.
    async fn around<S>(client: S, mut far_ends: FarEnds, bytes: &str)
    where
        S: Service<Request<Full<Bytes>>, Response = Response<Incoming>> + Clone,
        S::Error: StdError + Send + Sync + 'static,
    {
        let (sender, mut over) = mpsc::channel(1);
        let requesting = async {
            exchange(&client, get(URI)).await.unwrap();
            over.recv().await.unwrap();
            exchange(&client, get(URI)).await.unwrap()
        };
        let serving = async {
            let mut peer = far_ends.peer().await;
            peer.serve("").await;
            sleep(Duration::from_millis(100)).await;
            peer.send(bytes).await;
            let told = Instant::now();
            assert_eq!(
                some_day(peer.rest()).await,
                b"",
                "the client says nothing more on it"
            );
            assert_eq!(told.elapsed(), Duration::ZERO, "and closes it at once");
            sender.send(()).await.unwrap();
            far_ends.peer().await.serve("").await;
        };
        let (response, ()) = tokio::join!(requesting, serving);
        assert_eq!(response.into_body(), "ok");
    }

    #[tokio::test(start_paused = true)]
    async fn end_an_idle_connection_and_fail_nothing() {
        for bytes in [TIMEOUT, "garbage"] {
            let keep_alive = brief();
            let (connector, far_ends) = wires(Link::new(), Connected::new);

            around(guarded(&keep_alive, connector), far_ends, bytes).await;

            let stats = keep_alive.stats();
            assert_eq!((stats.opaque.unsolicited, stats.opaque.total()), (1, 1));
            assert_eq!((stats.opened, stats.exchanges), (2, 2));
            assert_eq!(stats.stale_failures, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn end_an_idle_connection_and_fail_nothing_without_this_crate() {
        for bytes in [TIMEOUT, "garbage"] {
            let (connector, far_ends) = wires(Link::new(), Connected::new);

            around(plain(connector), far_ends, bytes).await;
        }
    }
}
