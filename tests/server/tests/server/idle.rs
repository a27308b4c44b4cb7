//! When an idle connection closes.

use std::time::Duration;

use tokio::time::{advance, sleep};

use super::support::{five_seconds, seconds, serve, serve_plainly};

const JUST: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
async fn it_closes_when_its_client_was_told_and_the_grace_has_passed() {
    let (network, keep_alive) = serve(five_seconds());
    let mut client = network.connect();
    client.get("/").await;
    assert_eq!(client.end().await, seconds(7));
    assert_eq!(keep_alive.stats().closed.idle_timeout, 1);
    assert_eq!(keep_alive.stats().open, 0);
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_it_stays_open_for_ever() {
    let mut client = serve_plainly().connect();
    client.get("/").await;
    assert!(client.is_open_after(seconds(100_000)).await);
}

#[tokio::test(start_paused = true)]
async fn each_response_starts_the_time_anew() {
    let (network, keep_alive) = serve(five_seconds());
    let mut client = network.connect();
    for _ in 0..10 {
        client.get("/").await;
        sleep(seconds(7) - JUST).await;
    }
    client.get("/").await;
    assert_eq!(client.end().await, seconds(7));
    assert_eq!(keep_alive.stats().requests, 11);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_arrived_at_the_last_instant_is_answered() {
    let (network, _) = serve(five_seconds());
    let mut client = network.connect();
    client.get("/").await;
    // The server's task finds both at once: the time is over, and bytes are there.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    advance(seconds(7)).await;
    assert_eq!(client.answer().await.unwrap().status(), "200");
    assert_eq!(client.end().await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_closes_after_the_same_time_or_as_set() {
    let (network, keep_alive) = serve(five_seconds());
    assert_eq!(network.connect().end().await, seconds(7));
    assert_eq!(keep_alive.stats().closed.first_head, 1);

    let (network, _) = serve(five_seconds().first_head(seconds(3)));
    assert_eq!(network.connect().end().await, seconds(3));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_closes_its_connection() {
    let (network, keep_alive) = serve(five_seconds().slow_head(seconds(9)));
    let mut client = network.connect();
    client.get("/").await;
    let begun = tokio::time::Instant::now();
    // A byte a second, for ever.
    let mut bytes = b"GET / HTTP/1.1\r\nx: "
        .iter()
        .chain(std::iter::repeat(&b'x'));
    loop {
        client
            .send(&char::from(*bytes.next().unwrap()).to_string())
            .await;
        if !client.is_open_after(seconds(1)).await {
            break;
        }
    }
    assert_eq!(begun.elapsed(), seconds(9));
    assert_eq!(keep_alive.stats().closed.slow_head, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_is_no_idle_timeout() {
    let (network, keep_alive) = serve(five_seconds());
    let mut client = network.connect();
    client.get("/").await;
    drop(client);
    sleep(seconds(1)).await;
    let stats = keep_alive.stats();
    assert_eq!(
        (stats.closed.client, stats.closed.total()),
        (1, 1),
        "{stats}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_outside_of_axum_is_kept_too() {
    // Without `make_service` nothing is told, and the timeout holds all the same.
    let keep_alive = http_keepalive::ServerKeepAlive::new(five_seconds()).unwrap();
    let (network, pipes) = super::support::network();
    let listener = keep_alive.listener(pipes);
    tokio::spawn(async move { axum::serve(listener, super::support::app()).await });
    let mut client = network.connect();
    assert_eq!(client.get("/").await.field("keep-alive"), None);
    assert_eq!(client.end().await, seconds(7));
}
