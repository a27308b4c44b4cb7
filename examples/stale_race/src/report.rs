//! What became of a race, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::args::name;
use crate::claims;
use crate::clients::ClientName;
use crate::common::{Claim, Tally, Tell, table};
use crate::race::Sample;
use crate::scenario::Scenario;

/// What the smallest margin keeps for timers that are late.
const TOO_LATE: Duration = Duration::from_millis(100);

/// What became of all clients on all links.
pub struct Report {
    pub links: Vec<LinkReport>,
    /// The latest that a timer of this process was.
    pub late: Duration,
}

impl Tell for Report {
    fn json(&self) -> Value {
        let links: Vec<_> = self.links.iter().map(LinkReport::json).collect();
        json!({
            "links": links,
            "timers_late": self.late.as_secs_f64(),
        })
    }

    fn text(&self) -> String {
        let links = self.links.iter().map(LinkReport::text);
        let mut late = format!("timers were late by {} ms at most", self.late.as_millis());
        if self.late >= TOO_LATE {
            late += ": on a machine that busy, a request may be lost to that";
        }
        links.chain([late]).collect::<Vec<_>>().join("\n\n")
    }

    fn claims(&self) -> Vec<Claim> {
        claims::of(&self.links)
    }

    fn late(&self) -> Duration {
        self.late
    }
}

/// What became of all clients on one link.
pub struct LinkReport {
    pub scenario: Scenario,
    /// The connections that the oracle would have opened.
    pub oracle: u64,
    pub clients: Vec<ClientReport>,
}

/// What became of one client on one link.
pub struct ClientReport {
    pub client: ClientName,
    pub connections: u64,
    pub tally: Tally,
    /// The most requests that failed of one user.
    pub most_of_one_user: u64,
    /// Each request but the first of each user.
    pub samples: Vec<Sample>,
}

impl LinkReport {
    /// Its connections, to the oracle's.
    pub fn ratio(&self, client: &ClientReport) -> f64 {
        client.connections as f64 / self.oracle as f64
    }

    fn text(&self) -> String {
        let header = [
            "client",
            "requests",
            "failed",
            "connections",
            "ratio to oracle",
        ];
        let rows = self.clients.iter().map(|client| {
            [
                client.client.label(&self.scenario).to_owned(),
                client.tally.requests.to_string(),
                client.tally.failed.to_string(),
                client.connections.to_string(),
                format!("{:.2}", self.ratio(client)),
            ]
        });
        let oracle = [
            "the oracle".to_owned(),
            "-".to_owned(),
            "0".to_owned(),
            self.oracle.to_string(),
            "1.00".to_owned(),
        ];
        let table = table(header, &[0], rows.chain([oracle])).to_string();
        let failures = self
            .clients
            .iter()
            .flat_map(|client| client.tally.lines(client.client.label(&self.scenario)));
        [self.scenario.to_string(), table]
            .into_iter()
            .chain(failures)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn json(&self) -> Value {
        let clients: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                json!({
                    "name": name(&client.client),
                    "requests": client.tally.requests,
                    "failed": client.tally.failed,
                    "failed_of_one_user": client.most_of_one_user,
                    "connections": client.connections,
                    "ratio": self.ratio(client),
                    "failures": client.tally.failures,
                })
            })
            .collect();
        let scenario = &self.scenario;
        let losing = |idle_timeout| {
            let gaps = scenario.losing(idle_timeout);
            [gaps.start.as_secs_f64(), gaps.end.as_secs_f64()]
        };
        let change = scenario.change.map(|change| {
            json!({
                "after": change.after.as_secs_f64(),
                "idle_timeout": change.idle_timeout.as_secs_f64(),
                "losing_gaps": losing(change.idle_timeout),
            })
        });
        json!({
            "name": name(&scenario.link),
            "idle_timeout": scenario.idle_timeout.as_secs_f64(),
            "hint": scenario.is_hinting,
            "told": scenario.is_told,
            "latency": scenario.latency.as_secs_f64(),
            "bandwidth": scenario.bandwidth,
            "body": scenario.body,
            "losing_gaps": losing(scenario.idle_timeout),
            "change": change,
            "oracle": { "connections": self.oracle },
            "clients": clients,
        })
    }
}
