//! The client that needs no assembly, against servers with TLS in this process.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::sockets::server::Server;
use crate::support::client::{exchange, get, keep_alive, post};
use crate::support::clock::{ManualClock, TIMEOUT};
use crate::support::errors::{find, texts};
use crate::tls::{BOTH, Tls};
use bytes::Bytes;
use http::{Response, Version};
use http_body_util::Full;
use http_keepalive::{
    ClientError, ConnectionHandle, HttpsClient, HttpsClientBuilder, KeepAlive, KeepAlivePolicy,
};
use hyper::service::service_fn;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpInfo;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_rustls::rustls;

type Client = HttpsClient<Full<Bytes>>;

/// An HTTPS server, for `127.0.0.1`, that speaks HTTP/1.1 and HTTP/2.
struct Origin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    tls: Tls,
}

impl Origin {
    async fn start() -> Self {
        let tls = Tls::new(&["127.0.0.1"], BOTH, &[b"h2", b"http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let accepted = Arc::clone(&connections);
        let acceptor = tls.acceptor();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                accepted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    // A client that does not believe the certificate hangs up.
                    let Ok(stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let service = service_fn(|_| async {
                        Ok::<_, io::Error>(Response::new(Full::<Bytes>::default()))
                    });
                    // How it ends does not matter.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            connections,
            tls,
        }
    }

    fn uri(&self) -> String {
        format!("https://{}/", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn builder(&self, keep_alive: &KeepAlive) -> HttpsClientBuilder {
        let tls = HttpsConnectorBuilder::new().with_tls_config(self.tls.client.clone());
        keep_alive.client().tls(tls)
    }
}

fn handle<B>(response: &Response<B>) -> &ConnectionHandle {
    response.extensions().get().expect("a handle")
}

#[tokio::test]
async fn the_client_speaks_http1_and_its_clones_share_connections() {
    let origin = Origin::start().await;
    let client: Client = origin.builder(&KeepAlive::default()).build().unwrap();

    for number in 1..=3 {
        let response = exchange(&client.clone(), get(&origin.uri())).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(handle(&response).requests(), number);
        let info = response.extensions().get::<HttpInfo>().unwrap();
        assert_eq!(info.remote_addr(), origin.address);
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(client.keep_alive().stats().reused, 2);
}

#[tokio::test]
async fn the_client_speaks_http2_where_it_may() {
    let origin = Origin::start().await;
    let keep_alive = KeepAlive::default();
    let client: Client = origin.builder(&keep_alive).http2(true).build().unwrap();

    let response = exchange(&client, get(&origin.uri())).await.unwrap();

    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(keep_alive.stats().opaque.http2, 1);
}

#[tokio::test]
async fn the_policy_decides_what_is_reused_and_hyper_util_alone_would_reuse() {
    let origin = Origin::start().await;
    let policy = KeepAlivePolicy::default().reuse(false);
    let builder = || origin.builder(&KeepAlive::new(policy).unwrap());
    let client: Client = builder().build().unwrap();
    exchange(&client, post(&origin.uri(), "1")).await.unwrap();
    exchange(&client, post(&origin.uri(), "2")).await.unwrap();
    assert_eq!(origin.connections(), 2);

    let control = builder().connector().unwrap().into_inner();
    let control = crate::support::client::plain(control);
    exchange(&control, post(&origin.uri(), "3")).await.unwrap();
    exchange(&control, post(&origin.uri(), "4")).await.unwrap();
    assert_eq!(origin.connections(), 3, "one for both");
}

/// hyper-util's own pool gives connections up after 90 s.
#[tokio::test]
async fn the_pool_keeps_connections_as_long_as_the_policy_does() {
    for (minutes, reused) in [(60, 1), (1, 0)] {
        let origin = Origin::start().await;
        let policy = KeepAlivePolicy::default()
            .max_idle(Duration::from_secs(60 * minutes))
            .safety_margin(Duration::from_secs(1));
        let keep_alive = keep_alive(policy);
        let client: Client = origin.builder(&keep_alive).build().unwrap();
        exchange(&client, post(&origin.uri(), "1")).await.unwrap();

        // No socket is waited for while the clock is set forward.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(120)).await;
        tokio::time::resume();
        exchange(&client, post(&origin.uri(), "2")).await.unwrap();

        assert_eq!(keep_alive.stats().reused, reused, "{minutes} minutes");
    }
}

#[tokio::test]
async fn plain_http_is_refused_where_only_https_may_be() {
    let origin = Origin::start().await;
    let builder = origin.builder(&KeepAlive::default());
    let client: Client = builder.https_only(true).build().unwrap();

    let uri = format!("http://{}/", origin.address);
    assert!(exchange(&client, get(&uri)).await.is_err());
    assert_eq!(origin.connections(), 0);
    exchange(&client, get(&origin.uri())).await.unwrap();
}

#[tokio::test]
async fn the_clients_parts_can_be_set_up_one_by_one() {
    let origin = Origin::start().await;
    let builder = origin.builder(&KeepAlive::default()).pool(|pool| {
        pool.max_idle_per_origin(0);
    });
    let builder = builder.tcp(|tcp| tcp.set_connect_timeout(Some(Duration::from_secs(30))));
    let client: Client = builder.build().unwrap();
    let inner: &http_keepalive::Client<_, _> = client.get_ref();

    exchange(inner, get(&origin.uri())).await.unwrap();
    exchange(inner, get(&origin.uri())).await.unwrap();

    assert_eq!(origin.connections(), 2, "nothing is kept idle");
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_told() {
    let origin = Origin::start().await;
    let client: Client = KeepAlive::default()
        .client()
        .webpki_roots()
        .build()
        .unwrap();

    let error = exchange(&client, get(&origin.uri())).await.unwrap_err();

    let cause = find::<rustls::Error>(&*error);
    assert!(
        matches!(cause, Some(rustls::Error::InvalidCertificate(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}/", listener.local_addr().unwrap());
    drop(listener);
    let client: Client = KeepAlive::default()
        .client()
        .webpki_roots()
        .build()
        .unwrap();

    let error = exchange(&client, get(&uri)).await.unwrap_err();

    let cause = find::<io::Error>(&*error).expect("the system's own error");
    assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
    assert!(find::<ClientError>(&*error).unwrap().extras().is_empty());
}

/// A name with more than 63 bytes between its dots: no server of names has to be asked.
#[tokio::test]
async fn a_host_that_does_not_exist_is_told() {
    let host = format!("{}.test", "n".repeat(64));
    let resolved = tokio::net::lookup_host((host.as_str(), 80)).await;
    let expected = resolved.map(drop).unwrap_err();
    let client: Client = KeepAlive::default()
        .client()
        .webpki_roots()
        .build()
        .unwrap();

    // By https that is no name that a certificate could be for, and nobody is asked.
    let uri = format!("http://{host}/");
    let error = exchange(&client, get(&uri)).await.unwrap_err();

    let cause = find::<io::Error>(&*error).expect("the system's own error");
    assert_eq!(cause.kind(), expected.kind());
    let mut said = texts(&*error);
    assert_eq!(said.pop(), Some(expected.to_string()));
    assert!(!said.is_empty(), "{error:?}");
}

/// The server has closed at its timeout, the client has not been told yet, and has a request.
#[tokio::test]
async fn the_race_loses_no_request_and_hyper_util_alone_does() {
    let tls = Tls::new(&["127.0.0.1"], BOTH, &[b"http/1.1"]);
    let mut server = Server::tcp(Some(tls.acceptor())).await;
    let uri = server.uri();
    let clock = ManualClock::new();
    let keep_alive = clock.keep_alive();
    let builder = || {
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls.client.clone());
        keep_alive.client().tls(tls)
    };

    let control = builder().connector().unwrap().into_inner();
    let control = crate::support::client::plain(control);
    exchange(&control, post(&uri, "1")).await.unwrap();
    server.close(0).await;
    exchange(&control, post(&uri, "2")).await.unwrap_err();
    assert!(server.connections_of("2").is_empty(), "nobody has seen it");

    let client: Client = builder().build().unwrap();
    exchange(&client, post(&uri, "3")).await.unwrap();
    server.close(1).await;
    // No timer has noticed.
    clock.suspend(TIMEOUT);
    exchange(&client, post(&uri, "4")).await.unwrap();
    assert_eq!(server.connections_of("4"), [2]);
    assert_eq!(keep_alive.stats().stale_failures, 0);
}

/// The platform's certificates are those that the environment names, so this is done by processes of
/// their own, which run [`child`].
#[tokio::test]
async fn the_roots_of_the_platform_are_believed_and_missed() {
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (roots, none) = (folder.path().join("roots.pem"), folder.path().join("none"));
    std::fs::write(&roots, origin.tls.certificate.pem()).unwrap();
    let uri = origin.uri();
    let run = |file: &std::path::Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "ready::child", "--ignored", "--nocapture"])
            .env("SSL_CERT_FILE", file)
            .env_remove("SSL_CERT_DIR")
            .env("READY_URI", &uri);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };

    let believed = run(&roots).await.unwrap();
    assert!(believed.status.success(), "{believed:?}");
    let missed = run(&none).await.unwrap();
    let said = String::from_utf8_lossy(&missed.stderr);
    assert!(!missed.status.success());
    assert!(
        said.contains("no native root CA certificates found"),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn child() {
    let uri = std::env::var("READY_URI").unwrap();
    let client: Client = KeepAlive::default().client().build().unwrap();
    exchange(&client, get(&uri)).await.unwrap();
}
