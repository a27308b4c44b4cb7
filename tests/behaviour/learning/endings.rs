//! Servers that end connections for reasons that are no idle timer: requests that they do not answer, and limits of
//! requests.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn, Stats};
use tokio::time::{Instant, sleep};

use super::load::ask;
use super::origin::{BAD, Origin, Traits, Turn};
use super::plan::Plan;
use super::{MILLISECOND, SECOND, full, keep_alive};
use crate::support::client::{HttpClient, exchange, guarded, plain, post};

/// Nine good requests, then one on which the server hangs up, six times over. Returns how many connections that
/// took, and how many good requests failed.
async fn hung_up_on<S: HttpClient>(origin: &Origin, client: &S) -> (usize, usize) {
    let mut lost = 0;
    for n in 0..60 {
        sleep(MILLISECOND * if n % 3 == 0 { 900 } else { 350 }).await;
        if n % 10 == 9 {
            exchange(client, post(BAD, "")).await.unwrap_err();
        } else {
            lost += usize::from(ask(client).await.is_err());
        }
    }
    (origin.connections(), lost)
}

fn hangs_up() -> Origin {
    Origin::scripted(Traits::default(), |turn: Turn| {
        if turn.is_bad {
            Plan::hang_up()
        } else {
            Plan::fin(60 * SECOND)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_on_which_the_server_hangs_up_is_no_idle_timer() {
    // The control.
    let origin = hangs_up();
    let (fewest, lost) = hung_up_on(&origin, &plain(origin.connector())).await;
    assert_eq!((fewest, lost), (6, 0));
    for learn in [Learn::Off, Learn::Shorten, Learn::Full] {
        let origin = hangs_up();
        let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
        let client = guarded(&keep_alive, origin.connector());
        let (opened, lost) = hung_up_on(&origin, &client).await;
        assert_eq!(lost, 0, "{learn:?}");
        assert!(10 * opened <= 13 * fewest, "{learn:?}: {opened}");
        assert_eq!(keep_alive.stats().stale_failures, 6);
    }
}

/// How many of `requests` are lost to a server that ends a connection 50 ms after its `limit`th answer.
async fn lost_to_limit(learn: Learn, limit: u32, requests: u32) -> (usize, Stats) {
    let origin = Origin::scripted(Traits::default(), move |turn| {
        if turn.request == limit {
            Plan::fin(50 * MILLISECOND)
        } else {
            Plan::never()
        }
    });
    let keep_alive = keep_alive(full().learn(learn));
    let client = guarded(&keep_alive, origin.connector());
    let mut lost = 0;
    for _ in 0..requests {
        lost += usize::from(ask(&client).await.is_err());
        sleep(20 * MILLISECOND).await;
    }
    (lost, keep_alive.stats())
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_requests_that_nobody_names_costs_two_requests_at_most() {
    for limit in [1, 3, 100] {
        let requests = 20 * limit;
        for learn in [Learn::Shorten, Learn::Full] {
            let (lost, stats) = lost_to_limit(learn, limit, requests).await;
            assert!(lost <= 2, "{limit}, {learn:?}: {lost}");
            let retired = stats.retired.request_limit;
            assert!(retired >= 15, "{limit}, {learn:?}: {stats:?}");
            assert!(stats.opened <= 21, "{limit}, {learn:?}: {stats:?}");
        }
        // The control.
        let (lost, _) = lost_to_limit(Learn::Off, limit, requests).await;
        assert!(lost >= 8, "{limit}: {lost}");
    }
}

/// How long requests take in all from a server with one worker: it serves one connection, and the next when that
/// is closed.
async fn time_with_one_worker<S: HttpClient>(client: impl FnOnce(&Origin) -> S) -> Duration {
    let one = Traits {
        delay: 10 * MILLISECOND,
        workers: Some(1),
        ..Traits::default()
    };
    let origin = Origin::with(one, || Plan::fin(3600 * SECOND));
    let client = client(&origin);
    let mut time = Duration::ZERO;
    for round in 0..20 {
        let started = Instant::now();
        ask(&client).await.unwrap();
        time += started.elapsed();
        sleep(SECOND * if round % 2 == 0 { 1 } else { 8 }).await;
    }
    time
}

#[tokio::test(start_paused = true)]
async fn no_sentinel_holds_a_servers_only_worker() {
    let time = async |learn| {
        let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
        time_with_one_worker(|origin| guarded(&keep_alive, origin.connector())).await
    };
    let off = time(Learn::Off).await;
    assert_eq!(time(Learn::Shorten).await, off);
    assert_eq!(time(Learn::Full).await, off);
}
