//! A request takes whichever comes first, a connection that is set free or a new one; and who drives a connection.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use http_keepalive::{ClientErrorKind, ConnectionHandle, ConnectionTask};
use hyper::body::Frame;
use hyper::rt::Executor;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::support::client::{Own, builder, get};
use crate::support::link::Link;
use crate::support::own::{begin, client, delayed, numbers, over, settle};
use crate::support::wire::wires;

const URI: &str = "http://server.test/";

/// How long connecting takes.
const CONNECTING: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_request_takes_a_connection_that_is_set_free_and_the_new_one_stays_idle() {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let client = over(delayed(connector, CONNECTING), |_| {});
    let first = begin(&client, URI).await;
    sleep(CONNECTING).await;
    let mut one = far_ends.peer().await;

    let second = begin(&client, URI).await;
    assert_eq!(numbers(&client), [0, 1, 1, 1]);
    one.serve("").await;
    first.await.unwrap().unwrap();
    one.serve("").await;
    let answer = second.await.unwrap().unwrap();
    let connection: &ConnectionHandle = answer.extensions().get().unwrap();
    assert_eq!((connection.id(), connection.requests()), (0, 2));

    sleep(CONNECTING).await;
    assert_eq!(numbers(&client), [2, 0, 0, 0]);
    // It was opened last, so it is used next.
    let mut two = far_ends.peer().await;
    let third = begin(&client, URI).await;
    two.serve("").await;
    third.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_it_connects_leaves_nothing() {
    let (connector, _far_ends) = wires(Link::new(), Connected::new);
    let client = over(delayed(connector, CONNECTING), |_| {});
    let first = begin(&client, URI).await;
    assert_eq!(numbers(&client), [0, 0, 1, 1]);
    first.abort();
    settle().await;
    assert_eq!(numbers(&client), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_idle_connection_is_taken_first() {
    let (client, mut far_ends) = client(|_| {});
    let answers = [begin(&client, URI).await, begin(&client, URI).await];
    let (mut one, mut two) = (far_ends.peer().await, far_ends.peer().await);
    two.serve("").await;
    one.serve("").await;
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    for _ in 0..3 {
        let answer = begin(&client, URI).await;
        one.serve("").await;
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_its_server_closes_leaves_the_pool_at_once() {
    let (client, mut far_ends) = client(|_| {});
    let answer = begin(&client, URI).await;
    let mut peer = far_ends.peer().await;
    peer.serve("").await;
    answer.await.unwrap().unwrap();
    assert_eq!(numbers(&client), [1, 0, 0, 0]);
    drop(peer);
    settle().await;
    assert_eq!(numbers(&client), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes_at_its_deadline_without_being_used() {
    let (client, mut far_ends) = client(|_| {});
    let answer = begin(&client, URI).await;
    let mut peer = far_ends.peer().await;
    peer.serve("").await;
    answer.await.unwrap().unwrap();
    assert!(peer.rest().await.is_empty());
    settle().await;
    assert_eq!(numbers(&client), [0; 4]);
    assert_eq!(client.keep_alive().stats().retired.total(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_with_their_client() {
    let (client, mut far_ends) = client(|_| {});
    let answer = begin(&client, URI).await;
    let mut peer = far_ends.peer().await;
    peer.serve("").await;
    drop(answer.await.unwrap().unwrap());
    let begun = tokio::time::Instant::now();
    drop(client);
    assert!(peer.rest().await.is_empty());
    assert!(
        begun.elapsed() < Duration::from_millis(1),
        "not at its deadline"
    );
}

/// Three pieces, with a pause before each.
fn hesitant() -> UnsyncBoxBody<Bytes, Infallible> {
    let pieces = stream::unfold(0, |piece| async move {
        sleep(Duration::from_secs(1)).await;
        let frame = Frame::data(Bytes::from_static(b"piece"));
        (piece < 3).then_some((Ok(frame), piece + 1))
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_on_after_its_response_has_come() {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let client = builder().build().unwrap().client_over(connector).build();
    let request = Request::post(URI).body(hesitant()).unwrap();
    let answer = tokio::spawn(client.clone().oneshot(request));
    let mut end = far_ends.accept().await.unwrap();
    let mut read = vec![0; 1_000];
    let head = end.read(&mut read).await.unwrap();
    assert!(read[..head].starts_with(b"POST / "));
    end.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let _response = answer.await.unwrap().unwrap();
    assert_eq!(client.get_ref().stats()[0].busy, 1);

    // Nobody polls a future of the client.
    let mut body = Vec::new();
    while !body.ends_with(b"0\r\n\r\n") {
        let count = end.read(&mut read).await.unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&body));
        body.extend_from_slice(&read[..count]);
    }
    settle().await;
    // The server counts from its response, which may be as long ago as the pauses took.
    let stats = &client.get_ref().stats()[0];
    assert_eq!((stats.idle, stats.busy), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_request_may_panic() {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let client = builder().build().unwrap().client_over(connector).build();
    let pieces = stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body's own fault")
    });
    let request = Request::post(URI).body(StreamBody::new(pieces).boxed_unsync());
    let answer = tokio::spawn(client.clone().oneshot(request.unwrap()));
    assert!(answer.await.unwrap_err().is_panic());
    settle().await;
    let stats = &client.get_ref().stats()[0];
    assert_eq!((stats.idle, stats.busy, stats.waiting), (0, 0, 0));
    let mut end = far_ends.accept().await.unwrap();
    end.read_to_end(&mut Vec::new()).await.unwrap();

    // The next request is none the worse for it.
    let answer = tokio::spawn(client.oneshot(Request::get(URI).body(hesitant()).unwrap()));
    let mut peer = far_ends.peer().await;
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    answer.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_its_callers() {
    for (method, head, status) in [
        (
            Method::GET,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            StatusCode::SWITCHING_PROTOCOLS,
        ),
        (Method::CONNECT, "HTTP/1.1 200 OK\r\n\r\n", StatusCode::OK),
    ] {
        let (client, mut far_ends) = client(|_| {});
        let mut request = get("http://server.test:80/");
        *request.method_mut() = method.clone();
        if method == Method::CONNECT {
            *request.uri_mut() = "server.test:80".parse().unwrap();
        } else {
            let headers = request.headers_mut();
            headers.insert("connection", "upgrade".parse().unwrap());
            headers.insert("upgrade", "echo".parse().unwrap());
        }
        let answer = tokio::spawn(client.clone().oneshot(request));
        let mut peer = far_ends.peer().await;
        let sent = peer.request().await.unwrap();
        if method == Method::CONNECT {
            assert!(sent.starts_with("CONNECT server.test:80 "), "{sent}");
        }
        peer.send(head).await;
        let response = answer.await.unwrap().unwrap();
        assert_eq!(response.status(), status);
        let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        // It is none of the pool's.
        assert_eq!(numbers(&client), [0; 4]);
        io.write_all(b"there").await.unwrap();
        peer.send("and back").await;
        let mut back = [0; 8];
        io.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"and back");
        drop(io);
        assert_eq!(peer.rest().await, b"there");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_connections_run_on_the_executor_that_was_set() {
    #[derive(Clone)]
    struct Counted(Arc<AtomicUsize>);

    impl Executor<ConnectionTask> for Counted {
        fn execute(&self, task: ConnectionTask) {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(task);
        }
    }

    let tasks = Arc::<AtomicUsize>::default();
    let keep_alive = builder().executor(Counted(Arc::clone(&tasks))).build();
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let client: Own<_> = keep_alive.unwrap().client_over(connector).build();
    let first = begin(&client, URI).await;
    let mut peer = far_ends.peer().await;
    peer.serve("").await;
    first.await.unwrap().unwrap();
    for _ in 0..3 {
        let answer = begin(&client, URI).await;
        peer.serve("").await;
        answer.await.unwrap().unwrap();
    }
    assert_eq!(tasks.load(Ordering::Relaxed), 1, "one for each connection");
}

/// As when a runtime ends while another one uses its connections.
#[tokio::test(start_paused = true)]
async fn a_request_fails_whose_connections_task_is_dropped() {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<JoinHandle<()>>>>);

    impl Executor<ConnectionTask> for Kept {
        fn execute(&self, task: ConnectionTask) {
            self.0.lock().unwrap().push(tokio::spawn(task));
        }
    }

    let executor = Kept::default();
    let keep_alive = builder().executor(executor.clone()).build().unwrap();
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let client: Own<_> = keep_alive.client_over(connector).build();
    let answer = begin(&client, URI).await;
    let mut peer = far_ends.peer().await;
    peer.request().await.unwrap();
    for task in executor.0.lock().unwrap().drain(..) {
        task.abort();
    }
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::SendRequest);
    assert_eq!(numbers(&client), [0; 4]);
}
