//! What connector and client share.

use super::client::KeepAliveLayer;
use super::clock::Clock;
use super::connect::IdleAwareConnector;
use super::executor::TaskExecutor;

#[derive(Clone, Debug, Default)]
pub struct KeepAlive {
    executor: TaskExecutor,
}

impl KeepAlive {
    pub fn clock(&self) -> &Clock {
        &Clock
    }

    pub fn executor(&self) -> &TaskExecutor {
        &self.executor
    }

    pub fn connector<C>(&self, inner: C) -> IdleAwareConnector<C> {
        IdleAwareConnector {
            inner,
            keep_alive: self.clone(),
        }
    }

    pub fn layer(&self) -> KeepAliveLayer {
        KeepAliveLayer
    }
}
