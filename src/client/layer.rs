//! The layer.

use tower_layer::Layer;

use super::service::KeepAliveService;
use crate::shared::KeepAlive;

/// Has requests ask for a persistent connection, and the hint in responses heeded. Cheap to clone.
///
/// See the crate page for the order of composition. Alone, without an
/// [`IdleAwareConnector`](crate::IdleAwareConnector), it adds the `Connection` field and leaves a
/// [`KeepAliveHint`](crate::KeepAliveHint) in the extensions of responses.
///
/// ```
/// use http_keepalive::KeepAlive;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower_layer::Layer;
///
/// let keep_alive = KeepAlive::default();
/// let connector = keep_alive.connector(HttpConnector::new());
/// let client = Client::builder(TokioExecutor::new()).build::<_, String>(connector);
/// let client = keep_alive.layer().layer(client);
/// # let _ = client;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct KeepAliveLayer {
    keep_alive: KeepAlive,
}

impl KeepAliveLayer {
    /// A layer with the default policy, which shares nothing.
    ///
    /// To share policy and numbers with a connector, use [`KeepAlive::layer`] instead. Hints reach
    /// the connection either way.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for KeepAliveLayer {
    type Service = KeepAliveService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        KeepAliveService::new(inner, self.keep_alive.clone())
    }
}

impl KeepAlive {
    /// The layer that goes around a client.
    pub fn layer(&self) -> KeepAliveLayer {
        KeepAliveLayer {
            keep_alive: self.clone(),
        }
    }
}
