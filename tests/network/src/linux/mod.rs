//! All of it: namespaces, TUN devices and `/proc` are Linux's.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
mod cell;
mod forwarder;
#[allow(dead_code, reason = "a part of it is used here")]
#[path = "../../../../examples/stale_race/src/gaps.rs"]
mod gaps;
mod host;
mod link;
mod middlebox;
mod process;
mod report;
mod scenario;
mod servers;
mod support;
mod users;

use std::fs;
use std::process::ExitCode;
use std::thread;

use clap::{Parser, ValueEnum};
use nix::unistd::geteuid;
use tokio::runtime;

use self::args::{Args, Command};
use self::process::{Task, find};
use self::report::{Report, Row};
use self::scenario::Scenario;
use self::users::Plan;

/// From this lateness of timers on, a machine was too busy to prove anything.
const TOO_LATE: f64 = 0.1;

/// How often a scenario runs at most, if timers were too late.
const ATTEMPTS: usize = 3;

pub fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Command::Internal { parent, task }) = args.command {
        return match internal(parent, &task) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        };
    }
    if let Err(missing) = prerequisites() {
        println!("skipped: {missing}");
        return ExitCode::from(u8::from(std::env::var_os("CI").is_some()));
    }
    let report = match run(&args) {
        Ok(report) => report,
        Err(error) => return fail(&error),
    };
    if args.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.text());
    }
    ExitCode::from(u8::from(args.check && !report.holds()))
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// A process that this program started.
fn internal(parent: u32, task: &str) -> Result<(), String> {
    let task: Task = serde_json::from_str(task).map_err(|error| error.to_string())?;
    // A client has as little of the machine as a process may have: one thread.
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(task.run(parent))
}

/// Whether everything is there.
fn prerequisites() -> Result<(), String> {
    if !geteuid().is_root() || fs::metadata("/dev/net/tun").is_err() {
        return Err("needs root and /dev/net/tun".to_owned());
    }
    for program in ["nginx", "haproxy"] {
        find(program)
            .ok_or_else(|| format!("needs {program} (apt-get install nginx-light haproxy)"))?;
    }
    // Root in a container may not be allowed to.
    let probe = thread::spawn(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(host::enter(host::CLIENT)).map(drop)
    });
    probe
        .join()
        .unwrap_or_else(|_| Err("cannot start a thread".to_owned()))
}

/// Runs all scenarios, and those that prove nothing again.
fn run(args: &Args) -> Result<Report, String> {
    let mut scenarios = if args.scenarios.is_empty() {
        Scenario::value_variants().to_vec()
    } else {
        args.scenarios.clone()
    };
    scenarios.sort();
    scenarios.dedup();

    let mut report = Report::default();
    let mut left = scenarios;
    for attempt in 1..=ATTEMPTS {
        report.replace(run_once(args, &left)?);
        if !args.check {
            break;
        }
        left.retain(|&scenario| report.proves_nothing(scenario));
        if left.is_empty() {
            break;
        }
        if !args.json {
            eprintln!("timers were late, attempt {attempt} of {ATTEMPTS}: {left:?}");
        }
    }
    Ok(report)
}

/// All clients in all these scenarios, side by side.
fn run_once(args: &Args, scenarios: &[Scenario]) -> Result<Vec<Row>, String> {
    let mut running = Vec::new();
    for &scenario in scenarios {
        for client in scenario.clients() {
            let plan = Plan {
                scenario,
                client,
                users: args.users.min(scenario.setting().users),
                seed: args.seed,
            };
            running.push((plan, cell::start(plan)));
        }
    }
    let mut rows = Vec::new();
    for (plan, thread) in running {
        let outcome = thread
            .join()
            .unwrap_or_else(|_| Err("a thread panicked".to_owned()));
        let outcome = outcome
            .map_err(|error| format!("{:?}, {}: {error}", plan.scenario, plan.client.label()))?;
        rows.push(Row {
            scenario: plan.scenario,
            client: plan.client,
            outcome,
        });
    }
    Ok(rows)
}
