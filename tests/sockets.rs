//! The same promises over real sockets, in real time.
//!
//! Nothing here depends on how long anything takes: clocks that matter are set by the test, and the
//! test waits for events at the server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use http_keepalive::{
    ConnectionHandle, KeepAlive, KeepAliveBuilder, KeepAlivePolicy, SafetyMargin,
};
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::client::{Guarded, exchange, guarded, plain, post};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const HOUR: Duration = Duration::from_secs(3600);

/// What happens at the server, on which connection.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Requested(usize, String),
    Ended(usize, Ending),
}

/// How a connection ended, as the server read it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// EOF, over TLS with a `close_notify` before it.
    Orderly,
    /// Over TLS this is EOF without one.
    Error(io::ErrorKind),
    /// By the server itself.
    Unread,
}

/// A server on a socket of its own.
struct Server {
    address: SocketAddr,
    scheme: &'static str,
    events: mpsc::UnboundedReceiver<Event>,
    log: Vec<Event>,
}

impl Server {
    /// Over TLS with an acceptor, without otherwise.
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(accept(listener, tls, sender));
        Self {
            address,
            scheme,
            events,
            log: Vec::new(),
        }
    }

    fn uri(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    /// Waits for the end of a connection.
    async fn ending(&mut self, connection: usize) -> Ending {
        loop {
            let ended = self.log.iter().find_map(|event| match event {
                Event::Ended(number, ending) if *number == connection => Some(*ending),
                _ => None,
            });
            if let Some(ending) = ended {
                return ending;
            }
            // Turns a promise that is broken into a failure, instead of a test that hangs, or that
            // passes because hyper-util's pool closes the connection, after 90 s.
            let next = tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("no end after {:?}", self.log));
            self.log.push(next.unwrap());
        }
    }

    /// The connections on which requests with this id have come so far.
    fn connections_of(&mut self, id: &str) -> Vec<usize> {
        while let Ok(event) = self.events.try_recv() {
            self.log.push(event);
        }
        let with_id = |event: &Event| match event {
            Event::Requested(connection, seen) if seen == id => Some(*connection),
            _ => None,
        };
        self.log.iter().filter_map(with_id).collect()
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    events: mpsc::UnboundedSender<Event>,
) {
    for number in 0.. {
        let (socket, _) = listener.accept().await.unwrap();
        let (tls, events) = (tls.clone(), events.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else {
                return serve(socket, number, events, false).await;
            };
            let stream = tls.accept(socket).await.unwrap();
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve(stream, number, events, http2).await;
        });
    }
}

async fn serve<T>(io: T, number: usize, events: mpsc::UnboundedSender<Event>, http2: bool)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ending = Arc::new(Mutex::new(Ending::Unread));
    let io = TokioIo::new(Watched {
        io,
        ending: Arc::clone(&ending),
    });
    let requests = events.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let id = request.headers()["x-id"].to_str().unwrap().to_owned();
        // Tests that are over do not listen.
        let _ = requests.send(Event::Requested(number, id));
        // Without a body, a response comes whole with its head: the connection is back in the pool
        // before its caller can ask for the next.
        let mut response = Response::new(Full::<Bytes>::default());
        if let Some(hint) = request.headers().get("x-hint") {
            response.headers_mut().insert("keep-alive", hint.clone());
        }
        async move { Ok::<_, Infallible>(response) }
    });
    let served = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await
    };
    // How it ended was noted where it was read.
    drop(served);
    let ending = *ending.lock().unwrap();
    let _ = events.send(Event::Ended(number, ending));
}

/// Notes how reading ends.
struct Watched<T> {
    io: T,
    ending: Arc<Mutex<Ending>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if buf.filled().len() == before && buf.remaining() > 0 => {
                *self.ending.lock().unwrap() = Ending::Orderly;
            }
            Poll::Ready(Err(error)) => {
                *self.ending.lock().unwrap() = Ending::Error(error.kind());
            }
            _ => {}
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A wall clock that stands still until the test sets it forward. Clones are the same clock.
#[derive(Clone, Default)]
struct WallClock(Arc<AtomicU64>);

impl WallClock {
    fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    /// A handle whose connections are good for nearly an hour, by this clock.
    fn keep_alive(&self) -> KeepAlive {
        let clock = self.clone();
        an_hour().wall_clock(move || clock.now()).build().unwrap()
    }
}

/// A monotonic clock that stands still until the test sets it forward, and the timers that go by it:
/// they wake nobody before it is time. Clones are the same clock.
#[derive(Clone)]
struct ManualTimer(Arc<Mutex<ManualTime>>);

struct ManualTime {
    now: Instant,
    waiting: Vec<(Instant, Waker)>,
}

impl ManualTimer {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(ManualTime {
            now: Instant::now(),
            waiting: Vec::new(),
        })))
    }

    fn advance(&self, time: Duration) {
        let due = {
            let mut state = self.0.lock().unwrap();
            state.now += time;
            let now = state.now;
            let waiting = std::mem::take(&mut state.waiting);
            let (due, later): (Vec<_>, _) = waiting.into_iter().partition(|(at, _)| *at <= now);
            state.waiting = later;
            due
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// A handle whose connections are good for nearly an hour, by this clock.
    fn keep_alive(&self) -> KeepAlive {
        an_hour()
            .timer(self.clone())
            .wall_clock(|| SystemTime::UNIX_EPOCH)
            .build()
            .unwrap()
    }
}

impl Timer for ManualTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(ManualSleep {
            clock: self.clone(),
            deadline,
        })
    }

    fn now(&self) -> Instant {
        self.0.lock().unwrap().now
    }
}

