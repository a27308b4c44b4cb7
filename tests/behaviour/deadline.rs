//! From when the deadline of an idle connection counts: its server counts no sooner than it was asked, and after a
//! slow exchange no sooner than all but what the network held of its response had come.
//!
//! Each promise stands beside a client that counts from the end of the response, whose requests fail.

use std::convert::Infallible;
use std::time::Duration;

use crate::support::client::{
    HttpClient, exchange, guarded, keep_alive, plain_with_idle_timeout, post,
};
use crate::support::gate::Gate;
use crate::support::link::Link;
use crate::support::outcome::{Outcome, outcome};
use crate::support::server::{Body, Server, full};
use crate::support::wire::{WireConnector, wires};
use bytes::Bytes;
use futures_util::stream;
use http::{Response, Uri};
use http_body_util::{BodyExt, StreamBody};
use http_keepalive::KeepAlivePolicy;
use hyper::body::Frame;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

const URI: &str = "http://server.test/";

/// The server's idle timeout.
const T: Duration = Duration::from_secs(5);

/// What the default policy subtracts from it at most.
const SECOND: Duration = Duration::from_secs(1);

/// A margin for a network that loses nothing.
const NARROW: Duration = Duration::from_millis(100);

/// The expected one where a connection is reused for so long.
fn reused_for(reusable: Duration, gap: Duration) -> Outcome {
    if gap < reusable {
        Outcome::Reused
    } else {
        Outcome::Reconnected
    }
}

/// The gaps to try: every quarter of a round trip from three before that instant to one after it, and
/// some that are shorter.
fn gaps_around(close: Duration, rtt: Duration) -> impl Iterator<Item = Duration> {
    let quarters = (0..=16).map(move |quarter| (close + quarter * rtt / 4).saturating_sub(3 * rtt));
    quarters.chain((0..5).map(move |fifths| close * fifths / 5))
}

/// A process that is stopped, and finds what came meanwhile in its sockets when it goes on.
mod a_process_that_is_stopped_while_its_response_waits_in_the_socket {
    use super::*;

    const RTT: Duration = Duration::from_millis(80);

    fn server() -> Server {
        Server::builder().idle_timeout(T).build()
    }

    /// Has an exchange, and then one whose response is read only `stopped` after its request was sent; then
    /// makes a request `gap` after that.
    async fn outcome_after<C: HttpClient>(
        server: &Server,
        client: &C,
        gate: &Gate,
        stopped: Duration,
        gap: Duration,
    ) -> Outcome {
        exchange(client, post(URI, "first")).await.unwrap();
        let sent = Instant::now();
        gate.hold_reads_until(sent + stopped);
        exchange(client, post(URI, "second")).await.unwrap();
        assert_eq!(sent.elapsed(), stopped, "it was read that late");
        assert_eq!(server.connections(), 1);
        sleep(gap).await;
        outcome(server, client, "third").await
    }

    /// When the server closes, counted from when the response was read.
    fn close(stopped: Duration) -> Duration {
        (RTT / 2 + T).saturating_sub(stopped)
    }

    const STOPS: [Duration; 6] = [
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(3),
        Duration::from_millis(4_700),
        Duration::from_millis(5_030),
        Duration::from_secs(60),
    ];

    #[tokio::test(start_paused = true)]
    async fn sends_nothing_on_a_connection_that_its_server_closes() {
        for margin in [T / 10, NARROW] {
            let policy = KeepAlivePolicy::default().max_idle(T).safety_margin(margin);
            for stopped in STOPS {
                // Counted from when the request was sent.
                let reusable = (T - margin).saturating_sub(stopped);
                for gap in gaps_around(close(stopped), RTT) {
                    let (server, gate) = (server(), Gate::default());
                    let link = Link::new().latency(RTT / 2);
                    let connector = gate.before(server.connector(link));
                    let keep_alive = keep_alive(policy);
                    let client = guarded(&keep_alive, connector);

                    let outcome = outcome_after(&server, &client, &gate, stopped, gap).await;

                    let expected = reused_for(reusable, gap);
                    assert_eq!(outcome, expected, "{margin:?}, {stopped:?}, {gap:?}");
                    assert_eq!(keep_alive.stats().stale_failures, 0);
                }
            }
        }
    }

