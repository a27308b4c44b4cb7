//! How late timers are: a machine that is too busy shows here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How often a timer is looked at.
const PERIOD: Duration = Duration::from_millis(5);

/// Looks at a timer again and again, until it is dropped.
#[derive(Debug)]
pub struct Lateness {
    most: Arc<AtomicU64>,
    looking: JoinHandle<()>,
}

impl Lateness {
    pub fn watch() -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&most);
        let looking = tokio::spawn(async move {
            loop {
                let due = Instant::now() + PERIOD;
                sleep_until(due).await;
                let late = due.elapsed().as_millis() as u64;
                seen.fetch_max(late, Ordering::Relaxed);
            }
        });
        Self { most, looking }
    }

    /// The latest that a timer was.
    pub fn most(&self) -> Duration {
        Duration::from_millis(self.most.load(Ordering::Relaxed))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.looking.abort();
    }
}
