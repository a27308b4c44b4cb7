//! How a program tells what came of its run.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

/// From this lateness of timers on, a machine was too busy for a run to prove anything.
const TOO_LATE: Duration = Duration::from_millis(100);

/// How often a program runs at most, if timers were too late.
const ATTEMPTS: usize = 3;

/// How a program tells what came of its run.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,

    /// Fail if something that is to hold does not; where this machine was too busy, run again
    #[arg(long)]
    pub check: bool,
}

/// What can be told to programs and to people.
pub trait Tell {
    fn json(&self) -> Value;
    fn text(&self) -> String;

    /// What is to hold of each run.
    fn claims(&self) -> Vec<Claim>;

    /// By how much timers of this process were late at worst.
    fn late(&self) -> Duration;
}

/// What is to hold of each run, and whether it does.
#[derive(Clone, Debug)]
pub struct Claim {
    text: String,
    holds: bool,
}

impl Claim {
    pub fn new(text: impl Into<String>, holds: bool) -> Self {
        Self {
            text: text.into(),
            holds,
        }
    }
}

impl Output {
    /// Runs, and tells what came of it, or in one line why nothing did.
    pub async fn tell<R, F>(self, run: impl Fn() -> F) -> ExitCode
    where
        R: Tell,
        F: Future<Output = Result<R, String>>,
    {
        match self.run(run).await {
            Ok(report) => self.report(&report),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn run<R, F>(self, run: impl Fn() -> F) -> Result<R, String>
    where
        R: Tell,
        F: Future<Output = Result<R, String>>,
    {
        let mut report = run().await?;
        for _ in 1..ATTEMPTS {
            if !self.check || report.late() < TOO_LATE {
                break;
            }
            eprintln!("timers were {} ms late: again", report.late().as_millis());
            report = run().await?;
        }
        Ok(report)
    }

    fn report(self, report: &impl Tell) -> ExitCode {
        if self.json {
            println!("{}", report.json());
        } else {
            println!("{}", report.text());
        }
        let claims = if self.check {
            report.claims()
        } else {
            Vec::new()
        };
        let mut exit = ExitCode::SUCCESS;
        for claim in claims.iter().filter(|claim| !claim.holds) {
            eprintln!("error: expected: {}", claim.text);
            exit = ExitCode::FAILURE;
        }
        exit
    }
}
