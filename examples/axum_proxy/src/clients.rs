//! The clients that stand behind the proxy, with and without this crate.

use axum::body::Body;
use http::Uri;
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAliveService};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{Layer, Service};

/// hyper-util's client as it comes: the control.
pub fn plain<C>(connector: C) -> Client<C, Body>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// The same client with both halves of this crate. What is meant for the connection to the upstream
/// alone stays behind.
pub fn guarded<C>(
    keep_alive: &KeepAlive,
    connector: C,
) -> KeepAliveService<Client<IdleAwareConnector<C>, Body>>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    keep_alive
        .layer()
        .strip_hop_by_hop(true)
        .layer(plain(keep_alive.connector(connector)))
}
