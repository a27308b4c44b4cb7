//! The client that knows everything.
//!
//! It knows the server's timeout and the link, and reuses a connection exactly when that is safe: when
//! the request reaches the server before the server closes. Counted from the end of a response as the
//! client sees it, the server wrote that response `drain + latency` ago, and the request takes another
//! `latency`. So it reuses, after a gap, if and only if
//!
//! ```text
//! gap < T − 2 × latency − body / bandwidth
//! ```
//!
//! and opens a connection for each other gap, besides the first of each user. This is computed, not
//! run: it says what the fewest connections are that lose no request. The head of a response, some
//! hundred bytes, is left out.
//!
//! On a link with a queue that is shared, no response is taken to wait in it: there the oracle opens fewer
//! connections than who loses no request can.
//!
//! Where T changes in the middle, the T of a connection is that of the moment in which it is accepted.
//! Each user's moments are those of a run in which nothing is late: users arrive in turn, connecting
//! takes a round trip, an exchange another and the drain. T only becomes shorter, so to reconnect
//! before one has to never spares a connection later.

use std::iter;
use std::time::Duration;

use crate::gaps::Gaps;
use crate::scenario::Scenario;

/// How many connections the oracle opens.
pub fn connections(scenario: &Scenario, gaps: &Gaps) -> u64 {
    let users = gaps.users().len();
    let opened = gaps.users().enumerate().flat_map(|(user, gaps)| {
        let arrival = scenario.arrival(user, users);
        plan(scenario, arrival, gaps)
    });
    opened.filter(|&opens| opens).count() as u64
}

