//! `reqwest::Request`s over a client with this crate in it.

use std::time::Duration;

use crate::support::client::keep_alive;
use crate::support::link::Link;
use crate::support::server::Server;
use http_body_util::BodyExt;
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy, ReqwestLayer};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use reqwest::{Body, Method, Request, ResponseBuilderExt, Url};
use tokio::time::sleep;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// The server's idle timeout.
const T: Duration = Duration::from_secs(2);
/// A round trip.
const RTT: Duration = Duration::from_millis(80);

/// What these tests ask of a client.
trait Sends: Service<Request, Response = reqwest::Response, Error = BoxError> + Clone {}

impl<S: Service<Request, Response = reqwest::Response, Error = BoxError> + Clone> Sends for S {}

fn link() -> Link {
    Link::new().latency(RTT / 2)
}

fn guarded(keep_alive: &KeepAlive, server: &Server) -> impl Sends {
    let connector = keep_alive.connector(server.connector(link()));
    ServiceBuilder::new()
        .layer(ReqwestLayer::new())
        .layer(keep_alive.layer())
        .service(Client::builder(TokioExecutor::new()).build(connector))
}

fn plain(server: &Server) -> impl Sends {
    ServiceBuilder::new()
        .layer(ReqwestLayer::new())
        .service(Client::builder(TokioExecutor::new()).build(server.connector(link())))
}

fn post(body: impl Into<Body>) -> Request {
    let url = Url::parse("http://server.test/path?query#fragment").unwrap();
    let mut request = Request::new(Method::POST, url);
    *request.body_mut() = Some(body.into());
    request
}

/// Makes two requests, the second in the middle of the window before the server closes.
async fn outcome(client: impl Sends) -> Result<reqwest::Response, BoxError> {
    let first = client.clone().oneshot(post("first")).await.unwrap();
    assert_eq!(first.text().await.unwrap(), "ok");
    sleep(T - RTT / 2).await;
    client.oneshot(post("second")).await
}

fn brief_server() -> Server {
    Server::builder().idle_timeout(T).hint("timeout=2").build()
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_request_in_the_window_fails_with_the_clients_own_error() {
    let server = brief_server();
    let error = outcome(plain(&server)).await.unwrap_err();

    let error = error.downcast_ref::<Error>().expect("the client's error");
    assert!(error.connect_info().is_some());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_the_window_goes_over_another_connection() {
    let server = brief_server();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let response = outcome(guarded(&keep_alive, &server)).await.unwrap();

    assert_eq!(response.text().await.unwrap(), "ok");
    assert_eq!((server.requests().len(), server.connections()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_response_keeps_its_url_and_the_extensions_of_this_crate() {
    let server = brief_server();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let client = guarded(&keep_alive, &server);
    for number in 1..=2 {
        let response = client.clone().oneshot(post("hello")).await.unwrap();

        let url = "http://server.test/path?query#fragment";
        assert_eq!(response.url().as_str(), url);
        let handle = response.extensions().get::<ConnectionHandle>().unwrap();
        assert_eq!(handle.requests(), number);
        assert!(handle.hint().is_some());
        response.bytes().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_url_that_a_service_within_sets_wins() {
    let elsewhere = Url::parse("http://elsewhere.test/").unwrap();
    let inner = service_fn(|_: http::Request<Body>| async {
        let url = Url::parse("http://elsewhere.test/").unwrap();
        let response = http::Response::builder().url(url);
        Ok::<_, BoxError>(response.body(Body::from("moved")).unwrap())
    });
    let client = ServiceBuilder::new()
        .layer(ReqwestLayer::new())
        .service(inner);
    let response = client.oneshot(post("hello")).await.unwrap();

    assert_eq!(*response.url(), elsewhere);
    assert_eq!(response.text().await.unwrap(), "moved");
}

/// The server answers with the head at once, and then with what it reads.
#[tokio::test(start_paused = true)]
async fn bodies_are_streamed_both_ways() {
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;

    let server = Server::builder()
        .handler(|request| async move {
            let body = StreamBody::new(stream::unfold(request.into_body(), |mut body| async {
                Some((Ok(body.frame().await?.unwrap()), body))
            }));
            http::Response::new(BodyExt::boxed(body))
        })
        .build();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let client = guarded(&keep_alive, &server);

    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let body = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    let frame = |bytes: &'static str| {
        let data = bytes::Bytes::from_static(bytes.as_bytes());
        Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(data))
    };
    let body = Body::wrap(StreamBody::new(body.map(frame)));

    let mut response = client.oneshot(post(body)).await.unwrap();
    for piece in ["one", "two", "three"] {
        sender.send(piece).unwrap();
        // Comes before the next piece of the request goes.
        let echoed = response.chunk().await.unwrap().unwrap();
        assert_eq!(echoed, piece);
    }
    drop(sender);
    assert!(response.chunk().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_url_that_is_no_uri_is_reqwests_error_and_nothing_is_sent() {
    let server = brief_server();
    let url = Url::parse("data:text/plain,hello").unwrap();
    let client = plain(&server);
    let error = client.oneshot(Request::new(Method::GET, url)).await;

    let error = error.unwrap_err();
    assert!(error.downcast_ref::<reqwest::Error>().is_some(), "{error}");
    assert_eq!(server.connections(), 0);
}
