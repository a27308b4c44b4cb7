//! Exchanges that take longer than any connection may idle, and callers that read late, in part, or
//! never: nothing is done to a connection while a message is under way.

use std::convert::Infallible;
use std::time::Duration;

use crate::support::client::{Guarded, keep_alive, unlayered_with};
use crate::support::link::Link;
use crate::support::server::{Body, LinkConnector, Server, full};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use hyper::body::{Frame, Incoming};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt};

/// Longer than the default policy lets a connection idle, and than its server is expected to.
const LONG: Duration = Duration::from_secs(60);

const PIECES: usize = 4;

/// A body of four pieces, with a long pause before each.
fn hesitant() -> Body {
    let pieces = stream::unfold(0, |piece| async move {
        if piece == PIECES {
            return None;
        }
        sleep(LONG).await;
        let frame = Frame::data(Bytes::from_static(b"piece"));
        Some((Ok::<_, Infallible>(frame), piece + 1))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/wait" => {
            sleep(LONG).await;
            Response::new(full("ok"))
        }
        "/hesitate" => Response::new(hesitant()),
        "/small" => Response::new(full("ok")),
        "/large" => Response::new(full(vec![b'x'; LARGE])),
        "/echo" => Response::new(full(
            request.into_body().collect().await.unwrap().to_bytes(),
        )),
        // Answers at once, and reads the request afterwards.
        "/early" => {
            let body = request.into_body();
            tokio::spawn(async move { body.collect().await });
            Response::new(full("early"))
        }
        other => panic!("{other}"),
    }
}

const LARGE: usize = 10_000_000;

struct World {
    keep_alive: KeepAlive,
    server: Server,
}

impl World {
    fn new() -> Self {
        Self {
            keep_alive: keep_alive(KeepAlivePolicy::default()),
            server: Server::builder().handler(answer).build(),
        }
    }

    fn client(&self) -> Guarded<LinkConnector, Body> {
        // A small buffer, so that a large body does not fit into the network.
        let link = Link::new().buffer(64 << 10);
        let connector = self.server.connector(link);
        let client = unlayered_with(&self.keep_alive, connector, |_| {}, |_| {});
        self.keep_alive.layer().layer(client)
    }
}

async fn whole(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn ask<C>(client: &C, path: &str, body: Body) -> Response<Incoming>
where
    C: Service<Request<Body>, Response = Response<Incoming>, Error: std::fmt::Debug> + Clone,
{
    let request = Request::post(format!("http://server.test{path}")).body(body);
    client.clone().oneshot(request.unwrap()).await.unwrap()
}

/// The next request succeeds, on the same connection or on another.
async fn serves_on<C>(world: &World, client: &C, connections: usize)
where
    C: Service<Request<Body>, Response = Response<Incoming>> + Clone,
    C::Error: std::fmt::Debug,
{
    let response = ask(client, "/small", full("")).await;
    assert_eq!(whole(response).await, "ok");
    assert_eq!(world.server.connections(), connections);
}

#[tokio::test(start_paused = true)]
async fn a_response_may_take_its_time() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/wait", full("")).await;
    assert_eq!(whole(response).await, "ok");
    // No answer came sooner, so that this one may have waited somewhere for as long.
    let response = ask(&client, "/wait", full("")).await;
    assert_eq!(whole(response).await, "ok");
    assert_eq!(world.server.connections(), 2);
    assert_eq!(world.keep_alive.stats().retired.no_idle_allowed, 1);

    // This server takes so long.
    serves_on(&world, &client, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_response_body_may_pause() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/hesitate", full("")).await;

    assert_eq!(whole(response).await, "piece".repeat(PIECES));
    // No network is so slow that it held so few bytes for so long: the server wrote them late.
    serves_on(&world, &client, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_body_may_pause() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/echo", hesitant()).await;

    assert_eq!(whole(response).await, "piece".repeat(PIECES));
    serves_on(&world, &client, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_body_may_go_on_long_after_its_response() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/early", hesitant()).await;
    assert_eq!(whole(response).await, "early");
    let answered = tokio::time::Instant::now();
    sleep(LONG * 2).await;
    assert_eq!(world.server.open(), 1, "its request is under way");

    world.server.closed(1).await;

    // The server may have counted from its response on, so once the request is out, that is it.
    assert_eq!(answered.elapsed(), LONG * PIECES as u32);
}

#[tokio::test(start_paused = true)]
async fn a_small_body_may_be_read_long_after_its_connection_was_closed() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/small", full("")).await;
    // It was taken off the wire at once, so the connection is idle, whatever its caller does.
    world.server.closed(1).await;
    sleep(LONG).await;

    assert_eq!(whole(response).await, "ok");
    serves_on(&world, &client, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_body_may_be_read_late() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/large", full("")).await;
    sleep(LONG).await;
    assert_eq!(world.server.open(), 1, "its response is under way");

    assert_eq!(whole(response).await.len(), LARGE);
    // From its first byte to its last, most of it lay within the window: what the server may have written
    // long ago is not to be reused.
    serves_on(&world, &client, 2).await;
    assert_eq!(world.keep_alive.stats().retired.no_idle_allowed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_large_body_may_be_dropped_in_the_middle() {
    let world = World::new();
    let client = world.client();

    let mut response = ask(&client, "/large", full("")).await;
    response.body_mut().frame().await.unwrap().unwrap();
    sleep(LONG).await;
    drop(response);

    world.server.closed(1).await;
    serves_on(&world, &client, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_body_that_is_never_read_keeps_its_connection() {
    let world = World::new();
    let client = world.client();

    let response = ask(&client, "/large", full("")).await;
    sleep(LONG * 1_000).await;

    assert_eq!(
        world.server.open(),
        1,
        "to close it is its caller's to decide"
    );
    serves_on(&world, &client, 2).await;
    drop(response);
}
