//! The race itself: a server that closes idle connections, a network with latency, and requests in
//! the moments around the server's timeout.
//!
//! Each promise stands beside the same scenario without this crate, failing.

use std::time::Duration;

use crate::support::client::{
    HttpClient, guarded, keep_alive, plain, plain_with_idle_timeout, post,
};
use crate::support::link::Link;
use crate::support::outcome::{self, Outcome};
use crate::support::server::{Server, full};
use http_body_util::BodyExt;
use http_keepalive::{KeepAlivePolicy, SafetyMargin};
use tokio::time::sleep;
use tower::ServiceExt;

/// The server's idle timeout.
const T: Duration = Duration::from_secs(2);
/// A round trip.
const RTT: Duration = Duration::from_millis(80);

/// The gaps to try: from `T − 3 RTT` to `T + RTT`, a quarter of a round trip apart.
fn gaps() -> impl Iterator<Item = Duration> {
    (0..=16).map(|quarter| T - 3 * RTT + quarter * RTT / 4)
}

fn link() -> Link {
    Link::new().latency(RTT / 2)
}

/// What became of the second of two requests, `gap` apart, on a client and a server of their own.
async fn outcome<C: HttpClient>(server: &Server, client: &C, gap: Duration) -> Outcome {
    outcome_of_body(server, client, Duration::ZERO, gap).await
}

