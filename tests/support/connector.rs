//! Connections to a [`Server`], as a connector for hyper-util's client.

use std::future::Future;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::link::{Link, LinkEnd};
use super::server::{Open, Server};

/// Which connection carries something; an extension of the responses, by [`Connected::extra`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkInfo {
    /// The connection's number, from 0, in the order in which the origin accepted them.
    pub connection: usize,
}

/// Connects to a [`Server`] over links; ignores the address, and never fails.
#[derive(Clone, Debug)]
pub struct LinkConnector {
    server: Server,
    link: Link,
}

impl LinkConnector {
    pub(super) fn new(server: Server, link: Link) -> Self {
        Self { server, link }
    }
}

impl Service<Uri> for LinkConnector {
    type Response = LinkStream;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<LinkStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Takes one round trip, the TCP handshake. A call that is dropped before connects nothing.
    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { server, link } = self.clone();
        Box::pin(async move {
            if !link.one_way().is_zero() {
                tokio::time::sleep(2 * link.one_way()).await;
            }
            let (client, end) = link.pair();
            let info = server.accept(end);
            Ok(LinkStream::new(client, info, None))
        })
    }
}

/// A connection to or of a [`Server`], in hyper's terms.
#[derive(Debug)]
pub struct LinkStream {
    io: TokioIo<LinkEnd>,
    info: LinkInfo,
    /// On the origin's side. Behind `io`, for fields drop in order and FIN goes first.
    _open: Option<Open>,
}

impl LinkStream {
    pub(super) fn new(end: LinkEnd, info: LinkInfo, open: Option<Open>) -> Self {
        let io = TokioIo::new(end);
        Self {
            io,
            info,
            _open: open,
        }
    }

    /// Which connection this is.
    pub fn info(&self) -> LinkInfo {
        self.info
    }

    /// The link's end, to write bytes of one's own or to reset it.
    pub fn into_inner(self) -> LinkEnd {
        self.io.into_inner()
    }
}

impl Connection for LinkStream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.info)
    }
}

impl Read for LinkStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for LinkStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
