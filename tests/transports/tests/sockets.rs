//! TCP, also with two addresses to choose from, and Unix sockets.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::array;
use std::convert::Infallible;
use std::future::{Ready, ready};
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
async fn promises_hold_over_plain_tcp() {
    let mut server = Server::tcp(None).await;
    let address = server.address();
    let facts = Facts {
        remote: Some(address),
        ..Facts::default()
    };

    let uri = format!("http://{address}/");
    holds(&mut server, HttpConnector::new(), &uri, facts).await;
}

/// What any name stands for. The port is that of the URI.
fn two_addresses(_: Name) -> Ready<Result<array::IntoIter<SocketAddr, 2>, Infallible>> {
    let addresses: [SocketAddr; 2] = [
        (Ipv6Addr::LOCALHOST, 0).into(),
        (Ipv4Addr::LOCALHOST, 0).into(),
    ];
    ready(Ok(addresses.into_iter()))
}

/// Nobody listens on the first address.
#[tokio::test]
async fn promises_hold_on_the_second_address_of_a_host() {
    let mut server = Server::tcp(None).await;
    let address = server.address();
    let facts = Facts {
        remote: Some(address),
        ..Facts::default()
    };

    let uri = format!("http://two.test:{}/", address.port());
    let connector = HttpConnector::new_with_resolver(service_fn(two_addresses));
    holds(&mut server, connector, &uri, facts).await;
}

/// On the first address a connection is neither accepted nor refused, as Linux does where there is no
/// room for it.
#[cfg(target_os = "linux")]
mod where_the_first_address_does_not_answer {
    use std::io;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    /// Listens, with room for one connection.
    fn listen(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v6()?;
        socket.bind(address)?;
        socket.listen(0)
    }

    #[tokio::test]
    async fn promises_hold_on_the_second_address_of_a_host() {
        let mut server = Server::tcp(None).await;
        let address = server.address();
        let silent = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
        let listener = match listen(silent) {
            Ok(listener) => listener,
            Err(error) => return eprintln!("not tried, without IPv6: {error}"),
        };
        let filler = TcpStream::connect(silent).await.unwrap();
        let facts = Facts {
            remote: Some(address),
            ..Facts::default()
        };

        let uri = format!("http://two.test:{}/", address.port());
        let mut connector = HttpConnector::new_with_resolver(service_fn(two_addresses));
        connector.set_happy_eyeballs_timeout(Some(Duration::from_millis(10)));
        holds(&mut server, connector, &uri, facts).await;

        let (_, accepted) = listener.accept().await.unwrap();
        assert_eq!(accepted, filler.local_addr().unwrap(), "and no other");
    }
}

#[tokio::test]
async fn promises_hold_over_unix_sockets() {
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