/// The same with a caller who begins to read the first response `late` after its head came. The gap
/// counts from when it was read to its end.
async fn outcome_of_body<C: HttpClient>(
    server: &Server,
    client: &C,
    late: Duration,
    gap: Duration,
) -> Outcome {
    let first = post("http://server.test/", "first");
    let response = client.clone().oneshot(first).await.unwrap();
    sleep(late).await;
    response.into_body().collect().await.unwrap();
    sleep(gap).await;

    outcome::outcome(server, client, "second").await
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_requests_in_the_window_fail() {
    for gap in gaps() {
        let server = Server::builder().idle_timeout(T).hint("timeout=2").build();
        let client = plain(server.connector(link()));

        let outcome = outcome(&server, &client, gap).await;

        // The server closes T after it wrote, which on this side is T − RTT/2 after the response
        // came; a request takes RTT/2 to get there.
        let expected = if gap < T - RTT {
            Outcome::Reused
        } else if gap < T {
            Outcome::Failed
        } else {
            Outcome::Reconnected
        };
        let at_an_edge = gap == T - RTT || gap == T;
        assert!(
            outcome == expected || at_an_edge,
            "gap {gap:?}: {outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_fails_and_connections_are_reused_until_the_margin() {
    for margin in [SafetyMargin::Default, Duration::from_millis(100).into()] {
        let policy = KeepAlivePolicy::default().safety_margin(margin);
        // What the last exchange took counts, too.
        let reusable = match margin {
            SafetyMargin::Default => T - T / 10 - RTT,
            _ => T - Duration::from_millis(100) - RTT,
        };
        for gap in gaps().chain([Duration::ZERO, T / 2, reusable - RTT, reusable]) {
            let keep_alive = keep_alive(policy);
            let server = Server::builder().idle_timeout(T).hint("timeout=2").build();
            let client = guarded(&keep_alive, server.connector(link()));

            let outcome = outcome(&server, &client, gap).await;

            let expected = if gap < reusable {
                Outcome::Reused
            } else {
                Outcome::Reconnected
            };
            assert_eq!(outcome, expected, "{margin:?}, gap {gap:?}");
            assert_eq!(keep_alive.stats().stale_failures, 0);
        }
    }
}

fn server_with_body(idle_timeout: Duration, bytes: usize) -> Server {
    Server::builder()
        .idle_timeout(idle_timeout)
        .handler(move |_| async move { http::Response::new(full(vec![0; bytes])) })
        .build()
}

/// 400 KB over 200 KB/s take two seconds, all of which the server counts as idle: it has written
/// them into its socket buffer at once.
mod a_response_that_drains_slowly {
    use super::*;

    const T: Duration = Duration::from_secs(5);
    const DRAIN: Duration = Duration::from_secs(2);

    fn link() -> Link {
        super::link().bandwidth(200_000)
    }

    /// In the middle of the window, seen from when the last byte came.
    const GAP: Duration = Duration::from_millis(5_000 - 2_000 - 80 / 2);

    #[tokio::test(start_paused = true)]
    async fn fails_the_next_request_of_a_client_that_subtracts_a_second_or_two() {
        for less in [0, 1, 2].map(Duration::from_secs) {
            let server = server_with_body(T, 400_000);
            let client = plain_with_idle_timeout(server.connector(link()), T - less);

            let outcome = outcome_of_body(&server, &client, Duration::ZERO, GAP).await;

            assert_eq!(
                outcome,
                Outcome::Failed,
                "{less:?} less than the server's timeout"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fails_the_next_request_where_the_skew_is_not_subtracted() {
        let policy = KeepAlivePolicy::default().max_idle(T).response_window(0);
        let server = server_with_body(T, 400_000);
        let client = guarded(&keep_alive(policy), server.connector(link()));

        let outcome = outcome_of_body(&server, &client, Duration::ZERO, GAP).await;

        assert_eq!(outcome, Outcome::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn fails_nothing_and_is_reused_for_as_long_as_is_safe() {
        // From the request to the last byte of its response take the drain and a round trip.
        let reusable = T - T / 10 - RTT - DRAIN;
        for gap in (0..=50)
            .map(|tenths| tenths * Duration::from_millis(100))
            .chain([GAP, reusable - RTT / 4, reusable])
        {
            let policy = KeepAlivePolicy::default().max_idle(T);
            let server = server_with_body(T, 400_000);
            let client = guarded(&keep_alive(policy), server.connector(link()));

            let outcome = outcome_of_body(&server, &client, Duration::ZERO, gap).await;

            let expected = if gap < reusable {
                Outcome::Reused
            } else {
                Outcome::Reconnected
            };
            assert_eq!(outcome, expected, "gap {gap:?}");
        }
    }
}

/// A body of 64 KB that its caller begins to read 600 ms late: so much later than the server wrote
/// it does the last byte come.
mod a_body_read_late {
    use super::*;

    const LATE: Duration = Duration::from_millis(600);
    /// In the middle of the window, seen from when the last byte was read.
    const GAP: Duration = Duration::from_millis(2_000 - 600 - 80 / 2);

    #[tokio::test(start_paused = true)]
    async fn fails_the_next_request_of_a_client_that_subtracts_a_quarter() {
        let server = server_with_body(T, 64_000);
        let client = plain_with_idle_timeout(server.connector(link()), T - T / 4);

        let outcome = outcome_of_body(&server, &client, LATE, GAP).await;

        assert_eq!(outcome, Outcome::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn fails_the_next_request_where_the_skew_is_not_subtracted() {
        let policy = KeepAlivePolicy::default().max_idle(T).response_window(0);
        let server = server_with_body(T, 64_000);
        let client = guarded(&keep_alive(policy), server.connector(link()));

        let outcome = outcome_of_body(&server, &client, LATE, GAP).await;

        assert_eq!(outcome, Outcome::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn fails_nothing_and_is_reused_for_as_long_as_is_safe() {
        let reusable = T - T / 10 - RTT - LATE;
        let last = reusable - RTT / 4;
        for gap in gaps().chain([GAP, Duration::ZERO, reusable / 2, last, reusable]) {
            let policy = KeepAlivePolicy::default().max_idle(T);
            let server = server_with_body(T, 64_000);
            let client = guarded(&keep_alive(policy), server.connector(link()));

            let outcome = outcome_of_body(&server, &client, LATE, gap).await;

            let expected = if gap < reusable {
                Outcome::Reused
            } else {
                Outcome::Reconnected
            };
            assert_eq!(outcome, expected, "gap {gap:?}");
        }
    }
}

/// Its second piece comes on its own, and waits in the socket for a caller that reads late.
mod a_small_body_in_two_pieces_read_late {
    use super::*;
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http::Response;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::convert::Infallible;

    const T: Duration = Duration::from_secs(5);
    const LATE: Duration = Duration::from_secs(3);
    const PAUSE: Duration = Duration::from_millis(200);

    fn server() -> Server {
        Server::builder()
            .idle_timeout(T)
            .handler(|_| async {
                let piece = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; 1_000])));
                let second = stream::once(async move {
                    sleep(PAUSE).await;
                    piece()
                });
                let body = StreamBody::new(stream::iter([piece()]).chain(second));
                Response::new(BodyExt::boxed(body))
            })
            .build()
    }

    /// In the middle of the window, seen from when the last byte was read.
    fn gap() -> Duration {
        T + PAUSE - RTT / 2 - LATE
    }

    #[tokio::test(start_paused = true)]
    async fn fails_the_next_request_of_a_client_that_subtracts_a_second() {
        let server = server();
        let client = plain_with_idle_timeout(server.connector(link()), T - Duration::from_secs(1));

        let outcome = outcome_of_body(&server, &client, LATE, gap()).await;

        assert_eq!(outcome, Outcome::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn fails_nothing_with_this_crate() {
        let server = server();
        let policy = KeepAlivePolicy::default().max_idle(T);
        let client = guarded(&keep_alive(policy), server.connector(link()));

        let outcome = outcome_of_body(&server, &client, LATE, gap()).await;

        assert_ne!(outcome, Outcome::Failed);
    }
}
