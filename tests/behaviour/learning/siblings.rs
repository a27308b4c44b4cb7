//! Connections that idle beside one that turned out to be closed.

use std::time::Duration;

use futures_util::future::join_all;
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy, Learn, Origin as Key};
use tokio::time::{Instant, sleep};

use super::load::{Outcome, number, outcome};
use super::origin::{Connector, Origin, Traits};
use super::plan::Plan;
use super::{RTT, SECOND, URI, keep_alive};
use crate::support::client::{EitherError, Guarded, exchange, guarded, post};
use crate::support::idle::fill;
use crate::support::tally::answer;

/// How many connections idle in the pool.
const IDLE: usize = 20;

/// What policy allows, though no server here keeps to it.
fn policy(learn: Learn) -> KeepAlivePolicy {
    let long = Duration::from_secs(60);
    KeepAlivePolicy::default().max_idle(long).learn(learn)
}

async fn ask(client: &Guarded<Connector>, uri: &str) -> Outcome {
    let request = post(uri, "");
    outcome(&answer(exchange(client, request), 5 * SECOND).await)
}

/// Makes as many requests as connections idle, one after the other.
async fn ask_all(client: &Guarded<Connector>) -> Vec<Outcome> {
    let mut all = Vec::new();
    for _ in 0..IDLE {
        all.push(ask(client, URI).await);
    }
    all
}

fn failed(outcomes: &[Outcome]) -> usize {
    let failed = |it: &&Outcome| **it == Outcome::Failed;
    outcomes.iter().filter(failed).count()
}

/// A load balancer has forgotten all of them, and says so only to who sends something.
#[tokio::test(start_paused = true)]
async fn connections_that_a_server_has_forgotten_cost_one_request_and_not_one_each() {
    for (learn, losses) in [(Learn::Off, IDLE), (Learn::Shorten, 1), (Learn::Full, 1)] {
        let keep_alive = keep_alive(policy(learn));
        let origin = Origin::new(|| Plan::silence(10 * SECOND));
        let client = guarded(&keep_alive, origin.connector());
        fill(&client, URI, IDLE).await;
        sleep(20 * SECOND).await;

        let outcomes = ask_all(&client).await;

        assert_eq!(failed(&outcomes), losses, "{learn:?}");
        let strays: usize = origin.seen().iter().map(|it| it.strays).sum();
        assert_eq!(
            strays, losses,
            "{learn:?}: the server saw the lost ones alone"
        );
        assert_eq!(keep_alive.stats().stale_failures, losses as u64);
    }
}

/// One of them closes, and that is all there is to see.
#[tokio::test(start_paused = true)]
async fn no_request_is_lost_where_one_of_several_connections_has_closed() {
    for (learn, losses) in [
        (Learn::Off, IDLE - 1),
        (Learn::Shorten, 0),
        (Learn::Full, 0),
    ] {
        let keep_alive = keep_alive(policy(learn));
        let mut plans = 0;
        let origin = Origin::new(move || {
            plans += 1;
            match plans {
                1 => Plan::fin(10 * SECOND),
                _ => Plan::silence(10 * SECOND),
            }
        });
        let client = guarded(&keep_alive, origin.connector());
        fill(&client, URI, IDLE).await;
        sleep(15 * SECOND).await;
        assert_eq!(origin.closes(), 1);

        let outcomes = ask_all(&client).await;

        assert_eq!(failed(&outcomes), losses, "{learn:?}");
    }
}

/// To ask a handle is no use of its connection.
#[tokio::test(start_paused = true)]
async fn to_ask_a_handle_is_no_use_of_its_connection() {
    for looks in [false, true] {
        let keep_alive = keep_alive(policy(Learn::Shorten));
        let origin = Origin::new(Plan::never);
        let client = guarded(&keep_alive, origin.connector());
        let response = exchange(&client, post(URI, "")).await.unwrap();
        let handle = response.extensions().get::<ConnectionHandle>().unwrap();
        sleep(SECOND).await;
        keep_alive.retire_all();

        if looks {
            assert!(handle.deadline() <= Some(Instant::now().into_std()));
            assert!(format!("{handle:?}").contains("deadline"));
        }
        exchange(&client, post(URI, "")).await.unwrap();

        assert_eq!(origin.connections(), 2);
        assert_eq!(keep_alive.stats().retired.siblings, 1);
    }
}

/// Those that have idled for less are as good as they were.
#[tokio::test(start_paused = true)]
async fn connections_that_have_idled_for_less_are_used_on() {
    let keep_alive = keep_alive(policy(Learn::Shorten));
    let mut plans = 0;
    let origin = Origin::new(move || {
        plans += 1;
        Plan::fin(if plans == 1 { 10 } else { 60 } * SECOND)
    });
    let client = guarded(&keep_alive, origin.connector());
    fill(&client, URI, IDLE).await;
    sleep(5 * SECOND).await;
    // They are used anew, all but the one that closes and another.
    fill(&client, URI, IDLE - 2).await;
    sleep(6 * SECOND).await;
    assert_eq!(origin.closes(), 1);

    fill(&client, URI, IDLE).await;

    let seen = origin.seen();
    let used: Vec<_> = seen.iter().map(|it| it.requests.len()).collect();
    assert_eq!(
        used[..2],
        [1, 1],
        "the one that closed, and the one that was idle beside it"
    );
    assert!(used[2..IDLE].iter().all(|used| *used >= 3), "{used:?}");
    assert_eq!(keep_alive.stats().retired.siblings, 1);
}