    /// The control: whether that counts from the end of the response, less a second.
    #[tokio::test(start_paused = true)]
    async fn loses_a_request_if_its_client_counts_from_when_it_read_the_response() {
        let stopped = 3 * SECOND;
        assert!(
            T - SECOND > close(stopped),
            "such a client reuses the connection after its server has closed it"
        );
        let (server, gate) = (server(), Gate::default());
        let link = Link::new().latency(RTT / 2);
        let connector = gate.before(server.connector(link));
        let client = plain_with_idle_timeout(connector, T - SECOND);

        // So that the request arrives just after that.
        let gap = close(stopped) - RTT / 4;
        let outcome = outcome_after(&server, &client, &gate, stopped, gap).await;

        assert_eq!(outcome, Outcome::Failed);
    }
}

/// It accepts connections at once, so that connecting tells nothing of the link behind it.
mod a_relay_with_a_slow_link_behind_it {
    use super::*;

    const RTT: Duration = Duration::from_millis(500);

    fn relay() -> (Server, WireConnector) {
        let server = Server::builder().idle_timeout(T).build();
        let (connector, mut far_ends) = wires(Link::new().latency(RTT / 2), Connected::new);
        let accepts = server.clone();
        tokio::spawn(async move {
            while let Some(end) = far_ends.accept().await {
                accepts.accept(end);
            }
        });
        (server, connector)
    }

    async fn outcome_after<C: HttpClient>(server: &Server, client: &C, gap: Duration) -> Outcome {
        let sent = Instant::now();
        exchange(client, post(URI, "first")).await.unwrap();
        assert_eq!(sent.elapsed(), RTT, "connecting took no time");
        sleep(gap).await;
        outcome(server, client, "second").await
    }

    /// When the server closes, counted from when its response was read.
    const CLOSE: Duration = T.saturating_sub(Duration::from_millis(250));

    #[tokio::test(start_paused = true)]
    async fn loses_nothing_with_a_margin_of_a_tenth_of_a_second() {
        let policy = KeepAlivePolicy::default().max_idle(T);
        let reusable = T - NARROW - RTT;
        let edges = [reusable - Duration::from_millis(1), reusable];
        for gap in gaps_around(CLOSE, RTT).chain(edges) {
            let (server, connector) = relay();
            let keep_alive = keep_alive(policy.safety_margin(NARROW));
            let client = guarded(&keep_alive, connector);

            let outcome = outcome_after(&server, &client, gap).await;

            assert_eq!(outcome, reused_for(reusable, gap), "{gap:?}");
            assert_eq!(keep_alive.stats().stale_failures, 0);
        }
    }

    /// The control: two round trips are nothing by what connecting took, so that only the margin would be left.
    #[tokio::test(start_paused = true)]
    async fn loses_requests_of_a_client_that_counts_from_when_it_read_the_response() {
        assert!(
            T - NARROW > CLOSE,
            "such a client reuses the connection after its server has closed it"
        );
        for gap in [CLOSE - RTT / 4, CLOSE, T - NARROW - RTT / 10] {
            let (server, connector) = relay();
            let client = plain_with_idle_timeout(connector, T - NARROW);

            let outcome = outcome_after(&server, &client, gap).await;

            assert_eq!(outcome, Outcome::Failed, "{gap:?}");
        }
    }
}

/// A response that is under way for longer than its server's idle timeout.
mod a_response_that_takes_long {
    use super::*;

    const RTT: Duration = Duration::from_millis(80);
    const LASTS: Duration = Duration::from_secs(6);

    /// A dozen pieces over six seconds, each written when it is there.
    fn trickle() -> Body {
        const PIECES: u32 = 12;
        let pieces = stream::unfold(0, |piece| async move {
            if piece == PIECES {
                return None;
            }
            sleep(LASTS / PIECES).await;
            let frame = Frame::data(Bytes::from_static(b"piece"));
            Some((Ok::<_, Infallible>(frame), piece + 1))
        });
        BodyExt::boxed(StreamBody::new(pieces))
    }

