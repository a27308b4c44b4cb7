//! What a single request may ask of its connection.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONNECTION, HOST};
use http::{Request, Response, Uri, Version};
use http_body_util::Full;
use http_keepalive::{CloseAfterResponse, ConnectionHandle, FreshConnection, KeepAlive};
use support::client::{HttpClient, exchange, guarded, keep_alive, plain, post};
use support::link::Link;
use support::server::Server;
use tokio::time::sleep;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

const URI: &str = "http://server.test/";

fn fresh(uri: &str, id: &str) -> Request<Full<Bytes>> {
    let mut request = post(uri, id);
    request.extensions_mut().insert(FreshConnection);
    request
}

/// On which connection each request came, in the order of their names.
fn connections(server: &Server) -> Vec<usize> {
    let mut requests = server.requests();
    requests.sort_by(|one, other| one.id.cmp(&other.id));
    requests.iter().map(|request| request.connection).collect()
}

/// Makes a request, a fresh one, and another.
async fn one_of_three<C: HttpClient>(client: &C, second: Request<Full<Bytes>>) {
    exchange(client, post(URI, "1")).await.unwrap();
    exchange(client, second).await.unwrap();
    exchange(client, post(URI, "3")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_can_have_a_connection_to_itself_while_others_are_idle() {
    let server = Server::builder().build();
    let keep_alive = keep_alive(Default::default());
    let client = guarded(&keep_alive, server.connector(Link::new()));

    one_of_three(&client, fresh(URI, "2")).await;

    let [first, second, third] = connections(&server).try_into().unwrap();
    assert_ne!(second, first);
    assert_eq!(third, first, "the idle one is not given up");
    server.closed(1).await;
    assert_eq!(server.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_wish_or_without_the_layer_it_takes_the_idle_one() {
    let server = Server::builder().build();
    let keep_alive = keep_alive(Default::default());

    let client = guarded(&keep_alive, server.connector(Link::new()));
    one_of_three(&client, post(URI, "2")).await;
    assert_eq!(server.connections(), 1);

    let client = plain(server.connector(Link::new()));
    one_of_three(&client, fresh(URI, "2")).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_have_one_each_and_so_do_those_that_follow() {
    const EACH: usize = 20;
    let server = Server::builder().build();
    let link = Link::new()
        .latency(Duration::from_millis(5))
        .jitter(Duration::from_millis(20));
    let keep_alive = keep_alive(Default::default());
    let client = guarded(&keep_alive, server.connector(link));
    exchange(&client, post(URI, "0")).await.unwrap();

    let users = (0..EACH).map(|user| {
        let client = client.clone();
        async move {
            for turn in 0..EACH {
                exchange(&client, fresh(URI, &format!("{user}-{turn}")))
                    .await
                    .unwrap();
            }
        }
    });
    join_all(users).await;

    let requests = server.requests();
    assert_eq!(requests.len(), 1 + EACH * EACH);
    let used: HashSet<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(used.len(), requests.len(), "no connection serves two");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.open(), 1, "none of them is kept");
}

#[tokio::test(start_paused = true)]
async fn neither_the_server_nor_the_connector_within_sees_anything_of_it() {
    for (uri, host) in [
        ("http://server.test/", "server.test"),
        ("http://server.test:80/", "server.test"),
        ("http://server.test:8080/", "server.test:8080"),
        ("http://user@[::1]:8080/path?query", "[::1]:8080"),
    ] {
        let server = Server::builder().build();
        let keep_alive = keep_alive(Default::default());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (inner, seen) = (server.connector(Link::new()), Arc::clone(&asked));
        let connector = service_fn(move |uri: Uri| {
            seen.lock().unwrap().push(uri.clone());
            inner.clone().oneshot(uri)
        });
        let client = guarded(&keep_alive, connector);

        let response = client.oneshot(fresh(uri, "fresh")).await.unwrap();

        let handle = response.extensions().get::<ConnectionHandle>().unwrap();
        assert_eq!(handle.requests(), 1);
        let origin = http_keepalive::Origin::of(&uri.parse().unwrap());
        assert_eq!(handle.origin(), origin.as_ref());
        let seen = server.requests().remove(0);
        assert_eq!(seen.headers[HOST], host);
        assert_eq!(seen.headers[CONNECTION], "close");
        // Connectors are asked for the place alone.
        let place = |uri: &Uri| (uri.scheme().cloned(), uri.authority().cloned());
        let uri = uri.parse().unwrap();
        assert_eq!(place(&asked.lock().unwrap()[0]), place(&uri));
    }
}

/// The layer alone: a connection of a pool that is told nothing.
#[tokio::test(start_paused = true)]
async fn without_the_connector_it_has_connections_that_only_its_like_may_use() {
    let server = Server::builder().build();
    let client = KeepAlive::default()
        .layer()
        .layer(plain(server.connector(Link::new())));

    one_of_three(&client, fresh(URI, "2")).await;

    let [first, second, third] = connections(&server).try_into().unwrap();
    assert_ne!(second, first);
    assert_eq!(third, first);
}

/// The URI that a client is given.
async fn given(keep_alive: &KeepAlive, mut request: Request<()>, spoken: Version) -> Uri {
    let client = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(request.uri().clone());
        *response.version_mut() = request
            .headers()
            .get("x-spoken")
            .map_or(Version::HTTP_2, |_| Version::HTTP_11);
        Ok::<_, std::convert::Infallible>(response)
    });
    if spoken == Version::HTTP_11 {
        request
            .headers_mut()
            .insert("x-spoken", "1.1".parse().unwrap());
    }
    let client = keep_alive.layer().layer(client);
    client.oneshot(request).await.unwrap().into_body()
}

#[tokio::test]
async fn http2_is_left_alone() {
    let keep_alive = KeepAlive::default();
    let wishing = |uri: &str, version| {
        let request = Request::get(uri)
            .version(version)
            .extension(FreshConnection);
        request.body(()).unwrap()
    };
    let one = || wishing("https://one.test/", Version::HTTP_11);
    let uri = given(&keep_alive, one(), Version::HTTP_2).await;
    assert_ne!(uri, "https://one.test/", "it is not known yet");

    let uri = given(&keep_alive, one(), Version::HTTP_2).await;
    assert_eq!(uri, "https://one.test/", "what it spoke last");

    let two = wishing("https://two.test/", Version::HTTP_2);
    let uri = given(&keep_alive, two, Version::HTTP_2).await;
    assert_eq!(uri, "https://two.test/", "what the request asks for");

    given(&keep_alive, one(), Version::HTTP_11).await;
    let uri = given(&keep_alive, one(), Version::HTTP_11).await;
    assert_ne!(uri, "https://one.test/", "it speaks HTTP/1 again");
}

#[tokio::test]
async fn a_uri_without_a_host_is_left_alone() {
    let request = Request::get("/path")
        .extension(FreshConnection)
        .body(())
        .unwrap();
    let uri = given(&KeepAlive::default(), request, Version::HTTP_11).await;
    assert_eq!(uri, "/path");
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_the_last_of_its_connection() {
    let server = Server::builder().build();
    let keep_alive = keep_alive(Default::default());
    let client = guarded(&keep_alive, server.connector(Link::new()));
    let mut last = post(URI, "2");
    last.extensions_mut().insert(CloseAfterResponse);

    one_of_three(&client, last).await;

    let [first, second, third] = connections(&server).try_into().unwrap();
    assert_eq!(first, second);
    assert_ne!(third, first);
}

/// What the layer writes is enough for the connector: between the two, a response may have ended, and
/// its connection be given away, before the layer comes to it.
#[tokio::test(start_paused = true)]
async fn a_connection_for_such_a_request_serves_no_other_whoever_asks() {
    let request = || Request::get(URI).extension(FreshConnection);
    let keep_alive = keep_alive(Default::default());
    let spelled = given(&keep_alive, request().body(()).unwrap(), Version::HTTP_11).await;
    for (uri, connections) in [(spelled.to_string().as_str(), 3), (URI, 1)] {
        let server = Server::builder().build();
        let client = plain(keep_alive.connector(server.connector(Link::new())));

        for id in ["1", "2", "3"] {
            exchange(&client, post(uri, id)).await.unwrap();
        }

        assert_eq!(server.connections(), connections, "{uri}");
    }
}
