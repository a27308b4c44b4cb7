//! The race, through all layers.

use client_stack::origins::{NEWS_TIMEOUT, STORE_TIMEOUT};
use client_stack::support::client::keep_alive;
use client_stack::trial::Trial;
use http_keepalive::KeepAlivePolicy;

#[tokio::test(start_paused = true)]
async fn with_this_crate_no_request_fails_and_without_it_some_do() {
    let trial = Trial {
        users: 20,
        rounds: 6,
        shows_progress: false,
    };
    let keep_alive = keep_alive(KeepAlivePolicy::default());

    let report = trial.run(keep_alive.clone()).await;

    let [without, with] = &report.clients;
    assert!(without.tally.failed > 0, "the control");
    assert_eq!(with.tally.failed, 0, "{:?}", with.tally.failures);
    for client in [without, with] {
        assert_eq!(client.tally.requests, 20 * (6 * 4 + 1));
    }
    assert!(with.reused > 0, "connections are reused nevertheless");
    assert!(keep_alive.stats().retired.idle_deadline > 0);
    assert_eq!(keep_alive.stats().stale_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn the_trial_tells_what_each_origin_said_and_who_was_given_up() {
    let trial = Trial {
        users: 3,
        rounds: 2,
        shows_progress: false,
    };

    let report = trial.run(keep_alive(KeepAlivePolicy::default())).await;

    let [news, store] = &report.origins;
    let said = news.hint.and_then(|hint| hint.timeout());
    assert_eq!(said, Some(NEWS_TIMEOUT));
    assert_eq!(store.hint, None);
    assert_eq!(store.timeout, STORE_TIMEOUT);
    assert_eq!(report.timed_out, [3, 3]);
    let [_, with] = &report.clients;
    let connections = news.connections[1] + store.connections[1];
    assert_eq!(with.connections, connections);
}
