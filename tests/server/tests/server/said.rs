//! What responses say.

use super::support::{five_seconds, seconds, serve, serve_plainly};

#[tokio::test(start_paused = true)]
async fn responses_tell_the_timeout() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    for _ in 0..3 {
        let answer = client.get("/").await;
        assert_eq!(answer.field("keep-alive"), Some("timeout=5"));
        assert_eq!(answer.field("connection"), None);
        assert_eq!(answer.body, "got ");
    }
    // An error of the application's is a response, too.
    assert_eq!(
        client.get("/none").await.field("keep-alive"),
        Some("timeout=5")
    );
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_they_tell_nothing() {
    let answer = serve_plainly().connect().get("/").await;
    assert_eq!(answer.field("keep-alive"), None);
}

#[tokio::test(start_paused = true)]
async fn a_handlers_own_field_stays_and_is_kept() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    assert_eq!(
        client.get("/own").await.field("keep-alive"),
        Some("timeout=20")
    );
    assert_eq!(client.end().await, seconds(22));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_the_last_tells_nothing() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    let answer = client.get("/last").await;
    assert_eq!(answer.field("keep-alive"), None);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(client.end().await, seconds(0));

    let mut client = network.connect();
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: foo, Close\r\n\r\n")
        .await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.field("keep-alive"), None);
    assert_eq!(answer.field("connection"), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn an_http_10_client_keeps_its_connection_if_it_asked_for_that() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    for _ in 0..2 {
        client
            .send("GET / HTTP/1.0\r\nhost: a\r\nconnection: Keep-Alive\r\n\r\n")
            .await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.field("keep-alive"), Some("timeout=5"));
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
    assert_eq!(client.end().await, seconds(7));

    let mut client = network.connect();
    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.field("keep-alive"), None);
    assert_eq!(answer.field("connection"), None);
    assert_eq!(client.end().await, seconds(0));
}

#[tokio::test(start_paused = true)]
async fn a_switch_of_protocols_tells_nothing() {
    let (network, _) = serve(five_seconds());
    let answer = network.connect().upgrade().await;
    assert_eq!(answer.status(), "101");
    assert_eq!(answer.field("keep-alive"), None);
    assert_eq!(answer.field("connection"), Some("upgrade"));
}

#[tokio::test(start_paused = true)]
async fn http2_is_told_nothing() {
    let (network, _) = serve(five_seconds());
    let io = hyper_util::rt::TokioIo::new(network.connect().stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://a/").body(String::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("keep-alive"));
    assert!(!response.headers().contains_key("connection"));
    // And its connection stays.
    tokio::time::sleep(seconds(1_000)).await;
    let request = http::Request::get("http://a/").body(String::new()).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), 200);
}
