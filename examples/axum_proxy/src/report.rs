//! What became of a trial, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Claim, Tally, Tell, table};

/// What became of both proxies.
pub struct Report {
    pub proxies: [ProxyReport; 2],
    /// By how much this machine was late at worst. Beyond a quarter of the upstream's timeout it may
    /// have lost requests that nobody could have saved.
    pub late: Duration,
}

/// What became of one proxy's users.
pub struct ProxyReport {
    /// That of its client.
    pub name: &'static str,
    /// Requests that the proxy itself did not answer are its failures.
    pub tally: Tally,
    pub bad_gateways: u64,
    /// Those to the upstream.
    pub connections: u64,
}

impl Tell for Report {
    fn json(&self) -> Value {
        let proxies: Vec<_> = self.proxies.iter().map(ProxyReport::json).collect();
        json!({ "proxies": proxies, "timers_late": self.late.as_secs_f64() })
    }

    fn text(&self) -> String {
        let header = [
            "client of the proxy",
            "requests",
            "502",
            "unanswered",
            "connections",
        ];
        let rows = self.proxies.iter().map(|proxy| {
            [
                proxy.name.to_owned(),
                proxy.tally.requests.to_string(),
                proxy.bad_gateways.to_string(),
                proxy.tally.failed.to_string(),
                proxy.connections.to_string(),
            ]
        });
        let table = table(header, &[0], rows).to_string();
        let late = format!("timers were up to {} ms late", self.late.as_millis());
        let failures = self.proxies.iter().flat_map(|p| p.tally.lines(p.name));
        let lines: Vec<_> = [table, late].into_iter().chain(failures).collect();
        lines.join("\n")
    }

    fn claims(&self) -> Vec<Claim> {
        let [plain, ours] = &self.proxies;
        vec![
            Claim::new(
                format!("with {} requests are answered with 502", plain.name),
                plain.bad_gateways > 0,
            ),
            Claim::new(
                format!("with {} none is, and all are answered", ours.name),
                ours.bad_gateways == 0 && ours.tally.failed == 0,
            ),
            Claim::new(
                format!("{} reuses connections", ours.name),
                ours.connections < ours.tally.requests,
            ),
        ]
    }

    fn late(&self) -> Duration {
        self.late
    }
}

impl ProxyReport {
    fn json(&self) -> Value {
        json!({
            "client": self.name,
            "requests": self.tally.requests,
            "bad_gateways": self.bad_gateways,
            "unanswered": self.tally.failed,
            "connections": self.connections,
            "failures": self.tally.failures,
        })
    }
}
