//! The layer.

use tower_layer::Layer;

use super::service::KeepAliveService;
use crate::shared::KeepAlive;

/// Has requests ask for a persistent connection, and the hint in responses heeded. Cheap to clone.
///
/// On a request:
///
/// 1. One that carries a `Connection` field of its own is left as it is, `Connection: upgrade` above
///    all.
/// 2. So is an HTTP/2 request, and one to an origin that answered in HTTP/2 when it was seen last:
///    the field is forbidden there (RFC 9113 §8.2.2), and hyper would log a warning each time.
/// 3. Otherwise it gets `Connection: close` if the policy switches reuse off, or if its extensions
///    hold [`CloseAfterResponse`](crate::CloseAfterResponse).
/// 4. Otherwise `Connection: keep-alive`, as long as it is worth asking. HTTP/1.1 connections persist
///    without it, but Apache httpd and Tomcat say how long they keep them only to those who ask. What
///    they say holds for the connection, and to ask costs both sides some work: where the connections
///    are those of the same [`KeepAlive`], a server is asked until it has answered on each that is
///    open, and again when none to it is open any more.
///
/// On a response:
///
/// 5. Its `Keep-Alive` fields are parsed. What they say goes to the connection the response came on,
///    if that has a [`ConnectionHandle`](crate::ConnectionHandle) in its extensions, and into the
///    extensions of the response, as a [`KeepAliveHint`](crate::KeepAliveHint). What a later hint on
///    a connection does not mention stands. A new connection begins with what its origin said last on
///    another one, but for a timeout longer than `max_idle`, until it is told itself.
///
/// The fields themselves stay. Errors pass through unchanged. See the crate page for the order of
/// composition.
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
