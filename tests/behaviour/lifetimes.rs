//! How long a connection serves at all, and that many of them do not end together.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::client::{Guarded, exchange, get, guarded, keep_alive, post, unlayered};
use crate::support::clock::WallClock;
use crate::support::idle::fill;
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server, full};
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy};
use tokio::time::{Instant, sleep};

const URI: &str = "http://server.test/";

const SECOND: Duration = Duration::from_secs(1);
const LIFETIME: Duration = Duration::from_secs(60);

fn client(keep_alive: &KeepAlive, server: &Server) -> Guarded<LinkConnector> {
    guarded(keep_alive, server.connector(Link::new()))
}

/// A lifetime to the millisecond.
fn exact() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
        .max_lifetime(LIFETIME)
        .lifetime_jitter(0.0)
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_used_for_its_lifetime_and_then_no_more() {
    let keep_alive = keep_alive(exact());
    let server = Server::builder().build();
    let client = client(&keep_alive, &server);

    for second in 0..120 {
        exchange(&client, post(URI, second.to_string()))
            .await
            .unwrap();
        let connections = if second < 60 { 1 } else { 2 };
        assert_eq!(server.connections(), connections, "after {second} s");
        sleep(SECOND).await;
    }

    assert_eq!(server.requests().len(), 120, "each was seen once");
    server.closed(2).await;
    assert_eq!(keep_alive.stats().retired.max_lifetime, 2);
    assert_eq!(keep_alive.stats().retired.total(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_lifetime_a_busy_connection_is_used_for_ever() {
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let server = Server::builder().build();
    let client = client(&keep_alive, &server);

    for _ in 0..1_000 {
        exchange(&client, get(URI)).await.unwrap();
        sleep(SECOND).await;
    }

    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes_when_its_life_ends_though_nobody_looks() {
    let policy = exact().max_idle(Duration::from_secs(3_600));
    let keep_alive = keep_alive(policy);
    let server = Server::builder().build();
    let client = client(&keep_alive, &server);
    let opened = Instant::now();
    exchange(&client, get(URI)).await.unwrap();
    // The timer is set by now, for a deadline that the next exchange moves.
    sleep(20 * SECOND).await;
    exchange(&client, get(URI)).await.unwrap();

    server.closed(1).await;

    let late = opened.elapsed() - LIFETIME;
    assert!(late < Duration::from_millis(2), "{late:?}");
    assert_eq!(keep_alive.stats().retired.max_lifetime, 1);
}

#[tokio::test(start_paused = true)]
async fn a_life_that_ends_within_an_exchange_is_ended_after_it() {
    let keep_alive = keep_alive(exact());
    let server = Server::builder()
        .handler(|_| async {
            sleep(10 * LIFETIME).await;
            http::Response::new(full("late"))
        })
        .build();
    let client = client(&keep_alive, &server);

    // The first answer may have waited somewhere for so long. That alone ends its connection.
    for connection in [1, 2] {
        let response = exchange(&client, get(URI)).await.unwrap();

        assert_eq!(response.body(), "late");
        server.closed(connection).await;
        assert_eq!(server.requests().len(), connection);
    }

    assert_eq!(keep_alive.stats().retired.no_idle_allowed, 1);
    assert_eq!(keep_alive.stats().retired.max_lifetime, 1);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_machine_was_suspended_is_a_part_of_a_connections_life() {
    for (suspended, connections) in [(Duration::ZERO, 1), (LIFETIME, 2)] {
        let wall = WallClock::new();
        let policy = exact().max_idle(Duration::from_secs(3_600));
        let keep_alive = wall.builder().policy(policy).build().unwrap();
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);

        exchange(&client, get(URI)).await.unwrap();
        wall.suspend(suspended);
        exchange(&client, get(URI)).await.unwrap();

        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_serves_as_many_requests_as_policy_says() {
    let keep_alive = keep_alive(KeepAlivePolicy::default().max_requests(3));
    let server = Server::builder().build();
    let client = client(&keep_alive, &server);

    for n in 0..9_usize {
        exchange(&client, post(URI, n.to_string())).await.unwrap();
    }

    let on: Vec<_> = server.requests().iter().map(|it| it.connection).collect();
    assert_eq!(on, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    server.closed(3).await;
    assert_eq!(keep_alive.stats().retired.max_requests, 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_fewer_requests_than_policy_allows_is_heeded() {
    let keep_alive = keep_alive(KeepAlivePolicy::default().max_requests(3));
    let server = Server::builder().hint("max=0").build();
    let client = client(&keep_alive, &server);

    for _ in 0..3 {
        exchange(&client, get(URI)).await.unwrap();
    }

    assert_eq!(server.connections(), 3);
    server.closed(3).await;
    assert_eq!(keep_alive.stats().retired.request_limit, 3);
}

/// A thousand connections that were opened, and used, in the same instant.
const CROWD: usize = 1_000;

/// How many of them close in which millisecond.
async fn closings(policy: KeepAlivePolicy) -> BTreeMap<u128, usize> {
    let keep_alive = keep_alive(policy);
    let server = Server::builder().record(false).build();
    let client = unlayered(&keep_alive, server.connector(Link::new()));
    let opened = Instant::now();
    fill(&client, URI, CROWD).await;
    assert_eq!(server.open(), CROWD);

    let mut closings = BTreeMap::new();
    let mut closed = 0;
    while closed < CROWD {
        server.closed(closed + 1).await;
        let now = server.connections() - server.open();
        *closings.entry(opened.elapsed().as_millis()).or_default() += now - closed;
        closed = now;
    }
    closings
}

/// The most that close within any so many milliseconds, counted from a multiple of them.
fn most_within(closings: &BTreeMap<u128, usize>, millis: u128) -> usize {
    let mut sums = BTreeMap::<u128, usize>::new();
    for (at, closed) in closings {
        *sums.entry(at / millis).or_default() += closed;
    }
    sums.into_values().max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn lifetimes_of_connections_opened_together_are_spread() {
    let policy = exact().max_idle(Duration::from_secs(3_600));
    let together = closings(policy).await;
    // The control: a timer's resolution, and no more.
    assert!(most_within(&together, 10) == CROWD, "{together:?}");

    let spread = closings(policy.lifetime_jitter(0.1)).await;

    let (first, last) = (spread.keys().next().unwrap(), spread.keys().last().unwrap());
    assert!(*first >= 54_000 && *last <= 60_002, "{first} to {last}");
    // Over 6 s, in each tenth of that a tenth.
    assert!(*first < 54_200 && *last > 59_800, "{first} to {last}");
    assert!(most_within(&spread, 600) < CROWD / 5, "{spread:?}");
    assert!(most_within(&spread, 10) < CROWD / 50, "{spread:?}");
}

#[tokio::test(start_paused = true)]
async fn lifetimes_are_spread_over_a_tenth_by_default() {
    let policy = KeepAlivePolicy::default()
        .max_idle(Duration::from_secs(3_600))
        .max_lifetime(LIFETIME);
    assert_eq!(policy, policy.lifetime_jitter(0.1));

    assert!(most_within(&closings(policy).await, 600) < CROWD / 5);
}

#[tokio::test(start_paused = true)]
async fn idle_deadlines_of_connections_that_idle_together_are_spread_on_request() {
    let policy = KeepAlivePolicy::default();
    let together = closings(policy).await;
    assert!(most_within(&together, 10) == CROWD, "{together:?}");
    assert!(*together.keys().next().unwrap() >= 4_500);

    let spread = closings(policy.idle_jitter(0.25)).await;

    let (first, last) = (spread.keys().next().unwrap(), spread.keys().last().unwrap());
    assert!(*first >= 3_375 && *last <= 4_502, "{first} to {last}");
    assert!(most_within(&spread, 100) < CROWD / 5, "{spread:?}");
}

#[tokio::test(start_paused = true)]
async fn the_deadlines_of_two_handles_do_not_go_in_step() {
    let lots = |keep_alive: KeepAlive| async move {
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        let mut deadlines = Vec::new();
        let started = Instant::now().into_std();
        for _ in 0..20 {
            let response = exchange(&client, get(URI)).await.unwrap();
            let handle = response.extensions().get::<ConnectionHandle>().unwrap();
            deadlines.push(handle.deadline().unwrap() - started);
            handle.retire();
        }
        deadlines
    };
    let policy = KeepAlivePolicy::default().idle_jitter(0.5);

    let one = lots(keep_alive(policy)).await;
    let other = lots(keep_alive(policy)).await;

    assert_ne!(one, other);
    let plain = lots(keep_alive(policy.idle_jitter(0.0))).await;
    assert!(one.iter().zip(&plain).all(|(one, plain)| one <= plain));
}
