//! All trials, held at once, and their table.

use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use futures_util::future::join_all;

use super::process::{Process, is_installed};
use super::servers::{SERVERS, Server};
use super::trial::{self, Record, Report};

/// What became of a server's trial.
#[derive(Debug)]
pub enum Outcome {
    Held(Box<Report>),
    /// The server is not installed; how to have it.
    Missing(String),
    /// There is nothing to report; why.
    Broken(String),
}

/// What became of all of them. The first who asks has them held; all tests share them, for they take
/// most of a minute however many there are.
pub static TRIALS: LazyLock<Vec<(&Server, Outcome)>> = LazyLock::new(|| {
    // Each connection is three sockets here, and there are hundreds at a time. Where no more are
    // allowed, requests fail and say so.
    let _ = rlimit::increase_nofile_limit(SOCKETS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcomes = runtime.block_on(hold_all());
    tell(&table(&outcomes));
    outcomes
});

/// How many sockets there are at most, with room to spare.
const SOCKETS: u64 = 8192;

async fn hold_all() -> Vec<(&'static Server, Outcome)> {
    // First all are started, for that is work for the machine, which trials need at rest.
    let started = join_all(SERVERS.iter().map(start)).await;
    let trials = SERVERS.iter().zip(started).map(async |(server, started)| {
        let outcome = match started {
            Ok(process) => outcome(server, process).await,
            Err(outcome) => outcome,
        };
        (server, outcome)
    });
    join_all(trials).await
}

async fn start(server: &Server) -> Result<Process, Outcome> {
    let Server { name, package, .. } = server;
    if !is_installed(server.command[0]) {
        return Err(Outcome::Missing(format!(
            "{name} is not installed (package {package}): see tests/real_servers/install"
        )));
    }
    let process = Process::start(server).await;
    process.map_err(|why| Outcome::Broken(format!("{name}: {why}")))
}

async fn outcome(server: &Server, mut process: Process) -> Outcome {
    match fair_trial(server, &mut process).await {
        Ok(report) => Outcome::Held(Box::new(report)),
        Err(why) => Outcome::Broken(format!("{}: {why}", server.name)),
    }
}

/// Holds a trial; and once more if the first says nothing.
async fn fair_trial(server: &Server, process: &mut Process) -> Result<Report, String> {
    let first = trial::hold(server, process).await?;
    if is_fair(&first, server) {
        return Ok(first);
    }
    tell(&format!(
        "{}: again, for timers were {:?} late",
        server.name, first.late
    ));
    let second = trial::hold(server, process).await?;
    if is_fair(&second, server) {
        return Ok(second);
    }
    Err(format!(
        "requests were lost, but timers were {:?} late: this machine is too busy to say why",
        second.late
    ))
}

/// Whether nothing was lost, or it was not because the machine was busy.
fn is_fair(report: &Report, server: &Server) -> bool {
    let promised = report.promised(server);
    promised.iter().all(|client| client.tally.failed == 0) || report.late <= ALLOWED
}

/// How late timers may be where requests are lost. Between this crate's deadline and the server's
/// timeout lies half a second, less a round trip, and a response and a request pass a dozen hands.
const ALLOWED: Duration = Duration::from_millis(35);

/// Tells people, who would not see what a test prints that passes.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn table(outcomes: &[(&Server, Outcome)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "server",
        "closes after",
        "says unasked",
        "says if asked",
        "requests",
        "lost: hyper-util",
        "lost: connector",
        "lost: connector, layer",
        "reused",
        "idle at most",
        "timers late",
    ]);
    for (server, outcome) in outcomes {
        if let Outcome::Held(report) = outcome {
            table.add_row(row(server, report));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn row(server: &Server, report: &Report) -> [String; 11] {
    let Report {
        plain,
        connector,
        both,
        ..
    } = report;
    let said = |client: &Record| client.seen.timeouts.last().copied().flatten();
    [
        server.name.to_owned(),
        seconds(Some(report.closed_after)),
        seconds(said(plain)),
        seconds(said(both)),
        both.tally.requests.to_string(),
        plain.tally.failed.to_string(),
        connector.tally.failed.to_string(),
        both.tally.failed.to_string(),
        both.reused().to_string(),
        seconds(both.seen.longest_idle),
        seconds(Some(report.late)),
    ]
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.2} s", time.as_secs_f64()),
    )
}
