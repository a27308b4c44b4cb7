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

use crate::gaps::Gaps;
use crate::scenario::Scenario;

/// How many connections the oracle opens.
pub fn connections(scenario: &Scenario, gaps: &Gaps) -> u64 {
    let reusable = scenario.losing().start;
    let users = gaps.users().map(|gaps| {
        let reconnects = gaps.iter().filter(|&&gap| gap >= reusable).count();
        1 + reconnects as u64
    });
    users.sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;
    use crate::scenario::LinkName;
    use crate::support::client::{exchange, plain, post};

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn far() -> Scenario {
        Scenario {
            link: LinkName::Far,
            latency: 50 * MILLISECOND,
            bandwidth: None,
            body: 2,
            idle_timeout: Duration::from_secs(8),
            is_hinting: true,
        }
    }

    fn slow() -> Scenario {
        Scenario {
            link: LinkName::Slow,
            bandwidth: Some(200_000),
            body: 400_000,
            ..far()
        }
    }

    #[test]
    fn it_reconnects_for_each_gap_that_is_not_safe() {
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
    async fn connections_of_two(scenario: &Scenario, gap: Duration) -> Option<usize> {
        let server = scenario.server();
        let client = plain(server.connector(scenario.link()));
        let uri = "http://server.test/";
        exchange(&client, post(uri, "first")).await.unwrap();
        sleep(gap).await;
        let second = exchange(&client, post(uri, "second")).await;
        second.ok().map(|_| server.connections())
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_holds_for_safe_is_safe_and_what_it_does_not_is_lost() {
        // What the head of a response takes on the slow link, and the rounding of timers.
        let rounding = 4 * MILLISECOND;
        for scenario in [far(), slow()] {
            let losing = scenario.losing();
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
}
