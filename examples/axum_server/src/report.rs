//! What became of the trials, for people and for programs.

use std::time::Duration;

use http_keepalive::ServerStats;
use serde_json::{Value, json};

use crate::common::{Claim, Tell, table};

/// What became of all trials.
pub struct Report {
    pub trials: Vec<Trial>,
    /// The numbers of the race's server.
    pub server: ServerStats,
    /// By how much this machine was late at worst.
    pub late: Duration,
}

/// What became of one trial: without this crate, and with it.
pub struct Trial {
    pub name: &'static str,
    /// To each of both servers.
    pub requests: u64,
    pub lost_as_it_comes: u64,
    pub lost_with_this_crate: u64,
    pub remark: String,
    /// Errors with this crate, a line each.
    pub failures: Vec<String>,
    /// What is to hold.
    pub claims: Vec<Claim>,
}

impl Tell for Report {
    fn json(&self) -> Value {
        let trials: Vec<_> = self.trials.iter().map(Trial::json).collect();
        let (stats, closed, last) = (
            &self.server,
            &self.server.closed,
            &self.server.last_responses,
        );
        json!({
            "trials": trials,
            "server": {
                "accepted": stats.accepted,
                "requests": stats.requests,
                "last_responses": { "drain": last.drain, "requests": last.requests, "age": last.age },
                "closed": {
                    "idle_timeout": closed.idle_timeout,
                    "said": closed.said,
                    "client": closed.client,
                    "server": closed.server,
                    "all": closed.total(),
                },
            },
            "timers_late": self.late.as_secs_f64(),
        })
    }

    fn text(&self) -> String {
        let header = [
            "trial",
            "requests",
            "lost as it comes",
            "lost with this crate",
            "remark",
        ];
        let rows = self.trials.iter().map(|trial| {
            [
                trial.name.to_owned(),
                trial.requests.to_string(),
                trial.lost_as_it_comes.to_string(),
                trial.lost_with_this_crate.to_string(),
                trial.remark.clone(),
            ]
        });
        let table = table(header, &[0, 4], rows).to_string();
        let failures = self.trials.iter().flat_map(|trial| trial.failures.clone());
        let server = format!(
            "\nthe server of the race, with this crate:\n{}",
            self.server
        );
        let late = format!("\ntimers were up to {} ms late", self.late.as_millis());
        let lines: Vec<_> = [table]
            .into_iter()
            .chain(failures)
            .chain([server, late])
            .collect();
        lines.join("\n")
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.trials.iter().flat_map(|trial| &trial.claims);
        claims.cloned().collect()
    }

    fn late(&self) -> Duration {
        self.late
    }
}

impl Trial {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "requests": self.requests,
            "lost_as_it_comes": self.lost_as_it_comes,
            "lost_with_this_crate": self.lost_with_this_crate,
            "remark": self.remark,
        })
    }
}
