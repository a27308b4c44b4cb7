//! The composable pools over this crate's own connections, whose readiness follows the deadline.

use http_keepalive::{
    ConnectionHandle, Http1Layer, KeepAlive, MakeHttp1, NotReusable, Provenance, RequestOutcome,
};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::client::pool::singleton::Singleton;
use hyper_util::client::pool::{cache, map, negotiate};
use tower::Layer;
use tower::layer::layer_fn;
use tower::util::{MapErr, MapResponse};

use std::task::Poll;

use super::senders;
use super::*;
use crate::support::clock::WallClock;

type Make = MakeHttp1<IdleAwareConnector<LinkConnector>, Full<Bytes>>;

fn make(keep_alive: &KeepAlive, server: &Server) -> Make {
    Http1Layer::new().layer(keep_alive.connector(connector(server)))
}

fn policy() -> KeepAlivePolicy {
    KeepAlivePolicy::default().max_idle(T)
}

/// A server, a client whose machine can be suspended, and a cache with a connection that served a request.
macro_rules! used_cache {
    ($make:expr) => {{
        let (server, wall) = (server(), WallClock::new());
        let keep_alive = wall.builder().policy(policy()).build().unwrap();
        let mut cache = cache::builder().build($make(&keep_alive, &server));
        let (mut connection, _) = ready(&mut cache, &uri()).await;
        read(connection.call(request("first")).await.unwrap()).await;
        poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
        drop(connection);
        (server, wall, cache)
    }};
}

#[tokio::test(start_paused = true)]
async fn a_connection_past_its_deadline_is_not_ready_though_nothing_has_closed_it() {
    let (server, wall, mut cache) = used_cache!(make);

    wall.suspend(REUSABLE);
    let mut connection = cache.call(uri()).await.unwrap();
    let error = poll_fn(|cx| connection.poll_ready(cx)).await.unwrap_err();

    assert!(error.is::<NotReusable>(), "{error:?}");
    assert_eq!(server.open(), 1);
    drop(connection);
    assert!(cache.is_empty(), "and it is not taken back");
}

/// The control: hyper's own sender is ready, and the request comes back.
#[tokio::test(start_paused = true)]
async fn without_this_layer_a_connection_past_its_deadline_is_ready() {
    let (_server, wall, mut cache) = used_cache!(|keep_alive: &KeepAlive, server| {
        senders::MakeHttp1(keep_alive.connector(connector(server)))
    });

    wall.suspend(REUSABLE);
    let mut connection = cache.call(uri()).await.unwrap();
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();

    let error = connection.call(request("second")).await.unwrap_err();
    assert!(error.is_canceled());
}

