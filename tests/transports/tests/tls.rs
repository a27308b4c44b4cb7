//! TLS: by rustls and by the platform, in both versions, with HTTP/1.1 and HTTP/2, and the two ways in
//! which a server may end it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use support::Telling;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion};
use transports::client::{exchange, guarded_legacy, post};
use transports::clock::ManualClock;
use transports::scenario::{Facts, Mark, holds, is_left_alone};
use transports::sockets::server::Server;
use transports::tls::{BOTH, Tls, tls};

/// A connector that would speak both HTTP/1.1 and HTTP/2.
fn rustls(config: ClientConfig) -> HttpsConnector<HttpConnector> {
    HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_all_versions()
        .build()
}

fn facts(server: &Server) -> Facts {
    Facts {
        remote: Some(server.address()),
        ..Facts::default()
    }
}

#[tokio::test]
async fn promises_hold_over_rustls_in_each_version() {
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let tls = tls(&[version], b"http/1.1");
        let mut server = Server::tcp(Some(tls.acceptor())).await;
        let (uri, facts) = (server.uri(), facts(&server));

        holds(&mut server, rustls(tls.client), &uri, facts).await;
        assert_eq!(server.versions().first(), Some(&Some(expected)));
    }
}

/// What TLS knows of the server is not told by hyper-rustls, but by those who ask its connections.
#[tokio::test]
async fn what_a_connector_tells_of_its_tls_session_reaches_the_response() {
    let tls = tls(BOTH, b"http/1.1");
    let mut server = Server::tcp(Some(tls.acceptor())).await;
    let connector = Telling::new(rustls(tls.client), |io| {
        let MaybeHttpsStream::Https(tls) = io else {
            panic!("not encrypted");
        };
        let session = tls.inner().get_ref().1;
        let certificate = session.peer_certificates().unwrap()[0].to_vec();
        io.connected().extra(Mark(certificate))
    });
    let facts = Facts {
        mark: Some(Mark(tls.certificate.der().to_vec())),
        ..facts(&server)
    };

    let uri = server.uri();
    holds(&mut server, connector, &uri, facts).await;
}

#[tokio::test]
async fn http2_over_rustls_is_left_alone() {
    let tls = tls(BOTH, b"h2");
    let mut server = Server::tcp(Some(tls.acceptor())).await;
    let facts = Facts {
        is_negotiated_h2: true,
        ..facts(&server)
    };

    let uri = server.uri();
    is_left_alone(&mut server, rustls(tls.client), &uri, facts).await;
}

mod native {
    use super::*;

    /// By the platform's library: on Linux that is OpenSSL.
    fn connector(pem: &str, alpn: &str) -> hyper_tls::HttpsConnector<HttpConnector> {
        let root = native_tls::Certificate::from_pem(pem.as_bytes()).unwrap();
        let tls = native_tls::TlsConnector::builder()
            .disable_built_in_roots(true)
            .add_root_certificate(root)
            .request_alpns(&[alpn])
            .build()
            .unwrap();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        (tcp, tls.into()).into()
    }

    #[tokio::test]
    async fn promises_hold_over_native_tls() {
        let tls = tls(BOTH, b"http/1.1");
        let mut server = Server::tcp(Some(tls.acceptor())).await;
        let (uri, facts) = (server.uri(), facts(&server));

        let connector = connector(&tls.certificate.pem(), "http/1.1");
        holds(&mut server, connector, &uri, facts).await;
    }

    #[tokio::test]
    async fn http2_over_native_tls_is_left_alone() {
        let tls = tls(BOTH, b"h2");
        let mut server = Server::tcp(Some(tls.acceptor())).await;
        let facts = Facts {
            is_negotiated_h2: true,
            ..facts(&server)
        };

        let uri = server.uri();
        let connector = connector(&tls.certificate.pem(), "h2");
        is_left_alone(&mut server, connector, &uri, facts).await;
    }
}

/// How a server says that it is done.
#[derive(Clone, Copy, Debug)]
enum Goodbye {
    CloseNotifyThenFin,
    Fin,
}

/// A server that answers one request a connection, and says goodbye when told to; it says when the
/// client has hung up in turn.
async fn until_told(
    tls: Tls,
    goodbye: Goodbye,
) -> (
    Uri,
    mpsc::UnboundedReceiver<oneshot::Sender<oneshot::Sender<()>>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}/", listener.local_addr().unwrap());
    let (connections, accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, connections) = (tls.acceptor(), connections.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(socket).await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"hello") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let (end, told) = oneshot::channel();
                connections.send(end).unwrap();
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(response).await.unwrap();
                stream.flush().await.unwrap();
                let Ok(done) = told.await else {
                    return;
                };
                let done: oneshot::Sender<()> = done;
                match goodbye {
                    Goodbye::CloseNotifyThenFin => stream.shutdown().await.unwrap(),
                    Goodbye::Fin => stream.get_mut().0.shutdown().await.unwrap(),
                }
                // Whatever the client says to that, it hangs up.
                let _ = stream.read_to_end(&mut request).await;
                drop(stream);
                done.send(()).unwrap();
            });
        }
    });
    (uri.parse().unwrap(), accepted)
}

#[tokio::test]
async fn a_server_that_says_goodbye_first_costs_nothing() {
    for goodbye in [Goodbye::CloseNotifyThenFin, Goodbye::Fin] {
        for version in BOTH {
            let tls = tls(&[version], b"http/1.1");
            let connector = rustls(tls.client.clone());
            let (uri, mut accepted) = until_told(tls, goodbye).await;
            let uri = uri.to_string();
            let keep_alive = ManualClock::new().keep_alive();
            let client = guarded_legacy(&keep_alive, connector);
            exchange(&client, post(&uri, "first")).await.unwrap();

            let (done, hung_up) = oneshot::channel();
            accepted.recv().await.unwrap().send(done).unwrap();
            hung_up.await.unwrap();
            let second = exchange(&client, post(&uri, "second")).await;

            second.unwrap_or_else(|error| panic!("{goodbye:?}: {error:?}"));
            let stats = keep_alive.stats();
            assert_eq!((stats.opened, stats.reused), (2, 0), "{goodbye:?}");
            assert_eq!(stats.stale_failures, 0);
        }
    }
}
