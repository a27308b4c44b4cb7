//! Many idle connections at once: what closing them takes, and what a burst of requests meets.

use std::time::Duration;

use crate::support::client::{HttpClient, exchange, guarded_legacy, plain, post};
use crate::support::clock::WallClock;
use crate::support::deadline_work::{Counted, Work};
use crate::support::idle::fill;
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server};
use http_keepalive::KeepAlivePolicy;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What closing `expired` connections at their deadline takes while `idle` more have theirs later.
async fn closing(expired: usize, idle: usize) -> Work {
    let server = Server::builder().record(false).build();
    let client = Counted::new(server.connector(Link::new()));
    client.open(expired, idle).await;
    assert_eq!(server.open(), expired + idle);

    let work = client.pass().await;

    assert_eq!(server.open(), idle);
    work
}

#[tokio::test(start_paused = true)]
async fn closing_at_the_deadline_touches_no_connection_but_the_expired() {
    let alone = closing(100, 0).await;

    assert!((100..=300).contains(&alone.polls), "{alone:?}");
    assert!((100..=300).contains(&alone.readings), "{alone:?}");
    assert_eq!(closing(100, 100).await, alone);
    assert_eq!(closing(100, 2_000).await, alone);
}

#[tokio::test(start_paused = true)]
async fn closing_takes_as_much_for_each_of_many_as_for_each_of_few() {
    let few = closing(100, 100).await;
    let many = closing(1_000, 100).await;

    let ten_times = Work {
        polls: 10 * few.polls,
        readings: 10 * few.readings,
    };
    assert_eq!(many, ten_times);
}

/// A timer is not moved with every exchange. It fires early then, and is moved.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_used_again_is_looked_at_once_before_its_deadline() {
    let server = Server::builder().record(false).build();
    let client = Counted::new(server.connector(Link::new()));
    client.open_and_use(100).await;

    let early = client.pass().await;

    assert_eq!(server.open(), 100);
    assert!(early.polls <= 200, "{early:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.open(), 0);
}

/// How many of a burst of requests fail that come in the moment in which the server closes a thousand
/// connections, all that the client has. `before_burst` runs directly before them.
async fn failures<C, S>(connect: C, before_burst: impl FnOnce()) -> usize
where
    C: FnOnce(LinkConnector) -> S,
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    const REQUESTS: usize = 200;
    let latency = Duration::from_millis(20);
    let timeout = Duration::from_secs(5);
    let server = Server::builder().idle_timeout(timeout).build();
    let client = connect(server.connector(Link::new().latency(latency)));
    let started = Instant::now();
    fill(&client, "http://server.test/", 1_000).await;
    // It took a round trip to connect, and half of one until the servers had answered.
    let closing = started + 3 * latency + timeout;
    sleep_until(closing - latency / 2).await;
    assert_eq!(server.open(), 1_000);
    before_burst();

    let mut burst = JoinSet::new();
    for number in 0..REQUESTS {
        let client = client.clone();
        let request = post("http://server.test/", number.to_string());
        burst.spawn(async move { exchange(&client, request).await.is_err() });
    }
    let failed = burst.join_all().await;

    assert!((0..REQUESTS).all(|number| server.times_seen(&number.to_string()) <= 1));
    failed.into_iter().filter(|failed| *failed).count()
}

#[tokio::test(start_paused = true)]
async fn a_burst_on_connections_about_to_be_closed_fails() {
    assert_eq!(failures(plain, || {}).await, 200);
}

/// As after a machine was suspended: no timer has run, and all connections are still in the pool.
#[tokio::test(start_paused = true)]
async fn a_burst_that_meets_a_thousand_expired_connections_is_served() {
    let wall = WallClock::new();
    let policy = KeepAlivePolicy::default().max_idle(Duration::from_secs(60));
    let keep_alive = wall.builder().policy(policy).build().unwrap();
    let client = |connector| guarded_legacy(&keep_alive, connector);

    let failed = failures(client, || wall.suspend(Duration::from_secs(3_600))).await;

    assert_eq!(failed, 0);
    assert_eq!(keep_alive.stats().retired.idle_deadline, 1_000);
}

/// Without the suspension nothing tells that the policy is wrong.
#[tokio::test(start_paused = true)]
async fn a_burst_under_a_policy_that_expects_too_much_fails() {
    let policy = KeepAlivePolicy::default().max_idle(Duration::from_secs(60));
    let keep_alive = crate::support::client::keep_alive(policy);

    assert_eq!(
        failures(|connector| guarded_legacy(&keep_alive, connector), || {}).await,
        200
    );
}
