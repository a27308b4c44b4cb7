//! What came of a run, for people and for programs.

use std::time::Duration;

use http_keepalive::Stats;
use serde_json::{Value, json};

use crate::board::{Row, RowState};
use crate::common::{Claim, Tell};
use crate::screen::text;
use crate::view::{ServerView, View};

/// The width of the view.
const WIDTH: u16 = 100;

/// What came of a run.
pub struct Report {
    /// While the load ran.
    pub view: View,
    /// The numbers at its end, as an observer counts them.
    pub counted: Stats,
    /// As the crate itself counts them.
    pub stats: Stats,
    /// Without this crate: how many requests there were, and how many failed.
    pub control: (u64, u64),
    /// By how much this machine was late at worst.
    pub late: Duration,
}

impl Tell for Report {
    fn json(&self) -> Value {
        let servers: Vec<_> = self.view.servers.iter().map(server).collect();
        let (requests, failed) = self.control;
        json!({
            "servers": servers,
            "closed": self.view.closes,
            "without_http_keepalive": { "requests": requests, "failed": failed },
            "timers_late": self.late.as_secs_f64(),
        })
    }

    fn text(&self) -> String {
        let (requests, failed) = self.control;
        format!(
            "{}\n\nwithout http-keepalive {failed} of {requests} requests failed",
            text(&self.view, WIDTH),
        )
    }

    fn claims(&self) -> Vec<Claim> {
        let (_, failed) = self.control;
        let deadlines = self.stats.retired.idle_deadline;
        vec![
            Claim::new("without http-keepalive requests fail", failed > 0),
            Claim::new(
                "with it none does",
                self.view.sum(|server| server.failed) == 0,
            ),
            Claim::new("connections are reused", self.stats.reused > 0),
            Claim::new("connections reach their deadlines", deadlines > 0),
            Claim::new(
                "an observer counts what the crate counts",
                self.counted == self.stats,
            ),
        ]
    }

    fn late(&self) -> Duration {
        self.late
    }
}

fn server(server: &ServerView) -> Value {
    let connections: Vec<_> = server.rows.iter().map(connection).collect();
    json!({
        "origin": server.site.origin(),
        "idle_timeout": server.site.idle_timeout.as_secs_f64(),
        "opened": server.opened,
        "requests": server.requests,
        "reused": server.reused,
        "failed": server.failed,
        "failures": server.failures,
        "connections": connections,
    })
}

fn connection(row: &Row) -> Value {
    let (state, left) = match row.state {
        RowState::Unused => ("unused", None),
        RowState::Idle { left, .. } => ("idle", Some(left.as_secs_f64())),
        RowState::Active { .. } => ("active", None),
        RowState::Forwarded => ("forwarded", None),
    };
    json!({ "id": row.id, "requests": row.requests, "state": state, "left": left })
}
