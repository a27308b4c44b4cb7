//! Idle connections: reused before their deadline, refused and closed after it, and no request is
//! lost to that.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::support::client::{
    HttpClient, builder, exchange, get, is_own, keep_alive, plain, post, unlayered,
};
use crate::support::clock::ManualClock;
use crate::support::link::Link;
use crate::support::server::{Server, full};
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy};
use hyper::body::Frame;
use hyper::rt::{Sleep, Timer};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::sleep;
use tower::ServiceExt;

const URI: &str = "http://server.test/";

/// What the default policy gives a server that says nothing.
const REUSABLE: Duration = Duration::from_millis(4_500);

const MILLISECOND: Duration = Duration::from_millis(1);

fn guarded(
    keep_alive: &KeepAlive,
    server: &Server,
) -> crate::support::client::Guarded<crate::support::server::LinkConnector> {
    crate::support::client::guarded(keep_alive, server.connector(Link::new()))
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_reused_until_its_deadline_and_not_after() {
    for (idle, connections) in [
        (Duration::ZERO, 1),
        (REUSABLE - MILLISECOND, 1),
        (REUSABLE, 2),
        (REUSABLE * 1_000, 2),
    ] {
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let server = Server::builder().build();
        let client = guarded(&keep_alive, &server);

        exchange(&client, post(URI, "first")).await.unwrap();
        sleep(idle).await;
        exchange(&client, post(URI, "second")).await.unwrap();

        assert_eq!(server.connections(), connections, "after {idle:?}");
        assert_eq!(server.times_seen("second"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_connection_is_reused_whatever_the_server_may_think() {
    let server = Server::builder().build();
    let client = plain(server.connector(Link::new()));

    exchange(&client, post(URI, "first")).await.unwrap();
    sleep(REUSABLE * 20).await;
    exchange(&client, post(URI, "second")).await.unwrap();

    assert_eq!(server.connections(), 1);
}

/// Requests that come in the very moment in which the deadline passes.
mod in_the_instant_of_the_deadline {
    use super::*;

    const TRIES: usize = 1_000;

    /// tokio's clock, and a timer that never fires: what is left is the check before the read.
    #[derive(Debug)]
    struct Asleep;

    impl Timer for Asleep {
        fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
            Box::pin(Never)
        }
        fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
            Box::pin(Never)
        }
        fn now(&self) -> Instant {
            TokioTimer::new().now()
        }
    }

    struct Never;

    impl Future for Never {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    impl Sleep for Never {}

    fn with_timer(timer: impl Timer + Send + Sync + 'static) -> KeepAlive {
        builder().timer(timer).build().unwrap()
    }

    /// Has each request meet a connection that expires in that instant; the scheduler gets a few
    /// turns between that and the request.
    async fn all_succeed_and_are_seen_once(keep_alive: KeepAlive) {
        let server = Server::builder().build();
        let client = guarded(&keep_alive, &server);
        exchange(&client, post(URI, "0")).await.unwrap();

        for n in 1..=TRIES {
            sleep(REUSABLE).await;
            for _ in 0..n % 5 {
                tokio::task::yield_now().await;
            }
            let response = exchange(&client, post(URI, n.to_string())).await.unwrap();

            assert_eq!(response.body(), "ok");
            assert_eq!(server.times_seen(&n.to_string()), 1);
        }

        let stats = keep_alive.stats();
        assert_eq!(server.connections(), TRIES + 1, "none was reused");
        assert_eq!(stats.reused, 0);
        assert_eq!(stats.retired.idle_deadline, TRIES as u64);
        assert_eq!(stats.stale_failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_succeed_on_a_fresh_connection_and_are_seen_once() {
        all_succeed_and_are_seen_once(with_timer(TokioTimer::new())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn requests_succeed_on_a_fresh_connection_even_if_no_timer_ever_fires() {
        all_succeed_and_are_seen_once(with_timer(Asleep)).await;
    }

    /// The control: that the requests above really were queued on a connection that then closed
    /// shows where hyper-util is told not to send such a request again.
    #[tokio::test(start_paused = true)]
    async fn requests_come_back_unsent_from_a_client_that_does_not_send_them_again() {
        if is_own() {
            // The own client always sends such a request again.
            return;
        }
        let keep_alive = with_timer(Asleep);
        let server = Server::builder().build();
        let connector = keep_alive.connector(server.connector(Link::new()));
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build(connector);
        exchange(&client, post(URI, "first")).await.unwrap();
        sleep(REUSABLE).await;

        let error = exchange(&client, post(URI, "second")).await.unwrap_err();

        assert!(format!("{error:?}").contains("Canceled"), "{error:?}");
        assert_eq!(server.times_seen("second"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes_at_its_deadline_without_any_traffic() {
    let server = Server::builder().build();
    let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
    exchange(&client, get(URI)).await.unwrap();
    let finished = tokio::time::Instant::now();

    server.closed(1).await;

    assert_eq!(finished.elapsed(), REUSABLE);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_moves_with_each_exchange() {
    let server = Server::builder().build();
    let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
    for _ in 0..10 {
        exchange(&client, get(URI)).await.unwrap();
        sleep(REUSABLE - MILLISECOND).await;
    }
    exchange(&client, get(URI)).await.unwrap();
    let finished = tokio::time::Instant::now();
    assert_eq!(server.connections(), 1);

    server.closed(1).await;

    assert_eq!(finished.elapsed(), REUSABLE);
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_an_idle_connection_stays_open() {
    let server = Server::builder().build();
    let client = plain(server.connector(Link::new()));
    exchange(&client, get(URI)).await.unwrap();

    sleep(REUSABLE * 20).await;

    assert_eq!(server.open(), 1);
}

/// A request that finds another's connection free while its own is being opened leaves that one to
/// the pool, unused.
mod a_connection_that_was_never_used {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// Leaves one connection behind that was used twice, and one that was not, which is the younger
    /// one to connect. Both are in the pool when this returns.
    async fn leave_unused<C: HttpClient>(server: &Server, client: &C) {
        let second = async {
            // The first connects at RTT and has its response at 2 RTT; this one connects at 2.5.
            sleep(RTT * 3 / 2).await;
            exchange(client, get(URI)).await.unwrap();
        };
        let first = async { exchange(client, get(URI)).await.unwrap() };
        tokio::join!(first, second);
        sleep(RTT).await;
        assert_eq!(server.connections(), 2);
        let used: Vec<_> = server
            .requests()
            .iter()
            .map(|seen| seen.connection)
            .collect();
        assert_eq!(used, [0, 0], "the second connection is unused");
    }

    #[tokio::test(start_paused = true)]
    async fn closes_at_its_deadline_counted_from_connecting() {
        let server = Server::builder().build();
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let client = unlayered(&keep_alive, server.connector(Link::new().latency(RTT / 2)));
        let started = tokio::time::Instant::now();
        leave_unused(&server, &client).await;

        server.closed(1).await;

        // The other's last request was sent at 2 RTT; the server has its FIN half a round trip after the
        // deadline.
        assert_eq!(started.elapsed(), RTT * 2 + REUSABLE + RTT / 2);

        server.closed(2).await;

        // It connected at 2.5 RTT.
        assert_eq!(started.elapsed(), RTT * 5 / 2 + REUSABLE + RTT / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn serves_a_request_before_its_deadline() {
        let server = Server::builder().build();
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let client = unlayered(&keep_alive, server.connector(Link::new().latency(RTT / 2)));
        leave_unused(&server, &client).await;

        let (first, second) =
            tokio::join!(exchange(&client, get(URI)), exchange(&client, get(URI)));

        assert_eq!(server.connections(), 2, "both were there to be used");
        let requests = |response: Response<Bytes>| {
            let handle: &ConnectionHandle = response.extensions().get().unwrap();
            handle.requests()
        };
        let mut requests = [requests(first.unwrap()), requests(second.unwrap())];
        requests.sort_unstable();
        assert_eq!(requests, [1, 3]);
    }

    /// Nobody would send its request again: hyper-util does so only for reused connections.
    #[tokio::test(start_paused = true)]
    async fn serves_the_request_it_was_opened_for_however_late() {
        if is_own() {
            // Nothing is between the own client and this crate's connector.
            return;
        }
        for policy in [
            KeepAlivePolicy::default(),
            KeepAlivePolicy::default().safety_margin(REUSABLE * 2),
            KeepAlivePolicy::default().reuse(false),
        ] {
            let server = Server::builder().build();
            let connector = keep_alive(policy).connector(server.connector(Link::new()));
            // Outside of this crate, so that it has no part in how long connecting took.
            let late = connector.map_future(|connecting| {
                Box::pin(async move {
                    let connected = connecting.await;
                    sleep(REUSABLE * 3).await;
                    connected
                })
            });
            let client = plain(late);

            exchange(&client, post(URI, "late")).await.unwrap();

            assert_eq!(server.times_seen("late"), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stays_open_without_this_crate() {
        let server = Server::builder().build();
        let client = plain(server.connector(Link::new().latency(RTT / 2)));
        leave_unused(&server, &client).await;

        sleep(REUSABLE * 10).await;

        assert_eq!(server.open(), 2);
    }
}

/// A margin as long as what is expected: each connection serves one request, and nothing of its
/// response is lost.
mod a_policy_that_leaves_no_idle_time {
    use super::*;

    const EXCHANGES: usize = 300;
    const SIZES: [usize; 7] = [0, 1, 100, 8_192, 65_536, 100_000, 250_000];

    fn body(n: usize) -> Bytes {
        let size = SIZES[n % SIZES.len()];
        (0..size)
            .map(|at| (at ^ n) as u8)
            .collect::<Vec<_>>()
            .into()
    }

    async fn answer(
        request: Request<hyper::body::Incoming>,
    ) -> Response<crate::support::server::Body> {
        let n: usize = request.uri().query().unwrap().parse().unwrap();
        match request.uri().path() {
            "/sized" => Response::new(full(body(n))),
            "/chunked" => {
                let pieces: Vec<_> = body(n).chunks(1_000).map(Bytes::copy_from_slice).collect();
                let frames = pieces
                    .into_iter()
                    .map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
                Response::new(BodyExt::boxed(StreamBody::new(stream::iter(frames))))
            }
            "/nothing" => Response::builder()
                .status(StatusCode::NO_CONTENT)
                .body(full(""))
                .unwrap(),
            other => panic!("{other}"),
        }
    }

    async fn closes_after_each_exchange(method: Method, path: &str, whole: bool) {
        let policy = KeepAlivePolicy::default().safety_margin(Duration::from_secs(5));
        let keep_alive = keep_alive(policy);
        let server = Server::builder().record(false).handler(answer).build();
        let client = guarded(&keep_alive, &server);

        for n in 0..EXCHANGES {
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("http://server.test{path}?{n}"))
                .body(Full::default())
                .unwrap();
            let response = exchange(&client, request).await.unwrap();

            let expected = if whole { body(n) } else { Bytes::new() };
            assert!(
                *response.body() == expected,
                "response {n} is not what was sent"
            );
            server.closed(n + 1).await;
        }

        let stats = keep_alive.stats();
        assert_eq!(server.connections(), EXCHANGES);
        assert_eq!(stats.retired.no_idle_allowed, EXCHANGES as u64);
        assert_eq!(stats.reused, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn sized_bodies_are_whole() {
        closes_after_each_exchange(Method::GET, "/sized", true).await;
    }

    #[tokio::test(start_paused = true)]
    async fn chunked_bodies_are_whole() {
        closes_after_each_exchange(Method::GET, "/chunked", true).await;
    }

    #[tokio::test(start_paused = true)]
    async fn responses_to_head_end_with_their_head() {
        closes_after_each_exchange(Method::HEAD, "/sized", false).await;
    }

    #[tokio::test(start_paused = true)]
    async fn responses_without_content_end_with_their_head() {
        closes_after_each_exchange(Method::GET, "/nothing", false).await;
    }

    /// The control: under the default policy, one connection serves them all.
    #[tokio::test(start_paused = true)]
    async fn the_default_policy_reuses_one_connection() {
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let server = Server::builder().record(false).handler(answer).build();
        let client = guarded(&keep_alive, &server);

        for n in 0..EXCHANGES {
            let uri = format!("http://server.test/chunked?{n}");
            let response = exchange(&client, get(&uri)).await.unwrap();
            assert!(*response.body() == body(n));
        }

        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn with_reuse_switched_off_each_connection_serves_one_request() {
    let keep_alive = keep_alive(KeepAlivePolicy::default().reuse(false));
    let server = Server::builder().build();
    let client = guarded(&keep_alive, &server);

    for n in 1..=10 {
        exchange(&client, post(URI, n.to_string())).await.unwrap();
        server.closed(n).await;
    }

    assert_eq!(server.connections(), 10);
    assert_eq!(keep_alive.stats().retired.reuse_disabled, 10);
    assert!(
        server
            .requests()
            .iter()
            .all(|seen| seen.headers["connection"] == "close")
    );
}

#[tokio::test(start_paused = true)]
async fn with_reuse_switched_off_the_connector_alone_closes_after_each_exchange() {
    let keep_alive = keep_alive(KeepAlivePolicy::default().reuse(false));
    let server = Server::builder().build();
    let client = unlayered(&keep_alive, server.connector(Link::new()));

    for n in 1..=10 {
        exchange(&client, post(URI, n.to_string())).await.unwrap();
        server.closed(n).await;
    }

    assert_eq!(server.connections(), 10);
    assert_eq!(keep_alive.stats().retired.reuse_disabled, 10);
}

/// A timer that is not tokio's, with a clock of its own that moves when it is told to.
mod a_timer_of_another_kind {
    use super::*;

    fn guarded_by(
        timer: &ManualClock,
        server: &Server,
    ) -> crate::support::client::Guarded<crate::support::server::LinkConnector> {
        let keep_alive = builder().timer(timer.clone()).build().unwrap();
        guarded(&keep_alive, server)
    }

    #[tokio::test]
    async fn decides_about_reuse() {
        let timer = ManualClock::new();
        let server = Server::builder().build();
        let client = guarded_by(&timer, &server);
        exchange(&client, get(URI)).await.unwrap();

        timer.advance(REUSABLE - MILLISECOND);
        exchange(&client, get(URI)).await.unwrap();
        assert_eq!(server.connections(), 1);

        timer.advance(REUSABLE);
        exchange(&client, get(URI)).await.unwrap();
        assert_eq!(server.connections(), 2);
    }

    #[tokio::test]
    async fn closes_at_the_deadline() {
        let timer = ManualClock::new();
        let server = Server::builder().build();
        let client = guarded_by(&timer, &server);
        exchange(&client, get(URI)).await.unwrap();
        // Moves on, so that the timer that was set first fires too early.
        timer.advance(REUSABLE / 2);
        exchange(&client, get(URI)).await.unwrap();

        timer.advance(REUSABLE - MILLISECOND);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.open(), 1);
        timer.advance(MILLISECOND);

        server.closed(1).await;
    }
}
