//! `http.client.open_connections`: which there are at each moment of a connection's life, and that none is left.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use http_keepalive::{KeepAlivePolicy, Learn};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower::ServiceExt;

use crate::recorded::Recorded;
use crate::rig::{ONE_WAY, Rig, SECOND, URI, keep_alive, recorded};
use crate::support::client::{exchange, get, plain, post};
use crate::support::gate::{Gate, Writes};
use crate::support::link::Link;
use crate::support::server::Server;
use crate::support::wire::wires;

const DURATION: &str = "http.client.connection.duration";

const NONE: [i64; 2] = [0, 0];
const IDLE: [i64; 2] = [1, 0];
const ACTIVE: [i64; 2] = [0, 1];

#[test]
fn a_connection_is_idle_then_active_then_idle_then_gone() {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, KeepAlivePolicy::default());
        assert_eq!(rig.recorded.open(), NONE);

        let client = rig.client.clone();
        let asked = tokio::spawn(async move { exchange(&client, get(URI)).await });
        let mut peer = rig.ends.peer().await;
        peer.request().await.unwrap();
        assert_eq!(rig.recorded.open(), ACTIVE);

        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
            .await;
        sleep(SECOND).await;
        assert_eq!(rig.recorded.open(), ACTIVE, "half the response");

        peer.send("k").await;
        asked.await.unwrap().unwrap();
        assert_eq!(rig.recorded.open(), IDLE);

        sleep(10 * SECOND).await;
        assert_eq!(rig.recorded.open(), NONE, "at the deadline");
    });
}

#[test]
fn a_connection_is_idle_before_its_first_request() {
    recorded(async |recorded| {
        let (connector, _ends) = wires(Link::new(), Connected::new);
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let connector = keep_alive.connector(connector);
        assert_eq!(recorded.open(), NONE);

        let connection = connector.oneshot(URI.parse().unwrap()).await.unwrap();
        assert_eq!(recorded.open(), IDLE);

        drop(connection);
        assert_eq!(recorded.open(), NONE);
        assert_eq!(recorded.values(DURATION), [0.0]);
    });
}

#[test]
fn connections_add_up() {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, KeepAlivePolicy::default());
        let (mut peers, mut asked) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let client = rig.client.clone();
            asked.push(tokio::spawn(
                async move { exchange(&client, get(URI)).await },
            ));
            let mut peer = rig.ends.peer().await;
            peer.request().await.unwrap();
            peers.push(peer);
        }
        assert_eq!(rig.recorded.open(), [0, 3]);

        peers[1]
            .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
        sleep(SECOND).await;

        assert_eq!(rig.recorded.open(), [1, 2]);
    });
}

/// Nothing is open after that way for one connection to end, and its duration was recorded.
fn none_is_left(policy: KeepAlivePolicy, way: impl AsyncFnOnce(&mut Rig)) {
    recorded(async |recorded| {
        let mut rig = Rig::new(recorded, policy);
        way(&mut rig).await;
        sleep(SECOND).await;
        assert_eq!(rig.keep_alive.stats().opened, 1);
        assert_over(&rig.recorded);
    });
}

#[track_caller]
fn assert_over(recorded: &Recorded) {
    assert_eq!(recorded.open(), NONE);
    assert_eq!(recorded.values(DURATION).len(), 1);
}

mod none_is_left {
    use super::*;

    fn policy() -> KeepAlivePolicy {
        KeepAlivePolicy::default()
    }

    #[test]
    fn where_the_server_closes_an_idle_connection() {
        none_is_left(policy(), async |rig| drop(rig.used().await));
    }

    #[test]
    fn where_an_idle_connection_breaks() {
        none_is_left(policy(), async |rig| rig.used().await.reset());
    }

    #[test]
    fn where_the_client_drops_an_idle_connection() {
        recorded(async |recorded| {
            let mut rig = Rig::new(recorded, policy());
            let _peer = rig.used().await;

            drop(rig.client);
            sleep(SECOND).await;

            assert_over(&rig.recorded);
        });
    }

    #[test]
    fn where_the_client_gives_a_request_up() {
        none_is_left(policy(), async |rig| {
            let client = rig.client.clone();
            let asked = tokio::spawn(async move { exchange(&client, get(URI)).await });
            let mut peer = rig.ends.peer().await;
            peer.request().await.unwrap();
            assert_eq!(rig.recorded.open(), ACTIVE);

            asked.abort();
            sleep(SECOND).await;
        });
    }

