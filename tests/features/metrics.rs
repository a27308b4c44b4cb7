//! What the observer of metrics does to the rest. What it counts is tried in `examples/observe`, with a recorder.

use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use http_keepalive::{KeepAliveBuilder, MetricsObserver, Origin};
use tokio::time::sleep;

use crate::support::client::{builder, exchange, get, guarded_legacy};
use crate::support::link::Link;
use crate::support::server::Server;

/// How many connections another origin needs for two requests, between which one origin's are retired. More origins
/// were used before than are kept.
async fn connections_of_another(builder: KeepAliveBuilder) -> usize {
    let keep_alive = builder
        .origin_capacity(10.try_into().unwrap())
        .build()
        .unwrap();
    let server = Server::builder().build();
    let client = guarded_legacy(&keep_alive, server.connector(Link::new()));
    for n in 0..20 {
        let mut request = get(&format!("http://{n}.test/"));
        let close = HeaderValue::from_static("close");
        request.headers_mut().insert(CONNECTION, close);
        exchange(&client, request).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    exchange(&client, get("http://one.test/")).await.unwrap();
    let before = server.connections();

    exchange(&client, get("http://another.test/"))
        .await
        .unwrap();
    sleep(Duration::from_millis(100)).await;
    let one = Origin::of(&"http://one.test/".parse().unwrap()).unwrap();
    keep_alive.retire_idle(&one);
    exchange(&client, get("http://another.test/"))
        .await
        .unwrap();

    server.connections() - before
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_was_counted_is_not_taken_for_one_in_use() {
    assert_eq!(connections_of_another(builder()).await, 1);
    let counted = builder().observer(MetricsObserver::new());
    assert_eq!(connections_of_another(counted).await, 1);
}

/// The control: an observer that keeps origins.
#[tokio::test(start_paused = true)]
async fn an_origin_that_is_kept_is_taken_for_one_in_use() {
    let kept = std::sync::Mutex::new(Vec::new());
    let keeping = builder().observer(move |event: &http_keepalive::ConnectionEvent<'_>| {
        kept.lock().unwrap().extend(event.origin.cloned());
    });
    assert_eq!(connections_of_another(keeping).await, 2);
}
