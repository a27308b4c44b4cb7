//! A typical exchange, to be counted: a response of ten headers and 30 bytes, client and server in
//! one thread, in memory.

use http::Response;
use http_keepalive::KeepAlive;
use tower::Layer;

use super::client::{HttpClient, exchange, get, guarded, plain};
use super::link::Link;
use super::server::{Body, Server, full};

/// Which parts of this crate take part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parts {
    /// hyper-util's client as it comes.
    None,
    Connector,
    Layer,
    Both,
}

/// Makes so many exchanges, one after another on one connection.
pub fn exchanges(parts: Parts, exchanges: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(parts, exchanges));
}

async fn run(parts: Parts, exchanges: u32) {
    let server = Server::builder()
        .record(false)
        .handler(|_| async { answer() })
        .build();
    let connector = server.connector(Link::new());
    let keep_alive = KeepAlive::default();
    let layer = keep_alive.layer();
    match parts {
        Parts::None => repeat(plain(connector), exchanges).await,
        Parts::Connector => repeat(plain(keep_alive.connector(connector)), exchanges).await,
        Parts::Layer => repeat(layer.layer(plain(connector)), exchanges).await,
        Parts::Both => repeat(guarded(&keep_alive, connector), exchanges).await,
    }
    assert_eq!(server.connections(), 1);
}

async fn repeat<S: HttpClient>(client: S, exchanges: u32) {
    for _ in 0..exchanges {
        let request = get("http://server.test/path");
        exchange(&client, request).await.unwrap();
    }
}

/// With `content-length` and `date`, which hyper adds, it has ten headers.
pub fn answer() -> Response<Body> {
    let mut response = Response::builder();
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store, max-age=0"),
        ("etag", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        ("vary", "accept-encoding"),
        ("x-request-id", "7b1c2ad0-4f0a-4dbb-9a63-0c1f2f4c5e6d"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
        ("keep-alive", "timeout=75"),
    ] {
        response = response.header(name, value);
    }
    response
        .body(full("{\"status\":\"ok\",\"value\":12345}!"))
        .unwrap()
}
