//! The connector.

use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower_service::Service;

use super::future::Connecting;
use super::io::IdleAwareIo;
use crate::error::PolicyError;
use crate::origin::Origin;
use crate::policy::KeepAlivePolicy;
use crate::shared::KeepAlive;

/// A connector whose connections close themselves before their server does.
///
/// Wraps any connector for hyper: hyper-util's `HttpConnector`, hyper-rustls' `HttpsConnector`, one
/// for Unix sockets, a tunnel. Its errors pass through, as do the extras and flags of the
/// connections; a [`ConnectionHandle`](crate::ConnectionHandle) is added to the extras.
///
/// 1. What passes is looked at, in both directions, to know where messages end. No byte is altered
///    or delayed. At most the first 960 bytes of a response are kept, to be looked at later, and the last
///    256 bytes of a request, to know those that are like it.
/// 2. Before each read on an idle connection it is decided whether the connection may still be
///    used. If not, the transport is shut down, and the read fails with
///    [`ConnectionAborted`](std::io::ErrorKind::ConnectionAborted). hyper reads before it takes a request, so
///    a request that was already waiting for this connection comes back unsent, and hyper-util's client
///    sends it on another. Who drives the connection by hand gets that error from its future: see
///    [`guide::pools`](crate::guide::pools).
/// 3. A timer makes sure that this read happens at the deadline, so that the socket closes then, unless it
///    is left open to learn from (see [`Learn`](crate::Learn)): no request is given to it. The timer is
///    moved only when it fires, not with every request.
/// 4. While a request or a response is under way nothing is ever done to it, however long it takes.
/// 5. A connection that was never used is good for its first request until the timeout less the margin
///    has passed since it connected, and for a second after the client first read from it, whatever the
///    margin: it was opened for that request, which nobody would send again.
/// 6. Connections that are not plain HTTP/1 (HTTP/2, upgraded to another protocol, tunnels, anything
///    not understood) are left alone for good.
///
/// Wrap the outermost connector, the one whose bytes are HTTP: around TLS, not within.
///
/// ```
/// use http_keepalive::{IdleAwareConnector, KeepAlivePolicy};
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
///
/// let connector = IdleAwareConnector::new(HttpConnector::new(), KeepAlivePolicy::default())?;
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
    /// Where the policy holds a value that makes no sense.
    pub fn new(inner: C, policy: KeepAlivePolicy) -> Result<Self, PolicyError> {
        Ok(KeepAlive::new(policy)?.connector(inner))
    }

    /// What is shared with the other parts.
    pub fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// The connector within.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }

    /// The connector within.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.inner
    }

    /// Unwraps the connector within.
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
    // What hyper-util asks of a transport.
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
