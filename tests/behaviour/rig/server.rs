//! What the origin promises, and what hyper's idle timeout does.

use std::time::Duration;

use crate::support::client::{exchange, plain, post};
use crate::support::connector::LinkStream;
use crate::support::link::Link;
use crate::support::outcome::{Outcome, outcome};
use crate::support::server::{LinkInfo, Server, full};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tower_service::Service;

const OWD: Duration = Duration::from_millis(40);
const T: Duration = Duration::from_secs(2);

const URI: &str = "http://origin.test/path?q";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

async fn connect(server: &Server, link: Link) -> TokioIo<LinkStream> {
    let connected = server.connector(link).call("http://a".parse().unwrap());
    TokioIo::new(connected.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_first_request_takes_two_round_trips_and_the_next_takes_one() {
    let server = Server::builder().hint("timeout=2").build();
    let client = plain(server.connector(Link::new().latency(OWD)));
    let start = Instant::now();
    let response = exchange(&client, post(URI, "a")).await.unwrap();
    assert_eq!(ms(start), 160.0);
    assert_eq!(response.body(), "ok");
    assert_eq!(response.headers()["content-length"], "2");
    assert_eq!(response.headers()["keep-alive"], "timeout=2");
    assert_eq!(
        response.extensions().get::<LinkInfo>(),
        Some(&LinkInfo { connection: 0 })
    );
    exchange(&client, post(URI, "b")).await.unwrap();
    assert_eq!(ms(start), 240.0);
    assert_eq!((server.connections(), server.open()), (1, 1));
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].id.as_deref(), Some("b"));
    assert_eq!(seen[1].path, "/path");
    assert_eq!(seen[1].method, Method::POST);
    assert_eq!((server.times_seen("a"), server.times_seen("c")), (1, 0));
    drop(client);
    server.closed(1).await;
    assert_eq!((server.connections(), server.open()), (1, 0));
    assert_eq!(ms(start), 280.0, "FIN takes half a round trip");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_timeout_never_closes() {
    let server = Server::builder().build();
    let mut io = connect(&server, Link::new()).await;
    io.write_all(GET).await.unwrap();
    assert!(io.read(&mut [0; 500]).await.unwrap() > 0);

    sleep(Duration::from_secs(86_400)).await;

    assert_eq!(server.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hints_if_asked_hints_only_then() {
    let server = Server::builder().hint("timeout=5").hint_if_asked().build();
    let client = plain(server.connector(Link::new()));
    let unasked = exchange(&client, post(URI, "a")).await.unwrap();
    assert!(unasked.headers().get("keep-alive").is_none());
    let mut asking = post(URI, "b");
    let field = "foo, Keep-Alive".parse().unwrap();
    asking.headers_mut().insert("connection", field);

    let asked = exchange(&client, asking).await.unwrap();

    assert_eq!(asked.headers()["keep-alive"], "timeout=5");
}

/// When the server closes, and when FIN is there, after a request for a body of that size.
async fn closed_after(size: usize, link: Link) -> (f64, f64) {
    let server = Server::builder()
        .idle_timeout(T)
        .handler(move |request| async move {
            assert!(request.extensions().get::<LinkInfo>().is_some());
            request.into_body().collect().await.unwrap();
            Response::new(full(vec![0; size]))
        })
        .build();
    let mut io = connect(&server, link).await;
    let start = Instant::now();
    io.write_all(GET).await.unwrap();
    let closing = tokio::spawn(async move {
        server.closed(1).await;
        ms(start)
    });
    let mut response = Vec::new();
    io.read_to_end(&mut response).await.unwrap();
    assert!(response.len() > size);
    (closing.await.unwrap(), ms(start))
}

/// Which is when the link has taken its last byte, not when the client has it.
#[tokio::test(start_paused = true)]
async fn the_idle_timeout_counts_from_when_the_response_was_written() {
    let slow = Link::new().latency(OWD).bandwidth(200_000);
    for (size, link, closed, fin) in [
        (0, Link::new().latency(OWD), 2_040.0, 2_080.0),
        (3_000_000, Link::new().latency(OWD), 2_040.0, 2_080.0),
        (20_000, slow, 2_040.0, 2_080.0),
        (400_000, slow, 2_040.0, 2_081.0),
        (3_000_000, slow, 2_040.0, 15_081.0),
        // The last byte is taken when the buffer has room for it.
        (20_000, slow.buffer(64 << 10), 2_040.0, 2_080.0),
        (400_000, slow.buffer(64 << 10), 3_755.0, 3_795.0),
    ] {
        assert_eq!(closed_after(size, link).await, (closed, fin), "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_counts_from_the_end_of_a_request_that_was_answered_early() {
    let server = Server::builder()
        .idle_timeout(T)
        .handler(|request: Request<Incoming>| async move {
            let body = request.into_body();
            tokio::spawn(async move { body.collect().await });
            Response::new(full("early"))
        })
        .build();
    let mut io = connect(&server, Link::new().latency(OWD)).await;
    let start = Instant::now();
    io.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        .await
        .unwrap();
    assert!(io.read(&mut [0; 500]).await.unwrap() > 0);
    assert_eq!(ms(start), 80.0);
    sleep(Duration::from_secs(5)).await;

    io.write_all(b"hello").await.unwrap();
    io.read_to_end(&mut Vec::new()).await.unwrap();

    assert_eq!(ms(start), 5_080.0 + 2_000.0 + 80.0);
}

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_does_not_count_while_a_response_is_awaited() {
    let server = Server::builder()
        .idle_timeout(T)
        .handler(|_| async {
            sleep(3 * T).await;
            Response::new(full("slow"))
        })
        .build();
    let mut io = connect(&server, Link::new().latency(OWD)).await;
    let start = Instant::now();
    io.write_all(GET).await.unwrap();

    io.read_to_end(&mut Vec::new()).await.unwrap();

    assert_eq!(ms(start), 6_000.0 + 2_000.0 + 80.0);
}

/// Neither is a connection without a request, nor the begin of one, nor a stray empty line.
#[tokio::test(start_paused = true)]
async fn the_idle_timeout_is_put_off_by_nothing_but_a_whole_head() {
    let server = Server::builder().idle_timeout(T).build();
    let link = Link::new().latency(OWD);
    for (pieces, fin) in [
        ([&b""[..], b""], 2_040.0),
        ([b"GET / HT", b"TP/1.1\r\n"], 2_040.0),
        ([GET, b"\r\n"], 2_080.0),
    ] {
        let mut io = connect(&server, link).await;
        let start = Instant::now();
        for piece in pieces {
            io.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(750)).await;
        }

        io.read_to_end(&mut Vec::new()).await.unwrap();

        assert_eq!(ms(start), fin, "{}", pieces.concat().escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_stays_open() {
    let server = Server::builder()
        .idle_timeout(T)
        .handler(|mut request| async move {
            tokio::spawn(async move {
                let io = hyper::upgrade::on(&mut request).await.unwrap();
                let mut io = TokioIo::new(io);
                let mut buf = [0; 4];
                io.read_exact(&mut buf).await.unwrap();
                io.write_all(&buf).await.unwrap();
            });
            Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "echo")
                .body(full(""))
                .unwrap()
        })
        .build();
    let io = connect(&server, Link::new().latency(OWD)).await;
    let mut io = io.into_inner().into_inner();
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let mut buf = [0; 500];
    let n = io.read(&mut buf).await.unwrap();
    assert!(buf[..n].starts_with(b"HTTP/1.1 101"));
    sleep(3 * T).await;
    assert_eq!(server.open(), 1);
    io.write_all(b"ping").await.unwrap();
    assert_eq!(io.read(&mut buf).await.unwrap(), 4);
    server.closed(1).await;
    assert_eq!(server.open(), 0);
}

/// Seen from the client: from a round trip before FIN would come until it has come.
#[tokio::test(start_paused = true)]
async fn a_request_is_lost_if_it_is_sent_within_a_round_trip_before_the_end() {
    for (gap, expected) in [
        (1_760, Outcome::Reused),
        (1_918, Outcome::Reused),
        (1_919, Outcome::Reused),
        (1_921, Outcome::Failed),
        (1_922, Outcome::Failed),
        (1_960, Outcome::Failed),
        (1_998, Outcome::Failed),
        (1_999, Outcome::Failed),
        (2_000, Outcome::Reconnected),
        (2_001, Outcome::Reconnected),
        (2_080, Outcome::Reconnected),
    ] {
        let server = Server::builder().idle_timeout(T).build();
        let client = plain(server.connector(Link::new().latency(OWD)));
        outcome(&server, &client, "first").await;
        sleep(Duration::from_millis(gap)).await;

        let outcome = outcome(&server, &client, "second").await;

        assert_eq!(outcome, expected, "{gap} ms");
    }
}
