//! All trials of proxies, held at once, and their table.

use std::sync::LazyLock;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use futures_util::future::{join_all, try_join_all};

use super::process::HTTP;
use super::proxies::{CASES, Case};
use super::proxy_trial::{self, Learner, Processes, Report};
use super::trials::{LOST, Outcome, SOCKETS, fair, seconds, start, tell};

/// How many origins each proxy leads to.
const ORIGINS: usize = 2;

/// What became of all of them, shared by all tests.
pub static TRIALS: LazyLock<Vec<(&Case, Outcome<Report>)>> = LazyLock::new(|| {
    let _ = rlimit::increase_nofile_limit(SOCKETS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcomes = runtime.block_on(hold_all());
    tell(&table(&outcomes));
    outcomes
});

async fn hold_all() -> Vec<(&'static Case, Outcome<Report>)> {
    let started = join_all(CASES.iter().map(processes)).await;
    let trials = CASES.iter().zip(started).map(async |(case, started)| {
        let outcome = match started {
            Ok(mut processes) => {
                let hold = async || proxy_trial::hold(case, &mut processes).await;
                fair(case.proxy.name, LOST, hold, |report| suspect(report, case)).await
            }
            Err(outcome) => outcome,
        };
        (case, outcome)
    });
    join_all(trials).await
}

async fn processes(case: &Case) -> Result<Processes, Outcome<Report>> {
    let proxy = start(&case.proxy, case.proxy_idle, case.route.hello());
    let origins = (0..ORIGINS).map(|_| start(case.origin, case.origin_idle, HTTP));
    let (proxy, origins) = tokio::join!(proxy, try_join_all(origins));
    Ok(Processes {
        proxy: proxy?,
        origins: origins?,
    })
}

impl Report {
    /// The clients that learn.
    pub fn learners(&self) -> impl Iterator<Item = &Learner> {
        self.shorten.iter().chain(&self.full)
    }
}

/// How many requests a client may lose until it knows the timeout of whoever closes.
pub const UNTIL_LEARNED: u64 = 2;

/// How late timers were, if more was lost than is promised.
fn suspect(report: &Report, case: &Case) -> Option<Duration> {
    let is_slow = |learner: &Learner| learner.record.tally.failed > UNTIL_LEARNED;
    let has_lost = report.told.tally.failed > 0
        || case.closes.is_exact() && report.shorten.iter().any(is_slow);
    has_lost.then_some(report.late)
}

fn table(outcomes: &[(&Case, Outcome<Report>)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "way",
        "proxy, who closes",
        "after",
        "requests",
        "lost: hyper-util",
        "lost: told",
        "opened: hyper-util",
        "opened: told",
        "requests of a learner",
        "lost: hyper-util",
        "lost: Shorten",
        "lost: Full",
        "idle at most: Full",
        "timers late",
    ]);
    for (case, outcome) in outcomes {
        if let Outcome::Held(report) = outcome {
            table.add_row(row(case, report));
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let learned = outcomes.iter().filter_map(|(case, outcome)| match outcome {
        Outcome::Held(report) => Some(learned(case, report)),
        _ => None,
    });
    format!("{table}\n{}", learned.collect::<String>())
}

fn row(case: &Case, report: &Report) -> [String; 14] {
    let Report { plain, told, .. } = report;
    let lost = |learners: &[Learner]| {
        let lost = learners
            .iter()
            .map(|each| each.record.tally.failed.to_string());
        lost.collect::<Vec<_>>().join(", ")
    };
    let after = report.closed_after.map_or_else(
        || "-".to_owned(),
        |(soonest, latest)| format!("{} to {}", seconds(Some(soonest)), seconds(Some(latest))),
    );
    let longest = report.full.iter().map(|each| each.record.seen.longest_idle);
    [
        case.route.name().to_owned(),
        case.proxy.name.to_owned(),
        after,
        told.tally.requests.to_string(),
        plain.tally.failed.to_string(),
        told.tally.failed.to_string(),
        plain.opened.to_string(),
        told.opened.to_string(),
        report.shorten[0].record.tally.requests.to_string(),
        lost(&report.never),
        lost(&report.shorten),
        lost(&report.full),
        seconds(longest.max().flatten()),
        seconds(Some(report.late)),
    ]
}

/// What the first client of each kind knows at the end, for people.
fn learned(case: &Case, report: &Report) -> String {
    let mut text = format!("{}, {}:\n", case.route.name(), case.proxy.name);
    for (kind, learners) in [("Shorten", &report.shorten), ("Full", &report.full)] {
        for origin in &learners[0].origins {
            text += &format!(
                "  {kind}: {origin}; {} observations\n",
                origin.evidence.len()
            );
        }
    }
    text
}
