//! Random worlds in virtual time, as many as one likes.
//!
//! ```text
//! cargo run --release -p simulate -- --seeds 1000
//! cargo run --release -p simulate -- --seeds 1000 --control
//! cargo run --release -p simulate -- --seed 17
//! ```
//!
//! The same worlds as those of `tests/simulation.rs`. What must not happen and does is printed with
//! the seed of its world, which replays it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
mod report;
#[path = "../../../tests/simulation/mod.rs"]
mod simulation;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::args::Args;
use self::report::Report;
use self::simulation::{Watched, run_all};

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let mut reports = vec![simulate(&args, "http-keepalive", Watched::Guarded)];
    if args.control {
        reports.push(simulate(&args, "hyper-util", Watched::Plain));
    }
    if args.json {
        println!("{}", report::json(&reports));
    } else {
        println!("{}", report::table(&reports));
    }
    let violations: Vec<_> = reports
        .iter()
        .flat_map(|report| &report.violations)
        .collect();
    for (seed, what) in &violations {
        eprintln!("error: seed {seed}: {what}");
    }
    if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs the worlds with one client, several at a time.
fn simulate(args: &Args, name: &'static str, watched: Watched) -> Report {
    let worlds = args.worlds();
    let bar = progress_bar(args, &worlds);
    let mut report = Report::new(name);
    let is_verbose = args.seed.is_some();
    run_all(worlds, args.jobs(), watched, is_verbose, |outcome| {
        for what in &outcome.violations {
            bar.suspend(|| eprintln!("{name}, seed {}: {what}", outcome.seed));
        }
        report.add(outcome);
        bar.inc(1);
        bar.set_message(format!("{name}: {} exchanges", report.counts.exchanges));
    });
    bar.finish_and_clear();
    report
}

fn progress_bar(args: &Args, worlds: &std::ops::Range<u64>) -> ProgressBar {
    let bar = ProgressBar::new(worlds.end - worlds.start);
    if args.json || args.seed.is_some() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = "{bar:40} {pos}/{len} worlds, {elapsed} of {duration}, {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