struct ManualSleep {
    clock: ManualTimer,
    deadline: Instant,
}

impl Sleep for ManualSleep {}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        if state.now >= self.deadline {
            return Poll::Ready(());
        }
        state.waiting.push((self.deadline, cx.waker().clone()));
        Poll::Pending
    }
}

/// Connections are good for an hour less this.
const MARGIN: Duration = Duration::from_secs(60);

fn an_hour() -> KeepAliveBuilder {
    let policy = KeepAlivePolicy::default()
        .max_idle(HOUR)
        .safety_margin(MARGIN);
    KeepAlive::builder().policy(policy)
}

fn handle<B>(response: &Response<B>) -> &ConnectionHandle {
    response.extensions().get().expect("a handle")
}

mod tcp {
    use super::*;

    fn client(keep_alive: &KeepAlive) -> Guarded<HttpConnector> {
        guarded(keep_alive, HttpConnector::new())
    }

    #[tokio::test]
    async fn a_connection_is_reused() {
        let keep_alive = WallClock::default().keep_alive();
        let mut server = Server::start(None).await;
        let client = client(&keep_alive);

        for number in 1..=3 {
            let id = number.to_string();
            let response = exchange(&client, post(&server.uri(), &id)).await.unwrap();

            assert_eq!(handle(&response).requests(), number);
            assert_eq!(server.connections_of(&id), [0], "one connection serves all");
        }
        let stats = keep_alive.stats();
        assert_eq!((stats.opened, stats.exchanges, stats.reused), (1, 3, 2));
    }

    #[tokio::test]
    async fn and_is_not_where_the_policy_allows_no_reuse() {
        let policy = KeepAlivePolicy::default().reuse(false);
        let mut server = Server::start(None).await;
        let client = client(&KeepAlive::new(policy).unwrap());

        for (number, id) in ["one", "two", "three"].into_iter().enumerate() {
            exchange(&client, post(&server.uri(), id)).await.unwrap();

            assert_eq!(server.connections_of(id), [number]);
            server.ending(number).await;
        }
    }

    #[tokio::test]
    async fn a_connection_past_its_deadline_is_refused_and_the_request_sent_once() {
        let clock = WallClock::default();
        let keep_alive = clock.keep_alive();
        let mut server = Server::start(None).await;
        let client = client(&keep_alive);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        // As if the machine had been suspended: no timer has noticed.
        clock.advance(HOUR);
        let response = exchange(&client, post(&server.uri(), "second")).await;

        let response = response.expect("the request is sent on a new connection");
        assert_eq!(handle(&response).requests(), 1);
        assert_eq!(
            server.connections_of("second"),
            [1],
            "nothing is sent on the old one"
        );
        assert_eq!(server.ending(0).await, Ending::Orderly);
        let stats = keep_alive.stats();
        assert_eq!(stats.retired.idle_deadline, 1);
        assert_eq!(stats.stale_failures, 0);
    }

    #[tokio::test]
    async fn and_is_used_without_this_crate_or_before_the_deadline() {
        let clock = WallClock::default();
        let mut server = Server::start(None).await;
        let guarded = client(&clock.keep_alive());
        let plain = plain(HttpConnector::new());
        exchange(&guarded, post(&server.uri(), "guarded"))
            .await
            .unwrap();
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();

        clock.advance(HOUR - MARGIN - Duration::from_secs(1));
        exchange(&guarded, post(&server.uri(), "guarded"))
            .await
            .unwrap();
        clock.advance(HOUR);
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();

        assert_eq!(server.connections_of("guarded"), [0, 0]);
        assert_eq!(server.connections_of("plain"), [1, 1]);
    }

    #[tokio::test]
    async fn a_connection_closes_at_its_deadline_without_traffic() {
        let timer = ManualTimer::new();
        let keep_alive = timer.keep_alive();
        let mut server = Server::start(None).await;
        let client = client(&keep_alive);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        timer.advance(HOUR - MARGIN - Duration::from_nanos(1));
        exchange(&client, post(&server.uri(), "in time"))
            .await
            .unwrap();
        assert_eq!(server.connections_of("in time"), [0], "not before");
        timer.advance(HOUR - MARGIN);

        assert_eq!(server.ending(0).await, Ending::Orderly);
        assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
    }

