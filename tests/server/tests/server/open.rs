//! What is never closed: a request, a response, another protocol.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::support::{five_seconds, seconds, serve};

#[tokio::test(start_paused = true)]
async fn a_response_that_takes_an_hour() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    assert_eq!(client.get("/slow").await.body, "late");
    assert_eq!(client.end().await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_takes_an_hour() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab")
        .await;
    sleep(seconds(3_600)).await;
    client.send("cde").await;
    assert_eq!(client.answer().await.unwrap().body, "got abcde");
    assert_eq!(client.end().await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn a_response_in_pieces() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    client.send("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // The last chunk comes after a minute.
    let time = client.end().await;
    assert_eq!(time, seconds(60 + 7));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_waits_for_its_client_to_read() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    let body = "x".repeat(500_000);
    let length = body.len();
    let request = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}");
    client.send(&request).await;
    sleep(seconds(3_600)).await;
    assert_eq!(client.answer().await.unwrap().body, format!("got {body}"));
    assert_eq!(client.end().await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests() {
    let (network, keep_alive) = serve(five_seconds());
    let mut client = network.connect();
    client
        .send(&"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3))
        .await;
    for _ in 0..3 {
        assert_eq!(client.answer().await.unwrap().body, "late");
    }
    assert_eq!(client.end().await, seconds(7));
    assert_eq!(keep_alive.stats().requests, 3);
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection() {
    let (network, keep_alive) = serve(five_seconds());
    let mut client = network.connect();
    client.upgrade().await;
    for _ in 0..3 {
        sleep(seconds(3_600)).await;
        client.stream.write_all(b"echo").await.unwrap();
        let mut echoed = [0; 4];
        client.stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"echo");
    }
    let stats = keep_alive.stats();
    assert_eq!((stats.open, stats.opaque, stats.idle), (1, 1, 0));
}
