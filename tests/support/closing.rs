//! What it takes to close idle connections at their deadline, counted.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use http_keepalive::{IdleAwareConnector, KeepAlive};
use hyper::rt::Executor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use tokio::time::sleep;
use tower_service::Service;

use super::idle::fill;

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
    polls: Arc<AtomicUsize>,
    readings: Arc<AtomicUsize>,
}

impl<C> Counted<C>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    /// Connections idle for 4 s, as the policy is by default.
    pub fn new(connector: C) -> Self {
        let readings = Arc::<AtomicUsize>::default();
        let clock = Arc::clone(&readings);
        let keep_alive = KeepAlive::builder()
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
            polls,
            readings,
        }
    }

    /// Opens `expiring` connections and, 2 s later, `idle` more; then it is 1 s to the deadline of the
    /// former.
    pub async fn open(&self, expiring: usize, idle: usize) {
        fill(&self.client, "http://early.test/", expiring).await;
        sleep(Duration::from_secs(2)).await;
        fill(&self.client, "http://late.test/", idle).await;
        sleep(Duration::from_secs(1)).await;
    }

    /// Opens connections and, 2 s later, uses each of them once more; then it is 1 s to what was their
    /// deadline at first.
    pub async fn open_and_use(&self, connections: usize) {
        fill(&self.client, "http://early.test/", connections).await;
        sleep(Duration::from_secs(2)).await;
        fill(&self.client, "http://early.test/", connections).await;
        sleep(Duration::from_secs(1)).await;
    }

    /// Lets 2 s pass.
    pub async fn pass(&self) -> Work {
        let before = self.work();
        sleep(Duration::from_secs(2)).await;
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
