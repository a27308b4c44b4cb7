//! Bodies that are decompressed: the connection is free again once the last byte was read.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use client_stack::origins::{STORY, gzip, gzipped};
use client_stack::support::server::{Body, Server, ServerBuilder, full};
use client_stack::users::{fetch, get};
use futures_util::{StreamExt, stream};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use http_keepalive::ConnectionHandle;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::rig::{FIRST, Rig, Stack, closed, connection};

/// How long the end of a chunked body is late.
const LATE: Duration = Duration::from_millis(500);

fn server() -> ServerBuilder {
    Server::builder().handler(|request: Request<Incoming>| async move {
        let accepted = request.headers().get(ACCEPT_ENCODING);
        assert!(accepted.is_some_and(|accepted| accepted == "gzip"));
        match request.uri().path() {
            "/sized" => gzipped(&text()),
            "/chunked" => chunked(Duration::ZERO),
            "/late" => chunked(LATE),
            "/corrupt" => corrupt(),
            "/large" => Response::new(full(vec![0; 10_000_000])),
            other => panic!("{other}"),
        }
    })
}

fn text() -> Vec<u8> {
    STORY.repeat(1_000).into_bytes()
}

/// All of a compressed text in pieces; the end of the body comes `late`, after all of it.
fn chunked(late: Duration) -> Response<Body> {
    let pieces: Vec<_> = gzip(&text())
        .chunks(10)
        .map(Bytes::copy_from_slice)
        .collect();
    let pieces = stream::iter(pieces).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    let end = stream::once(sleep(late)).filter_map(|()| async { None });
    Response::builder()
        .header(CONTENT_ENCODING, "gzip")
        .body(BodyExt::boxed(StreamBody::new(pieces.chain(end))))
        .unwrap()
}

fn corrupt() -> Response<Body> {
    Response::builder()
        .header(CONTENT_ENCODING, "gzip")
        .body(full(vec![b'?'; 1_000_000]))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_decompressed_to_its_end_frees_the_connection() {
    for path in ["/sized", "/chunked", "/late"] {
        let rig = Rig::of(server());
        let stack = rig.stack();
        let started = Instant::now();

        let first = fetch(&stack, get(FIRST, path)).await.unwrap();
        let took = started.elapsed();
        let second = fetch(&stack, get(FIRST, path)).await.unwrap();

        assert_eq!(
            took,
            if path == "/late" {
                LATE
            } else {
                Duration::ZERO
            }
        );
        for (response, requests) in [(&first, 1), (&second, 2)] {
            assert!(*response.body() == text(), "{path}");
            assert!(!response.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(connection(response).requests(), requests, "{path}");
        }
        assert_eq!(rig.first.connections(), 1, "{path}");
    }
}

/// Its idle time counts from when the request was sent, as that of any other.
#[tokio::test(start_paused = true)]
async fn a_connection_whose_body_was_decompressed_closes_at_its_deadline() {
    let rig = Rig::of(server().hint("timeout=2"));
    let stack = rig.stack();
    fetch(&stack, get(FIRST, "/sized")).await.unwrap();
    let finished = Instant::now();

    closed(&rig.first, 1).await;

    assert_eq!(finished.elapsed(), Duration::from_millis(1_800));
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_connection_whose_body_was_decompressed_stays_open() {
    let rig = Rig::of(server().hint("timeout=2"));
    let stack = rig.plain_stack();
    fetch(&stack, get(FIRST, "/sized")).await.unwrap();
    let second = fetch(&stack, get(FIRST, "/sized")).await.unwrap();
    assert!(second.extensions().get::<ConnectionHandle>().is_none());

    sleep(Duration::from_secs(20)).await;

    assert_eq!((rig.first.connections(), rig.first.open()), (1, 1));
}

async fn costs_the_connection<S: Stack>(rig: &Rig, stack: S) {
    let large = stack.clone().oneshot(get(FIRST, "/large")).await.unwrap();
    drop(large);
    closed(&rig.first, 1).await;
    fetch(&stack, get(FIRST, "/sized")).await.unwrap();
    assert_eq!(rig.first.connections(), 2);

    let error = fetch(&stack, get(FIRST, "/corrupt")).await.unwrap_err();
    assert!(error.to_string().contains("gzip"), "{error:?}");
    closed(&rig.first, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_read_to_its_end_costs_the_connection() {
    let rig = Rig::of(server());
    costs_the_connection(&rig, rig.stack()).await;
    assert_eq!(rig.keep_alive.stats().retired.total(), 0, "hyper closed it");
    let rig = Rig::of(server());
    costs_the_connection(&rig, rig.plain_stack()).await;
}
