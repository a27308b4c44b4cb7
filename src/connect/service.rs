//! The connector.

use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower_service::Service;

use super::future::Connecting;
use super::io::IdleAwareIo;
use crate::error::PolicyError;
use crate::keep_alive::KeepAlive;
use crate::origin::Origin;
use crate::policy::KeepAlivePolicy;

/// A connector whose connections close themselves before their server does.
///
/// Wraps any connector for hyper: hyper-util's `HttpConnector`, hyper-rustls' `HttpsConnector`, one
/// for Unix sockets, a tunnel. Errors pass through, as do the extras and flags of connections. A
/// [`ConnectionHandle`](crate::ConnectionHandle) is added to the extras.
///
/// 1. HTTP/1 framing is followed in both directions, passively, to know where messages end. No byte is
///    altered or delayed. Of a message head only an unfinished line is kept, up to 1 KiB of it.
/// 2. The `Keep-Alive` field of each final response is read as it passes, and sets the connection's
///    deadline. What a later hint does not mention stands. A new connection starts with the last hint of
///    its origin, but for a timeout longer than `max_idle`, until it receives one itself.
/// 3. Before each read on an idle connection it is decided whether the connection may still be
///    used. If not, the transport is shut down, and the read fails with
///    [`ConnectionAborted`](std::io::ErrorKind::ConnectionAborted). hyper reads before it takes a request from
///    its queue, so a request that was already waiting for this connection comes back unsent, and
///    hyper-util's client sends it on another. Code that drives the connection itself gets that error from
///    the connection's future: see [`guide::pools`](crate::guide::pools).
/// 4. A timer makes sure that this read happens at the deadline, so that the socket closes then, unless it
///    is left open as a sentinel (see [`Learn`](crate::Learn)), on which no request is sent. The timer is
///    moved only when it fires, not with every request.
/// 5. Nothing is ever done to a connection while a request or a response is under way, however long
///    it takes.
/// 6. A connection that was never used is good for its first request until the timeout less the margin
///    has passed since it connected, and for a second after the client first read from it, whatever the
///    margin: it was opened for that request, which hyper-util would not send again.
/// 7. Connections that are not plain HTTP/1 (HTTP/2, upgraded to another protocol, tunnels, anything
///    not understood) are only forwarded, for good.
///
/// Wrap the outermost connector, whose bytes are HTTP: around TLS, not inside it.
///
/// ```
/// use http_keepalive::{IdleAwareConnector, KeepAlivePolicy};
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
///
/// let policy = KeepAlivePolicy::default();
/// let connector = IdleAwareConnector::new(HttpConnector::new(), policy)?;
/// let client = Client::builder(TokioExecutor::new()).build(connector);
/// # let _: Client<_, String> = client;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct IdleAwareConnector<C> {
    inner: C,
    keep_alive: KeepAlive,
}

impl<C> IdleAwareConnector<C> {
    /// Wraps a connector so that its connections follow a policy.
    ///
    /// To share policy and numbers with a [`KeepAliveLayer`](crate::KeepAliveLayer), use
    /// [`KeepAlive::connector`] instead.
    ///
    /// # Errors
    ///
    /// If a setting of the policy is out of its range.
    pub fn new(inner: C, policy: KeepAlivePolicy) -> Result<Self, PolicyError> {
        Ok(KeepAlive::new(policy)?.connector(inner))
    }

    /// The `KeepAlive` that the connector shares with other parts.
    pub fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// Returns the inner connector.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }

    /// Returns the inner connector.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.inner
    }

    /// Unwraps the inner connector.
    pub fn into_inner(self) -> C {
        self.inner
    }
}

impl KeepAlive {
    /// Wraps a connector so that its connections follow this policy.
    pub fn connector<C>(&self, inner: C) -> IdleAwareConnector<C> {
        IdleAwareConnector {
            inner,
            keep_alive: self.clone(),
        }
    }
}

impl<C> Service<Uri> for IdleAwareConnector<C>
where
    C: Service<Uri>,
    // hyper-util's bounds on a transport.
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
{
    type Response = IdleAwareIo<C::Response>;
    type Error = C::Error;
    type Future = Connecting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let origin = Origin::of(&uri);
        let connecting = self.inner.call(uri);
        Connecting::new(connecting, origin, self.keep_alive.clone())
    }
}
