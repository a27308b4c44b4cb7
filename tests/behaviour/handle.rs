//! What a connection's handle says, what `retire` does, and what the numbers come to.
//!
//! Everything happens in virtual time, so that instants and durations are exact.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::time::Duration;

use crate::support::client::{exchange, get, guarded, is_own, keep_alive, unlayered};
use crate::support::link::Link;
use crate::support::server::{Body, LinkConnector, Server, full};
use crate::support::wire::{Peer, Wire, wires};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, Request, Response, Uri};
use http_body_util::{BodyExt, Full, StreamBody};
use http_keepalive::{
    ConnectionHandle, DeadlineBound, IdleAwareIo, KeepAlive, KeepAliveHint, KeepAlivePolicy,
    SafetyMargin,
};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::connect::{Connected, capture_connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

const URI: &str = "http://server.test/";
/// The idle timeout expected of the server, and the margin that is subtracted from it by default: a tenth.
const EXPECTED: Duration = Duration::from_secs(8);
const MARGIN: Duration = Duration::from_millis(800);
/// The greatest margin by default, and the least that is kept after a slow exchange.
const SECOND: Duration = Duration::from_secs(1);
const GAP: Duration = Duration::from_millis(300);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

type Client = crate::support::client::Guarded<LinkConnector>;

fn shared() -> KeepAlive {
    keep_alive(KeepAlivePolicy::default().max_idle(EXPECTED))
}

fn client(keep_alive: &KeepAlive, server: &Server) -> Client {
    guarded(keep_alive, server.connector(Link::new()))
}

/// The handle in the response to a request that is made now.
async fn handle_of<S>(client: &S, request: Request<Full<Bytes>>) -> ConnectionHandle
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>> + Clone,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let response = exchange(client, request).await.unwrap();
    response.extensions().get().cloned().expect("a handle")
}

/// A connection by hand, and its far end.
async fn raw(keep_alive: &KeepAlive, uri: &str) -> (TokioIo<IdleAwareIo<Wire>>, Peer) {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let connecting = keep_alive
        .connector(connector)
        .oneshot(uri.parse().unwrap());
    let io = connecting.await.unwrap();
    (TokioIo::new(io), far_ends.peer().await)
}

/// One exchange by hand.
async fn exchange_raw(io: &mut TokioIo<IdleAwareIo<Wire>>, peer: &mut Peer) {
    io.write_all(b"GET / HTTP/1.1\r\nhost: server.test\r\n\r\n")
        .await
        .unwrap();
    peer.serve("").await;
    let mut response = [0; 40];
    io.read_exact(&mut response).await.unwrap();
    assert!(response.ends_with(b"\r\n\r\nok"));
}

/// 400 KB over 200 KB/s: two seconds of a response that is under way.
fn slow() -> (Server, Link) {
    let server = Server::builder()
        .handler(|_| async { Response::new(full(vec![7; 400_000])) })
        .build();
    (server, Link::new().bandwidth(200_000))
}

const DRAIN: Duration = Duration::from_secs(2);

mod its_id {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_that_of_the_connection() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);

        let first = handle_of(&client, get(URI)).await;
        let again = handle_of(&client, get(URI)).await;
        first.retire();
        let other = handle_of(&client, get(URI)).await;

        assert_eq!(server.connections(), 2);
        assert_eq!(first.id(), again.id(), "one connection");
        assert_ne!(first.id(), other.id(), "another");
    }

    #[tokio::test(start_paused = true)]
    async fn differs_among_all_connections_of_what_is_shared() {
        let keep_alive = shared();
        let mut ids = Vec::new();
        for _ in 0..3 {
            let server = Server::builder().build();
            let client = client(&keep_alive, &server);
            let (one, two) = tokio::join!(
                handle_of(&client, get(URI)),
                handle_of(&client, get("http://another.test/"))
            );
            ids.extend([one.id(), two.id()]);
        }

        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 6, "no two have the same: {ids:?}");
    }
}

