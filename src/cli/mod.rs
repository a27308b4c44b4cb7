//! The program `http-keepalive-probe`: what a server really does with idle connections.
//!
//! It opens a few connections to each address behind a URL, with one request each, and watches how they end. What that
//! shows is decided by the same code as in the library, in `proto`: a [`Lifecycle`](crate::proto::connection::Lifecycle)
//! follows each connection, a [`Schedule`](crate::proto::sentinel::Schedule) says when to look at it, and
//! [`Watched`](crate::proto::learn::Watched) says which timeout follows from all of them.
//!
//! ```text
//! args ─▶ run ─▶ plan ─▶ connection      for each URL, each address, each connection
//!                  │          │
//!                  └── site ──┘          what the connections to an address share
//! report ─▶ verdict, table, prometheus, plot      what was found, what follows, and its forms
//! ```

mod advice;
mod args;
mod connection;
mod dial;
mod head;
mod interrupt;
mod plan;
mod plot;
mod progress;
mod prometheus;
mod report;
mod run;
mod site;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod tls;
mod verdict;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tokio::sync::watch;

use self::args::Args;
use self::progress::Progress;
use self::report::Report;

/// The exit status of [`Outcome::Failed`](report::Outcome::Failed), and of wrong arguments.
const FAILED: u8 = 3;

/// Runs `http-keepalive-probe` with the arguments of the process.
pub fn run_probe() -> ExitCode {
    let args = match args::read() {
        Ok(args) => args,
        Err(status) => return status,
    };
    match probe(&args) {
        Ok(status) => status,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

/// An error is one line.
fn probe(args: &Args) -> Result<ExitCode, String> {
    // What cannot be written is found before the measurement, not after it.
    let plot = match &args.plot {
        Some(path) => Some((path, File::create(path).map_err(no_file(path))?)),
        None => None,
    };
    let runtime = interrupt::runtime().map_err(|error| error.to_string())?;
    let interrupted = interrupt::listen().map_err(|error| error.to_string())?;
    let report = runtime.block_on(measure(args, interrupted));
    // A name that does not resolve would be waited for.
    runtime.shutdown_background();
    print(args, &report).map_err(|error| error.to_string())?;
    if let Some((path, mut file)) = plot {
        plot::draw(&report, &mut file).map_err(no_file(path))?;
    }
    Ok(ExitCode::from(verdict::exit_status(&report)))
}

/// Says why the picture could not be written.
fn no_file<E: Display>(path: &Path) -> impl FnOnce(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

/// Until all is measured, or it is interrupted.
async fn measure(args: &Args, interrupted: watch::Receiver<bool>) -> Report {
    let progress = Progress::new(args.max_wait);
    let report = run::run(args, &progress, interrupted).await;
    progress.clear();
    report
}

fn print(args: &Args, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let printed = if args.json {
        serde_json::to_writer_pretty(&mut out, report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else if args.prometheus {
        prometheus::write(report, &mut out)
    } else {
        table::print(report, &mut out)
    };
    match printed.and_then(|()| out.flush()) {
        // Whoever reads it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// A line on standard error, if that can be written.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
