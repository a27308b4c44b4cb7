//! The connector's tower layer.

use tower_layer::Layer;

use super::service::IdleAwareConnector;
use crate::error::PolicyError;
use crate::keep_alive::KeepAlive;
use crate::policy::KeepAlivePolicy;

/// Wraps connectors in an [`IdleAwareConnector`]. Cheap to clone.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct IdleAwareLayer {
    keep_alive: KeepAlive,
}

impl IdleAwareLayer {
    /// A layer for connectors whose connections are to follow a policy.
    ///
    /// # Errors
    ///
    /// If a setting of the policy is out of its range.
    pub fn new(policy: KeepAlivePolicy) -> Result<Self, PolicyError> {
        Ok(KeepAlive::new(policy)?.connector_layer())
    }
}

impl<C> Layer<C> for IdleAwareLayer {
    type Service = IdleAwareConnector<C>;

    fn layer(&self, inner: C) -> Self::Service {
        self.keep_alive.connector(inner)
    }
}

impl KeepAlive {
    /// A layer that wraps connectors, as [`connector`](Self::connector) does.
    pub fn connector_layer(&self) -> IdleAwareLayer {
        IdleAwareLayer {
            keep_alive: self.clone(),
        }
    }
}
