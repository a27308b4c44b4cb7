//! Bodies pass as they come.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::Connected;
use tokio::sync::mpsc;

use super::{BoxError, Front, get, soon};
use crate::support::link::Link;
use crate::support::server::{Server, full};
use crate::support::wire::wires;

/// A body of what is sent, which ends when the sender is dropped.
fn fed() -> (
    mpsc::UnboundedSender<&'static str>,
    impl http_body::Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let data: &str = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from(data))), receiver))
    });
    (sender, StreamBody::new(frames))
}

async fn next<B>(body: &mut B) -> Bytes
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let frame = soon(body.frame()).await.expect("more of the body");
    frame.map_err(Into::into).unwrap().into_data().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_response_that_never_ends_is_passed_on_as_it_comes() {
    let (sender, body) = fed();
    let body = Arc::new(Mutex::new(Some(body)));
    let server = Server::builder()
        .handler(move |_| {
            let body = body.lock().unwrap().take().unwrap();
            async { Response::new(body.boxed()) }
        })
        .build();
    let front = Front::before(server.connector(Link::new()));

    let mut response = front.ask(get("/events")).await;

    for word in ["one", "two", "three"] {
        // Nothing of it exists before the last was received.
        sender.send(word).unwrap();
        assert_eq!(next(response.body_mut()).await, word);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_passed_on_as_it_comes() {
    let (heard, mut hears) = mpsc::unbounded_channel();
    let server = Server::builder()
        .handler(move |mut request| {
            let heard = heard.clone();
            async move {
                while let Some(Ok(frame)) = request.body_mut().frame().await {
                    let _ = heard.send(frame.into_data().unwrap());
                }
                Response::new(full("ok"))
            }
        })
        .build();
    let front = Front::before(server.connector(Link::new()));
    let (sender, body) = fed();
    let mut request = get("/upload").map(|_| Body::new(body));
    *request.method_mut() = Method::POST;

    let asking = tokio::spawn(async move { front.ask(request).await.status() });
    for word in ["one", "two", "three"] {
        sender.send(word).unwrap();
        assert_eq!(soon(hears.recv()).await.unwrap(), word);
    }
    drop(sender);

    assert_eq!(soon(asking).await.unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_breaks_off_upstream_breaks_off_downstream() {
    let (connector, mut ends) = wires(Link::new(), Connected::new);
    let front = Front::before(connector);
    let upstream = tokio::spawn(async move {
        let mut peer = ends.peer().await;
        peer.request().await.unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf ")
            .await;
    });

    let response = front.ask(get("/")).await;
    upstream.await.unwrap();

    let read = soon(response.into_body().collect()).await;
    assert!(read.is_err(), "half of a body is no body: {read:?}");
}

#[tokio::test(start_paused = true)]
async fn the_length_of_what_is_not_sent_is_not_made_up() {
    let server = Server::builder()
        .handler(|request: Request<Incoming>| async move {
            let is_known = request.uri().path() == "/known";
            let mut response = Response::builder();
            if is_known {
                response = response.header(CONTENT_LENGTH, "42");
            }
            let frames = stream::iter([Ok(Frame::data(Bytes::from("body")))]);
            response.body(StreamBody::new(frames).boxed()).unwrap()
        })
        .build();
    let front = Front::before(server.connector(Link::new()));
    for (path, length) in [("/unknown", None), ("/known", Some("42"))] {
        let mut request = get(path);
        *request.method_mut() = Method::HEAD;

        let response = front.ask(request).await;

        let told = response.headers().get(CONTENT_LENGTH);
        assert_eq!(told.map(|told| told.to_str().unwrap()), length, "{path}");
    }
}
