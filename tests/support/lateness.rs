//! How late this machine is: the one thing in trials in real time that is nobody's fault.
//!
//! A request that was sent in time comes too late for its server if whoever hands it on is not given
//! the processor in time. That shows in timers too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Watches timers for as long as it lives.
#[derive(Debug)]
pub struct Lateness {
    worst: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(5);

impl Lateness {
    pub fn watch() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(watch(Arc::clone(&worst)));
        Self { worst, task }
    }

    /// By how much the latest timer so far was late.
    pub fn worst(&self) -> Duration {
        Duration::from_millis(self.worst.load(Ordering::Relaxed))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(worst: Arc<AtomicU64>) {
    loop {
        let before = Instant::now();
        sleep(PERIOD).await;
        let late = before.elapsed().saturating_sub(PERIOD);
        worst.fetch_max(late.as_millis() as u64, Ordering::Relaxed);
    }
}
