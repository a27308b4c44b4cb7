//! What makes connections.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use tower_layer::Layer;
use tower_service::Service;

use super::BoxError;
use super::connection::Http1Connection;
use crate::connect::IdleAwareIo;

/// A layer for the connector under a pool: what it connects becomes an [`Http1Connection`] for requests with bodies
/// of type `B`.
///
/// For the pools of [`hyper_util::client::pool`](https://docs.rs/hyper-util/latest/hyper_util/client/pool/), which are
/// composed of layers. Its `cache` hands out what it keeps without a look at it, and nothing in it expires. Over this
/// layer a connection fails its readiness once its idle deadline has passed, and [`Http1Connection::is_reusable`]
/// is the predicate by which to sort such connections out before:
///
/// ```
/// use bytes::Bytes;
/// use http::Uri;
/// use http_body_util::Full;
/// use http_keepalive::{Http1Connection, Http1Layer, KeepAlive};
/// use hyper_util::client::legacy::connect::HttpConnector;
/// use hyper_util::client::pool::cache;
/// use tower::Layer;
///
/// # fn build() {
/// let keep_alive = KeepAlive::default();
/// let connector = keep_alive.connector(HttpConnector::new());
/// let make = Http1Layer::<Full<Bytes>>::new().layer(connector);
/// let mut cache = cache::builder().build::<_, Uri>(make);
///
/// // Before each call of the cache.
/// cache.retain(|connection| connection.is_reusable());
/// # }
/// # let _ = build;
/// ```
///
/// A connection that is taken from the pool has to be [ready](Service::poll_ready), as any service, before it is called.
/// If its readiness fails, the pool is called again.
pub struct Http1Layer<B> {
    bodies: PhantomData<fn(B)>,
}

impl<B> Http1Layer<B> {
    /// The layer.
    pub fn new() -> Self {
        Self {
            bodies: PhantomData,
        }
    }
}

impl<C, B> Layer<C> for Http1Layer<B> {
    type Service = MakeHttp1<C, B>;

    fn layer(&self, connector: C) -> MakeHttp1<C, B> {
        MakeHttp1 {
            connector,
            bodies: PhantomData,
        }
    }
}

impl<B> Default for Http1Layer<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for Http1Layer<B> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for Http1Layer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Layer").finish()
    }
}

/// Makes an [`Http1Connection`] of each transport that the inner connector connects; made by [`Http1Layer`].
///
/// The connection is driven by a task of its own: this needs a tokio runtime.
pub struct MakeHttp1<C, B> {
    connector: C,
    bodies: PhantomData<fn(B)>,
}

impl<C, B, D, T> Service<D> for MakeHttp1<C, B>
where
    C: Service<D, Response = IdleAwareIo<T>>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
    T: Read + Write + Send + Unpin + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Http1Connection<B>;
    type Error = BoxError;
    type Future = Http1Connecting<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: D) -> Self::Future {
        let connecting = self.connector.call(destination);
        Http1Connecting(Box::pin(async move {
            let transport = connecting.await.map_err(Into::into)?;
            let handle = transport.handle();
            let (sender, connection) = http1::handshake(transport).await?;
            // How it ends, each request learns that was on it.
            tokio::spawn(connection.with_upgrades());
            Ok(Http1Connection::new(sender, handle))
        }))
    }
}

impl<C: Clone, B> Clone for MakeHttp1<C, B> {
    fn clone(&self) -> Self {
        Self {
            connector: self.connector.clone(),
            bodies: PhantomData,
        }
    }
}

impl<C: fmt::Debug, B> fmt::Debug for MakeHttp1<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeHttp1")
            .field("connector", &self.connector)
            .finish()
    }
}

/// The future of [`MakeHttp1`].
pub struct Http1Connecting<B>(
    Pin<Box<dyn Future<Output = Result<Http1Connection<B>, BoxError>> + Send>>,
);

impl<B> Future for Http1Connecting<B> {
    type Output = Result<Http1Connection<B>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<B> fmt::Debug for Http1Connecting<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Connecting").finish_non_exhaustive()
    }
}
