//! The same promises over real sockets, in real time.
//!
//! Nothing here depends on how long anything takes: clocks that matter are set by the test, and the
//! test waits for events at the server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::sockets::server::{Ending, Server};
use crate::support::client::{Guarded, exchange, guarded, plain, post};
use crate::support::clock::{MARGIN, ManualClock, TIMEOUT};
use crate::tls::{BOTH, Tls};
use http::{Response, Version};
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy, SafetyMargin};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const HOUR: Duration = Duration::from_secs(3600);

fn handle<B>(response: &Response<B>) -> &ConnectionHandle {
    response.extensions().get().expect("a handle")
}

mod tcp {
    use super::*;

    fn client(keep_alive: &KeepAlive) -> Guarded<HttpConnector> {
        guarded(keep_alive, HttpConnector::new())
    }

    #[tokio::test]
    async fn a_connection_is_reused() {
        let keep_alive = ManualClock::new().keep_alive();
        let mut server = Server::tcp(None).await;
        let client = client(&keep_alive);

        for number in 1..=3 {
            let id = number.to_string();
            let response = exchange(&client, post(&server.uri(), &id)).await.unwrap();

            assert_eq!(handle(&response).requests(), number);
            assert_eq!(server.connections_of(&id), [0], "one connection serves all");
        }
        let stats = keep_alive.stats();
        assert_eq!((stats.opened, stats.exchanges, stats.reused), (1, 3, 2));
    }

    #[tokio::test]
    async fn a_connection_is_not_reused_where_the_policy_allows_none() {
        let policy = KeepAlivePolicy::default().reuse(false);
        let mut server = Server::tcp(None).await;
        let client = client(&KeepAlive::new(policy).unwrap());

        for (number, id) in ["one", "two", "three"].into_iter().enumerate() {
            exchange(&client, post(&server.uri(), id)).await.unwrap();

            assert_eq!(server.connections_of(id), [number]);
            server.ending(number).await;
        }
    }

    #[tokio::test]
    async fn a_connection_past_its_deadline_is_refused_and_the_request_sent_once() {
        let clock = ManualClock::new();
        let keep_alive = clock.keep_alive();
        let mut server = Server::tcp(None).await;
        let client = client(&keep_alive);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        // As if the machine had been suspended: no timer has noticed.
        clock.suspend(TIMEOUT);
        let response = exchange(&client, post(&server.uri(), "second")).await;

        let response = response.expect("the request is sent on a new connection");
        assert_eq!(handle(&response).requests(), 1);
        assert_eq!(
            server.connections_of("second"),
            [1],
            "nothing is sent on the old one"
        );
        assert_eq!(server.ending(0).await, Ending::Orderly);
        let stats = keep_alive.stats();
        assert_eq!(stats.retired.idle_deadline, 1);
        assert_eq!(stats.stale_failures, 0);
    }

    #[tokio::test]
    async fn a_connection_is_used_without_this_crate_or_before_its_deadline() {
        let clock = ManualClock::new();
        let mut server = Server::tcp(None).await;
        let guarded = client(&clock.keep_alive());
        let plain = plain(HttpConnector::new());
        exchange(&guarded, post(&server.uri(), "guarded"))
            .await
            .unwrap();
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();

        clock.suspend(TIMEOUT - MARGIN - Duration::from_secs(1));
        exchange(&guarded, post(&server.uri(), "guarded"))
            .await
            .unwrap();
        clock.suspend(TIMEOUT);
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();

        assert_eq!(server.connections_of("guarded"), [0, 0]);
        assert_eq!(server.connections_of("plain"), [1, 1]);
    }

    #[tokio::test]
    async fn a_connection_closes_at_its_deadline_without_traffic() {
        let clock = ManualClock::new();
        let keep_alive = clock.keep_alive();
        let mut server = Server::tcp(None).await;
        let client = client(&keep_alive);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        clock.advance(TIMEOUT - MARGIN - Duration::from_nanos(1));
        exchange(&client, post(&server.uri(), "in time"))
            .await
            .unwrap();
        assert_eq!(server.connections_of("in time"), [0], "not before");
        clock.advance(TIMEOUT - MARGIN);

        assert_eq!(server.ending(0).await, Ending::Orderly);
        assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
    }

    /// In the time of the machine. What the deadline is does not matter, only that it comes.
    #[tokio::test]
    async fn a_connection_closes_by_itself_while_one_without_this_crate_stays_open() {
        // An hour for the first request, and nearly nothing after a response with a hint.
        let policy = KeepAlivePolicy::default()
            .max_idle(HOUR)
            .safety_margin(SafetyMargin::Fixed(Duration::from_millis(950)));
        let keep_alive = KeepAlive::new(policy).unwrap();
        let mut server = Server::tcp(None).await;
        let plain = plain(HttpConnector::new());
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        let mut hinted = post(&server.uri(), "guarded");
        hinted
            .headers_mut()
            .insert("x-hint", "timeout=1".parse().unwrap());

        let client = client(&keep_alive);
        exchange(&client, hinted).await.unwrap();
        assert_eq!(server.ending(1).await, Ending::Orderly);

        assert_eq!(keep_alive.stats().retired.total(), 1, "by this crate");
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        assert_eq!(server.connections_of("plain"), [0, 0]);
    }
}

