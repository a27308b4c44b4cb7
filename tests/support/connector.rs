//! Connections to a [`Server`], as a connector for hyper-util's client.

use std::future::Future;
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::Connected;
use tower_service::Service;

use super::link::Link;
use super::server::Server;
use super::stream::{Connects, Stream};

/// Which connection carries something; an extension of the responses, by [`Connected::extra`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkInfo {
    /// The connection's number, from 0, in the order in which the origin accepted them.
    pub connection: usize,
}

impl Connects for LinkInfo {
    fn connected(&self) -> Connected {
        Connected::new().extra(*self)
    }
}

/// A connection to a [`Server`], in hyper's terms.
pub type LinkStream = Stream<LinkInfo>;

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
            Ok(LinkStream::new(client, info))
        })
    }
}
