//! A connector whose connections say more of themselves than their transport does.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower::Service;

/// Connects as another connector does; its connections say what they are told to.
#[derive(Debug)]
pub(crate) struct Telling<C: Service<Uri>> {
    inner: C,
    tell: fn(&C::Response) -> Connected,
}

impl<C: Service<Uri>> Telling<C> {
    pub(crate) fn new(inner: C, tell: fn(&C::Response) -> Connected) -> Self {
        Self { inner, tell }
    }
}

/// Connections need not be cloned for that.
impl<C: Service<Uri> + Clone> Clone for Telling<C> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.tell)
    }
}

impl<C> Service<Uri> for Telling<C>
where
    C: Service<Uri, Response: 'static, Error: 'static, Future: Send + 'static>,
{
    type Response = Told<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Told<C::Response>, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tell = self.tell;
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            let io = connecting.await?;
            Ok(Told { io, tell })
        })
    }
}

/// A connection that says what it was told to.
#[derive(Debug)]
pub(crate) struct Told<T> {
    io: T,
    tell: fn(&T) -> Connected,
}

impl<T> Connection for Told<T> {
    fn connected(&self) -> Connected {
        (self.tell)(&self.io)
    }
}

impl<T: Read + Unpin> Read for Told<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Told<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
