//! What became of a trial, for people and for programs.

use std::time::Duration;

use http_keepalive::KeepAliveHint;
use serde_json::{Value, json};

use crate::common::{self, Claim, ClientReport, Tell, table};

/// What became of both stacks: without this crate, and with it.
pub struct Report {
    /// Requests are the users'; what redirects make of them shows in connections and reuse.
    pub clients: [ClientReport; 2],
    /// Answers that were given up, each with its connection.
    pub timed_out: [u64; 2],
    pub origins: [OriginReport; 2],
    /// By how much this machine was late at worst. Beyond a quarter of an origin's timeout it may have
    /// lost requests that nobody could have saved.
    pub late: Duration,
}

/// What there is to say of one origin.
pub struct OriginReport {
    pub name: &'static str,
    pub timeout: Duration,
    /// What the connections with this crate were told.
    pub hint: Option<KeepAliveHint>,
    /// Those that were opened, without this crate and with it.
    pub connections: [u64; 2],
}

impl Tell for Report {
    fn json(&self) -> Value {
        let clients: Vec<_> = self
            .clients
            .iter()
            .zip(self.timed_out)
            .map(|(client, timed_out)| {
                let mut client = client.json();
                client["timed_out"] = timed_out.into();
                client
            })
            .collect();
        let origins: Vec<_> = self.origins.iter().map(OriginReport::json).collect();
        json!({ "clients": clients, "origins": origins, "timers_late": self.late.as_secs_f64() })
    }

    fn text(&self) -> String {
        let [without, with] = &self.timed_out;
        let origins = table(
            [
                "origin",
                "closes after",
                "hint learned",
                "connections, without",
                "with",
            ],
            &[0, 2],
            self.origins.iter().map(OriginReport::row),
        );
        let late = self.late.as_millis();
        [
            common::text(&self.clients),
            format!("timed out, as they had to: {without} without, {with} with"),
            String::new(),
            origins.to_string(),
            format!("timers were up to {late} ms late"),
        ]
        .join("\n")
    }

    fn claims(&self) -> Vec<Claim> {
        let [without, with] = self.timed_out;
        let [news, store] = self.origins.each_ref().map(OriginReport::said);
        let mut claims = common::claims(&self.clients);
        claims.extend([
            Claim::new(
                "as many time out with this crate as without, and some do",
                with == without && with > 0,
            ),
            Claim::new(
                "the hint of the first origin is known",
                news.as_deref() == Some("timeout=2"),
            ),
            Claim::new("the second sends none", store.is_none()),
        ]);
        claims
    }

    fn late(&self) -> Duration {
        self.late
    }
}

impl OriginReport {
    fn said(&self) -> Option<String> {
        self.hint.map(|hint| hint.to_string())
    }

    fn row(&self) -> [String; 5] {
        let [without, with] = self.connections;
        [
            self.name.to_owned(),
            format!("{} s", self.timeout.as_secs()),
            self.said().unwrap_or_else(|| "-".to_owned()),
            without.to_string(),
            with.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "idle_timeout": self.timeout.as_secs_f64(),
            "hint": self.said(),
            "connections": self.connections,
        })
    }
}
