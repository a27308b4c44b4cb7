//! The histograms, and the counters.

use http_keepalive::{KeepAlivePolicy, Learn};
use tokio::time::sleep;

use crate::recorded::Recorded;
use crate::rig::{Rig, SECOND, URI, recorded};
use crate::support::client::{exchange, get};

const DURATION: &str = "http.client.connection.duration";
const IDLE_AT_REUSE: &str = "http_keepalive.idle_at_reuse";
const IDLE_AT_PEER_CLOSE: &str = "http_keepalive.idle_at_peer_close";
const STALE_FAILURES: &str = "http_keepalive.stale_failures";
const RETIRED: &str = "http_keepalive.retired";

fn policy() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
}

#[test]
fn a_duration_is_that_from_opening_to_closing() {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, policy());

        let _peer = rig.used_with("keep-alive: timeout=7\r\n").await;
        sleep(10 * SECOND).await;

        // A margin of 0.7 s before 7 s since the request was sent.
        assert_eq!(rig.recorded.values(DURATION), [6.3]);
    });
}

#[test]
fn idle_times_are_recorded_at_each_reuse_and_not_before_the_first_request() {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, policy());
        let mut peer = rig.used().await;
        assert!(rig.recorded.values(IDLE_AT_REUSE).is_empty());

        for seconds in [0, 1] {
            sleep(SECOND * seconds).await;
            let (answer, _) = tokio::join!(exchange(&rig.client, get(URI)), peer.serve(""));
            answer.unwrap();
        }

        assert_eq!(rig.recorded.values(IDLE_AT_REUSE), [1.0, 1.0]);
    });
}

#[test]
fn the_idle_time_is_recorded_where_the_server_closes_and_not_where_the_client_does() {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, policy());

        let _retired = rig.used().await;
        sleep(10 * SECOND).await;
        assert!(rig.recorded.values(IDLE_AT_PEER_CLOSE).is_empty());
        drop(rig.used().await);
        sleep(SECOND).await;

        // A second, and the way of the FIN.
        assert_eq!(rig.recorded.values(IDLE_AT_PEER_CLOSE), [1.01]);
    });
}

#[test]
fn stale_failures_are_those_of_the_stats() {
    recorded(async |recorded| {
        // Else the second connection would be closed in time.
        let mut rig = Rig::new(recorded, policy().learn(Learn::Off));
        for failures in 0..3 {
            assert_eq!(rig.recorded.count(STALE_FAILURES, None), failures);
            let peer = rig.used().await;
            let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async { drop(peer) });
            answer.unwrap_err();
        }
        sleep(SECOND).await;

        assert_eq!(rig.recorded.count(STALE_FAILURES, None), 3);
        assert_eq!(rig.keep_alive.stats().stale_failures, 3);
    });
}

/// One connection is retired for that reason, and counted under its name alone.
fn is_retired_for(
    reason: &str,
    policy: KeepAlivePolicy,
    fields: &'static str,
    way: impl AsyncFnOnce(&mut Rig),
) {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, policy);
        let peer = rig.used_with(fields).await;
        way(&mut rig).await;
        sleep(10 * SECOND).await;
        drop(peer);

        assert_eq!(retired(&rig.recorded, Some(reason)), 1, "{reason}");
        assert_eq!(retired(&rig.recorded, None), 1, "for no other reason");
        assert_eq!(rig.keep_alive.stats().retired.total(), 1);
    });
}

fn retired(recorded: &Recorded, reason: Option<&str>) -> u64 {
    recorded.count(RETIRED, reason.map(|reason| ("reason", reason)))
}

#[test]
fn retired_connections_are_counted_by_reason() {
    for (reason, policy, fields) in [
        ("idle_deadline", policy(), ""),
        (
            "max_lifetime",
            policy().max_lifetime(2 * SECOND).lifetime_jitter(0.0),
            "",
        ),
        ("max_requests", policy().max_requests(1), ""),
        ("no_idle_allowed", policy().safety_margin(5 * SECOND), ""),
        ("request_limit", policy(), "keep-alive: max=0\r\n"),
        ("reuse_disabled", policy().reuse(false), ""),
    ] {
        is_retired_for(reason, policy, fields, async |_| ());
    }
}

#[test]
fn a_connection_that_its_caller_retires_is_counted_as_requested() {
    is_retired_for("requested", policy(), "", async |rig| {
        rig.connection.take().unwrap().retire();
    });
}

#[test]
fn a_connection_that_is_retired_with_all_others_is_counted_as_a_sibling() {
    is_retired_for("sibling", policy(), "", async |rig| {
        rig.keep_alive.retire_all()
    });
}
