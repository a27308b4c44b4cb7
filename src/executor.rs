//! The one place that spawns tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::runtime::Handle;

/// The task of a connection: of a [`Client`](crate::Client)'s, or of one that is not used any more, and is left open as a
/// sentinel (see [`Learn`](crate::Learn)). Also one that goes on to open a connection, and those of hyper for the bodies of
/// requests on HTTP/2.
///
/// For a [`KeepAliveBuilder::executor`](crate::KeepAliveBuilder::executor). Dropping it closes the connection, or ends that
/// request.
#[must_use = "futures do nothing unless polled"]
pub struct ConnectionTask {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl ConnectionTask {
    pub(crate) fn new(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            task: Box::pin(task),
        }
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.as_mut().poll(cx)
    }
}

impl fmt::Debug for ConnectionTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionTask").finish_non_exhaustive()
    }
}

/// Runs the tasks of connections on the executor of
/// [`KeepAliveBuilder::executor`](crate::KeepAliveBuilder::executor).
#[derive(Clone, Default)]
pub struct TaskExecutor {
    /// `None` is the tokio runtime that the caller runs on.
    executor: Option<Arc<dyn Executor<ConnectionTask> + Send + Sync>>,
}

impl TaskExecutor {
    pub(crate) fn new(executor: impl Executor<ConnectionTask> + Send + Sync + 'static) -> Self {
        Self {
            executor: Some(Arc::new(executor)),
        }
    }

    /// Runs a task; outside of a runtime, closes its connection.
    pub(crate) fn spawn(&self, task: ConnectionTask) {
        if let Some(executor) = &self.executor {
            executor.execute(task);
        } else if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(task));
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for TaskExecutor {
    fn execute(&self, task: F) {
        self.spawn(ConnectionTask::new(task));
    }
}

impl fmt::Debug for TaskExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskExecutor").finish_non_exhaustive()
    }
}
