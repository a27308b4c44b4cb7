//! Tasks on shuttle's executor.

use std::future::Future;
use std::pin::Pin;

use super::Tasks;

pub struct ConnectionTask(Pin<Box<dyn Future<Output = ()> + Send>>);

impl ConnectionTask {
    pub fn new(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(task))
    }
}

#[derive(Clone, Debug, Default)]
pub struct TaskExecutor(pub Tasks);

impl TaskExecutor {
    pub fn spawn(&self, ConnectionTask(task): ConnectionTask) {
        self.0.spawn(task);
    }
}
