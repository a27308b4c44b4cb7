//! The connector, whose transports are only forwarded.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

use super::connection::ConnectionHandle;
use super::keep_alive::KeepAlive;

#[derive(Clone, Debug)]
pub struct IdleAwareConnector<C> {
    pub inner: C,
    pub keep_alive: KeepAlive,
}

impl<C> IdleAwareConnector<C> {
    pub fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }
}

impl<C: Service<Uri>> Service<Uri> for IdleAwareConnector<C> {
    type Response = IdleAwareIo<C::Response>;
    type Error = C::Error;
    type Future = Connecting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Connecting(Box::pin(self.inner.call(uri)))
    }
}

#[derive(Debug)]
pub struct Connecting<F>(Pin<Box<F>>);

impl<F: Future<Output = Result<T, E>>, T, E> Future for Connecting<F> {
    type Output = Result<IdleAwareIo<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let connected = ready!(self.0.as_mut().poll(cx));
        Poll::Ready(connected.map(IdleAwareIo))
    }
}

#[derive(Debug)]
pub struct IdleAwareIo<T>(T);

impl<T> IdleAwareIo<T> {
    pub fn handle(&self) -> ConnectionHandle {
        ConnectionHandle
    }

    pub fn without_yielding(self) -> Self {
        self
    }
}

impl<T: Connection> Connection for IdleAwareIo<T> {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl<T: Read + Unpin> Read for IdleAwareIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for IdleAwareIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
