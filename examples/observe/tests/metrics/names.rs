//! The names, units and labels that the docs of `MetricsObserver` have.

use http_keepalive::KeepAlivePolicy;
use metrics::Unit;
use tokio::time::sleep;

use crate::rig::{Rig, SECOND, URI, recorded};
use crate::support::client::{exchange, get};

#[test]
fn metrics_have_the_names_the_units_and_the_labels_of_the_docs() {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, KeepAlivePolicy::default());
        let mut peer = rig.used().await;
        let (answer, _) = tokio::join!(exchange(&rig.client, get(URI)), peer.serve(""));
        answer.unwrap();
        sleep(10 * SECOND).await;

        let all = rig.recorded.all().into_iter();
        let all: Vec<_> = all
            .map(|(name, (unit, labels, is_described))| {
                assert!(is_described, "{name}");
                let labels: Vec<_> = labels.into_iter().collect();
                (name, unit, labels.join(", "))
            })
            .collect();
        let seconds = Some(Unit::Seconds);
        for expected in [
            (
                "http.client.open_connections",
                None,
                "http.connection.state",
            ),
            ("http.client.connection.duration", seconds, ""),
            ("http_keepalive.idle_at_reuse", seconds, ""),
            ("http_keepalive.idle_at_peer_close", seconds, ""),
            ("http_keepalive.stale_failures", None, ""),
            ("http_keepalive.retired", None, "reason"),
        ] {
            let (name, unit, labels) = expected;
            let expected = (name.to_owned(), unit, labels.to_owned());
            assert!(all.contains(&expected), "{expected:?} in {all:?}");
        }
        assert_eq!(all.len(), 6);
    });
}
