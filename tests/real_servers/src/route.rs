//! The ways through a proxy, as a user of hyper-util has them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use super::process::HTTP;
use super::relay::FarConnector;

/// How a client asks a proxy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Route {
    /// It sends whole URIs to the proxy (RFC 9112 §3.2.2).
    Forward,
    /// A tunnel by CONNECT (RFC 9110 §9.3.6).
    Tunnel,
    /// A tunnel by SOCKS 5 (RFC 1928).
    Socks,
}

/// A connector through a proxy, whichever way.
pub type Connector = BoxCloneSyncService<Uri, Through<TokioIo<TcpStream>>, BoxError>;

impl Route {
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Tunnel => "CONNECT",
            Self::Socks => "SOCKS 5",
        }
    }

    /// What such a proxy answers.
    pub fn hello(self) -> &'static [u8] {
        match self {
            Self::Forward | Self::Tunnel => HTTP,
            // Version 5, one method: no authentication.
            Self::Socks => &[5, 1, 0],
        }
    }

    /// Leads to whatever URI it is called with.
    pub fn connector(self, proxy: Uri, inner: FarConnector) -> Connector {
        match self {
            Self::Forward => BoxCloneSyncService::new(
                inner
                    .map_request(move |_: Uri| proxy.clone())
                    .map_response(|io| Through { io, forward: true })
                    .map_err(BoxError::from),
            ),
            Self::Tunnel => BoxCloneSyncService::new(
                Tunnel::new(proxy, inner)
                    .map_response(Through::tunnel)
                    .map_err(BoxError::from),
            ),
            Self::Socks => BoxCloneSyncService::new(
                SocksV5::new(proxy, inner)
                    .map_response(Through::tunnel)
                    .map_err(BoxError::from),
            ),
        }
    }

    /// A GET as it is written on a connection of that way.
    pub fn get(self, target: &Uri) -> String {
        let host = target.authority().expect("an origin has a host");
        let asked = match self {
            Self::Forward => target.to_string(),
            Self::Tunnel | Self::Socks => target.path().to_owned(),
        };
        format!("GET {asked} HTTP/1.1\r\nhost: {host}\r\n\r\n")
    }
}

/// A connection to a proxy, which says whether it is a forward proxy.
#[derive(Debug)]
pub struct Through<T> {
    io: T,
    forward: bool,
}

impl<T> Through<T> {
    fn tunnel(io: T) -> Self {
        Self { io, forward: false }
    }
}

impl<T: Connection> Connection for Through<T> {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.forward)
    }
}

impl<T: Read + Unpin> Read for Through<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Through<T> {
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

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
