//! The program `http-keepalive-probe`: what a server really does with idle connections.
//!
//! It opens a few connections to each address behind a URL, with one request each, and watches how they end. What that
//! shows is decided by the same code as in the library, in `proto`: a [`Lifecycle`](crate::proto::connection::Lifecycle)
//! follows each connection, a [`Schedule`](crate::proto::sentinel::Schedule) says when to look at it, and a
//! [`SharedHistory`](crate::origin::SharedHistory) says which timeout follows.
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

use std::io::{self, Write};
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let report = runtime.block_on(measure(&args));
    // A name that does not resolve would be waited for.
    runtime.shutdown_background();
    match print(&args, &report) {
        Ok(()) => ExitCode::from(verdict::exit_status(&report)),
        Err(error) => failed(&error),
    }
}

/// Until all is measured, or Ctrl-C.
async fn measure(args: &Args) -> Report {
    let progress = Progress::new(args.max_wait);
    let (interrupt, interrupted) = watch::channel(false);
    let on_interrupt = async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = interrupt.send(true);
        }
        std::future::pending::<()>().await;
    };
    let report = tokio::select! {
        report = run::run(args, &progress, interrupted) => report,
        () = on_interrupt => unreachable!("it waits for ever"),
    };
    progress.clear();
    report
}

fn print(args: &Args, report: &Report) -> Result<(), String> {
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
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.to_string()),
        _ => {}
    }
    if let Some(path) = &args.plot {
        plot::draw(report, path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// One line, and the exit status.
fn failed(text: &str) -> ExitCode {
    say(&format!("error: {text}"));
    ExitCode::from(FAILED)
}

/// A line on standard error, if that can be written.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