mod its_origin {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_what_was_connected_to() {
        for (uri, display, host, port) in [
            (
                "http://server.test/path?query",
                "http://server.test",
                "server.test",
                80,
            ),
            (
                "https://server.test/",
                "https://server.test",
                "server.test",
                443,
            ),
            (
                "http://SERVER.test:80/",
                "http://server.test",
                "server.test",
                80,
            ),
            (
                "http://server.test:8080/",
                "http://server.test:8080",
                "server.test",
                8080,
            ),
            (
                "https://server.test:80/",
                "https://server.test:80",
                "server.test",
                80,
            ),
            ("http://[::1]:8080/", "http://[::1]:8080", "[::1]", 8080),
            (
                "https://[2001:DB8::1]/",
                "https://[2001:db8::1]",
                "[2001:db8::1]",
                443,
            ),
            ("http://127.0.0.1/", "http://127.0.0.1", "127.0.0.1", 80),
        ] {
            let keep_alive = shared();
            let server = Server::builder().build();

            let handle = handle_of(&client(&keep_alive, &server), get(uri)).await;

            let origin = handle.origin().expect("an absolute URI has one");
            assert_eq!(origin.to_string(), display, "{uri}");
            assert_eq!(Some(origin.scheme()), uri.split(':').next(), "{uri}");
            assert_eq!(origin.host(), host, "{uri}");
            assert_eq!(origin.port(), Some(port), "{uri}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_none_where_the_connector_was_asked_for_none() {
        for uri in ["/path", "server.test:80"] {
            let (io, _peer) = raw(&shared(), uri).await;

            assert_eq!(io.inner().handle().origin(), None, "{uri}");
        }
    }
}

mod its_request {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_counted_and_knows_how_long_the_connection_was_idle() {
        let keep_alive = shared();
        let server = Server::builder().build();
        // What a latency adds is no idle time.
        for link in [Link::new(), Link::new().latency(Duration::from_millis(40))] {
            let client = guarded(&keep_alive, server.connector(link));

            for (number, gap) in [
                (1, Duration::ZERO),
                (2, GAP),
                (3, 7 * GAP),
                (4, Duration::ZERO),
            ] {
                sleep(gap).await;
                let handle = handle_of(&client, get(URI)).await;

                assert_eq!(handle.requests(), number);
                assert_eq!(handle.is_reused(), number > 1, "request {number}");
                assert_eq!(handle.idle_before(), Some(gap), "request {number}");
            }
        }
        assert_eq!(server.connections(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn starts_anew_on_another_connection() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        handle_of(&client, get(URI)).await;
        sleep(EXPECTED).await;

        let handle = handle_of(&client, get(URI)).await;

        assert_eq!(server.connections(), 2);
        assert_eq!(handle.requests(), 1);
        assert!(!handle.is_reused());
        assert_eq!(
            handle.idle_before(),
            Some(Duration::ZERO),
            "it is about this connection, not the one before"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn has_no_idle_time_before_the_first_and_then_counts_from_connecting() {
        let (mut io, mut peer) = raw(&shared(), URI).await;
        let handle = io.inner().handle();
        assert_eq!((handle.requests(), handle.idle_before()), (0, None));
        assert!(!handle.is_reused());

        sleep(GAP).await;
        exchange_raw(&mut io, &mut peer).await;

        let handle = io.inner().handle();
        assert_eq!((handle.requests(), handle.idle_before()), (1, Some(GAP)));
        assert!(!handle.is_reused(), "it had only been waiting");
    }

    #[tokio::test(start_paused = true)]
    async fn stays_the_one_that_it_was_cloned_for() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        let first = handle_of(&client, get(URI)).await;
        sleep(GAP).await;

        let second = handle_of(&client, get(URI)).await;

        for handle in [&first, &first.clone()] {
            assert_eq!(handle.requests(), 1, "a response's handle is about it");
            assert_eq!(handle.idle_before(), Some(Duration::ZERO));
            assert!(!handle.is_reused());
        }
        assert_eq!(second.requests(), 2);
        assert_eq!(second.idle_before(), Some(GAP));
        assert_eq!(
            (first.age(), first.deadline()),
            (second.age(), second.deadline()),
            "all else is of the present"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn follows_the_connection_where_the_transport_lends_the_handle() {
        let (mut io, mut peer) = raw(&shared(), URI).await;
        let before_the_first = io.inner().handle().clone();
        let follower = before_the_first.follow();
        for number in 1..=3 {
            sleep(GAP).await;
            exchange_raw(&mut io, &mut peer).await;

            let handle = io.inner().handle();
            assert_eq!(handle.requests(), number);
            assert_eq!(handle.is_reused(), number > 1);
            assert_eq!(handle.idle_before(), Some(GAP));
        }
        drop(io);
        assert_eq!(follower.requests(), 3, "it needs no transport to follow");
        assert_eq!(before_the_first.requests(), 0, "clones do not follow");
        assert_eq!(before_the_first.idle_before(), None);
    }

    /// hyper-util captures a connection before it sends the request on it.
    #[tokio::test(start_paused = true)]
    async fn is_the_one_before_where_the_connection_was_captured() {
        if is_own() {
            // The own client captures none: its responses and errors have the handle.
            return;
        }
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        for before in 0..3 {
            let mut request = get(URI);
            let captured = capture_connection(&mut request);

            let response = handle_of(&client, request).await;

            let mut extensions = http::Extensions::new();
            captured
                .connection_metadata()
                .as_ref()
                .unwrap()
                .get_extras(&mut extensions);
            let captured: &ConnectionHandle = extensions.get().unwrap();
            assert_eq!(captured.id(), response.id());
            assert_eq!(captured.requests(), before);
            assert_eq!(response.requests(), before + 1);
        }
    }
}

mod its_age {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_the_time_since_connecting() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);

        let first = handle_of(&client, get(URI)).await;
        assert_eq!(first.age(), Duration::ZERO);
        sleep(GAP).await;
        assert_eq!(first.age(), GAP);
        let second = handle_of(&client, get(URI)).await;
        sleep(GAP).await;
        assert_eq!((first.age(), second.age()), (2 * GAP, 2 * GAP));
    }
}

/// Answers with the `Keep-Alive` field that the request names as `x-hint`, and without a body: there
/// is nothing more to read that would have the connection looked at once the hint is known.
fn hinting_server() -> Server {
    Server::builder()
        .handler(|request| async move {
            let mut response = Response::new(full(""));
            if let Some(hint) = request.headers().get("x-hint") {
                response.headers_mut().insert(KEEP_ALIVE, hint.clone());
            }
            response
        })
        .build()
}

fn hinted(hint: &str) -> Request<Full<Bytes>> {
    let mut request = get(URI);
    request
        .headers_mut()
        .insert("x-hint", hint.parse().unwrap());
    request
}

mod its_hint {
    use super::*;

    fn timeout(seconds: u64) -> KeepAliveHint {
        KeepAliveHint::new().with_timeout(Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn is_what_the_server_said_last() {
        let keep_alive = shared();
        let server = hinting_server();
        let client = client(&keep_alive, &server);

        let first = handle_of(&client, get(URI)).await;
        assert_eq!(first.hint(), None, "it said nothing");
        let second = handle_of(&client, hinted("timeout=20, max=9")).await;
        assert_eq!(second.hint(), Some(timeout(20).with_max(9)));
        assert_eq!(first.hint(), second.hint(), "a hint is the connection's");
        let third = handle_of(&client, get(URI)).await;
        assert_eq!(third.hint(), second.hint(), "it stands until the next");
        let fourth = handle_of(&client, hinted("timeout=30")).await;
        assert_eq!(fourth.hint(), Some(timeout(30).with_max(9)));
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn is_known_without_the_layer() {
        let server = hinting_server();
        let client = unlayered(&shared(), server.connector(Link::new()));

        let handle = handle_of(&client, hinted("timeout=20")).await;

        assert_eq!(handle.hint(), Some(timeout(20)), "the connector reads it");
        let twenty = Duration::from_secs(20);
        assert_eq!(deadline(&handle), Some(Instant::now() + twenty - SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn is_none_where_hints_do_not_count() {
        let policy = KeepAlivePolicy::default().max_idle(EXPECTED).hints(false);
        let client = client(&keep_alive(policy), &hinting_server());

        let handle = handle_of(&client, hinted("timeout=20")).await;

        assert_eq!(handle.hint(), None);
        assert_eq!(deadline(&handle), Some(Instant::now() + EXPECTED - MARGIN));
    }
}

mod a_hint {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_leaves_nothing_closes_the_connection_at_once() {
        for hint in ["max=0", "timeout=0"] {
            let keep_alive = shared();
            let server = hinting_server();
            let client = client(&keep_alive, &server);
            let before = Instant::now();

            handle_of(&client, hinted(hint)).await;

            server.closed(1).await;
            assert_eq!(Instant::now(), before, "{hint}: nothing is to come");
            assert_eq!(keep_alive.stats().retired.total(), 1, "{hint}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_shorter_closes_it_sooner() {
        let server = hinting_server();
        let client = client(&shared(), &server);
        handle_of(&client, get(URI)).await;
        let finished = Instant::now();

        handle_of(&client, hinted("timeout=2")).await;

        server.closed(1).await;
        assert_eq!(finished.elapsed(), Duration::from_secs(2) * 9 / 10);
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_longer_closes_it_later() {
        let server = hinting_server();
        let client = client(&shared(), &server);
        handle_of(&client, get(URI)).await;
        let finished = Instant::now();

        handle_of(&client, hinted("timeout=20")).await;

        server.closed(1).await;
        assert_eq!(finished.elapsed(), Duration::from_secs(20) - SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn that_limits_requests_counts_from_its_own() {
        let keep_alive = shared();
        let client = client(&keep_alive, &hinting_server());
        handle_of(&client, get(URI)).await;
        handle_of(&client, hinted("max=2")).await;

        let mut requests = Vec::new();
        for _ in 0..3 {
            let handle = handle_of(&client, get(URI)).await;
            requests.push((handle.id(), handle.requests()));
        }

        assert_eq!(
            requests,
            [(0, 3), (0, 4), (1, 1)],
            "two more, and then another connection"
        );
        assert_eq!(keep_alive.stats().retired.request_limit, 1);
    }
}

/// [`ConnectionHandle::deadline`], by tokio's clock.
fn deadline(handle: &ConnectionHandle) -> Option<Instant> {
    handle.deadline().map(Instant::from_std)
}

mod its_deadline {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_the_expected_timeout_less_the_margin_after_the_request_was_sent() {
        let rtt = Duration::from_millis(80);
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = guarded(&keep_alive, server.connector(Link::new().latency(rtt / 2)));
        for _ in 0..3 {
            let handle = handle_of(&client, get(URI)).await;
            let sent = Instant::now() - rtt;
            sleep(GAP).await;

            assert_eq!(deadline(&handle), Some(sent + EXPECTED - MARGIN));
        }

        let sent = Instant::now() - GAP - rtt;
        server.closed(1).await;
        assert_eq!(
            Instant::now(),
            sent + EXPECTED - MARGIN + rtt / 2,
            "and then the connection closes"
        );
    }

    /// A body that is written so long after its head.
    fn late(by: Duration, bytes: usize) -> Body {
        let late = stream::once(async move {
            sleep(by).await;
            Ok::<_, Infallible>(Frame::data(vec![7; bytes].into()))
        });
        BodyExt::boxed(StreamBody::new(late))
    }

    /// How much of the timeout is kept back after these exchanges on a connection that took a second to
    /// be established: a request is answered after so many milliseconds, and so many bytes follow so late that
    /// the timeout counts from there.
    async fn kept_back_after(exchanges: &[(u64, usize)]) -> Duration {
        // Without a window there is no skew.
        let policy = KeepAlivePolicy::default()
            .safety_margin(Duration::from_millis(100))
            .response_window(0);
        let server = Server::builder()
            .handler(|request: Request<Incoming>| async move {
                let (millis, bytes) = request.uri().path()[1..].split_once('/').unwrap();
                sleep(Duration::from_millis(millis.parse().unwrap())).await;
                Response::new(late(Duration::from_secs(3), bytes.parse().unwrap()))
            })
            .build();
        let connector = server.connector(Link::new());
        let connector = tower::service_fn(move |uri: Uri| {
            let connecting = connector.clone().oneshot(uri);
            Box::pin(async {
                sleep(SECOND).await;
                connecting.await
            })
        });
        let client = guarded(&keep_alive(policy.max_idle(EXPECTED)), connector);
        let mut last = None;
        for (millis, bytes) in exchanges {
            let request = get(&format!("{URI}{millis}/{bytes}"));
            // Nothing is asked of it in between, nor is there anything to learn.
            last = Some(handle_of(&client, request).await);
        }
        assert_eq!(server.connections(), 1);
        Instant::now() + EXPECTED - last.as_ref().and_then(deadline).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_room_for_the_quickest_answer_to_a_request_that_was_seen() {
        let at_once = kept_back_after(&[(100, 2)]).await;
        assert_eq!(at_once, SECOND);
        let two_round_trips = Duration::from_millis(2 * 700);
        assert_eq!(kept_back_after(&[(700, 2)]).await, two_round_trips);

        for bytes in [2_000, 20_000] {
            let small = [(700, 2); 5];
            let at_last = [&small[..], &[(100, bytes)]].concat();
            assert_eq!(kept_back_after(&at_last).await, at_once, "{bytes} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn goes_by_the_hint() {
        let keep_alive = shared();
        let client = client(&keep_alive, &hinting_server());

        for (hint, good_for) in [
            ("timeout=20", Duration::from_secs(20) - SECOND),
            ("timeout=2", Duration::from_secs(2) * 9 / 10),
            ("timeout=7200", Duration::from_secs(600) - SECOND),
        ] {
            let handle = handle_of(&client, hinted(hint)).await;

            assert_eq!(deadline(&handle), Some(Instant::now() + good_for), "{hint}");
        }
    }

    /// Whatever the margin.
    #[tokio::test(start_paused = true)]
    async fn keeps_two_round_trips_and_the_skew_clear_after_a_slow_exchange() {
        let rtt = Duration::from_millis(800);
        for margin in [MARGIN, Duration::from_millis(100)] {
            let policy = KeepAlivePolicy::default().max_idle(EXPECTED);
            let policy = policy.safety_margin(margin);
            let server = Server::builder()
                .handler(|_| async { Response::new(late(Duration::from_secs(3), 2)) })
                .build();
            let link = Link::new().latency(rtt / 2);
            let no_skew = keep_alive(policy.response_window(0));
            let client = guarded(&no_skew, server.connector(link));
            let handle = handle_of(&client, get(URI)).await;
            let finished = Instant::now();
            assert_eq!(deadline(&handle), Some(finished + EXPECTED - 2 * rtt));

            // It works for a second each time, and then writes at once what takes two to drain.
            let server = Server::builder()
                .handler(|_| async {
                    sleep(SECOND).await;
                    Response::new(full(vec![7; 400_000]))
                })
                .build();
            let link = Link::new().bandwidth(200_000);
            let client = guarded(&keep_alive(policy), server.connector(link));
            handle_of(&client, get(URI)).await;
            let handle = handle_of(&client, get(URI)).await;
            assert_eq!(server.connections(), 1);
            assert_eq!(handle.deadline_bound(), Some(DeadlineBound::Likely));
            // The first segment was anchored; it takes its time too.
            let first = Duration::from_nanos(1460 * 1_000_000_000 / 200_000);
            let due = Instant::now() + EXPECTED - SECOND - (DRAIN - first);
            let off = deadline(&handle).unwrap().max(due) - deadline(&handle).unwrap().min(due);
            // A timer is a millisecond late at most.
            assert!(off <= Duration::from_millis(1), "off by {off:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_none_while_a_response_is_under_way() {
        let (server, link) = slow();
        let client = guarded(&shared(), server.connector(link));
        let response = client.oneshot(get(URI)).await.unwrap();
        let handle: ConnectionHandle = response.extensions().get().cloned().unwrap();

        assert_eq!(handle.deadline(), None, "it is in use");
        sleep(2 * EXPECTED).await;
        assert_eq!(handle.deadline(), None, "for however long");
        let body = response.into_body().collect().await.unwrap().to_bytes();

        assert_eq!(body.len(), 400_000, "and nothing is cut short");
        assert!(handle.deadline().is_some(), "it is idle");
    }

    #[tokio::test(start_paused = true)]
    async fn is_none_while_a_request_is_under_way() {
        let server = Server::builder()
            .handler(|_| async {
                sleep(2 * EXPECTED).await;
                Response::new(full("at last"))
            })
            .build();
        let keep_alive = shared();
        let connecting = keep_alive
            .connector(server.connector(Link::new()))
            .oneshot(Uri::from_static(URI));
        let io = connecting.await.unwrap();
        let handle = io.handle().clone();
        assert!(
            handle.deadline().is_some(),
            "it waits for its first request"
        );
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/").body(Full::<Bytes>::default()).unwrap();
        let response = tokio::spawn(sender.send_request(request));

        sleep(EXPECTED).await;
        assert_eq!(handle.deadline(), None);

        let response = response.await.unwrap().unwrap();
        assert_eq!(
            response.collect().await.unwrap().to_bytes(),
            "at last",
            "a slow answer is not a late one"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn is_none_where_nothing_limits_it() {
        let policy = KeepAlivePolicy::default().max_idle(Duration::MAX);
        let client = client(&keep_alive(policy), &Server::builder().build());

        assert_eq!(handle_of(&client, get(URI)).await.deadline(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn is_now_once_the_connection_is_not_to_be_used_again() {
        let keep_alive = shared();
        let client = client(&keep_alive, &hinting_server());

        let retired = handle_of(&client, get(URI)).await;
        sleep(GAP).await;
        retired.retire();
        assert_eq!(deadline(&retired), Some(Instant::now()));

        let limited = handle_of(&client, hinted("max=0")).await;
        assert_ne!(limited.id(), retired.id());
        assert_eq!(deadline(&limited), Some(Instant::now()));

        let expired = handle_of(&client, get(URI)).await;
        sleep(EXPECTED).await;
        assert!(deadline(&expired).unwrap() <= Instant::now());
    }
}

mod its_deadline_bound {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";

    /// What it is after an exchange by hand, whose response begins and ends so long after its request and after
    /// its beginning; and what was left until the deadline.
    async fn after(
        (io, peer): &mut (TokioIo<IdleAwareIo<Wire>>, Peer),
        begins: Duration,
        ends: Duration,
    ) -> (Option<DeadlineBound>, Duration) {
        let handle = io.inner().handle().follow();
        io.write_all(b"GET / HTTP/1.1\r\nhost: server.test\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(handle.deadline_bound(), None, "nothing is answered yet");
        peer.request().await.unwrap();
        sleep(begins).await;
        peer.send(HEAD).await;
        io.read_exact(&mut [0; HEAD.len()]).await.unwrap();
        assert_eq!(handle.deadline_bound(), None, "the body is under way");
        // This side waits for the rest meanwhile.
        let sending = async {
            sleep(ends).await;
            peer.send("ok").await;
        };
        let mut rest = [0; 2];
        let ((), read) = tokio::join!(sending, io.read_exact(&mut rest));
        read.unwrap();
        let left = deadline(&handle).unwrap() - Instant::now();
        (handle.deadline_bound(), left)
    }

    #[tokio::test(start_paused = true)]
    async fn is_certain_after_a_quick_exchange_and_likely_after_a_slow_one() {
        let zero = Duration::ZERO;
        let mut connection = raw(&shared(), URI).await;
        let bound = connection.0.inner().handle().deadline_bound();
        assert_eq!(bound, None, "there was no request yet");

        let (bound, left) = after(&mut connection, zero, zero).await;
        assert_eq!(bound, Some(DeadlineBound::Certain));
        assert_eq!(left, EXPECTED - MARGIN);

        // A stream that ends late: its last two bytes were not held for as long.
        let (bound, left) = after(&mut connection, zero, EXPECTED).await;
        assert_eq!(bound, Some(DeadlineBound::Likely));
        let skew = EXPECTED - SECOND - left;
        assert!(skew < Duration::from_millis(10), "{skew:?}");

        // Any other answer came sooner, so that this one may have waited on its way.
        let (bound, left) = after(&mut connection, 8 * GAP, zero).await;
        assert_eq!(bound, Some(DeadlineBound::Certain));
        assert_eq!(left, EXPECTED - MARGIN - 8 * GAP);
    }

    /// The server takes its time with every answer.
    #[tokio::test(start_paused = true)]
    async fn is_likely_after_an_answer_that_took_no_longer_than_others() {
        let server = Server::builder()
            .handler(|_| async {
                sleep(DRAIN).await;
                Response::new(full("ok"))
            })
            .build();
        let client = client(&shared(), &server);

        let first = handle_of(&client, get(URI)).await;
        assert_eq!(first.deadline_bound(), Some(DeadlineBound::Certain));
        let left = deadline(&first).unwrap() - Instant::now();
        assert_eq!(left, EXPECTED - MARGIN - DRAIN);

        let second = handle_of(&client, get(URI)).await;
        assert_eq!(second.deadline_bound(), Some(DeadlineBound::Likely));
        let left = deadline(&second).unwrap() - Instant::now();
        assert_eq!(left, EXPECTED - SECOND);
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn is_none_where_no_idle_time_is_left() {
        let policy = KeepAlivePolicy::default().safety_margin(Duration::from_secs(5));
        let client = client(&keep_alive(policy), &Server::builder().build());

        assert_eq!(handle_of(&client, get(URI)).await.deadline_bound(), None);
    }
}

mod retire {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn closes_an_idle_connection_at_once() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        let handle = handle_of(&client, get(URI)).await;
        sleep(GAP).await;
        assert_eq!(server.open(), 1, "until then it stays open");
        let before = Instant::now();

        handle.retire();
        handle.retire();

        server.closed(1).await;
        assert_eq!(Instant::now(), before, "at once");
        assert_eq!(keep_alive.stats().retired.requested, 1);
        assert_eq!(keep_alive.stats().retired.total(), 1);
        let next = handle_of(&client, get(URI)).await;
        assert_eq!((next.id(), next.requests()), (1, 1));
    }

    /// Whichever request's handle it is.
    #[tokio::test(start_paused = true)]
    async fn on_the_handle_of_an_old_response_closes_the_connection() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        let old = handle_of(&client, get(URI)).await;
        handle_of(&client, get(URI)).await;

        old.retire();

        server.closed(1).await;
        assert_eq!(keep_alive.stats().retired.requested, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_moment_of_the_next_request_has_it_sent_on_another_connection() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        let handle = handle_of(&client, get(URI)).await;

        handle.retire();
        let next = handle_of(&client, get(URI)).await;

        assert_ne!(next.id(), handle.id());
        assert_eq!(server.requests().len(), 2, "no request is lost");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_response_that_is_under_way() {
        let keep_alive = shared();
        let (server, link) = slow();
        let client = guarded(&keep_alive, server.connector(link));
        let asked = Instant::now();
        let response = client.clone().oneshot(get(URI)).await.unwrap();
        let handle: &ConnectionHandle = response.extensions().get().unwrap();

        handle.retire();

        assert_eq!(handle.deadline(), None, "it is still in use");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body == vec![7; 400_000], "the body is whole");
        let finished = Instant::now();
        assert!(finished - asked >= DRAIN);
        server.closed(1).await;
        assert_eq!(Instant::now(), finished, "and then it closes at once");
        assert_eq!(keep_alive.stats().retired.requested, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn closes_no_connection_that_it_was_not_called_on() {
        let (server, link) = slow();
        let client = guarded(&shared(), server.connector(link));

        let first = handle_of(&client, get(URI)).await;
        sleep(GAP).await;

        assert_eq!(server.open(), 1, "one that is not retired stays open");
        let second = handle_of(&client, get(URI)).await;
        assert_eq!(first.id(), second.id());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_response_that_has_not_begun() {
        let keep_alive = shared();
        let (mut io, mut peer) = raw(&keep_alive, URI).await;
        io.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();

        io.inner().handle().retire();
        io.write_all(b"\r\n").await.unwrap();
        peer.serve("").await;

        let mut response = Vec::new();
        let ended = io.read_to_end(&mut response).await.unwrap_err();
        assert!(response.ends_with(b"\r\n\r\nok"), "the response is whole");
        assert_eq!(ended.kind(), ErrorKind::ConnectionAborted);
        drop(io);
        assert_eq!(keep_alive.stats().retired.requested, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_connection_that_was_never_used() {
        let keep_alive = shared();
        let (mut io, _peer) = raw(&keep_alive, URI).await;

        io.inner().handle().retire();

        let ended = io.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::ConnectionAborted);
        drop(io);
        assert_eq!(keep_alive.stats().retired.requested, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn wakes_a_read_that_waits() {
        let (mut io, _peer) = raw(&shared(), URI).await;
        let handle = io.inner().handle().clone();
        let reading = tokio::spawn(async move { io.read(&mut [0; 8]).await.unwrap_err() });
        sleep(GAP).await;
        assert!(!reading.is_finished(), "there is nothing to read");
        let before = Instant::now();

        handle.retire();

        assert_eq!(reading.await.unwrap().kind(), ErrorKind::ConnectionAborted);
        assert_eq!(Instant::now(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_keeps_no_socket_open() {
    let keep_alive = shared();
    let server = Server::builder().build();
    let client = client(&keep_alive, &server);
    let handle = handle_of(&client, get(URI)).await;
    let before = Instant::now();

    drop(client);

    server.closed(1).await;
    assert_eq!(Instant::now(), before);
    assert_eq!(handle.requests(), 1, "it still answers");
    handle.retire();
    assert_eq!(keep_alive.stats().retired.total(), 0, "that came too late");
}

#[tokio::test(start_paused = true)]
async fn debug_shows_a_handle_and_what_it_is_in() {
    let keep_alive = shared();
    let (mut io, mut peer) = raw(&keep_alive, URI).await;
    exchange_raw(&mut io, &mut peer).await;
    let handle = io.inner().handle();

    for shown in [
        format!("{handle:?}"),
        format!("{handle:#?}"),
        format!("{:?}", io.inner()),
    ] {
        for part in [
            "ConnectionHandle",
            "id: 0",
            "Origin(http://server.test)",
            "requests: 1",
        ] {
            assert!(shown.contains(part), "{part} is in {shown}");
        }
    }
    io.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let busy = format!("{:?}", io.inner().handle());
    assert!(busy.contains("deadline: None"), "{busy}");
}

mod stats {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tell_what_happened() {
        let keep_alive = shared();
        let server = hinting_server();
        let client = client(&keep_alive, &server);
        assert_eq!(keep_alive.stats(), KeepAlive::default().stats(), "nothing");

        // Three requests on one connection, which then idles to its deadline.
        for _ in 0..3 {
            handle_of(&client, get(URI)).await;
        }
        let stats = keep_alive.stats();
        assert_eq!((stats.opened, stats.exchanges, stats.reused), (1, 3, 2));
        assert_eq!(stats.retired.total(), 0);
        server.closed(1).await;
        assert_eq!(keep_alive.stats().retired.idle_deadline, 1);

        // One retired by hand.
        handle_of(&client, get(URI)).await.retire();
        server.closed(2).await;
        assert_eq!(keep_alive.stats().retired.requested, 1);

        // One whose server takes no more requests, after the second.
        handle_of(&client, hinted("max=1")).await;
        handle_of(&client, get(URI)).await;
        server.closed(3).await;
        assert_eq!(keep_alive.stats().retired.request_limit, 1);

        // One whose server does not wait.
        handle_of(&client, hinted("timeout=0")).await;
        server.closed(4).await;
        assert_eq!(keep_alive.stats().retired.no_idle_allowed, 1);

        // One that the server closes sooner than expected.
        let hasty = Server::builder().idle_timeout(EXPECTED / 2).build();
        let to_hasty = super::client(&keep_alive, &hasty);
        handle_of(&to_hasty, get(URI)).await;
        hasty.closed(1).await;
        // The client hears of it in its own turn.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(keep_alive.stats().closed_while_idle, 1);

        // One that this side lets go of, which is nobody's failure.
        handle_of(&client, get(URI)).await;
        drop(client);
        server.closed(5).await;

        let stats = keep_alive.stats();
        assert_eq!((stats.opened, stats.exchanges, stats.reused), (6, 9, 3));
        assert_eq!(stats.retired.total(), 4, "one each: {:?}", stats.retired);
        assert_eq!(stats.retired.reuse_disabled, 0);
        assert_eq!(stats.closed_while_idle, 1);
        assert_eq!(stats.stale_failures, 0);
        assert_eq!(
            (stats.hints, stats.invalid_hints, stats.clamped_hints),
            (2, 0, 0)
        );
        assert_eq!(stats.opaque.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tell_that_the_policy_allows_no_reuse() {
        let policy = KeepAlivePolicy::default().reuse(false);
        for with_layer in [true, false] {
            let keep_alive = keep_alive(policy);
            let server = Server::builder().build();
            let connector = server.connector(Link::new());
            for _ in 0..2 {
                if with_layer {
                    let client = guarded(&keep_alive, connector.clone());
                    handle_of(&client, get(URI)).await;
                } else {
                    let client = unlayered(&keep_alive, connector.clone());
                    handle_of(&client, get(URI)).await;
                }
            }

            server.closed(2).await;
            let stats = keep_alive.stats();
            assert_eq!((stats.opened, stats.exchanges, stats.reused), (2, 2, 0));
            assert_eq!(stats.retired.reuse_disabled, 2, "with layer: {with_layer}");
            assert_eq!(stats.retired.total(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tell_that_the_margin_leaves_nothing() {
        let policy = KeepAlivePolicy::default().safety_margin(SafetyMargin::Fixed(EXPECTED));
        let keep_alive = keep_alive(policy);
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);

        handle_of(&client, get(URI)).await;
        handle_of(&client, get(URI)).await;

        server.closed(2).await;
        assert_eq!(keep_alive.stats().retired.no_idle_allowed, 2);
        assert_eq!(keep_alive.stats().reused, 0);
    }

    /// Both sides say `close`: that is HTTP, and no decision of this crate.
    #[tokio::test(start_paused = true)]
    async fn do_not_count_what_http_itself_ends() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        let mut request = get(URI);
        request
            .extensions_mut()
            .insert(http_keepalive::CloseAfterResponse);

        exchange(&client, request).await.unwrap();

        server.closed(1).await;
        let stats = keep_alive.stats();
        assert_eq!(stats.retired.total(), 0);
        assert_eq!((stats.closed_while_idle, stats.stale_failures), (0, 0));
    }

    /// A field of the request's own is left alone, but not the wish.
    #[tokio::test(start_paused = true)]
    async fn count_a_close_that_was_asked_for_and_not_sent_as_requested() {
        for wish in [false, true] {
            let keep_alive = shared();
            let server = Server::builder().build();
            let client = client(&keep_alive, &server);
            let mut request = get(URI);
            let own = "keep-alive".parse().unwrap();
            request.headers_mut().insert("connection", own);
            if wish {
                let wish = http_keepalive::CloseAfterResponse;
                request.extensions_mut().insert(wish);
            }

            exchange(&client, request).await.unwrap();
            exchange(&client, get(URI)).await.unwrap();

            assert_eq!(server.requests()[0].headers["connection"], "keep-alive");
            assert_eq!(server.connections(), 1 + usize::from(wish));
            assert_eq!(keep_alive.stats().retired.requested, u64::from(wish));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn do_not_count_a_request_that_its_caller_gave_up() {
        let keep_alive = shared();
        let server = Server::builder()
            .handler(|request| async move {
                if request.uri().path() == "/never" {
                    std::future::pending::<()>().await;
                }
                Response::new(full("ok"))
            })
            .build();
        let client = client(&keep_alive, &server);
        handle_of(&client, get(URI)).await;

        let never = exchange(&client, get("http://server.test/never"));
        let given_up = tokio::time::timeout(GAP, never).await;

        assert!(given_up.is_err());
        server.closed(1).await;
        let stats = keep_alive.stats();
        assert_eq!((stats.exchanges, stats.reused), (2, 1));
        assert_eq!(
            (stats.stale_failures, stats.closed_while_idle),
            (0, 0),
            "the server did nothing wrong"
        );
        assert_eq!(stats.retired.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn are_shared_by_all_parts() {
        let keep_alive = shared();
        let server = Server::builder().build();
        let client = client(&keep_alive.clone(), &server);

        exchange(&client, get(URI)).await.unwrap();

        let connector = keep_alive.connector(server.connector(Link::new()));
        for stats in [
            keep_alive.stats(),
            connector.keep_alive().stats(),
            client.keep_alive().stats(),
        ] {
            assert_eq!((stats.opened, stats.exchanges), (1, 1));
        }
    }
}

mod the_transport_within {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn can_be_taken_out_and_is_then_left_alone() {
        let keep_alive = shared();
        let (mut io, mut peer) = raw(&keep_alive, URI).await;
        exchange_raw(&mut io, &mut peer).await;
        let following = io.inner().handle().follow();

        let mut transport = TokioIo::new(io.into_inner().into_inner());
        following.retire();
        sleep(GAP * 1_000).await;
        transport.write_all(b"hello").await.unwrap();
        drop(transport);

        assert_eq!(peer.rest().await, b"hello", "its deadline is long past");
        assert_eq!(following.requests(), 1, "what follows is not followed");
    }
}
