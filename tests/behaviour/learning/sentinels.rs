//! What connections that are left open to learn cost, and that it is bounded.

use std::num::NonZeroUsize;

use http_keepalive::{KeepAlive, KeepAlivePolicy, Learn};
use tokio::time::{Instant, sleep, sleep_until};

use super::load::{allowed, ask};
use super::origin::Origin;
use super::plan::Plan;
use super::{MILLISECOND, RTT, SECOND, URI, builder, full, keep_alive};
use crate::support::client::{guarded, plain, plain_with_idle_timeout};
use crate::support::idle::fill;

/// How many connections, or origins.
const MANY: usize = 100;

fn uri(origin: usize) -> String {
    format!("http://server-{origin}.test/")
}

/// How many sockets the server sees while nothing is asked of it.
async fn sockets(keep_alive: &KeepAlive, origins: usize, connections: usize) -> usize {
    let origin = Origin::new(Plan::never);
    let client = guarded(keep_alive, origin.connector());
    for number in 0..origins {
        fill(&client, &uri(number), connections).await;
    }
    assert_eq!(origin.connections(), origins * connections);
    sleep(60 * SECOND).await;
    assert!(origin.most_open() <= origins * connections);
    origin.open()
}

#[tokio::test(start_paused = true)]
async fn there_is_one_sentinel_for_each_origin_and_no_more_than_the_cap() {
    for (policy, origins, connections, left) in [
        (full(), 1, MANY, 1),
        (full(), 3, 3, 3),
        (full(), MANY, 2, 64),
        // The controls. A server that was never seen to serve two at once may have one worker.
        (full(), 3, 1, 0),
        (full().learn(Learn::Shorten), 3, 3, 0),
        (full().learn(Learn::Off), 3, 3, 0),
    ] {
        let left_open = sockets(&keep_alive(policy), origins, connections).await;
        assert_eq!(left_open, left, "{origins} x {connections}: {policy:?}");
    }
    for (most, left) in [(0, 0), (1, 1), (8, 8), (MANY, 20)] {
        let keep_alive = builder().policy(full()).sentinels(most).build().unwrap();
        assert_eq!(sockets(&keep_alive, 20, 2).await, left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_is_closed_at_the_ceiling_and_none_takes_its_place_unasked() {
    let ceiling = 100 * SECOND;
    let keep_alive = keep_alive(full().learn_ceiling(ceiling));
    let origin = Origin::new(Plan::never);
    let client = guarded(&keep_alive, origin.connector());
    fill(&client, URI, 3).await;
    // The response was written half a round trip ago.
    let written = Instant::now() - RTT / 2;

    sleep(10 * ceiling).await;

    let ended: Vec<_> = origin
        .seen()
        .iter()
        .map(|it| it.ended.unwrap() - written)
        .collect();
    let (last, others) = {
        let mut ended = ended;
        ended.sort();
        (ended.pop().unwrap(), ended)
    };
    assert!(others.iter().all(|ended| *ended < 5 * SECOND), "{others:?}");
    assert!(last.abs_diff(ceiling + RTT) < 5 * MILLISECOND, "{last:?}");
    assert_eq!(origin.open(), 0);
}

/// A user who thinks for 10 s once, and for a second from then on, past the time at which all would be
/// allowed. Returns how often each connection was used.
async fn uses(origin: &Origin, ask_once: impl AsyncFn()) -> Vec<usize> {
    tokio::join!(ask_once(), ask_once());
    sleep(10 * SECOND).await;
    for _ in 0..200 {
        ask_once().await;
        sleep(SECOND).await;
    }
    let strays: usize = origin.seen().iter().map(|it| it.strays).sum();
    assert_eq!(strays, 0, "nothing is written but requests");
    origin.seen().iter().map(|it| it.requests.len()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_is_given_to_no_request() {
    let keep_alive = keep_alive(full());
    let origin = Origin::new(Plan::never);
    let client = guarded(&keep_alive, origin.connector());

    let uses = uses(&origin, async || drop(ask(&client).await.unwrap())).await;

    assert_eq!(uses, [1, 1, 200]);
    assert_eq!(origin.open(), 2, "it is open all the while");

    // The control: a pool that holds it that long gives it to the next one.
    let origin = Origin::new(Plan::never);
    let client = plain(origin.connector());
    let uses = self::uses(&origin, async || drop(ask(&client).await.unwrap())).await;
    assert_eq!(uses.iter().sum::<usize>(), 202);
    assert_eq!(uses.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_goes_with_what_is_left_of_its_connection_and_not_with_the_client() {
    let keep_alive = keep_alive(full());
    let origin = Origin::new(|| Plan::fin(60 * SECOND));
    for closes in 1..=2 {
        let client = guarded(&keep_alive, origin.connector());
        fill(&client, URI, 2).await;
        sleep(10 * SECOND).await;

        drop(client);
        sleep(60 * SECOND).await;

        assert_eq!(origin.closes(), closes, "it saw the server close");
    }
    let client = guarded(&keep_alive, origin.connector());
    let allowed = allowed(&client, URI).await;
    // It is looked at every second.
    let known = 60 * SECOND - 100 * MILLISECOND - RTT;
    assert!(known - SECOND <= allowed && allowed <= known, "{allowed:?}");
}

/// Nobody could use what it learns.
#[tokio::test(start_paused = true)]
async fn a_sentinel_goes_with_the_last_who_could_use_what_it_learns() {
    for (keeps, left) in [(true, 1), (false, 0)] {
        let keep_alive = keep_alive(full());
        let origin = Origin::new(Plan::never);
        let client = guarded(&keep_alive, origin.connector());
        fill(&client, URI, 2).await;
        sleep(10 * SECOND).await;
        assert_eq!(origin.open(), 1);

        let kept = keeps.then(|| keep_alive.clone());
        drop((client, keep_alive));
        sleep(10 * SECOND).await;

        assert_eq!(origin.open(), left);
        drop(kept);
    }
}

/// The pool's own timeout, if it is shorter, leaves nothing to watch.
#[tokio::test(start_paused = true)]
async fn there_is_no_sentinel_where_the_pool_lets_go_first() {
    let keep_alive = keep_alive(full());
    let origin = Origin::new(Plan::never);
    let connector = keep_alive.connector(origin.connector());
    let client = plain_with_idle_timeout(connector, 2 * SECOND);
    drop(ask(&client).await.unwrap());

    sleep(60 * SECOND).await;

    assert_eq!(origin.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_counts_for_as_long_as_policy_says() {
    let age = 600 * SECOND;
    let policy = KeepAlivePolicy::default().max_idle(60 * SECOND);
    let guess = 59 * SECOND;
    for (learn, later, expected) in [
        (Learn::Shorten, age - 60 * SECOND, 9 * SECOND),
        (Learn::Shorten, age + SECOND, guess),
        (Learn::Off, SECOND, guess),
    ] {
        let policy = policy.learn(learn).evidence_age(age);
        let keep_alive = builder().policy(policy).sentinels(0).build().unwrap();
        let origin = Origin::new(|| Plan::fin(10 * SECOND));
        let client = guarded(&keep_alive, origin.connector());
        for _ in 0..2 {
            drop(ask(&client).await.unwrap());
            sleep(20 * SECOND).await;
        }
        assert_eq!(keep_alive.stats().closed_while_idle, 2);
        // The first of both.
        let closed = Instant::now() - 30 * SECOND;

        sleep_until(closed + later).await;

        let allowed = allowed(&client, URI).await;
        assert!(allowed.abs_diff(expected) < 5 * MILLISECOND, "{allowed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_origins_are_remembered() {
    for (capacity, expected) in [(4, 59 * SECOND), (MANY, 9 * SECOND)] {
        let policy = KeepAlivePolicy::default().max_idle(60 * SECOND);
        let keep_alive = builder()
            .policy(policy)
            .origin_capacity(NonZeroUsize::new(capacity).unwrap())
            .build()
            .unwrap();
        let origin = Origin::new(|| Plan::fin(10 * SECOND));
        let client = guarded(&keep_alive, origin.connector());
        for number in 0..10 {
            for _ in 0..2 {
                fill(&client, &uri(number), 1).await;
                sleep(20 * SECOND).await;
            }
        }
        assert_eq!(keep_alive.stats().closed_while_idle, 20);

        // Known last, and known first.
        let last = allowed(&client, &uri(9)).await;
        assert!(last.abs_diff(9 * SECOND) < 5 * MILLISECOND, "{last:?}");
        let first = allowed(&client, &uri(0)).await;
        assert!(first.abs_diff(expected) < 5 * MILLISECOND, "{first:?}");
    }
}
