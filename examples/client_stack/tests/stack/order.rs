//! What may stand within this crate's layer, if it has to.

use std::time::Duration;

use client_stack::origins::gzipped;
use client_stack::support::server::{Server, ServerBuilder};
use client_stack::users::{fetch, get};
use http::StatusCode;
use http_body_util::BodyExt;
use tower::{BoxError, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::TimeoutLayer;

use super::rig::{FIRST, Rig, connection, hint};

fn server() -> ServerBuilder {
    Server::builder()
        .hint("timeout=2")
        .hint_if_asked()
        .handler(|_| async { gzipped(b"text") })
}

/// Layers that send a request once, and pass a response's head on.
#[tokio::test(start_paused = true)]
async fn within_the_layer_decompression_and_timeouts_do_no_harm() {
    let rig = Rig::of(server());
    let second = Duration::from_secs(1);
    let stack = ServiceBuilder::new()
        .layer(rig.keep_alive.layer())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            second,
        ))
        .layer(MapResponseBodyLayer::new(|body| {
            BodyExt::map_err(body, BoxError::from).boxed_unsync()
        }))
        .layer(DecompressionLayer::new())
        .service(rig.aware());

    let response = fetch(&stack, get(FIRST, "/")).await.unwrap();

    assert_eq!(response.body(), "text");
    assert_eq!(hint(connection(&response)), Some(Duration::from_secs(2)));
}

/// The control: without the layer nobody asks, and nobody hears.
#[tokio::test(start_paused = true)]
async fn without_the_layer_there_is_no_hint() {
    let rig = Rig::of(server());

    let response = fetch(&rig.aware(), get(FIRST, "/")).await.unwrap();

    assert_eq!(hint(connection(&response)), None);
}
