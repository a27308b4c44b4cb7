//! The tasks and the runtime that a connection is driven by: one that has other work, two instead of one,
//! one that is driven by hand, a runtime without a timer.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::support::client::{exchange, get, keep_alive, unlayered_with};
use crate::support::clock::WallClock;
use crate::support::connector::LinkStream;
use crate::support::link::Link;
use crate::support::loopback::{connector, serve};
use crate::support::server::{Server, full};
use crate::support::wire::wires;
use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::Full;
use http_keepalive::{IdleAwareIo, KeepAlive, KeepAlivePolicy};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

const URI: &str = "http://server.test/";

/// When the policy's default gives a connection up.
const REUSABLE: Duration = Duration::from_millis(4_500);

const LONG: Duration = Duration::from_secs(600);

async fn connect(keep_alive: &KeepAlive, server: &Server, link: Link) -> IdleAwareIo<LinkStream> {
    let connector = keep_alive.connector(server.connector(link));
    connector.oneshot(Uri::from_static(URI)).await.unwrap()
}

async fn send(sender: &mut SendRequest<Full<Bytes>>) {
    sender.ready().await.unwrap();
    let response = sender.send_request(get(URI)).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// Tokio stops what a task does after so many steps that did not wait, and with it the timer, which then
/// does not know of the task.
#[tokio::test(start_paused = true)]
async fn a_connection_closes_at_its_deadline_though_its_task_has_spent_its_budget() {
    for messages in [0, 1, 126, 127, 128, 129, 1_000] {
        let server = Server::builder().build();
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let io = connect(&keep_alive, &server, Link::new()).await;
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        let (work, mut works) = tokio::sync::mpsc::unbounded_channel();
        let driven = tokio::spawn(async move {
            let mut connection = pin!(connection);
            let mut busy = pin!(sleep(REUSABLE));
            poll_fn(|cx| {
                // What else the task does comes first.
                if busy.is_elapsed() || busy.as_mut().poll(cx).is_ready() {
                    while let Poll::Ready(Some(())) = works.poll_recv(cx) {}
                }
                connection.as_mut().poll(cx)
            })
            .await
        });
        (0..messages).for_each(|_| work.send(()).unwrap());
        send(&mut sender).await;
        sleep(REUSABLE / 2).await;
        send(&mut sender).await;
        let finished = Instant::now();

        let closed = timeout(LONG, driven).await;

        assert!(closed.is_ok(), "{messages} messages: it stays open");
        assert_eq!(finished.elapsed(), REUSABLE, "{messages} messages");
    }
}

/// The response is there before its request is out. That the connection is idle, only the task knows
/// that writes.
#[tokio::test(start_paused = true)]
async fn a_connection_closes_at_its_deadline_though_another_task_writes_than_reads() {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let io = keep_alive.connector(connector);
    let io = io.oneshot(Uri::from_static(URI)).await.unwrap();
    let mut server = far_ends.peer().await;
    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(io));
    let reads = tokio::spawn(async move {
        let mut read = Vec::new();
        let ended = reader.read_to_end(&mut read).await;
        (read, ended)
    });
    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    writer
        .write_all(b"POST / HTTP/1.1\r\nhost: server.test\r\ncontent-length: 2\r\n\r\n1")
        .await
        .unwrap();
    server.send(response).await;
    sleep(Duration::from_secs(1)).await;
    writer.write_all(b"2").await.unwrap();
    let finished = Instant::now();
    let (read, ended) = timeout(LONG, reads).await.expect("it stays open").unwrap();

    assert_eq!(read, response);
    // The server may count since it answered, a second before, and no sooner than it was asked.
    assert_eq!(finished.elapsed(), REUSABLE - Duration::from_secs(1));
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn the_future_of_a_connection_that_closes_itself_ends_with_an_error_that_says_why() {
    let server = Server::builder().build();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let io = connect(&keep_alive, &server, Link::new()).await;
    let handle = io.handle();
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    let driven = tokio::spawn(connection);
    send(&mut sender).await;
    handle.retire();

    let error = driven.await.unwrap().unwrap_err();

    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionAborted);
    assert!(source.to_string().contains("retired"), "{source}");
    assert!(sender.is_closed());
    server.closed(1).await;
}

/// A request that is waiting in the queue as its connection turns out to have expired is handed back, and
/// then the connection's future ends well.
#[tokio::test(start_paused = true)]
async fn a_request_that_was_queued_on_an_expired_connection_is_handed_back() {
    let server = Server::builder().build();
    let wall = WallClock::new();
    let keep_alive = wall.builder().build().unwrap();
    let io = connect(&keep_alive, &server, Link::new()).await;
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    let driven = tokio::spawn(connection);
    send(&mut sender).await;
    sender.ready().await.unwrap();
    wall.suspend(Duration::from_secs(3_600));

    let mut error = sender.try_send_request(get(URI)).await.unwrap_err();

    assert!(error.take_message().is_some());
    assert!(error.into_error().is_canceled());
    driven.await.unwrap().unwrap();
    assert_eq!(server.requests().len(), 1);
}

/// The thread that connected is busy before it comes to send, while the connection's task is not.
#[tokio::test(start_paused = true)]
async fn a_busy_thread_is_no_reason_to_refuse_the_request_that_a_connection_was_opened_for() {
    for (max_idle, latency, busy) in [(5_000, 1_500, 2_000), (5_000, 0, 4_400), (8, 0, 900)] {
        let server = Server::builder().build();
        let policy = KeepAlivePolicy::default().max_idle(Duration::from_millis(max_idle));
        let keep_alive = keep_alive(policy);
        let link = Link::new().latency(Duration::from_millis(latency));
        let io = connect(&keep_alive, &server, link).await;
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);

        sleep(Duration::from_millis(busy)).await;

        send(&mut sender).await;
    }
}

/// Deadlines hold all the same; the socket only closes when the connection is needed next.
#[test]
fn a_runtime_without_a_time_driver_serves_requests_and_reuses_connections() {
    for runtime in [
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build(),
        tokio::runtime::Builder::new_multi_thread()
            .enable_io()
            .build(),
    ] {
        runtime.unwrap().block_on(async {
            let uri = server().await;
            let wall = WallClock::new();
            let keep_alive = wall.builder().build().unwrap();
            let client = unlayered_with(&keep_alive, connector(), |_| {}, |_| {});
            // A connection may come back to the pool after the next request has left.
            while keep_alive.stats().reused == 0 {
                exchange(&client, get(&uri)).await.unwrap();
            }
            let before = keep_alive.stats();

            wall.suspend(Duration::from_secs(3_600));
            exchange(&client, get(&uri)).await.unwrap();

            let after = keep_alive.stats();
            assert_eq!(after.exchanges, before.exchanges + 1);
            assert_eq!(after.reused, before.reused);
        });
    }
}

async fn server() -> String {
    let address = serve(|| Response::new(full("ok"))).await;
    format!("http://{address}/")
}

/// The control: such a runtime is enough for hyper-util alone.
#[test]
fn hyper_util_alone_needs_no_time_driver() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    runtime.unwrap().block_on(async {
        let uri = server().await;
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector());
        exchange(&client, get(&uri)).await.unwrap();
    });
}
