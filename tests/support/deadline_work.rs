//! What it takes to close idle connections at their deadline, counted.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAlivePolicy};
use hyper::rt::Executor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

use super::idle::fill_origins;

/// Shortly before the deadline of connections that were opened at the start, up to 50 000 of them.
pub const BEFORE: Duration = Duration::from_millis(3_980);

/// When it has passed for all of them. Before 4 096 ms, when tokio takes up all timers of the 4 096 ms
/// that follow, to sort them more finely: that is work too, but not the deadlines'.
pub const AFTER: Duration = Duration::from_millis(4_080);

/// What happened in some time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Work {
    /// How often tasks of the client were polled.
    pub polls: usize,
    /// How often a clock was read.
    pub readings: usize,
}

/// A client with this crate's connector, and what it does, counted. In paused time only.
#[derive(Debug)]
pub struct Counted<C> {
    client: Client<IdleAwareConnector<C>, Full<Bytes>>,
    started: Instant,
    polls: Arc<AtomicUsize>,
    readings: Arc<AtomicUsize>,
}

impl<C> Counted<C>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    /// Its connections idle for 4 s: the five that are expected by default, less a margin of one.
    pub fn new(connector: C) -> Self {
        let readings = Arc::<AtomicUsize>::default();
        let clock = Arc::clone(&readings);
        let keep_alive = KeepAlive::builder()
            .policy(KeepAlivePolicy::default().safety_margin(Duration::from_secs(1)))
            .wall_clock(move || {
                clock.fetch_add(1, Ordering::Relaxed);
                SystemTime::UNIX_EPOCH
            })
            .build()
            .unwrap();
        let executor = CountingExecutor::default();
        let polls = Arc::clone(&executor.polls);
        Self {
            client: Client::builder(executor).build(keep_alive.connector(connector)),
            started: Instant::now(),
            polls,
            readings,
        }
    }

    /// Opens `expiring` connections and, 2 s later, `idle` more; then it is [`BEFORE`].
    pub async fn open(&self, expiring: usize, idle: usize) {
        fill_origins(&self.client, "early", expiring).await;
        sleep_until(self.started + Duration::from_secs(2)).await;
        fill_origins(&self.client, "late", idle).await;
        sleep_until(self.started + BEFORE).await;
    }

    /// Opens connections and, 2 s later, uses each of them once more; then it is [`BEFORE`].
    pub async fn open_and_use(&self, connections: usize) {
        fill_origins(&self.client, "early", connections).await;
        sleep_until(self.started + Duration::from_secs(2)).await;
        fill_origins(&self.client, "early", connections).await;
        sleep_until(self.started + BEFORE).await;
    }

    /// Lets the time pass from [`BEFORE`] to [`AFTER`].
    pub async fn pass(&self) -> Work {
        let before = self.work();
        sleep_until(self.started + AFTER).await;
        let after = self.work();
        Work {
            polls: after.polls - before.polls,
            readings: after.readings - before.readings,
        }
    }

    fn work(&self) -> Work {
        Work {
            polls: self.polls.load(Ordering::Relaxed),
            readings: self.readings.load(Ordering::Relaxed),
        }
    }
}

/// Spawns tasks, and counts how often they are polled.
#[derive(Clone, Debug, Default)]
struct CountingExecutor {
    polls: Arc<AtomicUsize>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for CountingExecutor {
    fn execute(&self, future: F) {
        let polls = Arc::clone(&self.polls);
        let mut future = Box::pin(future);
        tokio::spawn(poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            future.as_mut().poll(cx)
        }));
    }
}
