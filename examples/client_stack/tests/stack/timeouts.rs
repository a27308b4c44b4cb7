//! Answers that are given up: the exchange stays open, so the connection is not used again.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use client_stack::origins::redirect;
use client_stack::support::errors::find;
use client_stack::support::link::Link;
use client_stack::support::server::{Body, Server, ServerBuilder, full};
use client_stack::users::{fetch, get};
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use http_keepalive::ConnectionHandle;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceBuilder};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::{TimeoutError, TimeoutLayer};

use super::rig::{FIRST, PATIENCE, Rig, SECOND, Stack, closed, connection};

/// Answers late, or stops in the middle, where it is asked to.
fn server() -> ServerBuilder {
    Server::builder().handler(|request: Request<Incoming>| async move {
        match request.uri().path() {
            "/slow" => {
                sleep(Duration::from_secs(3_600)).await;
                Response::new(full("at last"))
            }
            "/stuck" => stuck(),
            _ => Response::new(full("ok")),
        }
    })
}

/// One piece of a body, and then nothing more.
fn stuck() -> Response<Body> {
    let piece = Frame::data(Bytes::from_static(b"the beginning"));
    let frames = stream::iter([Ok::<_, Infallible>(piece)]).chain(stream::pending());
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

/// Has a connection used once before something is given up on it, and once after: that is then a new
/// one.
async fn is_not_used_again<S: Stack>(rig: &Rig, stack: S, path: &str) {
    fetch(&stack, get(FIRST, "/")).await.unwrap();
    fetch(&stack, get(FIRST, "/")).await.unwrap();
    assert_eq!(rig.first.connections(), 1, "what is read to its end is");
    let started = Instant::now();

    let given_up = fetch(&stack, get(FIRST, path)).await;

    assert_eq!(started.elapsed(), PATIENCE.answer);
    match given_up {
        Ok(made_up) => {
            assert_eq!(made_up.status(), StatusCode::GATEWAY_TIMEOUT);
            assert!(made_up.extensions().is_empty(), "no server sent it");
        }
        Err(error) => assert!(find::<TimeoutError>(&*error).is_some(), "{error:?}"),
    }
    closed(&rig.first, 1).await;
    assert_eq!(started.elapsed(), PATIENCE.answer, "closed at once");
    let response = fetch(&stack, get(FIRST, "/")).await.unwrap();
    assert_eq!(rig.first.connections(), 2);
    if let Some(connection) = response.extensions().get::<ConnectionHandle>() {
        assert!(!connection.is_reused());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_answer_was_given_up_is_not_used_again() {
    let rig = Rig::of(server());
    is_not_used_again(&rig, rig.stack(), "/slow").await;
    assert_eq!(rig.keep_alive.stats().retired.total(), 0, "hyper closed it");
    assert_eq!(rig.keep_alive.stats().stale_failures, 0, "nobody's failure");
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_body_was_given_up_is_not_used_again() {
    let rig = Rig::of(server());
    is_not_used_again(&rig, rig.stack(), "/stuck").await;
    assert_eq!(rig.keep_alive.stats().retired.total(), 0, "hyper closed it");
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_connection_that_was_given_up_is_not_used_again() {
    for path in ["/slow", "/stuck"] {
        let rig = Rig::of(server());
        is_not_used_again(&rig, rig.plain_stack(), path).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_takes_longer_than_a_hint_is_not_cut_short() {
    let server = Server::builder().hint("timeout=1").handler(|_| async {
        sleep(Duration::from_secs(30)).await;
        Response::new(full("at last"))
    });
    let rig = Rig::of(server);

    let client = rig.guarded();

    for _ in 0..2 {
        let response = fetch(&client, get(FIRST, "/")).await.unwrap();
        assert_eq!(response.body(), "at last");
    }
}

#[tokio::test(start_paused = true)]
async fn tower_s_own_timeout_is_an_error_and_does_the_same_to_the_connection() {
    let rig = Rig::of(server());
    let stack = ServiceBuilder::new()
        .layer(tower::timeout::TimeoutLayer::new(PATIENCE.answer))
        .layer(FollowRedirectLayer::new())
        .service(rig.guarded());
    fetch(&stack, get(FIRST, "/")).await.unwrap();

    let error = fetch(&stack, get(FIRST, "/slow")).await.unwrap_err();

    assert!(error.is::<Elapsed>(), "{error:?}");
    closed(&rig.first, 1).await;
    let response = fetch(&stack, get(FIRST, "/")).await.unwrap();
    assert!(!connection(&response).is_reused());
}

/// Two hops, each of them within the time, but not both together.
mod a_redirect_that_takes_its_time {
    use super::*;

    const HOP: Duration = Duration::from_millis(700);

    fn rig() -> Rig {
        let first = Server::builder().handler(|_| async {
            sleep(HOP).await;
            redirect(&format!("https://{SECOND}/"))
        });
        let second = Server::builder().handler(|_| async {
            sleep(HOP).await;
            Response::new(full("there"))
        });
        Rig::new(first, second, Link::new())
    }

    #[tokio::test(start_paused = true)]
    async fn is_given_up_by_a_timeout_outside() {
        let response = fetch(&rig().stack(), get(FIRST, "/")).await.unwrap();

        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn arrives_with_a_timeout_for_each_hop() {
        let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE.answer);
        let boxed = |body: Incoming| body.map_err(BoxError::from).boxed_unsync();
        let stack = ServiceBuilder::new()
            .layer(FollowRedirectLayer::new())
            .layer(timeout)
            .layer(MapResponseBodyLayer::new(boxed))
            .service(rig().guarded());

        let response = fetch(&stack, get(FIRST, "/")).await.unwrap();

        assert_eq!(response.body(), "there");
    }
}
