//! hyper's own server, and hyper-util's.

use http_keepalive::ServerKeepAlive;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tower_layer::Layer;

use super::support::{Network, Pipes, Served, app, five_seconds, network, seconds, settle};
use axum::serve::Listener;

/// Serves with `drive`, which is called for each connection.
fn serve<F>(keep_alive: &ServerKeepAlive, mut drive: F) -> Network
where
    F: FnMut(http_keepalive::IdleStream<tokio::io::DuplexStream>) + Send + 'static,
{
    let (network, mut pipes): (_, Pipes) = network();
    let keep_alive = keep_alive.clone();
    tokio::spawn(async move {
        loop {
            let (stream, ()) = pipes.accept().await;
            drive(keep_alive.admit(stream).await);
        }
    });
    network
}

#[tokio::test(start_paused = true)]
async fn hyper_utils_server_says_and_keeps_the_timeout() {
    let keep_alive = ServerKeepAlive::new(five_seconds().max_requests(2)).unwrap();
    let layer = keep_alive.layer();
    let network = serve(&keep_alive, move |stream| {
        let service = layer.clone().on(stream.connection()).layer(app());
        tokio::spawn(async move {
            auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(
                    TokioIo::new(stream),
                    TowerToHyperService::new(service),
                )
                .await
        });
    });
    let mut client = network.connect();
    let answer = client.get("/").await;
    assert_eq!(answer.field("keep-alive"), Some("timeout=5, max=1"));
    assert_eq!(client.get("/").await.field("connection"), Some("close"));
    assert_eq!(client.end().await, seconds(0));
    let mut client = network.connect();
    client.get("/").await;
    assert_eq!(client.end().await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn hypers_server_says_and_keeps_the_timeout() {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let layer = keep_alive.layer();
    let network = serve(&keep_alive, move |stream| {
        let service =
            tower::service_fn(|_| async { Served::Ok(http::Response::new(String::from("ok"))) });
        let service = TowerToHyperService::new(layer.layer(service));
        tokio::spawn(async move {
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
    });
    let mut client = network.connect();
    let answer = client.get("/").await;
    assert_eq!(answer.field("keep-alive"), Some("timeout=5"));
    assert_eq!(client.end().await, seconds(7));
}

/// A server of hyper's with a timer of its own, as axum's next release has it.
fn serve_with_timer(keep_alive: &ServerKeepAlive, timer: u64) -> Network {
    serve(keep_alive, move |stream| {
        let service = TowerToHyperService::new(app());
        tokio::spawn(async move {
            auto::Builder::new(TokioExecutor::new())
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(seconds(timer))
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
    })
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_hypers_that_is_sooner_is_found_out() {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let network = serve_with_timer(&keep_alive, 3);
    let mut client = network.connect();
    client.get("/").await;
    assert_eq!(client.end().await, seconds(3));
    settle().await;
    let stats = keep_alive.stats();
    assert_eq!(
        (stats.closed.server, stats.closed.total()),
        (1, 1),
        "{stats}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_hypers_that_is_later_does_no_harm() {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let network = serve_with_timer(&keep_alive, 30);
    let mut client = network.connect();
    client.get("/").await;
    assert_eq!(client.end().await, seconds(7));
    settle().await;
    assert_eq!(keep_alive.stats().closed.server, 0);
}
