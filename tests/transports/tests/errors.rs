//! What goes wrong below is told as it is, and found through `source()`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::vec;

use http::Uri;
use http_keepalive::{IdleAwareConnector, KeepAlive};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::rustls;
use tower::{BoxError, Service, ServiceExt, service_fn};
use transports::client::{exchange, guarded_legacy, plain, post};
use transports::errors::{find, texts};
use transports::sockets::server::Server;
use transports::tls::{BOTH, tls};

type Failure = Box<dyn Error + Send + Sync>;

/// What a request fails with, which is what it fails with without this crate.
async fn failure<C>(connector: C, uri: &str) -> Failure
where
    C: Service<Uri> + Connect + Clone + Send + Sync + 'static,
    IdleAwareConnector<C>: Connect,
{
    let bare = exchange(&plain(connector.clone()), post(uri, "id")).await;
    let client = guarded_legacy(&KeepAlive::default(), connector);
    let wrapped = exchange(&client, post(uri, "id")).await;

    let (bare, wrapped) = (bare.unwrap_err(), wrapped.unwrap_err());
    assert_eq!(texts(&*wrapped), texts(&*bare), "unchanged");
    assert!(wrapped.is::<hyper_util::client::legacy::Error>());
    wrapped
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn is_refused(failure: &Failure) -> bool {
    find::<io::Error>(&**failure).map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn a_refused_connection_fails_as_without_this_crate() {
    let uri = format!("http://{}/", nobody().await);

    assert!(is_refused(&failure(HttpConnector::new(), &uri).await));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_fails_as_without_this_crate() {
    let proxy: Uri = format!("http://{}/", nobody().await).parse().unwrap();

    let tunnel = Tunnel::new(proxy.clone(), HttpConnector::new());
    let by_tunnel = failure(tunnel, "http://origin.test/").await;
    let socks = SocksV5::new(proxy, HttpConnector::new());
    let by_socks = failure(socks, "http://origin.test:80/").await;

    for failure in [by_tunnel, by_socks] {
        assert!(texts(&*failure).len() > 1, "it has a cause: {failure:?}");
        assert!(format!("{failure:?}").contains("ConnectionRefused"));
    }
}

/// What a resolver of one's own fails with.
#[derive(Debug)]
struct NoSuchHost(String);

impl fmt::Display for NoSuchHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such host: {}", self.0)
    }
}

impl Error for NoSuchHost {}

#[tokio::test]
async fn a_host_that_does_not_exist_fails_with_the_error_of_the_resolver() {
    let resolver = service_fn(|name: Name| {
        ready(Err::<vec::IntoIter<SocketAddr>, _>(NoSuchHost(
            name.to_string(),
        )))
    });
    let connector = HttpConnector::new_with_resolver(resolver);

    let failure = failure(connector, "http://nowhere.test/").await;

    let cause = find::<NoSuchHost>(&*failure).expect("the resolver's own error");
    assert_eq!(cause.0, "nowhere.test");
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_fails_with_the_error_of_tls() {
    let server = Server::tcp(Some(tls(BOTH, b"http/1.1").acceptor())).await;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(BOTH, b"http/1.1").client)
        .https_only()
        .enable_http1()
        .build();

    let failure = failure(connector, &format!("https://{}/", server.address())).await;

    let cause = find::<rustls::Error>(&*failure);
    assert!(
        matches!(cause, Some(rustls::Error::InvalidCertificate(_))),
        "{failure:?}"
    );
}

const BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n\r\n";

/// A server that says hello as SSH's do: once it is spoken to, or at once.
async fn ssh(speaks_first: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            if !speaks_first {
                socket.read_exact(&mut [0; 4]).await.unwrap();
            }
            socket.write_all(BANNER).await.unwrap();
            open.push(socket);
        }
    });
    uri
}

#[tokio::test]
async fn a_server_that_answers_in_another_protocol_fails_as_without_this_crate() {
    let failure = failure(HttpConnector::new(), &ssh(false).await).await;

    let said = ["client error (SendRequest)", "invalid HTTP version parsed"];
    assert_eq!(texts(&*failure), said);
    let cause = find::<hyper::Error>(&*failure).expect("hyper's own error");
    assert!(cause.is_parse(), "{cause:?}");
}

#[tokio::test]
async fn a_server_that_speaks_first_fails_as_without_this_crate() {
    // The connection is there for the client when the banner is.
    let connector = service_fn(|uri: Uri| {
        Box::pin(async move {
            let io = HttpConnector::new().oneshot(uri).await?;
            io.inner().peek(&mut [0]).await?;
            Ok::<_, BoxError>(io)
        })
    });
    let failure = failure(connector, &ssh(true).await).await;

    let said = [
        "client error (SendRequest)",
        "received unexpected message from connection",
    ];
    assert_eq!(texts(&*failure), said);
    assert!(find::<hyper::Error>(&*failure).is_some());
}
