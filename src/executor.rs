//! The one place that spawns tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::runtime::Handle;

/// The task of a connection that is not used any more, and is left open to learn how long its server
/// waits: for a [`KeepAliveBuilder::executor`](crate::KeepAliveBuilder::executor).
///
/// Dropping it closes the connection.
#[must_use = "futures do nothing unless polled"]
pub struct Sentinel {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Sentinel {
    pub(crate) fn new(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            task: Box::pin(task),
        }
    }
}

impl Future for Sentinel {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sentinel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinel").finish_non_exhaustive()
    }
}

/// Runs sentinels.
#[derive(Clone, Default)]
pub(crate) struct SentinelExecutor {
    /// `None` is the tokio runtime that the connection was driven on.
    executor: Option<Arc<dyn Executor<Sentinel> + Send + Sync>>,
}

impl SentinelExecutor {
    pub(crate) fn new(executor: impl Executor<Sentinel> + Send + Sync + 'static) -> Self {
        Self {
            executor: Some(Arc::new(executor)),
        }
    }

    /// Runs a sentinel; outside of a runtime, closes its connection.
    pub(crate) fn spawn(&self, sentinel: Sentinel) {
        if let Some(executor) = &self.executor {
            executor.execute(sentinel);
        } else if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(sentinel));
        }
    }
}

impl fmt::Debug for SentinelExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentinelExecutor").finish_non_exhaustive()
    }
}
