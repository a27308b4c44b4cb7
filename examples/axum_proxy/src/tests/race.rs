//! 502s that nobody is to blame for, but the pool.

use std::time::Duration;

use http_keepalive::{KeepAlive, KeepAlivePolicy};

use crate::support::client::keep_alive;
use crate::trial::Trial;

#[tokio::test(start_paused = true)]
async fn with_this_crate_no_request_is_answered_with_502_and_without_it_some_are() {
    let trial = Trial {
        users: 20,
        rounds: 16,
        idle_timeout: Duration::from_secs(2),
        shows_progress: false,
    };
    let keep_alive: KeepAlive = keep_alive(KeepAlivePolicy::default());

    let [without, with] = trial.run(keep_alive.clone()).await.unwrap().proxies;

    assert!(without.bad_gateways > 0, "the control: {}", without.name);
    assert_eq!(with.bad_gateways, 0);
    for proxy in [&without, &with] {
        assert_eq!(proxy.tally.requests, 20 * 17);
        assert_eq!(proxy.tally.failed, 0, "the proxy itself always answers");
    }
    assert!(
        with.connections < with.tally.requests,
        "connections are reused nevertheless"
    );
    assert!(keep_alive.stats().reused > 0);
}
