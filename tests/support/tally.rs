//! What became of requests.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tokio::time::timeout;

/// What became of requests.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: u64,
    pub failed: u64,
    /// How often each error was the cause.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    /// A request came to its end.
    pub fn count(&mut self, outcome: Result<(), String>) {
        self.requests += 1;
        if let Err(failure) = outcome {
            self.failed += 1;
            *self.failures.entry(failure).or_default() += 1;
        }
    }

    pub fn merge(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.failed += other.failed;
        for (failure, times) in other.failures {
            *self.failures.entry(failure).or_default() += times;
        }
        self
    }

    /// The errors of a client of that name, a line each.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = String> {
        self.failures
            .iter()
            .map(move |(failure, times)| format!("{name}: {times} x {failure}"))
    }
}

/// Waits for an exchange, but not for ever; the error is for people.
pub async fn answer<T>(
    exchange: impl Future<Output = Result<T, Box<dyn Error + Send + Sync>>>,
    patience: Duration,
) -> Result<T, String> {
    match timeout(patience, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(root(&*error)),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

/// The text of the error at the bottom.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