#[tokio::test(start_paused = true)]
async fn a_connection_before_its_deadline_is_ready() {
    let (server, wall, mut cache) = used_cache!(make);

    wall.suspend(REUSABLE - Duration::from_nanos(1));
    cache.retain(|connection| connection.is_reusable());
    let (mut connection, closed) = ready(&mut cache, &uri()).await;
    read(connection.call(request("second")).await.unwrap()).await;

    assert_eq!((closed, server.connections()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_reused_is_sorted_out_before_the_cache_is_called() {
    let (server, wall, mut cache) = used_cache!(make);

    wall.suspend(REUSABLE);
    cache.retain(|connection| connection.is_reusable());

    assert!(cache.is_empty());
    let (mut connection, closed) = ready(&mut cache, &uri()).await;
    read(connection.call(request("second")).await.unwrap()).await;
    assert_eq!((closed, server.connections()), (0, 2));
    assert_eq!(server.times_seen("second"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_tells_what_became_of_it() {
    let outcome = |error: &BoxError| Provenance::of_error(&**error).unwrap().outcome();

    // Found ready, and late when it is sent: nothing of it is.
    let (server, wall, mut cache) = used_cache!(make);
    let (mut connection, _) = ready(&mut cache, &uri()).await;
    wall.suspend(REUSABLE);
    let error = connection.call(request("late")).await.unwrap_err();
    assert_eq!(outcome(&error), RequestOutcome::Unsent);
    assert_eq!(server.times_seen("late"), 0);

    // As the server closes.
    let server = server_that_closes_early();
    let mut make = make(&keep_alive(policy()), &server);
    let mut connection = make.call(uri()).await.unwrap();
    read(connection.call(request("first")).await.unwrap()).await;
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    sleep(EARLY - RTT / 2).await;
    let error = connection.call(request("second")).await.unwrap_err();
    assert_eq!(outcome(&error), RequestOutcome::Stale);
}

/// Sooner than the client expects.
const EARLY: Duration = Duration::from_secs(1);

fn server_that_closes_early() -> Server {
    Server::builder().idle_timeout(EARLY).build()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_closed_is_sorted_out() {
    let (server, _, mut cache) = used_cache!(make);

    server.closed(1).await;
    sleep(RTT).await;
    cache.retain(|connection| connection.is_reusable());

    assert!(cache.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_use_stays() {
    let server = server();
    let keep_alive = keep_alive(policy());
    let mut make = make(&keep_alive, &server);
    let mut connection = make.call(uri()).await.unwrap();

    let answer = connection.call(request("long"));
    let is_ready = poll_fn(|cx| Poll::Ready(connection.poll_ready(cx).is_ready())).await;
    assert!(
        connection.is_reusable() && !is_ready,
        "it is to be answered"
    );
    let response = answer.await.unwrap();
    assert!(connection.is_reusable());
    read(response).await;
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_response_tells_its_connection_and_the_layer_above_asks_for_a_hint() {
    let server = Server::builder().hint("timeout=9").hint_if_asked().build();
    let keep_alive = keep_alive(policy());
    let mut make = make(&keep_alive, &server);
    let connection = make.call(uri()).await.unwrap();
    let follower = connection.handle().follow();
    let mut layered = keep_alive.layer().layer(connection);

    for number in 1..=2 {
        poll_fn(|cx| layered.poll_ready(cx)).await.unwrap();
        let response = layered.call(request("one")).await.unwrap();
        let handle: ConnectionHandle = response.extensions().get().cloned().unwrap();
        read(response).await;
        assert_eq!(handle.requests(), number);
    }

    assert_eq!(follower.requests(), 2);
    assert_eq!(
        follower.hint().unwrap().timeout(),
        Some(Duration::from_secs(9))
    );
    assert_eq!(
        keep_alive.stats().hints,
        1,
        "it asks until it is answered, and counts once"
    );
}

/// The second of two requests in the window before the server closes, through pools that are sorted before.
#[tokio::test(start_paused = true)]
async fn a_map_of_caches_loses_no_request_in_the_window() {
    let server = server();
    let make = make(&keep_alive(policy()), &server);
    let mut map = map::Map::builder::<Uri>()
        .keys(|uri: &Uri| uri.authority().cloned())
        .values(move |_| cache::builder().build::<_, Uri>(make.clone()))
        .build();

    for id in ["first", "second"] {
        map.retain(|_, cache| {
            cache.retain(|connection| connection.is_reusable());
            true
        });
        let (mut connection, closed) = ready(map.service(&uri()), &uri()).await;
        read(connection.call(request(id)).await.unwrap()).await;
        poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
        assert_eq!(closed, 0);
        assert_eq!(server.times_seen(id), 1);
        drop(connection);
        sleep(GAP).await;
    }

    assert_eq!(server.connections(), 2);
}

/// One of the two is what the other's errors are.
fn boxed(http2: senders::Http2) -> MapErr<senders::Http2, fn(hyper::Error) -> BoxError> {
    MapErr::new(http2, BoxError::from)
}

fn is_http2(io: &impl Connection) -> bool {
    io.connected().is_negotiated_h2()
}

#[tokio::test(start_paused = true)]
async fn what_was_negotiated_loses_no_request_in_the_window() {
    let server = server();
    let mut either = negotiate::builder()
        .connect(guarded(&server))
        .inspect(|io: &_| is_http2(io))
        .fallback(layer_fn(|connector| {
            cache::builder().build(Http1Layer::new().layer(connector))
        }))
        .upgrade(layer_fn(|inspected| {
            let make = senders::MakeHttp2(inspected);
            Singleton::new(MapResponse::new(make, boxed))
        }))
        .build::<Uri>();

    let second = two_requests(&server, &mut either, uri()).await;

    assert_eq!(second, Second::Answered { closed: 1 });
    assert_eq!(server.connections(), 2);
}
