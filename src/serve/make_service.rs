//! A service for each connection of `axum::serve`, which knows its connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::serve::{IncomingStream, Listener};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::advertise::{AdvertiseLayer, AdvertiseService};
use super::server::ServerKeepAlive;
use super::stream::IdleStream;

/// What `axum::serve` is called with beside an [`IdleListener`](crate::IdleListener); made by
/// [`ServerKeepAlive::make_service`].
#[derive(Clone, Debug)]
pub struct AdvertiseMakeService<M> {
    inner: M,
    server: ServerKeepAlive,
}

impl<M> AdvertiseMakeService<M> {
    pub(super) fn new(inner: M, server: ServerKeepAlive) -> Self {
        Self { inner, server }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &M {
        &self.inner
    }
}

impl<'a, L, T, M> Service<IncomingStream<'a, L>> for AdvertiseMakeService<M>
where
    L: Listener<Io = IdleStream<T>>,
    M: Service<IncomingStream<'a, L>>,
{
    type Response = AdvertiseService<M::Response>;
    type Error = M::Error;
    type Future = AdvertiseMakeFuture<M::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, stream: IncomingStream<'a, L>) -> Self::Future {
        let layer = self.server.layer().on(stream.io().connection());
        AdvertiseMakeFuture {
            inner: self.inner.call(stream),
            layer,
        }
    }
}

/// The future of [`AdvertiseMakeService`]. Dropping it drops the inner future, and does nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct AdvertiseMakeFuture<F> {
    #[pin]
    inner: F,
    layer: AdvertiseLayer,
}

impl<F, S, E> Future for AdvertiseMakeFuture<F>
where
    F: Future<Output = Result<S, E>>,
{
    type Output = Result<AdvertiseService<S>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let service = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(this.layer.layer(service)))
    }
}
