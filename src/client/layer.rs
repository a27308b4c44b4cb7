//! The layer.

use tower_layer::Layer;

use super::service::KeepAliveService;
use crate::keep_alive::KeepAlive;

/// Asks servers for their idle timeout, with the `Connection` field of requests. Cheap to clone.
///
/// The [connector](crate::IdleAwareConnector) reads the answer from the response's head as it passes.
///
/// Requests:
///
/// 1. A request that carries a `Connection` field is not changed, such as one with
///    `Connection: upgrade`.
/// 2. Neither is an HTTP/2 request, nor one to an origin whose last response was HTTP/2: HTTP/2 forbids
///    the field (RFC 9113 §8.2.2), and hyper would log a warning each time.
/// 3. Any other request gets `Connection: close` if the policy switches reuse off, or if its extensions
///    hold [`CloseAfterResponse`](crate::CloseAfterResponse).
/// 4. Else it gets `Connection: keep-alive`, as long as the origin is to be asked. HTTP/1.1 connections
///    persist without the field, but Apache httpd and Tomcat name their timeout only in response to it. A
///    hint holds for the whole connection, and the field costs both sides some work. So an origin is asked
///    until it has answered on each open connection of the same [`KeepAlive`], and again when none to it
///    is open any more. If its connections are not of the same [`KeepAlive`], it is asked with each
///    request.
///
/// Responses:
///
/// 5. If an HTTP/1 response came on no connection of the same [`KeepAlive`], its `Keep-Alive` fields are
///    parsed, and the [`KeepAliveHint`](crate::KeepAliveHint) is inserted into its extensions. Otherwise
///    [`ConnectionHandle::hint`](crate::ConnectionHandle::hint) has the hint.
/// 6. After a request with [`CloseAfterResponse`](crate::CloseAfterResponse), the connection is retired.
///
/// The `Keep-Alive` fields stay in the response, unless [`strip_hop_by_hop`](Self::strip_hop_by_hop) is on.
/// Errors pass through unchanged. See the crate page for the order of composition.
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
    strips: bool,
}

impl KeepAliveLayer {
    /// A layer with a [`KeepAlive`] of its own, with the default policy.
    ///
    /// To share policy and numbers with a connector, use [`KeepAlive::layer`] instead. A connector applies
    /// hints either way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether hop-by-hop fields are removed, as an intermediary must do (RFC 9110 §7.6.1): for reverse
    /// proxies and gateways. They are not by default.
    ///
    /// Otherwise a server's `Keep-Alive: timeout=5` reaches the proxy's client, which takes it for the
    /// proxy's own timeout; and the `Connection` field of that client reaches the server.
    ///
    /// From requests these fields are removed before rule 1 is applied, from responses after rule 6:
    ///
    /// * `Connection`, and each field that it names, except `Host`, `Content-Length`, and the fields about
    ///   the hops of a message: `Forwarded`, `Via`, `X-Forwarded-For`, `-Host` and `-Proto`. `Connection`
    ///   must not name those; a client could otherwise have them removed.
    /// * `Keep-Alive`, `Proxy-Connection`, `TE`, `Upgrade` and `HTTP2-Settings`, named or not. HTTP/2
    ///   requests keep `TE: trailers`.
    /// * `Transfer-Encoding: chunked`, which hyper adds itself. It stays in GET, HEAD and CONNECT requests,
    ///   whose body hyper sends only if the field is there. Another coding stays in the body, so its name
    ///   stays too. In HTTP/2, which has no codings, the field is removed.
    /// * `Content-Length` beside `Transfer-Encoding`, which overrides it (RFC 9112 §6.3); in responses with
    ///   1xx and 204, which have no body; and where it is no number, or several. A repeated length becomes
    ///   one field with one number (RFC 9110 §8.6).
    ///
    /// An upgrade passes through: `Connection: upgrade` and `Upgrade` stay in a request that has both,
    /// and in a response that answers one, 101 or 426. An upgrade to HTTP itself (`h2c`) is removed, since
    /// the proxy could not inspect the requests in it.
    ///
    /// The names of removed fields are removed from `Trailer` too: in HTTP/1 hyper writes no trailer field
    /// that is not announced. The other names stay as they were written. In HTTP/2 trailer fields pass.
    /// `Proxy-Authorization`, `Proxy-Authenticate` and similar fields stay: they are for the proxy that
    /// requested them.
    ///
    /// The work is linear in the size of the head, whatever its fields contain.
    ///
    /// A proxy that adds fields of its own should remove the client's *before* that, with
    /// [`strip_request_hop_by_hop`](crate::strip_request_hop_by_hop); otherwise the client can have the
    /// proxy's fields removed here. [`strip_response_hop_by_hop`](crate::strip_response_hop_by_hop) is for
    /// responses of a client without this layer.
    ///
    /// ```
    /// use http_keepalive::KeepAlive;
    ///
    /// let layer = KeepAlive::default().layer().strip_hop_by_hop(true);
    /// # let _ = layer;
    /// ```
    pub fn strip_hop_by_hop(mut self, strips: bool) -> Self {
        self.strips = strips;
        self
    }
}

impl<S> Layer<S> for KeepAliveLayer {
    type Service = KeepAliveService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        KeepAliveService::new(inner, self.keep_alive.clone(), self.strips)
    }
}

impl KeepAlive {
    /// A layer for a client.
    pub fn layer(&self) -> KeepAliveLayer {
        KeepAliveLayer {
            keep_alive: self.clone(),
            strips: false,
        }
    }
}