mod tls {
    use super::*;

    const HTTP2: &[u8] = b"h2";
    const HTTP1: &[u8] = b"http/1.1";

    /// For a server that speaks one protocol.
    fn tls(alpn: &[u8]) -> Tls {
        Tls::new(&["127.0.0.1"], BOTH, &[alpn])
    }

    /// A server that speaks one protocol, and a connector that would speak both.
    async fn server(alpn: &[u8]) -> (Server, HttpsConnector<HttpConnector>) {
        let tls = tls(alpn);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.client.clone())
            .https_only()
            .enable_all_versions()
            .build();
        (Server::tcp(Some(tls.acceptor())).await, connector)
    }

    #[tokio::test]
    async fn a_connection_is_reused() {
        let keep_alive = ManualClock::new().keep_alive();
        let (mut server, connector) = server(HTTP1).await;
        let client = guarded(&keep_alive, connector);

        for number in 1..=3 {
            let id = number.to_string();
            let response = exchange(&client, post(&server.uri(), &id)).await.unwrap();

            assert_eq!(response.version(), Version::HTTP_11);
            assert_eq!(handle(&response).requests(), number);
            assert_eq!(server.connections_of(&id), [0], "one handshake for all");
        }
        let stats = keep_alive.stats();
        assert_eq!((stats.opened, stats.exchanges, stats.reused), (1, 3, 2));
        assert_eq!(
            stats.opaque.total(),
            0,
            "what is wrapped is what is encrypted"
        );
    }

    #[tokio::test]
    async fn a_connection_past_its_deadline_is_refused_and_the_request_sent_once() {
        let clock = ManualClock::new();
        let keep_alive = clock.keep_alive();
        let (mut server, connector) = server(HTTP1).await;
        let plain = plain(connector.clone());
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        let client = guarded(&keep_alive, connector);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        clock.suspend(TIMEOUT);
        let response = exchange(&client, post(&server.uri(), "second")).await;

        let response = response.expect("the request is sent on a new connection");
        assert_eq!(handle(&response).requests(), 1);
        assert_eq!(
            server.connections_of("second"),
            [2],
            "nothing is sent on the old one"
        );
        assert_eq!(server.ending(1).await, Ending::Orderly);
        assert_eq!(keep_alive.stats().stale_failures, 0);
        exchange(&plain, post(&server.uri(), "plain"))
            .await
            .unwrap();
        assert_eq!(
            server.connections_of("plain"),
            [0, 0],
            "without this crate the old one is used"
        );
    }

    #[tokio::test]
    async fn a_connection_says_goodbye_when_it_closes_at_its_deadline() {
        let clock = ManualClock::new();
        let (mut server, connector) = server(HTTP1).await;
        let client = guarded(&clock.keep_alive(), connector);
        exchange(&client, post(&server.uri(), "first"))
            .await
            .unwrap();

        clock.advance(TIMEOUT);

        assert_eq!(
            server.ending(0).await,
            Ending::Orderly,
            "`close_notify` comes before FIN"
        );
        drop(client);
    }

    #[tokio::test]
    async fn a_connection_that_is_merely_dropped_says_no_goodbye() {
        let tls = tls(HTTP1);
        let mut server = Server::tcp(Some(tls.acceptor())).await;
        let socket = TcpStream::connect(server.address()).await.unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        let connecting = TlsConnector::from(Arc::new(tls.client)).connect(name, socket);
        let mut stream = connecting.await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        stream.flush().await.unwrap();

        drop(stream);

        let cut_off = io::ErrorKind::UnexpectedEof;
        assert_eq!(server.ending(0).await, Ending::Error(cut_off));
    }

    #[tokio::test]
    async fn a_connection_with_http2_by_alpn_is_left_alone() {
        let clock = ManualClock::new();
        let keep_alive = clock.keep_alive();
        let (mut server, connector) = server(HTTP2).await;
        let client = guarded(&keep_alive, connector);

        for _ in 0..3 {
            let response = exchange(&client, post(&server.uri(), "id")).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            clock.suspend(TIMEOUT);
            clock.advance(TIMEOUT);
        }

        assert_eq!(server.connections_of("id"), [0, 0, 0]);
        let stats = keep_alive.stats();
        assert_eq!((stats.opaque.http2, stats.opaque.total()), (1, 1));
        assert_eq!(stats.retired.total(), 0);
    }
}