    fn server(body: fn() -> Body) -> Server {
        Server::builder()
            .idle_timeout(T)
            .handler(move |_| async move { Response::new(body()) })
            .build()
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_its_connection_reusable_where_it_trickles() {
        // At the end of the body, the server has just written it: it closes at T - RTT / 2.
        let sure = Duration::from_millis(3_900);
        let gaps = gaps_around(T - RTT / 2, RTT).chain([SECOND, sure, T - SECOND]);
        for gap in gaps {
            let server = server(trickle);
            let link = Link::new().latency(RTT / 2);
            let keep_alive = keep_alive(KeepAlivePolicy::default().max_idle(T));
            let client = guarded(&keep_alive, server.connector(link));
            exchange(&client, post(URI, "first")).await.unwrap();
            sleep(gap).await;

            let outcome = outcome(&server, &client, "second").await;

            let is_between = gap > sure && gap < T - SECOND;
            let expected = reused_for(T - SECOND, gap);
            assert!(outcome == expected || is_between, "{gap:?}: {outcome:?}");
            assert_ne!(outcome, Outcome::Failed, "{gap:?}");
        }
    }

    /// The control: neither from the request nor from the first byte on is anything left of the timeout.
    #[tokio::test(start_paused = true)]
    async fn ends_after_its_servers_timeout_counted_from_its_request_and_from_its_first_byte() {
        let server = server(trickle);
        let connector = server.connector(Link::new().latency(RTT / 2));
        let client = guarded(&keep_alive(KeepAlivePolicy::default()), connector);
        let sent = Instant::now() + RTT;
        let response = client.oneshot(post(URI, "first")).await.unwrap();
        let first = Instant::now();
        response.into_body().collect().await.unwrap();

        assert_eq!(first - sent, RTT);
        assert!(Instant::now() > first + T - SECOND);
    }

    /// The other control: as long a response that its server had written at once.
    #[tokio::test(start_paused = true)]
    async fn leaves_its_connection_no_idle_time_where_the_network_held_it() {
        let server = server(|| full(vec![7; 120_000]));
        let link = Link::new().latency(RTT / 2).bandwidth(20_000);
        let keep_alive = keep_alive(KeepAlivePolicy::default().max_idle(T));
        let client = guarded(&keep_alive, server.connector(link));
        let sent = Instant::now();
        exchange(&client, post(URI, "first")).await.unwrap();
        assert!(sent.elapsed() >= LASTS);
        assert_eq!(keep_alive.stats().retired.no_idle_allowed, 1);

        let outcome = outcome(&server, &client, "second").await;

        assert_eq!(outcome, Outcome::Reconnected);
    }
}

/// One that comes before its request is out. Its server may count since then, and drain the rest meanwhile.
mod a_response_that_comes_before_the_end_of_its_request {
    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn is_the_one_that_its_servers_timeout_counts_from() {
        for rest in [SECOND, 3 * SECOND, 4 * SECOND] {
            let (connector, mut far_ends) = wires(Link::new(), Connected::new);
            let keep_alive = keep_alive(KeepAlivePolicy::default().max_idle(T));
            let io = keep_alive.connector(connector);
            let mut io = TokioIo::new(io.oneshot(Uri::from_static(URI)).await.unwrap());
            let mut server = far_ends.peer().await;
            io.write_all(b"POST / HTTP/1.1\r\nhost: server.test\r\ncontent-length: 2\r\n\r\n1")
                .await
                .unwrap();
            server.send(RESPONSE).await;
            let answered = Instant::now();
            io.read_exact(&mut [0; RESPONSE.len()]).await.unwrap();
            sleep(rest).await;

            io.write_all(b"2").await.unwrap();

            let deadline = io.inner().handle().deadline().unwrap();
            assert_eq!(deadline, (answered + T - T / 10).into_std(), "{rest:?}");
        }
    }
}

/// As one with a database, or a model, behind it.
mod a_server_that_thinks_for_long {
    use super::*;

    const RTT: Duration = Duration::from_millis(80);
    const THINKS: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn keeps_its_connection_from_the_second_request_on() {
        for margin in [T / 10, NARROW] {
            let server = Server::builder()
                .idle_timeout(T)
                .handler(|_| async {
                    sleep(THINKS).await;
                    Response::new(full("ok"))
                })
                .build();
            let policy = KeepAlivePolicy::default().max_idle(T).safety_margin(margin);
            let keep_alive = keep_alive(policy);
            let link = Link::new().latency(RTT / 2);
            let client = guarded(&keep_alive, server.connector(link));
            let tick = Duration::from_millis(1);

            // Nothing tells that the first answer had not waited somewhere for ten seconds.
            let mut outcomes = Vec::new();
            for (n, gap) in [
                Duration::ZERO,
                SECOND,
                3 * SECOND,
                T - SECOND - tick,
                T - SECOND,
            ]
            .into_iter()
            .enumerate()
            {
                if n == 0 {
                    exchange(&client, post(URI, "first")).await.unwrap();
                }
                sleep(gap).await;
                let sent = Instant::now();
                outcomes.push(outcome(&server, &client, &n.to_string()).await);
                assert!(
                    sent + T - margin < Instant::now(),
                    "it cannot be kept by what is certain"
                );
            }

            use Outcome::{Reconnected, Reused};
            let expected = [Reconnected, Reused, Reused, Reused, Reconnected];
            assert_eq!(outcomes, expected, "{margin:?}");
            assert_eq!(keep_alive.stats().retired.no_idle_allowed, 1);
            assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
        }
    }
}
