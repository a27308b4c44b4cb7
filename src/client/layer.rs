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
///    if that has a [`ConnectionHandle`](crate::ConnectionHandle) in its extensions. If it has none of
///    the same [`KeepAlive`], they go into the extensions of the response too, as a
///    [`KeepAliveHint`](crate::KeepAliveHint). What a later hint on a connection does not mention
///    stands. A new connection begins with what its origin said last on another one, but for a timeout
///    longer than `max_idle`, until it is told itself.
///
/// The fields themselves stay, unless [`strip_hop_by_hop`](Self::strip_hop_by_hop) says otherwise.
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
    /// A layer with the default policy, which shares nothing.
    ///
    /// To share policy and numbers with a connector, use [`KeepAlive::layer`] instead. Hints reach
    /// the connection either way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether fields that are meant for one connection alone are removed, as whoever passes messages
    /// on has to (RFC 9110 §7.6.1): for reverse proxies and gateways. They are not by default.
    ///
    /// Without it a server's `Keep-Alive: timeout=5` reaches the proxy's own client, which takes it
    /// for the proxy's; and what that client says of its connection reaches the server.
    ///
    /// From requests they are removed before rule 1 is applied, from responses after rule 5:
    ///
    /// * `Connection`, and each field that it names, but for `Host` and `Content-Length`, and what says
    ///   whom a message came by: `Forwarded`, `Via`, `X-Forwarded-For`, `-Host` and `-Proto`. To name
    ///   those is forbidden, and would have them lost by any client that likes.
    /// * `Keep-Alive`, `Proxy-Connection`, `TE`, `Upgrade` and `HTTP2-Settings`, named or not. HTTP/2
    ///   requests keep `TE: trailers`.
    /// * `Transfer-Encoding: chunked`, which hyper puts on again by itself. It stays in GET, HEAD and
    ///   CONNECT requests: hyper sends their body only if the field is there. Another coding is still in
    ///   the body, so its name stays. HTTP/2 has no codings: there the field goes.
    /// * `Content-Length` where there is a `Transfer-Encoding`, which overrides it (RFC 9112 §6.3); in
    ///   responses with 1xx and 204, which have no body; and where it is no number, or several. One that
    ///   is repeated becomes one field with one number (RFC 9110 §8.6).
    ///
    /// An upgrade passes through: `Connection: upgrade` and `Upgrade` stay in a request that has both,
    /// and in a response that answers one, 101 or 426. One to HTTP by another name (`h2c`) does not, as
    /// what is then said would pass the proxy unseen.
    ///
    /// What is removed from heads is removed from what `Trailer` announces too: in HTTP/1 hyper writes no
    /// trailer field that is not announced. The names that stay are left as they were written. In HTTP/2
    /// trailer fields pass. `Proxy-Authorization` and its kin stay: they are for the proxy that asked for
    /// them.
    ///
    /// The work is linear in the size of the head, whatever its fields say.
    ///
    /// A proxy that adds fields of its own should remove those of its client *before* that, with
    /// [`strip_request_hop_by_hop`](crate::strip_request_hop_by_hop); else the client can have them removed
    /// here. [`strip_response_hop_by_hop`](crate::strip_response_hop_by_hop) is for responses of a client
    /// without this layer.
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
    /// The layer that goes around a client.
    pub fn layer(&self) -> KeepAliveLayer {
        KeepAliveLayer {
            keep_alive: self.clone(),
            strips: false,
        }
    }
}
