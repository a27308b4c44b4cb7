//! `hyper::client::conn::http1`: a connection of hyper's without a pool.

use std::time::Duration;

use hyper::rt::{Read, Write};
use tokio::time::sleep;
use tower::{BoxError, Service, ServiceExt};

use super::senders::Http1;
use super::*;
use crate::support::clock::WallClock;

async fn connect<C>(connector: C) -> Http1
where
    C: Service<Uri, Response: Read + Write + Send + Unpin + 'static>,
    C::Error: Into<BoxError>,
{
    let io = connector.oneshot(uri()).await.map_err(Into::into).unwrap();
    Http1::on(io).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_request_in_the_window_is_lost() {
    let server = server();
    let Http1(mut sender) = connect(connector(&server)).await;
    read(sender.send_request(request("first")).await.unwrap()).await;
    sleep(GAP).await;

    let sent = sender.try_send_request(request("second")).await;

    let unsent = sent.unwrap_err().take_message();
    assert!(unsent.is_none(), "it was written");
    assert_eq!(server.times_seen("second"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_past_its_deadline_gives_the_request_back() {
    let server = server();
    let connector = guarded(&server);
    let Http1(mut sender) = connect(connector.clone()).await;
    read(sender.send_request(request("first")).await.unwrap()).await;
    sleep(GAP).await;

    assert!(sender.is_closed());
    let sent = sender.try_send_request(request("second")).await;
    let unsent = sent.unwrap_err().take_message();
    let unsent = unsent.expect("it was not written");
    let Http1(mut sender) = connect(connector).await;
    read(sender.send_request(unsent).await.unwrap()).await;

    assert_eq!(server.times_seen("second"), 1);
}

/// What becomes of a request that is queued so long after a response, on a connection that has not
/// noticed how late it is.
async fn queued_after(time: Duration) -> (Server, Result<(), bool>) {
    let (server, wall) = (server(), WallClock::new());
    let policy = KeepAlivePolicy::default().max_idle(T);
    let keep_alive = wall.builder().policy(policy).build().unwrap();
    let Http1(mut sender) = connect(keep_alive.connector(connector(&server))).await;
    read(sender.send_request(request("first")).await.unwrap()).await;
    sender.ready().await.unwrap();

    wall.suspend(time);
    assert!(!sender.is_closed());
    let sent = sender.try_send_request(request("second")).await;
    let sent = sent.map_err(|mut error| error.take_message().is_some());
    (server, sent.map(drop))
}

#[tokio::test(start_paused = true)]
async fn a_request_queued_exactly_at_the_deadline_comes_back_unsent() {
    let (server, sent) = queued_after(REUSABLE).await;
    assert_eq!(sent, Err(true));
    assert_eq!(server.times_seen("second"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_queued_a_nanosecond_before_the_deadline_is_sent() {
    let (server, sent) = queued_after(REUSABLE - Duration::from_nanos(1)).await;
    assert_eq!(sent, Ok(()));
    assert_eq!(server.times_seen("second"), 1);
    assert_eq!(server.connections(), 1);
}
