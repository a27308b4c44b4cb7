//! What became of the clients, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::output::{Claim, Tell};
use crate::report::{ClientReport, text};

/// What became of several clients that did the same.
pub struct Report {
    clients: Vec<ClientReport>,
    claims: Vec<(String, bool)>,
    late: Duration,
}

impl Report {
    /// Of clients, where timers of this process were `late` at worst.
    pub fn new(clients: impl IntoIterator<Item = ClientReport>, late: Duration) -> Self {
        Self {
            clients: clients.into_iter().collect(),
            claims: Vec::new(),
            late,
        }
    }

    /// Adds something that is to hold, and whether it does.
    pub fn claim(mut self, text: impl Into<String>, holds: bool) -> Self {
        self.claims.push((text.into(), holds));
        self
    }
}

impl Tell for Report {
    fn json(&self) -> Value {
        let clients: Vec<_> = self.clients.iter().map(ClientReport::json).collect();
        let claims: Vec<_> = self
            .claims
            .iter()
            .map(|(text, holds)| json!({ "text": text, "holds": holds }))
            .collect();
        json!({ "clients": clients, "claims": claims, "timers_late": self.late.as_secs_f64() })
    }

    fn text(&self) -> String {
        let claims = self.claims.iter();
        let claims =
            claims.map(|(text, holds)| format!("{}: {text}", if *holds { "yes" } else { "no" }));
        [text(&self.clients)]
            .into_iter()
            .chain(claims)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.claims.iter();
        claims
            .map(|(text, holds)| Claim::new(text, *holds))
            .collect()
    }

    fn late(&self) -> Duration {
        self.late
    }
}
