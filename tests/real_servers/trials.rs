//! All trials, held at once, and their table.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use tokio::task::JoinSet;

use super::process::is_installed;
use super::servers::{SERVERS, Server};
use super::trial::{self, Report};

/// What became of a server's trial.
#[derive(Debug)]
pub enum Outcome {
    Held(Box<Report>),
    /// The server is not installed; how to have it.
    Missing(String),
    /// The trial could not be held; why.
    Broken(String),
}

/// What became of all of them, by the servers' names. The first who asks has them held; all tests
/// share them, for they take most of a minute however many there are.
pub static TRIALS: LazyLock<BTreeMap<&str, Outcome>> = LazyLock::new(hold);

fn hold() -> BTreeMap<&'static str, Outcome> {
    // Each connection is three sockets here, and there are hundreds.
    let _ = rlimit::increase_nofile_limit(SOCKETS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcomes = runtime.block_on(async {
        let mut trials = JoinSet::new();
        for server in &SERVERS {
            trials.spawn(async { (server.name, outcome(server).await) });
        }
        trials.join_all().await
    });
    let outcomes = outcomes.into_iter().collect();
    tell(&table(&outcomes));
    outcomes
}

/// How many sockets there are at most, with room to spare.
const SOCKETS: u64 = 8192;

async fn outcome(server: &'static Server) -> Outcome {
    if !is_installed(server.command[0]) {
        return Outcome::Missing(format!(
            "{} is not installed (package {}): see tests/real_servers/install",
            server.name, server.package
        ));
    }
    match trial::hold(server).await {
        Ok(report) => Outcome::Held(Box::new(report)),
        Err(why) => Outcome::Broken(format!("{}: {why}", server.name)),
    }
}

/// Tells people, who would not see what a test prints that passes.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn table(outcomes: &BTreeMap<&str, Outcome>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "server",
        "closes idle after",
        "timeout named",
        "if asked",
        "requests each",
        "failed, hyper-util",
        "failed, connector alone",
        "failed, connector and layer",
        "reused",
        "after at most",
    ]);
    for (name, outcome) in outcomes {
        if let Outcome::Held(report) = outcome {
            table.add_row(row(name, report));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn row(name: &str, report: &Report) -> [String; 10] {
    let Report {
        closed_after,
        plain,
        connector,
        both,
    } = report;
    [
        name.to_owned(),
        seconds(Some(*closed_after)),
        seconds(plain.seen.timeouts.last().copied().flatten()),
        seconds(both.seen.timeouts.last().copied().flatten()),
        both.tally.requests.to_string(),
        plain.tally.failed.to_string(),
        connector.tally.failed.to_string(),
        both.tally.failed.to_string(),
        both.reused().to_string(),
        seconds(both.seen.longest_idle),
    ]
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.2} s", time.as_secs_f64()),
    )
}