/// For each request of a user, whether the oracle opens a connection.
fn plan(
    scenario: &Scenario,
    arrival: Duration,
    gaps: &[Duration],
) -> impl Iterator<Item = bool> + use<> {
    let scenario = scenario.clone();
    let exchange = scenario.round_trip() + scenario.drain();
    let mut now = arrival;
    // Which gaps the connection is good for; at first there is none.
    let mut reusable = Duration::ZERO;
    let waits = iter::once(Duration::ZERO).chain(gaps.to_vec());
    waits.map(move |wait| {
        now += wait;
        let opens = wait >= reusable;
        if opens {
            now += scenario.round_trip();
            reusable = scenario.losing(scenario.idle_timeout_of(now)).start;
        }
        now += exchange;
        opens
    })
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use http::Uri;
    use tokio::task::JoinSet;
    use tokio::time::{Instant, sleep};
    use tower::Service;

    use super::*;
    use crate::scenario::{Change, LinkName};
    use crate::servers::Servers;
    use crate::support::client::{exchange, plain, post};
    use crate::support::server::LinkConnector;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const URI: &str = "http://server.test/";

    fn far() -> Scenario {
        Scenario {
            link: LinkName::Far,
            latency: 50 * MILLISECOND,
            bandwidth: None,
            is_shared: false,
            body: 2,
            idle_timeout: Duration::from_secs(8),
            is_hinting: true,
            is_told: true,
            change: None,
        }
    }

    fn slow() -> Scenario {
        Scenario {
            link: LinkName::Slow,
            bandwidth: Some(200_000),
            is_shared: false,
            body: 400_000,
            ..far()
        }
    }

    fn changing(after: Duration) -> Scenario {
        let idle_timeout = Duration::from_secs(4);
        Scenario {
            link: LinkName::Changing,
            change: Some(Change {
                after,
                idle_timeout,
            }),
            ..far()
        }
    }

    /// Connects to whoever accepts when the connection is made.
    #[derive(Clone)]
    struct Connector {
        servers: Servers,
        scenario: Scenario,
    }

    impl Service<Uri> for Connector {
        type Response = <LinkConnector as Service<Uri>>::Response;
        type Error = <LinkConnector as Service<Uri>>::Error;
        type Future = <LinkConnector as Service<Uri>>::Future;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, uri: Uri) -> Self::Future {
            let accepted = Instant::now() + self.scenario.round_trip();
            let server = self.servers.accepting(accepted);
            server.connector(self.scenario.link()).call(uri)
        }
    }

    fn connector(scenario: &Scenario) -> Connector {
        Connector {
            servers: Servers::new(scenario, Instant::now()),
            scenario: scenario.clone(),
        }
    }

    #[test]
    fn the_oracle_reconnects_for_each_gap_that_is_not_safe() {
        // Ten users, one gap a second from 1 to 12.
        let gaps = Gaps::new(10, 11, Duration::from_secs(1)..Duration::from_secs(12), 7);
        let scenario = Scenario {
            latency: Duration::from_millis(500),
            idle_timeout: Duration::from_secs(10),
            ..far()
        };

        // Each user's first, and those for gaps in [9, 12).
        assert_eq!(connections(&scenario, &gaps), 10 + 10 * 3);
    }

    /// How many connections a client that always reuses what it has needs for two requests, that far
    /// apart; `None` if the second is lost.
    async fn connections_of_two(scenario: &Scenario, gap: Duration) -> Option<u64> {
        let connector = connector(scenario);
        let client = plain(connector.clone());
        exchange(&client, post(URI, "first")).await.unwrap();
        sleep(gap).await;
        let second = exchange(&client, post(URI, "second")).await;
        second.ok().map(|_| connector.servers.connections())
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_oracle_holds_for_safe_is_safe_and_what_it_does_not_is_lost() {
        // What the head of a response takes on the slow link, and the rounding of timers.
        let rounding = 4 * MILLISECOND;
        // Connecting takes until 100 ms.
        let changed = changing(99 * MILLISECOND);
        for scenario in [far(), slow(), changing(101 * MILLISECOND), changed] {
            let idle_timeout = scenario.idle_timeout_of(scenario.round_trip());
            let losing = scenario.losing(idle_timeout);
            for (gap, connections) in [
                (losing.start / 2, Some(1)),
                (losing.start - rounding, Some(1)),
                (losing.start + rounding, None),
                (losing.end - rounding, None),
                (losing.end + rounding, Some(2)),
            ] {
                let found = connections_of_two(&scenario, gap).await;
                assert_eq!(found, connections, "{scenario}: {gap:?}");
            }
        }
    }

    /// What becomes of a run on a link by users who reuse and open connections as `planned` for
    /// another: how many requests are lost, and how many connections opened.
    async fn follow(scenario: &Scenario, planned: &Scenario, gaps: &Gaps) -> (usize, u64) {
        let connector = connector(scenario);
        let count = gaps.users().len();
        let mut users = JoinSet::new();
        for (user, gaps) in gaps.users().enumerate() {
            let arrival = scenario.arrival(user, count);
            let plan = plan(planned, arrival, gaps);
            let waits: Vec<_> = iter::once(arrival).chain(gaps.to_vec()).collect();
            let connector = connector.clone();
            users.spawn(async move {
                let mut client = plain(connector.clone());
                let mut lost = 0;
                for (wait, opens) in waits.into_iter().zip(plan) {
                    sleep(wait).await;
                    if opens {
                        client = plain(connector.clone());
                    }
                    let outcome = exchange(&client, post(URI, "request")).await;
                    lost += usize::from(outcome.is_err());
                }
                lost
            });
        }
        let lost = users.join_all().await.into_iter().sum();
        (lost, connector.servers.connections())
    }

    #[tokio::test(start_paused = true)]
    async fn the_oracle_loses_nothing_where_the_timeout_changes_but_would_if_it_did_not_know() {
        let gaps = Gaps::new(100, 12, 800 * MILLISECOND..9_600 * MILLISECOND, 3);
        let scenario = changing((far().idle_timeout + gaps.longest()) / 2);

        let (lost, opened) = follow(&scenario, &scenario, &gaps).await;
        assert_eq!(lost, 0);
        assert_eq!(opened, connections(&scenario, &gaps));

        // The control: somebody who knows the first timeout only.
        let (lost, _) = follow(&scenario, &far(), &gaps).await;
        assert!(lost > 0, "nobody has to know of the change");
    }
}
