//! `hyper_util::client::pool::cache`.

use hyper_util::client::pool::cache;
use tower::Service;

use super::senders::MakeHttp1;
use super::*;
use crate::support::clock::WallClock;

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_cache_loses_a_request_in_the_window() {
    let server = server();
    let mut cache = cache::builder().build(MakeHttp1(connector(&server)));

    assert_eq!(two_requests(&server, &mut cache, uri()).await, Second::Lost);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn with_this_crate_a_cache_hands_out_the_closed_connection_and_does_not_take_it_back() {
    let server = server();
    let mut cache = cache::builder().build(MakeHttp1(guarded(&server)));

    let second = two_requests(&server, &mut cache, uri()).await;

    assert_eq!(second, Second::Answered { closed: 1 });
    assert_eq!(server.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_stays_in_a_cache_until_somebody_looks() {
    let server = server();
    let mut cache = cache::builder().build(MakeHttp1(guarded(&server)));
    drop(ready(&mut cache, &uri()).await);
    server.closed(1).await;

    assert!(!cache.is_empty());
    cache.retain(|connection| !connection.0.is_closed());
    assert!(cache.is_empty());
}

/// What becomes of a request that is sent so long after a response, on a connection from the cache
/// that was found ready. Sent again if it was not written.
async fn sent_after(time: Duration) -> (Server, bool) {
    let (server, wall) = (server(), WallClock::new());
    let policy = KeepAlivePolicy::default().max_idle(T);
    let keep_alive = wall.builder().policy(policy).build().unwrap();
    let connector = keep_alive.connector(connector(&server));
    let mut cache = cache::builder().build(MakeHttp1(connector));
    let (mut connection, _) = ready(&mut cache, &uri()).await;
    read(connection.call(request("first")).await.unwrap()).await;
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    drop(connection);

    wall.suspend(time);
    let (mut connection, closed) = ready(&mut cache, &uri()).await;
    assert_eq!(closed, 0, "nothing has noticed how late it is");
    let sent = connection.call(request("second")).await;
    let came_back = sent.is_err_and(|error| error.is_canceled());
    if came_back {
        assert_eq!(server.times_seen("second"), 0);
        drop(connection);
        let (mut connection, _) = ready(&mut cache, &uri()).await;
        read(connection.call(request("second")).await.unwrap()).await;
    }
    (server, came_back)
}

#[tokio::test(start_paused = true)]
async fn a_request_queued_exactly_at_the_deadline_may_be_sent_on_another() {
    let (server, came_back) = sent_after(REUSABLE).await;
    assert!(came_back);
    assert_eq!(server.times_seen("second"), 1);
    assert_eq!(server.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_queued_a_nanosecond_before_the_deadline_is_sent_at_once() {
    let (server, came_back) = sent_after(REUSABLE - Duration::from_nanos(1)).await;
    assert!(!came_back);
    assert_eq!(server.times_seen("second"), 1);
    assert_eq!(server.connections(), 1);
}
