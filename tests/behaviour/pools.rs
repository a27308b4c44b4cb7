//! Other users of hyper's client than its legacy pool: a connection without a pool, and the
//! composable pools. Each promise stands beside the same scenario without this crate, failing.

mod cache;
mod http1;
mod map;
mod negotiate;
mod no_pool;
mod senders;
mod singleton;

use std::fmt::Debug;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use http_keepalive::{IdleAwareConnector, KeepAlivePolicy};
use hyper::body::Incoming;
use tokio::time::sleep;
use tower::{BoxError, Service};

use crate::support::client::{HttpClient, exchange, keep_alive, plain_with_idle_timeout, post};
use crate::support::connector::LinkConnector;
use crate::support::link::Link;
use crate::support::server::{Server, full};

/// The server's idle timeout.
pub const T: Duration = Duration::from_secs(2);
/// A round trip.
pub const RTT: Duration = Duration::from_millis(80);
/// In the middle of the window before the server closes.
pub const GAP: Duration = Duration::from_millis(1_960);
/// For how long this crate would reuse a connection: until a tenth before T, counted from the request.
pub const REUSABLE: Duration = Duration::from_millis(1_800 - 80);

pub fn uri() -> Uri {
    Uri::from_static("http://server.test/")
}

pub fn server() -> Server {
    Server::builder().idle_timeout(T).build()
}

pub fn connector(server: &Server) -> LinkConnector {
    server.connector(Link::new().latency(RTT / 2))
}

pub fn guarded(server: &Server) -> IdleAwareConnector<LinkConnector> {
    keep_alive(KeepAlivePolicy::default().max_idle(T)).connector(connector(server))
}

pub fn request(id: &str) -> Request<Full<Bytes>> {
    let mut request = post("http://server.test/", id);
    let host = http::HeaderValue::from_static("server.test");
    request.headers_mut().insert(http::header::HOST, host);
    request
}

pub async fn read(response: Response<Incoming>) {
    response.into_body().collect().await.unwrap();
}

/// Asks a pool for a connection until it hands out one that is ready, and says how many were not.
pub async fn ready<P, D>(pool: &mut P, destination: &D) -> (P::Response, usize)
where
    P: Service<D, Error: Into<BoxError>>,
    P::Response: Service<Request<Full<Bytes>>>,
    D: Clone,
{
    for closed in 0..10 {
        let called = poll_fn(|cx| pool.poll_ready(cx)).await;
        called.map_err(Into::into).unwrap();
        let called = pool.call(destination.clone()).await;
        let mut connection = called.map_err(Into::into).unwrap();
        if poll_fn(|cx| connection.poll_ready(cx)).await.is_ok() {
            return (connection, closed);
        }
    }
    panic!("the pool hands out what is closed, again and again");
}

/// What became of the second of two requests through a pool, in the window before the server closes.
#[derive(Debug, PartialEq, Eq)]
pub enum Second {
    Lost,
    /// It was answered, after so many connections were handed out that had closed themselves.
    Answered {
        closed: usize,
    },
}

/// Makes two requests through a pool, each on a connection that it hands out and that is ready.
pub async fn two_requests<P, D>(server: &Server, pool: &mut P, destination: D) -> Second
where
    P: Service<D, Error: Into<BoxError>>,
    P::Response: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error: Debug>,
    D: Clone,
{
    let (mut connection, _) = ready(pool, &destination).await;
    read(connection.call(request("first")).await.unwrap()).await;
    // hyper is ready for the next when the connection's task has seen the end.
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    drop(connection);
    sleep(GAP).await;

    let (mut connection, closed) = ready(pool, &destination).await;
    match connection.call(request("second")).await {
        Ok(response) => {
            read(response).await;
            assert_eq!(server.times_seen("second"), 1);
            Second::Answered { closed }
        }
        Err(_) => {
            assert_eq!(server.times_seen("second"), 0);
            Second::Lost
        }
    }
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
