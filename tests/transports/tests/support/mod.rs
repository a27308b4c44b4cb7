//! A connector that leads to a proxy, and says so.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;
use transports::scenario::Mark;

/// Connects to a proxy, whatever it is asked for; its connections are marked.
#[derive(Clone, Debug)]
pub(crate) struct Through {
    proxy: Uri,
    mark: Mark,
    tcp: HttpConnector,
}

impl Through {
    pub(crate) fn new(proxy: Uri, mark: Mark) -> Self {
        let tcp = HttpConnector::new();
        Self { proxy, mark, tcp }
    }
}

impl Service<Uri> for Through {
    type Response = ToProxy;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<ToProxy, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(cx)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let mark = self.mark;
        let connecting = self.tcp.call(self.proxy.clone());
        Box::pin(async move {
            let io = connecting.await?;
            Ok(ToProxy { io, mark })
        })
    }
}

/// A connection to a proxy.
#[derive(Debug)]
pub(crate) struct ToProxy {
    io: TokioIo<TcpStream>,
    mark: Mark,
}

impl Connection for ToProxy {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(true).extra(self.mark)
    }
}

impl Read for ToProxy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for ToProxy {
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
