//! What became of a contest, for people and for programs.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use http_keepalive::Retired;
use serde_json::{Map, Value, json};

use super::output::{Claim, Tell};
use crate::support::tally::Tally;

/// What became of both clients: without this crate, and with it.
pub struct Report {
    pub clients: [ClientReport; 2],
    /// By how much this machine was late at worst.
    pub late: Duration,
}

/// What became of one client.
pub struct ClientReport {
    pub name: &'static str,
    pub connections: u64,
    pub reused: u64,
    pub retired: Retired,
    pub tally: Tally,
}

/// A table whose columns, but for those `of_text`, hold numbers.
pub fn table<const N: usize>(
    header: [&str; N],
    of_text: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        if !of_text.contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

impl Tell for Report {
    fn json(&self) -> Value {
        let clients: Vec<_> = self.clients.iter().map(ClientReport::json).collect();
        json!({ "clients": clients, "timers_late": self.late.as_secs_f64() })
    }

    fn text(&self) -> String {
        text(&self.clients)
    }

    fn claims(&self) -> Vec<Claim> {
        claims(&self.clients)
    }

    fn late(&self) -> Duration {
        self.late
    }
}

/// What is to hold of two clients, where the server closes while users think.
pub fn claims(clients: &[ClientReport; 2]) -> Vec<Claim> {
    let [plain, ours] = clients;
    vec![
        Claim::new(
            format!("{} loses requests", plain.name),
            plain.tally.failed > 0,
        ),
        Claim::new(format!("{} loses none", ours.name), ours.tally.failed == 0),
        Claim::new(format!("{} reuses connections", ours.name), ours.reused > 0),
    ]
}

/// What became of clients: a row each, and their failures below.
pub fn text(clients: &[ClientReport]) -> String {
    let header = [
        "client",
        "requests",
        "failed",
        "connections",
        "reused",
        "retired",
    ];
    let rows = clients.iter().map(|client| {
        [
            client.name.to_owned(),
            client.tally.requests.to_string(),
            client.tally.failed.to_string(),
            client.connections.to_string(),
            client.reused.to_string(),
            client.retired(),
        ]
    });
    let table = table(header, &[0, 5], rows);
    let failures = clients
        .iter()
        .flat_map(|client| client.tally.lines(client.name));
    [table.to_string()]
        .into_iter()
        .chain(failures)
        .collect::<Vec<_>>()
        .join("\n")
}

impl ClientReport {
    /// The reasons there were, and how often.
    fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let retired = self.retired;
        [
            ("idle deadline", retired.idle_deadline),
            ("no idle time allowed", retired.no_idle_allowed),
            ("request limit", retired.request_limit),
            ("reuse disabled", retired.reuse_disabled),
            ("requested", retired.requested),
        ]
        .into_iter()
        .filter(|&(_, times)| times > 0)
    }

    fn retired(&self) -> String {
        let reasons: Vec<_> = self
            .reasons()
            .map(|(reason, times)| format!("{times} {reason}"))
            .collect();
        if reasons.is_empty() {
            "-".to_owned()
        } else {
            reasons.join(", ")
        }
    }

    pub fn json(&self) -> Value {
        let retired: Map<_, _> = self
            .reasons()
            .map(|(reason, times)| (reason.replace(' ', "_"), times.into()))
            .collect();
        json!({
            "name": self.name,
            "requests": self.tally.requests,
            "failed": self.tally.failed,
            "connections": self.connections,
            "reused": self.reused,
            "retired": retired,
            "failures": self.tally.failures,
        })
    }
}
