//! A redirect from one origin to another: two exchanges, two connections, two hints.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client_stack::origins::redirect;
use client_stack::support::link::Link;
use client_stack::support::server::{Body, Server, ServerBuilder, full};
use client_stack::users::{fetch, get, post};
use http::{HeaderValue, Request, Response, header::LOCATION};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use tower::ServiceBuilder;
use tower_http::follow_redirect::{FollowRedirectLayer, RequestUri};
use tower_http::trace::{OnResponse, TraceLayer};
use tracing::Span;

use super::rig::{FIRST, PATIENCE, RTT, Rig, SECOND, Stack, closed, connection, hint};

/// The first origin's idle timeout, and what it says with its redirect, and only then.
const T: Duration = Duration::from_secs(1);

/// What the client keeps a connection of that timeout.
const KEPT: Duration = Duration::from_millis(900);

fn first() -> ServerBuilder {
    Server::builder()
        .idle_timeout(T)
        .handler(|request| async move {
            match request.uri().path() {
                "/moved" => hinting(redirect(&format!("https://{SECOND}/there"))),
                _ => Response::new(full("direct")),
            }
        })
}

fn hinting(mut response: Response<Body>) -> Response<Body> {
    let hint = HeaderValue::from_static("timeout=1");
    response.headers_mut().insert("keep-alive", hint);
    response
}

fn rig(link: Link) -> Rig {
    Rig::new(first(), Server::builder().hint("timeout=60"), link)
}

/// This crate's layer outside of the one that follows redirects: the wrong order.
fn in_the_wrong_order(rig: &Rig) -> impl Stack + use<> {
    let client = ServiceBuilder::new()
        .layer(rig.keep_alive.layer())
        .layer(FollowRedirectLayer::new())
        .service(rig.aware());
    client_stack::stack::stack(client, PATIENCE)
}

#[tokio::test(start_paused = true)]
async fn each_origin_s_hint_counts_for_its_own_connection() {
    let rig = rig(Link::new());
    let stack = rig.stack();

    let there = fetch(&stack, get(FIRST, "/moved")).await.unwrap();
    let direct = fetch(&stack, get(FIRST, "/direct")).await.unwrap();

    let second = connection(&there);
    assert_eq!(second.origin().unwrap().host(), SECOND);
    assert_eq!(hint(second), Some(Duration::from_secs(60)));
    let RequestUri(asked) = there.extensions().get().unwrap();
    assert_eq!(*asked, *format!("https://{SECOND}/there"));
    let first = connection(&direct);
    assert_eq!(first.origin().unwrap().host(), FIRST);
    assert!(first.is_reused(), "the redirect came on it");
    assert_eq!(hint(first), Some(T), "which only the redirect said");
}

#[tokio::test(start_paused = true)]
async fn each_connection_closes_at_its_own_origin_s_deadline() {
    let rig = rig(Link::new());
    let stack = rig.stack();
    fetch(&stack, get(FIRST, "/moved")).await.unwrap();
    let finished = Instant::now();

    closed(&rig.first, 1).await;
    assert_eq!(finished.elapsed(), KEPT);

    closed(&rig.second, 1).await;
    assert_eq!(finished.elapsed(), Duration::from_secs(59));
}

/// The connector reads hints, whatever the layer sees of the exchange.
#[tokio::test(start_paused = true)]
async fn in_the_wrong_order_the_redirecting_origin_s_hint_counts_as_well() {
    let rig = rig(Link::new());
    let stack = in_the_wrong_order(&rig);

    let there = fetch(&stack, get(FIRST, "/moved")).await.unwrap();
    let direct = fetch(&stack, get(FIRST, "/direct")).await.unwrap();

    assert_eq!(hint(connection(&there)), Some(Duration::from_secs(60)));
    assert!(connection(&direct).is_reused());
    assert_eq!(hint(connection(&direct)), Some(T));
}

/// How many of the requests to the first origin fail that come around its timeout, after a redirect
/// from it.
async fn failures<S: Stack>(stack: impl Fn(&Rig) -> S) -> u32 {
    let mut failed = 0;
    for quarter in 0..28 {
        let rig = rig(Link::new().latency(RTT / 2));
        let stack = stack(&rig);
        fetch(&stack, get(FIRST, "/moved")).await.unwrap();
        sleep(T - 5 * RTT + quarter * RTT / 4).await;
        let outcome = fetch(&stack, post(FIRST, "/direct")).await;
        failed += u32::from(outcome.is_err());
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn no_request_after_a_redirect_fails_in_either_order_and_without_this_crate_some_do() {
    assert_eq!(failures(Rig::stack).await, 0);
    assert_eq!(failures(in_the_wrong_order).await, 0);
    assert!(failures(Rig::plain_stack).await > 0, "the control");
}

/// What stands between is called once for each hop; what stands outside, once.
#[tokio::test(start_paused = true)]
async fn within_follow_redirect_a_layer_sees_each_hop_and_outside_the_last() {
    let rig = rig(Link::new());
    let [hops, ends] = [Seen::default(), Seen::default()];
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().on_response(ends.clone()))
        .layer(FollowRedirectLayer::new())
        .layer(TraceLayer::new_for_http().on_response(hops.clone()))
        .service(rig.guarded());

    fetch(&stack, get(FIRST, "/moved")).await.unwrap();

    assert_eq!(hops.origins(), [FIRST, SECOND]);
    assert_eq!(ends.origins(), [SECOND]);
}

/// The origins of the connections that responses came on.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl<B> OnResponse<B> for Seen {
    fn on_response(self, response: &Response<B>, _: Duration, _: &Span) {
        let origin = connection(response).origin().unwrap().host().to_owned();
        self.0.lock().unwrap().push(origin);
    }
}

impl Seen {
    fn origins(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Nobody reads the body of a redirect that is followed.
mod the_body_of_a_redirect {
    use super::*;

    /// The connections that two requests to the first origin take, the first of which is answered by a
    /// redirect with a body of so many bytes.
    async fn connections<S: Stack>(bytes: usize, stack: impl Fn(&Rig) -> S) -> usize {
        let first = Server::builder().handler(move |request: Request<Incoming>| async move {
            match request.uri().path() {
                "/moved" => elsewhere(vec![b' '; bytes]),
                _ => Response::new(full("direct")),
            }
        });
        let rig = Rig::new(first, Server::builder(), Link::new().latency(RTT / 2));
        let stack = stack(&rig);
        fetch(&stack, get(FIRST, "/moved")).await.unwrap();
        fetch(&stack, get(FIRST, "/direct")).await.unwrap();
        rig.first.connections()
    }

    fn elsewhere(body: impl Into<Bytes>) -> Response<Body> {
        Response::builder()
            .status(302)
            .header(LOCATION, format!("https://{SECOND}/there"))
            .body(full(body))
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn costs_nothing_if_it_is_short() {
        for bytes in [0, 100, 1_000] {
            assert_eq!(connections(bytes, Rig::stack).await, 1, "{bytes}");
            assert_eq!(connections(bytes, Rig::plain_stack).await, 1, "{bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn costs_the_connection_if_it_is_long() {
        assert_eq!(connections(1_000_000, Rig::stack).await, 2);
        assert_eq!(connections(1_000_000, Rig::plain_stack).await, 2);
    }
}
