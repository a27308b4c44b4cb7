//! The program `http-keepalive-probe` against real servers: what it is to measure of each, all measurements, and
//! their table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::process::{HTTP, Process};
use super::servers::{BEFORE_ORIGIN, SERVERS, Says, Server};
use super::trials::{Outcome, fair, seconds, start, start_before, tell};
use crate::support::lateness::Lateness;

/// The idle timeout that all of them are configured with. It is the default of none of them.
pub const CONFIGURED: Duration = Duration::from_secs(4);

/// By how much a measured timeout may differ from what the server does.
const DEVIATION: Duration = Duration::from_millis(200);

/// For how long a connection is watched at most. A server that does not close is found out sooner than by default.
const MAX_WAIT: &str = "20";

/// How long the program may take: it watches four connections one behind the other at most, and a fifth.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that is measured.
pub struct Case {
    pub name: &'static str,
    /// The server that the program connects to.
    pub server: &'static Server,
    /// What is behind it if it is a reverse proxy, and the idle timeout of that.
    pub origin: Option<(&'static Server, Duration)>,
    /// By how much later than configured it closes at most, by its own doing.
    pub later: Duration,
    /// The timeout that it names in a response to a request without a `Connection` field.
    pub hint: Option<Duration>,
    /// The same, with `Connection: keep-alive`.
    pub hint_if_asked: Option<Duration>,
    /// Whether it closes sooner than it says.
    pub hint_contradicted: bool,
}

impl Case {
    fn of(server: &'static Server) -> Self {
        let (hint, hint_if_asked) = match server.says {
            Says::Nothing => (None, None),
            Says::WhenAsked => (None, Some(CONFIGURED)),
            Says::Always => (Some(CONFIGURED), Some(CONFIGURED)),
        };
        Self {
            name: server.name,
            server,
            origin: None,
            later: later(server.name),
            hint,
            hint_if_asked,
            hint_contradicted: false,
        }
    }

    /// HAProxy before an nginx with that idle timeout.
    fn behind_haproxy(name: &'static str, origin: &'static Server, idle: Duration) -> Self {
        let hint = (origin.says == Says::Always).then_some(idle);
        Self {
            name,
            server: &BEFORE_ORIGIN,
            origin: Some((origin, idle)),
            later: Duration::ZERO,
            hint,
            hint_if_asked: hint,
            // HAProxy leaves the origin's field `Keep-Alive` in the response, and closes by its own timer.
            hint_contradicted: hint > Some(CONFIGURED),
        }
    }

