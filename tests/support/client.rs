//! Clients with and without this crate.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use http_keepalive::{
    IdleAwareConnector, KeepAlive, KeepAliveBuilder, KeepAlivePolicy, KeepAliveService,
};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{Layer, Service, ServiceExt};

#[path = "either.rs"]
mod either;

#[allow(
    unused_imports,
    reason = "each of those who include this uses a part of it"
)]
pub use self::either::{
    EitherClient, EitherError, EitherFuture, Guarded, VARIABLE, is_own, unlayered, unlayered_with,
};

/// The control: hyper-util's client as it comes.
pub type Plain<C> = Client<C, Full<Bytes>>;

/// The same client with both halves of this crate.
pub type GuardedLegacy<C> = KeepAliveService<Plain<IdleAwareConnector<C>>>;

/// This crate's own client, with the layer.
pub type Own<C> = KeepAliveService<http_keepalive::Client<C, Full<Bytes>>>;

/// hyper-util's client as it comes.
pub fn plain<C: Connect + Clone + Send + Sync + 'static>(connector: C) -> Plain<C> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// A client with both halves of this crate: hyper-util's, or this crate's own if [`is_own`].
pub fn guarded<C>(keep_alive: &KeepAlive, connector: C) -> Guarded<C>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    keep_alive.layer().layer(unlayered(keep_alive, connector))
}

/// hyper-util's client with both halves of this crate.
pub fn guarded_legacy<C>(keep_alive: &KeepAlive, connector: C) -> GuardedLegacy<C>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    keep_alive
        .layer()
        .layer(plain(keep_alive.connector(connector)))
}

/// This crate's own client.
pub fn own<C>(keep_alive: &KeepAlive, connector: C) -> Own<C> {
    keep_alive.client_over(connector).build()
}

/// hyper-util's client, whose own pool gives connections up after `timeout`.
pub fn plain_with_idle_timeout<C>(connector: C, timeout: Duration) -> Plain<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(timeout)
        .build(connector)
}

/// For tests in virtual time: the wall clock stands still, for the one of the system goes on while
/// virtual time does not.
pub fn builder() -> KeepAliveBuilder {
    KeepAlive::builder().wall_clock(|| SystemTime::UNIX_EPOCH)
}

/// The shared handle for tests in virtual time.
pub fn keep_alive(policy: KeepAlivePolicy) -> KeepAlive {
    builder().policy(policy).build().unwrap()
}

/// A POST of a few bytes, with an id by which the server can be asked for it.
pub fn post(uri: &str, id: impl Into<String>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header("x-id", id.into())
        .body(Full::from("hello"))
        .unwrap()
}

/// A GET.
pub fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri.parse::<Uri>().unwrap())
        .body(Full::default())
        .unwrap()
}

/// What all clients here are: services over hyper's bodies.
pub trait HttpClient:
    Service<
        Request<Full<Bytes>>,
        Response = Response<Incoming>,
        Error: std::error::Error + Send + Sync + 'static,
    > + Clone
{
}

impl<S> HttpClient for S where
    S: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error: std::error::Error + Send + Sync + 'static,
        > + Clone
{
}

/// Sends a request and reads the whole response.
pub async fn exchange<S: HttpClient>(
    client: &S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = client.clone().oneshot(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}
