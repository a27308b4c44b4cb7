//! This crate's own client over connections whose far ends the test holds.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use http_keepalive::{ClientError, KeepAlivePolicy, PoolSettings, PoolStats};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::Connected;
use tokio::task::JoinHandle;
use tower::{Service, ServiceExt};

use super::client::{Own, get, keep_alive};
use super::link::Link;
use super::wire::{FarEnds, WireConnector, wires};

/// A client, and the far ends of its connections.
pub fn client(set: impl FnOnce(&mut PoolSettings)) -> (Own<WireConnector>, FarEnds) {
    let (connector, far_ends) = wires(Link::new(), Connected::new);
    (over(connector, set), far_ends)
}

pub fn over<C>(connector: C, set: impl FnOnce(&mut PoolSettings)) -> Own<C> {
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    keep_alive.client_over(connector).pool(set).build()
}

/// Has each connection take so long to open.
pub fn delayed<C>(
    connector: C,
    by: Duration,
) -> impl Service<Uri, Response = C::Response, Error = C::Error, Future: Send> + Clone + Send + Sync
where
    C: Service<Uri, Future: Send + 'static> + Clone + Send + Sync,
{
    connector.map_future(move |connecting| {
        Box::pin(async move {
            tokio::time::sleep(by).await;
            connecting.await
        })
    })
}

pub type Answer = Result<Response<Incoming>, ClientError>;

/// Sends a request in a task of its own, which has begun when this returns.
pub async fn begin<C>(client: &Own<C>, uri: &str) -> JoinHandle<Answer>
where
    Own<C>: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error = ClientError,
            Future: Send,
        > + Send
        + 'static,
    C: Sync,
{
    let task = tokio::spawn(client.clone().oneshot(get(uri)));
    settle().await;
    task
}

/// Lets all tasks do what they can without time passing.
pub async fn settle() {
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

/// The numbers of the only origin: idle, busy, connecting, waiting.
pub fn numbers<C>(client: &Own<C>) -> [usize; 4] {
    let stats = client.get_ref().stats();
    let [
        PoolStats {
            idle,
            busy,
            connecting,
            waiting,
            ..
        },
    ] = stats[..]
    else {
        panic!("{stats:?}");
    };
    [idle, busy, connecting, waiting]
}