/// Makes so many requests at once. Returns the handles of those that failed.
async fn handles_of_failures(
    client: &Guarded<Connector>,
    requests: usize,
) -> Vec<ConnectionHandle> {
    let exchanges = (0..requests).map(|_| exchange(client, post(URI, "")));
    let answers = join_all(exchanges).await.into_iter();
    let errors = answers.filter_map(Result::err);
    errors
        .map(|error| {
            let error: Box<EitherError> = error.downcast().unwrap();
            error.connection().unwrap()
        })
        .collect()
}

/// Nothing is learned: the caller knows that the request failed on a connection that was closed.
#[tokio::test(start_paused = true)]
async fn connections_that_are_as_old_as_one_that_failed_are_retired_on_request() {
    for (retires, losses) in [(false, IDLE), (true, 1)] {
        let keep_alive = keep_alive(policy(Learn::Off));
        let origin = Origin::new(|| Plan::silence(10 * SECOND));
        let client = guarded(&keep_alive, origin.connector());
        fill(&client, URI, IDLE).await;
        sleep(20 * SECOND).await;

        let failed_first = handles_of_failures(&client, 1).await;
        if retires {
            failed_first[0].retire_siblings();
        }
        let outcomes = ask_all(&client).await;

        assert_eq!(1 + failed(&outcomes), losses, "retires: {retires}");
        let strays: usize = origin.seen().iter().map(|it| it.strays).sum();
        assert_eq!(strays, losses);
        let siblings = if retires { IDLE - 1 } else { 0 };
        assert_eq!(keep_alive.stats().retired.siblings, siblings as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_younger_than_one_that_failed_are_not_retired_on_request() {
    let keep_alive = keep_alive(policy(Learn::Off));
    let origin = Origin::new(|| Plan::silence(10 * SECOND));
    let client = guarded(&keep_alive, origin.connector());
    fill(&client, URI, IDLE).await;
    sleep(8 * SECOND).await;
    // They are used anew, all but two.
    fill(&client, URI, IDLE - 2).await;
    sleep(6 * SECOND).await;

    // The pool gives out the newest first.
    let failed = handles_of_failures(&client, IDLE - 1).await;
    assert_eq!(failed.len(), 1);
    failed[0].retire_siblings();
    // All are back in the pool.
    sleep(RTT).await;
    fill(&client, URI, IDLE).await;

    let seen = origin.seen();
    let used = seen[..IDLE].iter().map(|it| it.requests.len());
    assert_eq!(used.filter(|used| *used >= 4).count(), IDLE - 2);
    assert_eq!(keep_alive.stats().retired.siblings, 1);
}

const ONE: &str = "http://one.test/";
const OTHER: &str = "http://other.test/";

/// Which connections serve each origin's requests, `IDLE` at once: first, and after `retire`, which
/// comes while a request to the first origin is under way.
async fn used_before_and_after(retire: impl Fn(&KeepAlive)) -> [usize; 2] {
    let keep_alive = keep_alive(policy(Learn::Off));
    let slow = Traits {
        delay: SECOND,
        ..Traits::default()
    };
    let origins = [ONE, OTHER].map(|_| Origin::with(slow, Plan::never));
    let mut reused = [0; 2];
    let clients = origins
        .each_ref()
        .map(|it| guarded(&keep_alive, it.connector()));
    for (client, uri) in clients.iter().zip([ONE, OTHER]) {
        fill(client, uri, IDLE).await;
    }
    let under_way = tokio::spawn({
        let client = clients[0].clone();
        async move { exchange(&client, post(ONE, "")).await }
    });
    sleep(RTT + SECOND / 2).await;

    retire(&keep_alive);

    let response = under_way.await.unwrap().unwrap();
    assert_eq!(
        number(&response, "x-number"),
        2,
        "it was on an old connection"
    );
    let busy = number(&response, "x-connection") as usize;
    for ((client, uri), (origin, reused)) in clients
        .iter()
        .zip([ONE, OTHER])
        .zip(origins.iter().zip(&mut reused))
    {
        fill(client, uri, IDLE).await;
        let seen = origin.seen();
        *reused = seen
            .iter()
            .take(IDLE)
            .filter(|it| it.requests.len() > 1)
            .count();
    }
    assert_eq!(
        origins[0].seen()[busy].requests.len(),
        3,
        "it had not been idle"
    );
    reused
}

#[tokio::test(start_paused = true)]
async fn all_idle_connections_of_one_origin_or_of_all_are_retired_on_request() {
    // The control.
    assert_eq!(used_before_and_after(|_| {}).await, [IDLE, IDLE]);

    let one = Key::of(&ONE.parse().unwrap()).unwrap();
    let retire_one = |keep_alive: &KeepAlive| keep_alive.retire_idle(&one);
    assert_eq!(used_before_and_after(retire_one).await, [1, IDLE]);
    assert_eq!(used_before_and_after(KeepAlive::retire_all).await, [1, 0]);
}
