//! A typical exchange, to be counted: a response of ten headers and 30 bytes, client and server in
//! one thread.

use http::Response;
use http_keepalive::{IdleAwareConnector, KeepAlive};
use hyper_util::client::legacy::connect::Connect;
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tower::{Layer, Service};

use super::client::{HttpClient, exchange, get, guarded, plain};
use super::link::Link;
use super::loopback;
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

/// What lies between client and server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    Memory,
    Loopback,
}

/// Around so many exchanges other things are done.
const OTHERS: u32 = 400;

/// Makes so many exchanges, one after another on one connection.
///
/// Around the first of them pieces of memory are taken, and some given back, as by a program that has other
/// things to do: what an allocation costs later depends on how the buffers of the first exchanges happen
/// to lie. No two seeds take the same; zero takes none.
pub fn exchanges(parts: Parts, over: Over, exchanges: u32, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        match over {
            Over::Memory => {
                let server = Server::builder()
                    .record(false)
                    .handler(|_| async { answer() })
                    .build();
                let there = "http://server.test/path";
                run(parts, server.connector(Link::new()), there, exchanges, seed).await;
                assert_eq!(server.connections(), 1);
            }
            Over::Loopback => {
                let address = loopback::serve(answer).await;
                let there = format!("http://{address}/path");
                run(parts, loopback::connector(), &there, exchanges, seed).await;
            }
        }
    });
}

async fn run<C>(parts: Parts, connector: C, there: &str, exchanges: u32, seed: u64)
where
    C: Connect + Clone + Send + Sync + 'static,
    C: Service<http::Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let keep_alive = KeepAlive::default();
    let layer = keep_alive.layer();
    match parts {
        Parts::None => repeat(plain(connector), there, exchanges, seed).await,
        Parts::Connector => {
            let connector = keep_alive.connector(connector);
            repeat(plain(connector), there, exchanges, seed).await;
        }
        Parts::Layer => repeat(layer.layer(plain(connector)), there, exchanges, seed).await,
        Parts::Both => repeat(guarded(&keep_alive, connector), there, exchanges, seed).await,
    }
}

async fn repeat<S: HttpClient>(client: S, there: &str, exchanges: u32, seed: u64) {
    let mut random = XorShiftRng::seed_from_u64(seed);
    let others = if seed > 0 { OTHERS } else { 0 };
    let mut kept = Vec::with_capacity(OTHERS as usize);
    for number in 0..exchanges {
        exchange(&client, get(there)).await.unwrap();
        if number >= others {
            continue;
        }
        if kept.len() > 20 && random.random_ratio(1, 2) {
            kept.swap_remove(random.random_range(0..kept.len()));
        } else {
            kept.push(vec![0_u8; random.random_range(16..3_000)]);
        }
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
