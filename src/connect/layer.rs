//! The connector's tower layer.

use tower_layer::Layer;

use super::service::IdleAwareConnector;
use crate::error::PolicyError;
use crate::policy::KeepAlivePolicy;
use crate::shared::KeepAlive;

/// Wraps connectors in an [`IdleAwareConnector`]. Cheap to clone.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct IdleAwareLayer {
    keep_alive: KeepAlive,
}

impl IdleAwareLayer {
    /// Wraps connectors so that their connections follow a policy.
    ///
    /// # Errors
    ///
    /// Where the policy holds a value that makes no sense.
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
    /// The connector as a tower layer.
    pub fn connector_layer(&self) -> IdleAwareLayer {
        IdleAwareLayer {
            keep_alive: self.clone(),
        }
    }
}
