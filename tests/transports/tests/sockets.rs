//! TCP, also with two addresses to choose from, and Unix sockets.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tower::service_fn;
use transports::scenario::{Facts, holds};
use transports::sockets::server::Server;

#[tokio::test]
async fn plain_tcp() {
    let mut server = Server::tcp(None).await;
    let address = server.address();
    let facts = Facts {
        remote: Some(address),
        ..Facts::default()
    };

    let uri = format!("http://{address}/");
    holds(&mut server, HttpConnector::new(), &uri, facts).await;
}

/// The server listens on the second address only.
#[tokio::test]
async fn happy_eyeballs() {
    let mut server = Server::tcp(None).await;
    let address = server.address();
    let resolver = service_fn(|_: Name| {
        let addresses: [SocketAddr; 2] = [
            (Ipv6Addr::LOCALHOST, 0).into(),
            (Ipv4Addr::LOCALHOST, 0).into(),
        ];
        ready(Ok::<_, Infallible>(addresses.into_iter()))
    });
    let facts = Facts {
        remote: Some(address),
        ..Facts::default()
    };

    let uri = format!("http://two.test:{}/", address.port());
    let connector = HttpConnector::new_with_resolver(resolver);
    holds(&mut server, connector, &uri, facts).await;
}

#[tokio::test]
async fn unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("origin");
    let mut server = Server::unix(&path);
    let connector = service_fn(move |_: Uri| {
        let path = path.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    });

    holds(
        &mut server,
        connector,
        "http://socket.test/",
        Facts::default(),
    )
    .await;
}
