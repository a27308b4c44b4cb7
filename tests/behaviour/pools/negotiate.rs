//! `hyper_util::client::pool::negotiate`: HTTP/2 in a singleton where the connection says so, HTTP/1 in
//! a cache otherwise.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::pool::singleton::Singleton;
use hyper_util::client::pool::{cache, negotiate};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;
use tower::Service;
use tower::layer::layer_fn;

use super::senders::{MakeHttp1, MakeHttp2};
use super::*;
use crate::support::server::full;
use crate::support::wire::{FarEnds, WireConnector, wires};

/// Both, over a connector.
macro_rules! either {
    ($connector:expr) => {
        negotiate::builder()
            .connect($connector)
            .inspect(|io: &_| is_http2(io))
            .fallback(layer_fn(|connector| {
                cache::builder().build(MakeHttp1(connector))
            }))
            .upgrade(layer_fn(|inspected| Singleton::new(MakeHttp2(inspected))))
            .build::<Uri>()
    };
}

fn is_http2(io: &impl Connection) -> bool {
    io.connected().is_negotiated_h2()
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_http1_loses_a_request_in_the_window() {
    let server = server();
    let mut either = either!(connector(&server));

    let second = two_requests(&server, &mut either, uri()).await;

    assert_eq!(second, Second::Lost);
}

#[tokio::test(start_paused = true)]
async fn with_this_crate_http1_loses_no_request_in_the_window() {
    let server = server();
    let mut either = either!(guarded(&server));

    let second = two_requests(&server, &mut either, uri()).await;

    assert_eq!(second, Second::Answered { closed: 1 });
    assert_eq!(server.connections(), 2);
}

/// A server of HTTP/2.
struct Http2Server {
    accepted: Arc<AtomicU64>,
    /// Has its connections say goodbye.
    goodbye: Arc<Notify>,
}

impl Http2Server {
    fn start() -> (Self, WireConnector) {
        let h2 = || Connected::new().negotiated_h2();
        let (connector, far_ends) = wires(Link::new(), h2);
        let server = Self {
            accepted: Arc::default(),
            goodbye: Arc::default(),
        };
        let (accepted, goodbye) = (Arc::clone(&server.accepted), Arc::clone(&server.goodbye));
        tokio::spawn(accept(far_ends, accepted, goodbye));
        (server, connector)
    }

    fn connections(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(mut far_ends: FarEnds, accepted: Arc<AtomicU64>, goodbye: Arc<Notify>) {
    while let Some(end) = far_ends.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        let goodbye = Arc::clone(&goodbye);
        tokio::spawn(async move {
            let ok = service_fn(|_| async { Ok::<_, Infallible>(Response::new(full("ok"))) });
            let serving =
                http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(end), ok);
            let mut serving = std::pin::pin!(serving);
            tokio::select! {
                served = &mut serving => served.unwrap(),
                () = goodbye.notified() => {
                    serving.as_mut().graceful_shutdown();
                    serving.await.unwrap();
                }
            }
        });
    }
}

/// One request on a connection that the pool hands out; returns how many were closed.
async fn ask<P>(pool: &mut P) -> usize
where
    P: Service<Uri, Error: Into<BoxError>>,
    P::Response: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error = hyper::Error>,
{
    let (mut connection, closed) = ready(pool, &uri()).await;
    read(connection.call(request("id")).await.unwrap()).await;
    closed
}

/// With this crate as without it.
#[tokio::test(start_paused = true)]
async fn http2_is_one_connection_for_as_long_as_it_lives() {
    let (server, connector) = Http2Server::start();
    let mut bare = either!(connector);
    let (guarded_server, connector) = Http2Server::start();
    let keep_alive = keep_alive(KeepAlivePolicy::default().max_idle(T));
    let mut guarded = either!(keep_alive.connector(connector));

    for _ in 0..3 {
        assert_eq!(ask(&mut bare).await, 0);
        assert_eq!(ask(&mut guarded).await, 0);
        sleep(10 * T).await;
    }

    assert_eq!(server.connections(), 1);
    assert_eq!(guarded_server.connections(), 1);
    let stats = keep_alive.stats();
    assert_eq!((stats.opaque.http2, stats.retired.total()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn http2_that_has_said_goodbye_is_handed_out_once_more() {
    let (server, connector) = Http2Server::start();
    let keep_alive = keep_alive(KeepAlivePolicy::default().max_idle(T));
    let mut either = either!(keep_alive.connector(connector));
    ask(&mut either).await;

    server.goodbye.notify_one();
    sleep(RTT).await;

    assert_eq!(ask(&mut either).await, 1);
    assert_eq!(server.connections(), 2);
}
