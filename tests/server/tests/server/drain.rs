//! The end of a server, in two phases.

use http_keepalive::ServerKeepAlive;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::support::{Network, app, five_seconds, network, seconds, serve, settle};

/// A server whose graceful shutdown begins when nothing of HTTP/1 is left.
fn serve_until_drained() -> (Network, ServerKeepAlive, JoinHandle<()>) {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let (network, pipes) = network();
    let (listener, drain) = (keep_alive.listener(pipes), keep_alive.drain());
    let app = keep_alive.make_service(app());
    let served = tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async move { drain.drained().await })
            .await
            .unwrap();
    });
    (network, keep_alive, served)
}

#[tokio::test(start_paused = true)]
async fn first_all_responses_say_close_and_idle_connections_are_left_alone() {
    let (network, keep_alive, _served) = serve_until_drained();
    let mut idle = network.connect();
    idle.get("/").await;
    sleep(seconds(3)).await;
    keep_alive.drain().begin();

    // Connections are still accepted.
    let mut new = network.connect();
    let answer = new.get("/").await;
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(answer.field("keep-alive"), None);
    assert_eq!(new.end().await, seconds(0));
    // A handler's own hint would contradict it.
    let answer = network.connect().get("/own").await;
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(answer.field("keep-alive"), None);

    assert_eq!(idle.end().await, seconds(4));
    let stats = keep_alive.stats();
    assert_eq!(
        (stats.closed.idle_timeout, stats.closed.said),
        (1, 2),
        "{stats}"
    );
    assert_eq!(stats.last_responses.drain, 2);
}

#[tokio::test(start_paused = true)]
async fn then_none_is_accepted_and_a_request_on_an_idle_connection_is_answered() {
    let (network, keep_alive, served) = serve_until_drained();
    let (mut used, mut unused) = (network.connect(), network.connect());
    used.get("/").await;
    unused.get("/").await;
    let drain = keep_alive.drain();
    let stopped = Instant::now();
    drain.stop_accepting();
    settle().await;
    assert!(network.try_connect().is_none(), "the listener is closed");

    sleep(seconds(3)).await;
    let answer = used.get("/").await;
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(used.end().await, seconds(0));

    drain.drained().await;
    assert_eq!(stopped.elapsed(), seconds(7));
    assert_eq!(unused.end().await, seconds(0));
    served.await.unwrap();
    assert_eq!(keep_alive.stats().open, 0);
}

#[tokio::test(start_paused = true)]
async fn axums_graceful_shutdown_by_itself_closes_idle_connections_at_once() {
    let (network, pipes) = network();
    let (shutdown, asked) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        axum::serve(pipes, app())
            .with_graceful_shutdown(async move { asked.await.unwrap() })
            .await
    });
    let mut idle = network.connect();
    idle.get("/").await;
    shutdown.send(()).unwrap();
    assert_eq!(idle.end().await, seconds(0));
}

