//! Two origins behind TLS, and stacks that ask them.

use std::time::Duration;

use bytes::Bytes;
use client_stack::authority::CertificateAuthority;
use client_stack::clients::{RequestBody, guarded, https, plain};
use client_stack::hosts::Hosts;
use client_stack::stack::{BoxError, Patience, stack};
use client_stack::support::client::keep_alive;
use client_stack::support::link::Link;
use client_stack::support::server::{Server, ServerBuilder};
use http::{Request, Response};
use http_body::Body;
use http_keepalive::{
    ConnectionHandle, IdleAwareConnector, KeepAlive, KeepAlivePolicy, KeepAliveService,
};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, Client};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;
use tower::Service;

pub(crate) const FIRST: &str = "first.test";
pub(crate) const SECOND: &str = "second.test";

/// A round trip, in those tests in which it matters.
pub(crate) const RTT: Duration = Duration::from_millis(80);

pub(crate) const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(1),
    piece: Duration::from_secs(1),
};

pub(crate) type Plain = Client<HttpsConnector<Hosts>, RequestBody>;
/// With the connector alone: the layer may go anywhere.
pub(crate) type Aware = Client<IdleAwareConnector<HttpsConnector<Hosts>>, RequestBody>;

/// Two origins, one client's knowledge of them, and the network between.
pub(crate) struct Rig {
    pub(crate) first: Server,
    pub(crate) second: Server,
    pub(crate) keep_alive: KeepAlive,
    hosts: Hosts,
    tls: ClientConfig,
}

impl Rig {
    pub(crate) fn new(first: ServerBuilder, second: ServerBuilder, link: Link) -> Self {
        let authority = CertificateAuthority::new();
        let first = first.tls(authority.server(FIRST)).build();
        let second = second.tls(authority.server(SECOND)).build();
        Self {
            hosts: Hosts::new([(FIRST, &first), (SECOND, &second)], link),
            first,
            second,
            keep_alive: keep_alive(KeepAlivePolicy::default()),
            tls: authority.client(),
        }
    }

    /// With a first origin of that kind, next to it.
    pub(crate) fn of(first: ServerBuilder) -> Self {
        Self::new(first, Server::builder(), Link::new())
    }

    pub(crate) fn connector(&self) -> HttpsConnector<Hosts> {
        https(self.tls.clone(), self.hosts.clone())
    }

    pub(crate) fn plain(&self) -> Plain {
        plain(self.connector())
    }

    pub(crate) fn aware(&self) -> Aware {
        plain(self.keep_alive.connector(self.connector()))
    }

    pub(crate) fn guarded(&self) -> KeepAliveService<Aware> {
        guarded(&self.keep_alive, self.connector())
    }

    /// The stack of this example.
    pub(crate) fn stack(&self) -> impl Stack + use<> {
        stack(self.guarded(), PATIENCE)
    }

    /// The control: the same without this crate.
    pub(crate) fn plain_stack(&self) -> impl Stack + use<> {
        stack(self.plain(), PATIENCE)
    }
}

/// What all stacks of this example are.
pub(crate) trait Stack:
    Service<
        Request<RequestBody>,
        Response = Response<Self::Body>,
        Error = legacy::Error,
        Future: Send,
    > + Clone
    + Send
{
    type Body: Body<Data = Bytes, Error = BoxError> + Send + 'static;
}

impl<S, B> Stack for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = legacy::Error, Future: Send>
        + Clone
        + Send,
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    type Body = B;
}

/// Waits until so many connections to a server have ended. What would wait for ever is a failure, after
/// an hour of virtual time.
pub(crate) async fn closed(server: &Server, connections: usize) {
    let hour = Duration::from_secs(3_600);
    let closed = timeout(hour, server.closed(connections)).await;
    closed.expect("nothing more is closed");
}

/// The connection that a response came on.
pub(crate) fn connection<B>(response: &Response<B>) -> &ConnectionHandle {
    let handle = response.extensions().get();
    handle.expect("the connection is one of this crate's")
}

/// The timeout that the server named on a connection.
pub(crate) fn hint(connection: &ConnectionHandle) -> Option<Duration> {
    connection.hint()?.timeout()
}