    /// Fails if something else was measured than is configured.
    pub fn check(&self, measured: &Measured) -> Result<(), String> {
        let sure = |is_so: bool, what: &str| {
            let name = self.name;
            let failure = || format!("{name}: {what}: {measured:?}");
            if is_so { Ok(()) } else { Err(failure()) }
        };
        let expected = CONFIGURED - DEVIATION..=CONFIGURED + self.later + DEVIATION;
        let is_right = measured.timeout.is_some_and(|it| expected.contains(&it));
        sure(measured.status == 200, "the status of the response")?;
        sure(is_right, &format!("the timeout is not in {expected:?}"))?;
        sure(measured.open < measured.timeout, "open after its timeout")?;
        sure(measured.hint == self.hint, "the hint")?;
        sure(
            measured.hint_if_asked == self.hint_if_asked,
            "the hint if asked",
        )?;
        sure(
            measured.hint_contradicted == self.hint_contradicted,
            "whether the hint is contradicted",
        )?;
        // None of them aborts an idle connection, or says a last word on it.
        let in_order = BTreeSet::from(["fin".to_owned()]);
        sure(measured.ends == in_order, "how connections ended")
    }
}

/// By how much later than configured a server closes, by its own doing. Those that are not named here have timers that
/// are exact to some milliseconds.
fn later(server: &str) -> Duration {
    match server {
        // Its clock has whole seconds, and it closes when *more* of them have passed than configured
        // (`connection_check_timeout`): a single close comes up to two seconds later, and the soonest one up to one.
        "lighttpd" => Duration::from_secs(1),
        // `Poller.timeout` looks at idle connections when `select` has found nothing for a second.
        "Tomcat" => Duration::from_secs(1),
        // `ThreadWorker.run` looks at them when `select` has returned, which waits for a second at most.
        "gunicorn (gthread)" => Duration::from_secs(1),
        // Versions since 2024 add a second to what they say: `HTTP_SERVER_KEEP_ALIVE_TIMEOUT_BUFFER`, which became the
        // option `keepAliveTimeoutBuffer`.
        "Node.js" => Duration::from_secs(1),
        // The event MPM does not wake up again for what times out within a tenth of a second (`TIMEOUT_FUDGE_FACTOR`).
        "Apache httpd" => Duration::from_millis(100),
        _ => Duration::ZERO,
    }
}

fn cases() -> Vec<Case> {
    let [nginx, hinting, ..] = &SERVERS;
    let mut cases: Vec<_> = SERVERS.iter().map(Case::of).collect();
    // Whatever the origin's timeout is: its connections are others.
    cases.push(Case::behind_haproxy(
        "nginx behind HAProxy",
        nginx,
        CONFIGURED / 2,
    ));
    cases.push(Case::behind_haproxy(
        "nginx that says it, behind HAProxy",
        hinting,
        15 * CONFIGURED,
    ));
    cases
}

/// What the program found.
#[derive(Debug)]
pub struct Measured {
    /// Of the first response.
    pub status: u64,
    pub timeout: Option<Duration>,
    /// For how long a connection was seen open, of those that ended by that timeout.
    pub open: Option<Duration>,
    pub hint: Option<Duration>,
    pub hint_if_asked: Option<Duration>,
    pub hint_contradicted: bool,
    /// After which times idle connections ended that were only watched.
    pub ended_after: BTreeSet<Duration>,
    /// How they did.
    pub ends: BTreeSet<String>,
    /// What follows, in a word.
    pub outcome: String,
    /// `None` if a signal ended the program.
    pub exit_status: Option<i32>,
    /// How many connections were opened.
    pub connections: u64,
    pub elapsed: Duration,
    /// How late this machine was meanwhile.
    pub late: Duration,
}

/// What became of all of them. They are measured at once, when the first test asks.
pub static TRIALS: LazyLock<Vec<(Case, Outcome<Measured>)>> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcomes = runtime.block_on(measure_all());
    tell(&table(&outcomes));
    outcomes
});

async fn measure_all() -> Vec<(Case, Outcome<Measured>)> {
    let cases = cases();
    let program = match program() {
        Ok(program) => program,
        Err(why) => {
            let missing = cases
                .into_iter()
                .map(|case| (case, Outcome::Missing(why.clone())));
            return missing.collect();
        }
    };
    // First all are started: that is work for the machine, which measurements need at rest.
    let started = join_all(cases.iter().map(processes)).await;
    let measured = cases.into_iter().zip(started).map(async |(case, started)| {
        let outcome = match started {
            Ok(mut processes) => {
                let measure = async || measure(&program, &mut processes).await;
                let suspect = |it: &Measured| case.check(it).is_err().then_some(it.late);
                fair(case.name, "something else was measured", measure, suspect).await
            }
            Err(outcome) => outcome,
        };
        (case, outcome)
    });
    join_all(measured).await
}

/// The program, from the folder to which this one was built.
fn program() -> Result<PathBuf, String> {
    const NAME: &str = "http-keepalive-probe";
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // This is in `deps`.
    let folder = own.parent().and_then(Path::parent);
    let program = folder.unwrap_or(&own).join(NAME);
    if program.is_file() {
        return Ok(program);
    }
    let profile = if cfg!(debug_assertions) {
        ""
    } else {
        " --release"
    };
    Err(format!(
        "{} is missing: cargo build{profile} --features cli --bin {NAME}",
        program.display()
    ))
}

