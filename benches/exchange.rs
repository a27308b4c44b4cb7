//! What one exchange costs, bare and wrapped.
//!
//! A fixed number of exchanges, client and server in one thread, for a tool that counts:
//!
//! ```text
//! cargo bench --bench exchange --no-run
//! valgrind --tool=callgrind target/release/deps/exchange-* bare 1000
//! valgrind --tool=callgrind target/release/deps/exchange-* wrapped 1000
//! ```
//!
//! Without arguments it counts heap allocations itself, and prints them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "this is not the library"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use http_keepalive::KeepAlive;
use hyper::body::Incoming;
use support::client::{exchange, get, plain};
use support::link::Link;
use support::server::{Body, Server, full};
use tower::{Layer, Service};

fn answer() -> Response<Body> {
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
        .body(full("{\"status\":\"ok\",\"value\":12345}"))
        .unwrap()
}

async fn run(mode: &str, exchanges: u32) {
    let server = Server::builder()
        .record(false)
        .handler(|_| async { answer() })
        .build();
    let connector = server.connector(Link::new());
    let keep_alive = KeepAlive::default();
    let layer = keep_alive.layer();
    match mode {
        "bare" => repeat(plain(connector), exchanges).await,
        "connector" => repeat(plain(keep_alive.connector(connector)), exchanges).await,
        "layer" => repeat(layer.layer(plain(connector)), exchanges).await,
        "both" => {
            let client = plain(keep_alive.connector(connector));
            repeat(layer.layer(client), exchanges).await;
        }
        _ => panic!("expected bare, connector, layer or both"),
    }
    assert_eq!(server.connections(), 1);
}

async fn repeat<S>(client: S, exchanges: u32)
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>> + Clone,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    for _ in 0..exchanges {
        let request = get("http://server.test/path");
        exchange(&client, request).await.unwrap();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(&args[1], args[2].parse().unwrap()));
}
