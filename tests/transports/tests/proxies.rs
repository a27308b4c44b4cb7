//! Proxies: SOCKS, tunnels, and those that take whole URIs; and connectors that go one way or another.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::SocketAddr;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use support::Telling;
use tower::util::Either;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use transports::client::{exchange, guarded_legacy, post};
use transports::clock::ManualClock;
use transports::proxy::{Kind, Proxy};
use transports::scenario::{Facts, Mark, holds};
use transports::sockets::server::Server;
use transports::tls::{BOTH, HOST, tls};

const URI: &str = "http://origin.test:8080/";

/// The transport ends at the proxy.
fn connected_to(uri: &Uri) -> Facts {
    let address: SocketAddr = uri.authority().unwrap().as_str().parse().unwrap();
    Facts {
        remote: Some(address),
        ..Facts::default()
    }
}

#[tokio::test]
async fn promises_hold_through_a_socks_4_proxy() {
    let mut server = Server::tcp(None).await;
    let proxy = Proxy::start(Kind::Socks4, server.address()).await;
    let connector = SocksV4::new(proxy.uri(), any_scheme());

    holds(&mut server, connector, URI, connected_to(&proxy.uri())).await;
    assert_eq!(proxy.asked().first().unwrap(), HOST);
}

#[tokio::test]
async fn promises_hold_through_a_socks_5_proxy() {
    let mut server = Server::tcp(None).await;
    let proxy = Proxy::start(Kind::Socks5, server.address()).await;
    let connector = SocksV5::new(proxy.uri(), any_scheme());

    holds(&mut server, connector, URI, connected_to(&proxy.uri())).await;
    assert_eq!(proxy.asked().first().unwrap(), HOST);
}

#[tokio::test]
async fn promises_hold_through_a_tunnel() {
    let mut server = Server::tcp(None).await;
    let proxy = Proxy::start(Kind::Connect, server.address()).await;
    let connector = Tunnel::new(proxy.uri(), any_scheme());

    holds(&mut server, connector, URI, connected_to(&proxy.uri())).await;
    assert_eq!(proxy.asked().first().unwrap(), HOST);
}

#[tokio::test]
async fn promises_hold_over_tls_through_a_tunnel() {
    let tls = tls(BOTH, b"http/1.1");
    let mut server = Server::tcp(Some(tls.acceptor())).await;
    let proxy = Proxy::start(Kind::Connect, server.address()).await;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.client)
        .https_only()
        .enable_http1()
        .wrap_connector(Tunnel::new(proxy.uri(), any_scheme()));

    let uri = "https://origin.test/";
    holds(&mut server, connector, uri, connected_to(&proxy.uri())).await;
    assert_eq!(proxy.asked().first().unwrap(), HOST);
}

/// Within the tunnel this crate would see only the tunnel, and leave it alone for good.
#[tokio::test]
async fn a_connection_is_left_alone_within_a_tunnel() {
    let mut server = Server::tcp(None).await;
    let proxy = Proxy::start(Kind::Connect, server.address()).await;
    let keep_alive = ManualClock::new().keep_alive();
    let inside = keep_alive.connector(any_scheme());
    let client = guarded_legacy(
        &ManualClock::new().keep_alive(),
        Tunnel::new(proxy.uri(), inside),
    );

    exchange(&client, post(URI, "first")).await.unwrap();

    assert_eq!(server.connections_of("first").len(), 1);
    assert_eq!(keep_alive.stats().opaque.total(), 1);
}

#[tokio::test]
async fn promises_hold_through_a_proxy_that_takes_whole_uris() {
    let mut server = Server::tcp(None).await;
    let proxy: Uri = format!("http://{}/", server.address()).parse().unwrap();
    let to_proxy = HttpConnector::new().map_request(move |_: Uri| proxy.clone());
    let connector = Telling::new(to_proxy, |io| {
        io.connected().proxy(true).extra(Mark(b"by proxy".to_vec()))
    });
    let facts = Facts {
        is_proxied: true,
        remote: Some(server.address()),
        mark: Some(Mark(b"by proxy".to_vec())),
        ..Facts::default()
    };

    holds(&mut server, connector, URI, facts).await;
    let asked = server.requests("first");
    assert_eq!(asked.first().unwrap().1, URI, "as hyper asks a proxy");
}

type Route = Either<
    tower::util::MapErr<
        HttpConnector,
        fn(<HttpConnector as tower::Service<Uri>>::Error) -> BoxError,
    >,
    tower::util::MapErr<
        Tunnel<HttpConnector>,
        fn(<Tunnel<HttpConnector> as tower::Service<Uri>>::Error) -> BoxError,
    >,
>;

#[tokio::test]
async fn promises_hold_over_either_of_two_connectors() {
    let mut server = Server::tcp(None).await;
    let direct: Route = Either::Left(
        ServiceBuilder::new()
            .map_err(BoxError::from as fn(_) -> _)
            .service(any_scheme()),
    );
    let uri = format!("http://{}/", server.address());
    let facts = connected_to(&uri.parse().unwrap());
    holds(&mut server, direct, &uri, facts).await;

    let mut server = Server::tcp(None).await;
    let proxy = Proxy::start(Kind::Connect, server.address()).await;
    let tunnelled: Route = Either::Right(
        ServiceBuilder::new()
            .map_err(BoxError::from as fn(_) -> _)
            .service(Tunnel::new(proxy.uri(), any_scheme())),
    );
    holds(&mut server, tunnelled, URI, connected_to(&proxy.uri())).await;
    assert_eq!(proxy.asked().first().unwrap(), HOST);
}

#[tokio::test]
async fn promises_hold_over_a_connector_that_speaks_tls_only_where_asked() {
    let tls = tls(BOTH, b"http/1.1");
    let connector: HttpsConnector<HttpConnector> = HttpsConnectorBuilder::new()
        .with_tls_config(tls.client.clone())
        .https_or_http()
        .enable_http1()
        .build();
    let servers = [
        ("http", Server::tcp(None).await),
        ("https", Server::tcp(Some(tls.acceptor())).await),
    ];
    for (scheme, mut server) in servers {
        let uri = format!("{scheme}://{}/", server.address());
        let facts = connected_to(&uri.parse().unwrap());

        holds(&mut server, connector.clone(), &uri, facts).await;
    }
}

/// Proxies have schemes of their own, and tunnels lead to `https`.
fn any_scheme() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector
}
