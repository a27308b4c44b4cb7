//! Other users of hyper's client than its legacy pool: a connection by hand, and the composable
//! pools. Each promise stands beside the same scenario without this crate, failing.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "these are tests"
)]

#[path = "pools/mod.rs"]
mod pools;
mod support;

use std::time::Duration;

use http::Response;
use http_keepalive::KeepAlivePolicy;
use pools::RTT;
use support::client::{HttpClient, exchange, plain_with_idle_timeout, post};
use support::link::Link;
use support::server::{Server, full};
use tokio::time::sleep;

/// Whether a request is answered, `gap` after the response to another.
async fn is_answered(client: &impl HttpClient, gap: Duration) -> bool {
    let uri = "http://server.test/";
    exchange(client, post(uri, "first")).await.unwrap();
    sleep(gap).await;
    exchange(client, post(uri, "second")).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_static_timeout_from_the_policy_helps_but_for_responses_that_drain_slowly() {
    let max_idle = Duration::from_secs(5);
    let timeout = KeepAlivePolicy::default().pool_idle_timeout(RTT);
    for (bytes, is_saved) in [(100, true), (400_000, false)] {
        let server = Server::builder()
            .idle_timeout(max_idle)
            .handler(move |_| async move { Response::new(full(vec![0; bytes])) })
            .build();
        let link = Link::new().latency(RTT / 2).bandwidth(200_000);
        let client = plain_with_idle_timeout(server.connector(link), timeout);
        // Two seconds of the server's five are over when 400 KB have come.
        let gap = if is_saved {
            max_idle - RTT / 2
        } else {
            max_idle - Duration::from_secs(2) - RTT / 2
        };
        assert_eq!(is_answered(&client, gap).await, is_saved, "{bytes} bytes");
    }
}
