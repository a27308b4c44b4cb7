//! Servers in this process, by their names.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use tower_service::Service;

use crate::support::connector::LinkStream;
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server};

/// Connects to the server of the URI's host, over links; there are no others.
#[derive(Clone)]
pub struct Hosts {
    servers: Arc<HashMap<String, LinkConnector>>,
}

impl Hosts {
    pub fn new<'a>(servers: impl IntoIterator<Item = (&'a str, &'a Server)>, link: Link) -> Self {
        let by_name = |(host, server): (&str, &Server)| (host.to_owned(), server.connector(link));
        Self {
            servers: Arc::new(servers.into_iter().map(by_name).collect()),
        }
    }
}

impl Service<Uri> for Hosts {
    type Response = LinkStream;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<LinkStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let server = uri.host().and_then(|host| self.servers.get(host)).cloned();
        Box::pin(async move {
            match server {
                Some(mut server) => server.call(uri).await,
                None => Err(Error::new(
                    ErrorKind::NotFound,
                    format!("no such host: {uri}"),
                )),
            }
        })
    }
}
