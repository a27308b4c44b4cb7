//! The connector's future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Extensions;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect;
use pin_project::pin_project;

use super::io::IdleAwareIo;
use crate::connection::Connection;
use crate::keep_alive::KeepAlive;
use crate::origin::Origin;
use crate::proto::time::Moment;

/// Connects, and wraps the transport: the future of [`IdleAwareConnector`](crate::IdleAwareConnector).
///
/// Dropping it drops the inner connector's future, and does nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Connecting<F> {
    #[pin]
    inner: F,
    origin: Option<Origin>,
    keep_alive: KeepAlive,
    started: Moment,
}

impl<F> Connecting<F> {
    pub(super) fn new(inner: F, origin: Option<Origin>, keep_alive: KeepAlive) -> Self {
        let started = keep_alive.clock().now();
        Self {
            inner,
            origin,
            keep_alive,
            started,
        }
    }
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    T: Read + Write + connect::Connection + Unpin + Send + 'static,
{
    type Output = Result<IdleAwareIo<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let transport = ready!(this.inner.poll(cx))?;
        let now = this.keep_alive.clock().now();
        let connecting = now.since(this.started);
        let origin = this.origin.take();
        let proxy = proxy_of(&transport.connected());
        let connection = Connection::open(this.keep_alive, origin, proxy, connecting, now);
        Poll::Ready(Ok(IdleAwareIo::new(transport, connection)))
    }
}

/// The HTTP forward proxy that a transport leads to, if it does.
fn proxy_of(connected: &connect::Connected) -> Option<Origin> {
    if !connected.is_proxied() {
        return None;
    }
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    let info = extras.get::<connect::HttpInfo>();
    Origin::of_proxy(info.map(connect::HttpInfo::remote_addr))
}