    #[test]
    fn where_a_request_fails_stale() {
        none_is_left(policy(), async |rig| {
            let peer = rig.used().await;

            let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async { drop(peer) });

            answer.unwrap_err();
        });
    }

    #[test]
    fn where_the_server_closes_in_the_middle_of_a_response() {
        none_is_left(policy(), async |rig| {
            let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async {
                let mut peer = rig.ends.peer().await;
                peer.request().await.unwrap();
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhalf")
                    .await;
            });

            answer.unwrap_err();
        });
    }

    #[test]
    fn where_a_response_lasts_until_then() {
        none_is_left(policy(), async |rig| {
            let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async {
                let mut peer = rig.ends.peer().await;
                peer.request().await.unwrap();
                peer.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
            });

            assert_eq!(answer.unwrap().body(), "to the end");
        });
    }

    /// Code that drives a connection itself may write on then.
    #[test]
    fn where_a_response_lasts_until_then_and_its_request_for_longer() {
        recorded(async |recorded| {
            let (connector, mut ends) = wires(Link::new().latency(ONE_WAY), Connected::new);
            let connector = keep_alive(policy()).connector(connector);
            let connection = connector.oneshot(URI.parse().unwrap()).await.unwrap();
            let mut connection = TokioIo::new(connection);
            let mut end = ends.accept().await.unwrap();

            let begun = b"POST / HTTP/1.1\r\ncontent-length: 8\r\n\r\nhalf";
            connection.write_all(begun).await.unwrap();
            end.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end")
                .await
                .unwrap();
            end.shutdown().await.unwrap();
            connection.read_to_end(&mut Vec::new()).await.unwrap();
            connection.write_all(b"half").await.unwrap();
            drop(connection);

            assert_over(&recorded);
        });
    }

    #[test]
    fn where_a_request_cannot_be_written() {
        recorded(async |recorded| {
            let (server, gate) = (Server::builder().build(), Gate::default());
            let keep_alive = keep_alive(policy());
            let client = plain(keep_alive.connector(gate.before(server.connector(Link::new()))));
            exchange(&client, get(URI)).await.unwrap();

            gate.set_writes(Writes::Wait);
            let asked = tokio::spawn(async move { exchange(&client, post(URI, "stuck")).await });
            sleep(SECOND).await;
            assert!(gate.holds_a_write());
            assert_eq!(recorded.open(), IDLE, "nothing of the request was written");
            gate.set_writes(Writes::Fail);

            asked.await.unwrap().unwrap_err();
            sleep(SECOND).await;
            assert_over(&recorded);
        });
    }

    #[test]
    fn at_the_deadline() {
        none_is_left(policy(), async |rig| {
            let _peer = rig.used().await;
            sleep(10 * SECOND).await;
        });
    }

    /// It stays open, and is no connection of the client's any more.
    #[test]
    fn where_it_is_left_open_as_a_sentinel() {
        recorded(async |recorded| {
            let server = Server::builder().idle_timeout(60 * SECOND).build();
            let keep_alive = keep_alive(policy().learn(Learn::Full));
            let connector = keep_alive.connector(server.connector(Link::new().latency(ONE_WAY)));
            let client = plain(connector);
            // Sentinels are left only to servers that serve several connections at once.
            let both = async || {
                let [one, other] = [get(URI), get(URI)].map(|request| exchange(&client, request));
                let (one, other) = tokio::join!(one, other);
                one.unwrap();
                other.unwrap();
            };
            both().await;
            sleep(SECOND).await;
            both().await;
            sleep(10 * SECOND).await;

            assert_eq!(server.open(), 1, "a sentinel");
            assert_eq!(recorded.open(), NONE);
            sleep(100 * SECOND).await;
            assert_eq!(server.open(), 0);
            assert_eq!(recorded.open(), NONE);
            assert_eq!(recorded.values(DURATION).len(), 2);
        });
    }

    #[test]
    fn after_bytes_that_answer_no_request() {
        none_is_left(policy(), async |rig| {
            let mut peer = rig.used().await;
            assert_eq!(rig.recorded.open(), IDLE);

            peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n").await;
            drop(peer);
        });
    }

    #[test]
    fn after_an_upgrade() {
        none_is_left(policy(), async |rig| {
            let request = Request::get(URI)
                .header("connection", "upgrade")
                .header("upgrade", "echo")
                .body(Full::default())
                .unwrap();
            let (answer, mut peer) = tokio::join!(rig.client.clone().oneshot(request), async {
                let mut peer = rig.ends.peer().await;
                peer.request().await.unwrap();
                let switching = "HTTP/1.1 101 Switching Protocols\r\n\
                                 connection: upgrade\r\nupgrade: echo\r\n\r\n";
                peer.send(switching).await;
                peer
            });
            let upgraded = hyper::upgrade::on(answer.unwrap()).await.unwrap();
            peer.send("hello").await;
            sleep(100 * SECOND).await;
            assert_eq!(rig.recorded.open(), ACTIVE);

            drop(upgraded);
        });
    }

    /// A connection of HTTP/2 is active from its beginning.
    async fn http2(rig: &Rig, is_http2_only: bool) {
        let (connector, mut ends) = wires(
            Link::new().latency(ONE_WAY),
            if is_http2_only {
                Connected::new
            } else {
                || Connected::new().negotiated_h2()
            },
        );
        let client = Client::builder(TokioExecutor::new())
            .http2_only(is_http2_only)
            .build(rig.keep_alive.connector(connector));
        tokio::spawn(async move {
            let answer = async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()));
            let end = TokioIo::new(ends.accept().await.unwrap());
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(end, service_fn(answer)).await);
        });
        for _ in 0..2 {
            client.request(get(URI)).await.unwrap();
            sleep(Duration::from_secs(20)).await;
            assert_eq!(rig.recorded.open(), ACTIVE);
        }
    }

    #[test]
    fn of_http2_by_alpn() {
        none_is_left(policy(), async |rig| http2(rig, false).await);
    }

    #[test]
    fn of_http2_by_its_preface() {
        none_is_left(policy(), async |rig| http2(rig, true).await);
    }
}