#[tokio::test(start_paused = true)]
async fn what_had_connected_when_the_listener_closes_is_accepted() {
    let (network, keep_alive, served) = serve_until_drained();
    // Nothing ran in between.
    let mut connected: Vec<_> = (0..10).map(|_| network.connect()).collect();
    keep_alive.drain().stop_accepting();
    for client in &mut connected {
        assert_eq!(client.get("/").await.field("connection"), Some("close"));
    }
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_the_hard_end_what_is_open_is_cut() {
    let (network, keep_alive, served) = serve_until_drained();
    let mut slow = network.connect();
    slow.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = network.connect();
    stream.send("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upgraded = network.connect();
    upgraded.upgrade().await;
    let mut unread = network.connect();
    let body = "x".repeat(500_000);
    let length = body.len();
    unread
        .send(&format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;

    let begun = Instant::now();
    keep_alive.drain().run(seconds(10), seconds(20)).await;
    assert_eq!(begun.elapsed(), seconds(30));
    assert_eq!(slow.end().await, seconds(0));
    assert_eq!(stream.end().await, seconds(0));
    assert_eq!(upgraded.end().await, seconds(0));
    unread.end().await;
    served.await.unwrap();
    let stats = keep_alive.stats();
    assert_eq!((stats.open, stats.closed.cut), (0, 4), "{stats}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_reads_no_more_of_a_request_is_cut_too() {
    let (network, keep_alive, served) = serve_until_drained();
    let mut upload = network.connect();
    upload
        .send(&format!(
            "POST /hang HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n{}",
            "x".repeat(60_000)
        ))
        .await;
    settle().await;
    keep_alive.drain().cut();
    settle().await;
    assert!(served.is_finished(), "{}", keep_alive.stats());
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_that_one_task_reads_and_another_writes_is_cut_too() {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let (client, server) = tokio::io::duplex(64);
    let stream = keep_alive.admit(server).await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut from_server, mut to_server) = tokio::io::split(client);
    let upgrade = b"GET / HTTP/1.1\r\n\r\n";
    to_server.write_all(upgrade).await.unwrap();
    reader.read_exact(&mut [0; 18]).await.unwrap();
    let switched = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    writer.write_all(switched).await.unwrap();
    let reading = tokio::spawn(async move { reader.read(&mut [0; 8]).await });
    settle().await;
    let writing = tokio::spawn(async move {
        writer.write_all(b"from another task").await.unwrap();
        writer
    });
    let _writer = writing.await.unwrap();
    from_server.read_exact(&mut [0; 20]).await.unwrap();
    keep_alive.drain().cut();
    assert_eq!(reading.await.unwrap().unwrap(), 0, "the read ends");
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_ones_own_learns_when_to_stop() {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let drain = keep_alive.drain();
    let stopped = tokio::time::timeout(seconds(9), drain.accepting_stopped());
    assert!(stopped.await.is_err());
    drain.begin();
    let stopped = tokio::time::timeout(seconds(9), drain.accepting_stopped());
    assert!(stopped.await.is_err());
    drain.stop_accepting();
    drain.accepting_stopped().await;
}

#[tokio::test(start_paused = true)]
async fn more_than_a_tasks_budget_may_have_connected() {
    let (network, keep_alive, served) = serve_until_drained();
    let mut connected: Vec<_> = (0..1_000).map(|_| network.connect()).collect();
    keep_alive.drain().stop_accepting();
    for client in &mut connected {
        assert_eq!(client.get("/").await.field("connection"), Some("close"));
    }
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_of_it_ends_as_soon_as_nothing_is_left() {
    let (network, keep_alive, _served) = serve_until_drained();
    let mut idle = network.connect();
    idle.get("/").await;
    let begun = Instant::now();
    keep_alive.drain().run(seconds(2), seconds(1_000)).await;
    assert_eq!(begun.elapsed(), seconds(7));
    assert_eq!(keep_alive.stats().closed.cut, 0);
}

#[tokio::test(start_paused = true)]
async fn http2_is_not_waited_for_and_told_by_axum() {
    let (network, keep_alive, served) = serve_until_drained();
    let io = hyper_util::rt::TokioIo::new(network.connect().stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = || http::Request::get("http://a/").body(String::new()).unwrap();
    assert_eq!(client.send_request(request()).await.unwrap().status(), 200);
    let slow = http::Request::get("http://a/slow")
        .body(String::new())
        .unwrap();
    let slow = client.send_request(slow);
    settle().await;

    let begun = Instant::now();
    keep_alive.drain().stop_accepting();
    keep_alive.drain().drained().await;
    assert_eq!(begun.elapsed(), seconds(0));
    // What was asked is answered, though it takes an hour.
    assert_eq!(slow.await.unwrap().status(), 200);
    served.await.unwrap();
    connection.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_drained_never_is() {
    let (_network, keep_alive) = serve(five_seconds());
    let drain = keep_alive.drain();
    let drained = tokio::time::timeout(seconds(1_000), drain.drained());
    assert!(drained.await.is_err());
    drain.begin();
    let drained = tokio::time::timeout(seconds(1_000), drain.drained());
    assert!(drained.await.is_err());
}
