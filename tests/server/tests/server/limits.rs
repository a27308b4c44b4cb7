//! Limits of a connection's life.

use tokio::time::sleep;

use super::support::{five_seconds, seconds, serve};

#[tokio::test(start_paused = true)]
async fn the_last_of_as_many_requests_as_are_allowed_says_close() {
    let (network, keep_alive) = serve(five_seconds().max_requests(3));
    let mut client = network.connect();
    for left in ["timeout=5, max=2", "timeout=5, max=1"] {
        let answer = client.get("/").await;
        assert_eq!(answer.field("keep-alive"), Some(left));
        assert_eq!(answer.field("connection"), None);
    }
    let answer = client.get("/").await;
    assert_eq!(answer.field("keep-alive"), None);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(client.end().await, seconds(0));

    let stats = keep_alive.stats();
    assert_eq!(
        (stats.closed.said, stats.last_responses.requests),
        (1, 1),
        "{stats}"
    );
    // Another connection has requests of its own.
    let answer = network.connect().get("/").await;
    assert_eq!(answer.field("keep-alive"), Some("timeout=5, max=2"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_age_says_close_with_its_next_response() {
    let (network, keep_alive) = serve(
        five_seconds()
            .max_connection_age(seconds(20))
            .age_jitter(0.0),
    );
    let mut client = network.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/").await.field("connection"), None);
        sleep(seconds(4)).await;
    }
    assert_eq!(client.get("/").await.field("connection"), Some("close"));
    assert_eq!(client.end().await, seconds(0));
    assert_eq!(keep_alive.stats().last_responses.age, 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_of_age_closes_as_its_client_was_told() {
    let (network, _) = serve(five_seconds().max_connection_age(seconds(1)));
    let mut client = network.connect();
    client.get("/").await;
    assert_eq!(client.end().await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_outlasts_the_grace_of_its_age_is_cut() {
    let policy = five_seconds()
        .max_connection_age(seconds(10))
        .age_jitter(0.0)
        .age_grace(seconds(30));
    let (network, keep_alive) = serve(policy);
    let mut client = network.connect();
    client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.end().await, seconds(40));
    assert_eq!(keep_alive.stats().closed.age, 1);
}
