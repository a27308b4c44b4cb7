//! Other users of hyper's client than its legacy pool: a connection by hand, and the composable
//! cache. Each promise stands beside the same scenario without this crate, failing.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use http_keepalive::KeepAlivePolicy;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::client::pool::cache;
use support::client::{HttpClient, exchange, keep_alive, plain_with_idle_timeout, post};
use support::connector::LinkConnector;
use support::link::Link;
use support::server::{Server, full};
use tokio::time::sleep;
use tower::{BoxError, Service, ServiceExt, service_fn};

/// The server's idle timeout.
const T: Duration = Duration::from_secs(2);
/// A round trip.
const RTT: Duration = Duration::from_millis(80);
/// In the middle of the window before the server closes.
const GAP: Duration = Duration::from_millis(1_960);

type Sender = http1::SendRequest<Full<Bytes>>;

fn connector(server: &Server) -> LinkConnector {
    server.connector(Link::new().latency(RTT / 2))
}

fn policy() -> KeepAlivePolicy {
    KeepAlivePolicy::default().max_idle(T)
}

/// Connects by hand, and drives the connection.
async fn connect<C>(connector: C) -> Result<Sender, BoxError>
where
    C: Service<Uri, Response: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static>,
    C::Error: Into<BoxError>,
{
    let uri = Uri::from_static("http://server.test/");
    let io = connector.oneshot(uri).await.map_err(Into::into)?;
    let (sender, connection) = http1::handshake(io).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn request(id: &str) -> Request<Full<Bytes>> {
    let mut request = post("/", id);
    let host = http::HeaderValue::from_static("server.test");
    request.headers_mut().insert(http::header::HOST, host);
    request
}

async fn read(response: Response<Incoming>) {
    response.into_body().collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn by_hand_without_this_crate_a_request_in_the_window_is_lost() {
    let server = Server::builder().idle_timeout(T).build();
    let mut sender = connect(connector(&server)).await.unwrap();
    read(sender.send_request(request("first")).await.unwrap()).await;
    sleep(GAP).await;

    let mut error = sender
        .try_send_request(request("second"))
        .await
        .unwrap_err();

    assert!(error.take_message().is_none(), "it was written");
    assert_eq!(server.times_seen("second"), 0);
}

#[tokio::test(start_paused = true)]
async fn by_hand_a_connection_past_its_deadline_gives_the_request_back() {
    let server = Server::builder().idle_timeout(T).build();
    let connector = keep_alive(policy()).connector(connector(&server));
    let mut sender = connect(connector.clone()).await.unwrap();
    read(sender.send_request(request("first")).await.unwrap()).await;
    sleep(GAP).await;

    assert!(sender.is_closed());
    let mut error = sender
        .try_send_request(request("second"))
        .await
        .unwrap_err();
    let unsent = error.take_message().expect("it was not written");
    let mut sender = connect(connector).await.unwrap();
    read(sender.send_request(unsent).await.unwrap()).await;

    assert_eq!(server.times_seen("second"), 1);
}

/// Takes a connection from a cache, that of the first request in the window, and sends on it when it
/// is ready; asks again when it is not. Returns whether the second request was answered.
async fn through_a_cache<C>(server: &Server, connector: C) -> bool
where
    C: Service<Uri, Response: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static>,
    C: Clone + Send + 'static,
    C::Future: Send,
    C::Error: Into<BoxError>,
{
    let made = service_fn(move |()| Box::pin(connect(connector.clone())));
    let mut cache = cache::builder().build(made);
    for id in ["first", "second"] {
        let answered = loop {
            poll_fn(|cx| cache.poll_ready(cx)).await.unwrap();
            let mut cached = cache.call(()).await.unwrap();
            if poll_fn(|cx| cached.inner_mut().poll_ready(cx))
                .await
                .is_err()
            {
                // Not through `cached` itself, so it would go back: the closed ones are let go.
                drop(cached);
                cache.retain(|sender| !sender.is_closed());
                continue;
            }
            break match cached.inner_mut().send_request(request(id)).await {
                Ok(response) => {
                    read(response).await;
                    // hyper is ready for the next when the connection's task has seen the end.
                    poll_fn(|cx| cached.inner_mut().poll_ready(cx))
                        .await
                        .unwrap();
                    true
                }
                Err(_) => false,
            };
        };
        if !answered {
            return false;
        }
        if id == "first" {
            sleep(GAP).await;
        }
    }
    assert_eq!(server.times_seen("second"), 1);
    true
}

#[tokio::test(start_paused = true)]
async fn a_cache_without_this_crate_loses_a_request_in_the_window() {
    let server = Server::builder().idle_timeout(T).build();
    assert!(!through_a_cache(&server, connector(&server)).await);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cache_over_this_crate_loses_none() {
    let server = Server::builder().idle_timeout(T).build();
    let connector = keep_alive(policy()).connector(connector(&server));
    assert!(through_a_cache(&server, connector).await);
    assert_eq!(server.connections(), 2);
}

/// Whether a request is answered, `gap` after the response to another.
async fn is_answered(client: &impl HttpClient, gap: Duration) -> bool {
    let uri = "http://server.test/";
    exchange(client, post(uri, "first")).await.unwrap();
    sleep(gap).await;
    exchange(client, post(uri, "second")).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_static_timeout_from_the_policy_helps_but_for_responses_that_drain_slowly() {
    let max_idle = Duration::from_secs(5);
    let timeout = KeepAlivePolicy::default().pool_idle_timeout(RTT);
    for (bytes, is_saved) in [(100, true), (400_000, false)] {
        let server = Server::builder()
            .idle_timeout(max_idle)
            .handler(move |_| async move { Response::new(full(vec![0; bytes])) })
            .build();
        let link = Link::new().latency(RTT / 2).bandwidth(200_000);
        let client = plain_with_idle_timeout(server.connector(link), timeout);
        // Two seconds of the server's five are over when 400 KB have come.
        let gap = if is_saved {
            max_idle - RTT / 2
        } else {
            max_idle - Duration::from_secs(2) - RTT / 2
        };
        assert_eq!(is_answered(&client, gap).await, is_saved, "{bytes} bytes");
    }
}