/// What is connected to, and what is behind it.
async fn processes(case: &Case) -> Result<Vec<Process>, Outcome<Measured>> {
    let mut processes = Vec::new();
    let mut address = None;
    if let Some((origin, idle)) = case.origin {
        let origin = start(origin, idle, HTTP).await?;
        address = Some(origin.address());
        processes.push(origin);
    }
    processes.push(start_before(case.server, address, CONFIGURED, HTTP).await?);
    Ok(processes)
}

/// Measures the last of them.
async fn measure(program: &Path, processes: &mut [Process]) -> Result<Measured, String> {
    let lateness = Lateness::watch();
    let address = processes.last().map(Process::address).unwrap();
    let run = Command::new(program)
        .args(["--json", "--max-wait", MAX_WAIT])
        .arg(format!("http://{address}/"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(PATIENCE, run).await {
        Ok(output) => output.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("the program runs for longer than {PATIENCE:?}")),
    };
    processes.iter_mut().try_for_each(Process::check)?;
    let said = |what: String| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("{what}; the program ended ({}): {stderr}", output.status)
    };
    let report = serde_json::from_slice(&output.stdout);
    let report: Value = report.map_err(|error| said(error.to_string()))?;
    let measured = read(&report, output.status.code(), lateness.worst());
    measured.ok_or_else(|| said(format!("there is something missing in {report:#}")))
}

/// Reads the program's report of one URL with one address.
fn read(report: &Value, exit_status: Option<i32>, late: Duration) -> Option<Measured> {
    let target = report.pointer("/targets/0")?;
    let address = target.pointer("/addresses/0")?;
    let time = |of: &Value, path: &str| {
        let seconds = of.pointer(path).and_then(Value::as_f64);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    let idle = address.pointer("/idle")?.as_array()?.iter();
    let ended_after = idle.clone().map(|idle| time(idle, "/idle"));
    let ends = idle.map(|idle| Some(idle.pointer("/end/kind")?.as_str()?.to_owned()));
    Some(Measured {
        status: address.pointer("/response/status")?.as_u64()?,
        timeout: time(address, "/timeout/seconds"),
        open: time(address, "/timeout/open"),
        hint: time(address, "/hint/timeout"),
        hint_if_asked: time(address, "/hint_if_asked/timeout"),
        hint_contradicted: address.pointer("/hint_contradicted")?.as_bool()?,
        ended_after: ended_after.collect::<Option<_>>()?,
        ends: ends.collect::<Option<_>>()?,
        outcome: target.pointer("/outcome")?.as_str()?.to_owned(),
        exit_status,
        connections: target.pointer("/connections_opened")?.as_u64()?,
        elapsed: time(target, "/elapsed")?,
        late,
    })
}

fn table(outcomes: &[(Case, Outcome<Measured>)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "server",
        "configured",
        "measured",
        "seen open",
        "closed after",
        "says unasked",
        "says if asked",
        "contradicted",
        "ended",
        "exit status",
        "connections",
        "took",
        "timers late",
    ]);
    for (case, outcome) in outcomes {
        if let Outcome::Held(measured) = outcome {
            table.add_row(row(case, measured));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn row(case: &Case, measured: &Measured) -> [String; 13] {
    let ends: Vec<_> = measured.ends.iter().map(String::as_str).collect();
    let (soonest, latest) = (measured.ended_after.first(), measured.ended_after.last());
    let (soonest, latest) = (soonest.copied(), latest.copied());
    let exit_status = measured.exit_status.map(|status| status.to_string());
    [
        case.name.to_owned(),
        seconds(Some(CONFIGURED)),
        seconds(measured.timeout),
        seconds(measured.open),
        format!("{} to {}", seconds(soonest), seconds(latest)),
        seconds(measured.hint),
        seconds(measured.hint_if_asked),
        if measured.hint_contradicted {
            "yes"
        } else {
            ""
        }
        .to_owned(),
        ends.join(", "),
        exit_status.unwrap_or_else(|| "-".to_owned()),
        measured.connections.to_string(),
        seconds(Some(measured.elapsed)),
        seconds(Some(measured.late)),
    ]
}
