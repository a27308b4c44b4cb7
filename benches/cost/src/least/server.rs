//! A listener and a layer that do what a server has to do that tells its clients a timeout, and follows its
//! connections in the way of this crate.
//!
//! The heads are walked as they pass, and the monotonic clock is read with each read that finds something and each write.
//! Each response gets a `Keep-Alive` field.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::serve::Listener;
use http::{HeaderName, HeaderValue, Request, Response};
use pin_project::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tower_service::Service;

use super::walk;

/// A listener whose connections are followed.
#[derive(Debug)]
pub struct Following(pub TcpListener);

impl Listener for Following {
    type Io = Followed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Followed, SocketAddr) {
        let (transport, address) = Listener::accept(&mut self.0).await;
        let followed = Followed {
            transport,
            bytes: 0,
            last: None,
        };
        (followed, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A transport whose bytes are seen.
#[derive(Debug)]
pub struct Followed {
    transport: TcpStream,
    bytes: usize,
    last: Option<Instant>,
}

impl Followed {
    fn on_bytes(&mut self, bytes: &[u8]) {
        self.bytes += walk(bytes).length;
        self.last = Some(Instant::now());
    }
}

impl AsyncRead for Followed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buf);
        let bytes = &buf.filled()[before..];
        if !bytes.is_empty() {
            self.on_bytes(bytes);
        }
        read
    }
}

impl AsyncWrite for Followed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.on_bytes(buf);
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.on_bytes(&bufs[0]);
        Pin::new(&mut self.transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

/// A service whose responses tell a timeout.
#[derive(Clone, Debug)]
pub struct Telling<S>(pub S);

impl<S, B, C> Service<Request<B>> for Telling<S>
where
    S: Service<Request<B>, Response = Response<C>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TellingFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        TellingFuture {
            inner: self.0.call(request),
        }
    }
}

#[pin_project]
#[derive(Debug)]
pub struct TellingFuture<F> {
    #[pin]
    inner: F,
}

impl<F, B, E> Future for TellingFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut polled = self.project().inner.poll(cx);
        if let Poll::Ready(Ok(response)) = &mut polled {
            let name = HeaderName::from_static("keep-alive");
            let value = HeaderValue::from_static("timeout=60");
            response.headers_mut().insert(name, value);
        }
        polled
    }
}
