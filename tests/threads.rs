//! Many users of one client on several threads: each request is answered, or fails, and none waits for
//! ever.
//!
//! Real threads and the kernel's TCP. Time is the test's own: both ends go by a clock that moves when a test
//! moves it, so that no test depends on how fast the machine is. Only the watchdog looks at the real one.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "what others use of it")]
#[path = "support/clock.rs"]
mod clock;
#[path = "threads/pool.rs"]
mod pool;
#[path = "threads/queue.rs"]
mod queue;
#[path = "threads/server.rs"]
mod server;
#[path = "threads/users.rs"]
mod users;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clock::ManualClock;
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy, Learn};
use server::Server;
use users::{HttpClient, all, at_rest, get, guarded, on_several_threads, plain, round};

/// How many share a client: more than there are threads.
const USERS: usize = 16;

/// How many requests each of them makes.
const REQUESTS: usize = 40;

fn keep_alive(clock: &ManualClock, policy: KeepAlivePolicy) -> KeepAlive {
    KeepAlive::builder()
        .policy(policy)
        .timer(clock.clone())
        .wall_clock(|| SystemTime::UNIX_EPOCH)
        .build()
        .unwrap()
}

#[test]
fn every_request_gets_the_response_to_it() {
    on_several_threads(|| async {
        let server = Arc::new(Server::patient().await);
        let keep_alive = keep_alive(&ManualClock::new(), KeepAlivePolicy::default());
        let client = guarded(&keep_alive);

        all(USERS, |user| {
            let (client, server) = (client.clone(), Arc::clone(&server));
            async move {
                for n in 0..REQUESTS {
                    let path = format!("/{user}/{n}");
                    let response = get(&client, server.uri(&path)).await.unwrap();
                    assert_eq!(response.body(), &path);
                }
            }
        })
        .await;

        let stats = keep_alive.stats();
        assert_eq!(stats.exchanges, (USERS * REQUESTS) as u64);
        assert!(stats.reused > 0);
        assert!(stats.exchanges - stats.reused <= stats.opened);
        assert_eq!(stats.opened, server.connections() as u64);
        assert_eq!(stats.retired.total(), 0);
    });
}

/// Deadlines pass again and again, whatever the other users are about to do. A step is a small part of the
/// second for which a new connection is good in any case.
#[test]
fn requests_are_answered_while_deadlines_pass() {
    let (max_idle, step) = (Duration::from_millis(8), Duration::from_millis(6));
    on_several_threads(|| async {
        let server = Arc::new(Server::patient().await);
        let clock = ManualClock::new();
        let policy = KeepAlivePolicy::default().max_idle(max_idle);
        let keep_alive = keep_alive(&clock, policy);
        let client = guarded(&keep_alive);

        all(USERS, |user| {
            let (client, server, clock) = (client.clone(), Arc::clone(&server), clock.clone());
            async move {
                for n in 0..REQUESTS {
                    get(&client, server.uri("/")).await.unwrap();
                    if (user + n) % 4 == 0 {
                        clock.advance(step);
                    }
                }
            }
        })
        .await;

        let stats = keep_alive.stats();
        assert!(stats.retired.idle_deadline > 0);
        assert_eq!(stats.exchanges, (USERS * REQUESTS) as u64);
    });
}

#[test]
fn requests_are_answered_while_users_retire_connections() {
    on_several_threads(|| async {
        let server = Arc::new(Server::patient().await);
        let keep_alive = keep_alive(&ManualClock::new(), KeepAlivePolicy::default());
        let client = guarded(&keep_alive);

        all(USERS, |user| {
            let (client, server) = (client.clone(), Arc::clone(&server));
            let keep_alive = keep_alive.clone();
            async move {
                for n in 0..REQUESTS {
                    let response = get(&client, server.uri("/")).await.unwrap();
                    let handle: &ConnectionHandle = response.extensions().get().unwrap();
                    match (user + n) % 8 {
                        0 | 4 => handle.retire(),
                        1 => keep_alive.retire_idle(handle.origin().unwrap()),
                        2 => keep_alive.retire_all(),
                        _ => {}
                    }
                }
            }
        })
        .await;

        let stats = keep_alive.stats();
        assert!(stats.retired.requested > 0);
        assert_eq!(stats.exchanges, (USERS * REQUESTS) as u64);
    });
}

/// How long the server waits in the tests of its idle timer.
const TIMEOUT: Duration = Duration::from_secs(5);

const ROUNDS: usize = 10;

/// Has all users make a request `gap` after they have their last responses, again and again. Returns how
/// many fail in each round.
async fn rounds(
    client: &impl HttpClient,
    clock: &ManualClock,
    timeout: Duration,
    gap: Duration,
) -> Vec<usize> {
    let server = Server::with_idle_timeout(timeout, clock).await;
    let uri = server.uri("/");
    let mut failed = Vec::new();
    for _ in 0..ROUNDS {
        failed.push(round(client, USERS, &uri).await);
        at_rest();
        clock.advance(gap);
    }
    failed
}

#[test]
fn no_request_meets_the_close_of_its_server() {
    on_several_threads(|| async {
        for gap in [TIMEOUT, TIMEOUT * 3] {
            let clock = ManualClock::new();
            let keep_alive = keep_alive(&clock, KeepAlivePolicy::default().max_idle(TIMEOUT));

            let failed = rounds(&guarded(&keep_alive), &clock, TIMEOUT, gap).await;

            assert_eq!(failed, [0; ROUNDS], "{gap:?}");
            assert_eq!(keep_alive.stats().stale_failures, 0);
        }
    });
}

/// The control.
#[test]
fn without_this_crate_some_requests_meet_the_close_of_their_server() {
    on_several_threads(|| async {
        let clock = ManualClock::new();

        let failed = rounds(&plain(), &clock, TIMEOUT, TIMEOUT).await;

        let (first, others) = failed.split_first().unwrap();
        assert_eq!(*first, 0);
        assert!(others.iter().any(|&failed| failed > 0), "{failed:?}");
    });
}

/// The server waits less than policy expects, and does not say so.
#[test]
fn a_shorter_timeout_is_learned_within_two_rounds() {
    on_several_threads(|| async {
        let (timeout, gap) = (Duration::from_secs(2), Duration::from_secs(3));
        let clock = ManualClock::new();
        let keep_alive = keep_alive(&clock, KeepAlivePolicy::default());

        let failed = rounds(&guarded(&keep_alive), &clock, timeout, gap).await;

        // Not always the second round: a thread that was woken and does not run yet looks at rest, and what
        // it has to put into the pool is there later.
        let lost = failed.iter().filter(|&&failed| failed > 0).count();
        assert!((1..=2).contains(&lost), "{failed:?}");
        assert_eq!(failed[ROUNDS / 2..], [0; ROUNDS / 2], "it was learned");
    });
}

/// The control.
#[test]
fn without_learning_a_shorter_timeout_costs_requests_for_good() {
    on_several_threads(|| async {
        let (timeout, gap) = (Duration::from_secs(2), Duration::from_secs(3));
        let clock = ManualClock::new();
        let keep_alive = keep_alive(&clock, KeepAlivePolicy::default().learn(Learn::Off));

        let failed = rounds(&guarded(&keep_alive), &clock, timeout, gap).await;

        assert!(
            failed[ROUNDS / 2..].iter().any(|&failed| failed > 0),
            "{failed:?}"
        );
    });
}
