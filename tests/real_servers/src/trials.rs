//! All trials, held at once, and their table.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use futures_util::future::join_all;

use super::process::{HTTP, Process, is_installed};
use super::servers::{IDLE_TIMEOUT, SERVERS, Server};
use super::trial::{self, Record, Report};

/// What became of a server's trial.
#[derive(Debug)]
pub enum Outcome<R = Report> {
    Held(Box<R>),
    /// The server is not installed; how to have it.
    Missing(String),
    /// There is nothing to report; why.
    Broken(String),
}

impl<R> Outcome<R> {
    /// The report; nothing if a program is not installed, and need not be. That is said then; where the variable `CI`
    /// is set, it is a failure.
    pub fn held(&self) -> Option<&R> {
        match self {
            Self::Held(report) => Some(report),
            Self::Broken(why) => panic!("{why}"),
            Self::Missing(why) if std::env::var_os("CI").is_some() => panic!("{why}"),
            Self::Missing(why) => {
                tell(&format!("skipped: {why}"));
                None
            }
        }
    }
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
pub const SOCKETS: u64 = 8192;

async fn hold_all() -> Vec<(&'static Server, Outcome)> {
    // First all are started, for that is work for the machine, which trials need at rest.
    let started = SERVERS
        .iter()
        .map(|server| start(server, IDLE_TIMEOUT, HTTP));
    let started = join_all(started).await;
    let trials = SERVERS.iter().zip(started).map(async |(server, started)| {
        let outcome = match started {
            Ok(process) => outcome(server, process).await,
            Err(outcome) => outcome,
        };
        (server, outcome)
    });
    join_all(trials).await
}

/// Starts a server, if it is installed.
pub async fn start<R>(
    server: &Server,
    idle: Duration,
    hello: &[u8],
) -> Result<Process, Outcome<R>> {
    start_before(server, None, idle, hello).await
}

/// Starts a server, if it is installed; a reverse proxy before that origin.
pub async fn start_before<R>(
    server: &Server,
    origin: Option<SocketAddr>,
    idle: Duration,
    hello: &[u8],
) -> Result<Process, Outcome<R>> {
    let Server { name, package, .. } = server;
    if !is_installed(server.command[0]) {
        return Err(Outcome::Missing(format!(
            "{name} is not installed (package {package}): see tests/real_servers/install"
        )));
    }
    let process = Process::start(server, origin, idle, hello).await;
    process.map_err(|why| Outcome::Broken(format!("{name}: {why}")))
}

async fn outcome(server: &Server, mut process: Process) -> Outcome {
    let hold = async || trial::hold(server, &mut process).await;
    fair(server.name, LOST, hold, |report| suspect(report, server)).await
}

/// What is wrong where `suspect` returns something.
pub const LOST: &str = "requests were lost";

/// Holds a trial; and once more if the first says nothing: `what` is wrong, and timers were late by what `suspect`
/// returns.
pub async fn fair<R>(
    name: &str,
    what: &str,
    mut hold: impl AsyncFnMut() -> Result<R, String>,
    suspect: impl Fn(&R) -> Option<Duration>,
) -> Outcome<R> {
    for attempt in 1..=2 {
        let report = match hold().await {
            Ok(report) => report,
            Err(why) => return Outcome::Broken(format!("{name}: {why}")),
        };
        let Some(late) = suspect(&report).filter(|late| *late > ALLOWED) else {
            return Outcome::Held(Box::new(report));
        };
        tell(&format!(
            "{name}, attempt {attempt}: {what}, but timers were {late:?} late"
        ));
    }
    Outcome::Broken(format!(
        "{name}: this machine is too busy to say why {what}"
    ))
}

/// How late timers were, if requests were lost.
fn suspect(report: &Report, server: &Server) -> Option<Duration> {
    let promised = report.promised(server);
    let has_lost = promised.iter().any(|client| client.tally.failed > 0);
    has_lost.then_some(report.late)
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

pub fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.2} s", time.as_secs_f64()),
    )
}