    /// In the time of the machine. What the deadline is does not matter, only that it comes.
    #[tokio::test]
    async fn and_does_so_by_itself_while_one_without_this_crate_stays_open() {
        // An hour for the first request, and nearly nothing after a response with a hint.
        let policy = KeepAlivePolicy::default()
            .max_idle(HOUR)
            .safety_margin(SafetyMargin::Fixed(Duration::from_millis(950)));
        let keep_alive = KeepAlive::new(policy).unwrap();
        let mut server = Server::start(None).await;
        let plain = plain(HttpConnector::new());
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        let mut hinted = post(&server.uri(), "guarded");
        hinted
            .headers_mut()
            .insert("x-hint", "timeout=1".parse().unwrap());

        let client = client(&keep_alive);
        exchange(&client, hinted).await.unwrap();
        assert_eq!(server.ending(1).await, Ending::Orderly);

        assert_eq!(keep_alive.stats().retired.total(), 1, "by this crate");
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        assert_eq!(server.connections_of("plain"), [0, 0]);
    }
}

mod tls {
    use super::*;

    const HTTP2: &[u8] = b"h2";
    const HTTP1: &[u8] = b"http/1.1";

    /// Configurations of both sides, with a certificate of `127.0.0.1` in common.
    fn tls(alpn: &[u8]) -> (TlsAcceptor, ClientConfig) {
        let names = ["127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = CertificateDer::from(certified.cert);
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(ring::default_provider());

        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        server.alpn_protocols = vec![alpn.to_vec()];

        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (TlsAcceptor::from(Arc::new(server)), client)
    }

    /// A server that speaks one protocol, and a connector that would speak both.
    async fn server(alpn: &[u8]) -> (Server, HttpsConnector<HttpConnector>) {
        let (acceptor, config) = tls(alpn);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_all_versions()
            .build();
        (Server::start(Some(acceptor)).await, connector)
    }

    #[tokio::test]
    async fn a_connection_is_reused() {
        let keep_alive = WallClock::default().keep_alive();
        let (mut server, connector) = server(HTTP1).await;
        let client = guarded(&keep_alive, connector);

        for number in 1..=3 {
            let id = number.to_string();
            let response = exchange(&client, post(&server.uri(), &id)).await.unwrap();

            assert_eq!(response.version(), Version::HTTP_11);
            assert_eq!(handle(&response).requests(), number);
            assert_eq!(server.connections_of(&id), [0], "one handshake for all");
        }
        let stats = keep_alive.stats();
        assert_eq!((stats.opened, stats.exchanges, stats.reused), (1, 3, 2));
        assert_eq!(
            stats.opaque.total(),
            0,
            "what is wrapped is what is encrypted"
        );
    }

    #[tokio::test]
    async fn a_connection_past_its_deadline_is_refused_and_the_request_sent_once() {
        let clock = WallClock::default();
        let keep_alive = clock.keep_alive();
        let (mut server, connector) = server(HTTP1).await;
        let plain = plain(connector.clone());
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        let client = guarded(&keep_alive, connector);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        clock.advance(HOUR);
        let response = exchange(&client, post(&server.uri(), "second")).await;

        let response = response.expect("the request is sent on a new connection");
        assert_eq!(handle(&response).requests(), 1);
        assert_eq!(
            server.connections_of("second"),
            [2],
            "nothing is sent on the old one"
        );
        assert_eq!(server.ending(1).await, Ending::Orderly);
        assert_eq!(keep_alive.stats().stale_failures, 0);
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        assert_eq!(
            server.connections_of("plain"),
            [0, 0],
            "without this crate the old one is used"
        );
    }

    #[tokio::test]
    async fn a_connection_says_goodbye_when_it_closes_at_its_deadline() {
        let timer = ManualTimer::new();
        let (mut server, connector) = server(HTTP1).await;
        let client = guarded(&timer.keep_alive(), connector);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        timer.advance(HOUR);

        assert_eq!(
            server.ending(0).await,
            Ending::Orderly,
            "`close_notify` comes before FIN"
        );
        drop(client);
    }

    #[tokio::test]
    async fn and_one_that_is_merely_dropped_does_not() {
        let (acceptor, config) = tls(HTTP1);
        let mut server = Server::start(Some(acceptor)).await;
        let socket = TcpStream::connect(server.address).await.unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
        let mut stream = connecting.await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        stream.flush().await.unwrap();

        drop(stream);

        let cut_off = io::ErrorKind::UnexpectedEof;
        assert_eq!(server.ending(0).await, Ending::Error(cut_off));
    }

    #[tokio::test]
    async fn a_connection_with_http2_by_alpn_is_left_alone() {
        let (clock, timer) = (WallClock::default(), ManualTimer::new());
        let wall = clock.clone();
        let keep_alive = an_hour()
            .timer(timer.clone())
            .wall_clock(move || wall.now())
            .build()
            .unwrap();
        let (mut server, connector) = server(HTTP2).await;
        let client = guarded(&keep_alive, connector);

        for _ in 0..3 {
            let response = exchange(&client, post(&server.uri(), "id")).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            clock.advance(HOUR);
            timer.advance(HOUR);
        }

        assert_eq!(server.connections_of("id"), [0, 0, 0]);
        let stats = keep_alive.stats();
        assert_eq!((stats.opaque.http2, stats.opaque.total()), (1, 1));
        assert_eq!(stats.retired.total(), 0);
    }
}
