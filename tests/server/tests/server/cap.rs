//! A cap on connections.

use tokio::time::sleep;

use super::support::{five_seconds, seconds, serve, settle};

#[tokio::test(start_paused = true)]
async fn the_connection_that_was_idle_for_longest_makes_room() {
    let policy = five_seconds().timeout(seconds(1_000)).max_connections(3);
    let (network, keep_alive) = serve(policy);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = network.connect();
        client.get("/").await;
        sleep(seconds(1)).await;
        clients.push(client);
    }
    // The first is used again, so that the second has been idle for longest.
    clients[0].get("/").await;
    sleep(seconds(1)).await;

    let mut newcomer = network.connect();
    assert_eq!(newcomer.get("/").await.status(), "200");
    assert_eq!(clients[1].end().await, seconds(0));
    assert!(clients[0].is_open_after(seconds(1)).await);
    assert!(clients[2].is_open_after(seconds(1)).await);
    let stats = keep_alive.stats();
    assert_eq!(
        (stats.open, stats.closed.cap, stats.closed.total()),
        (3, 1, 1),
        "{stats}"
    );
}

#[tokio::test(start_paused = true)]
async fn at_the_cap_without_a_newcomer_nobody_makes_room() {
    let policy = five_seconds().timeout(seconds(1_000)).max_connections(2);
    let (network, _) = serve(policy);
    let (mut one, mut other) = (network.connect(), network.connect());
    one.get("/").await;
    other.get("/").await;
    assert!(one.is_open_after(seconds(999)).await);
}

#[tokio::test(start_paused = true)]
async fn if_none_is_idle_the_newcomer_waits_until_one_is() {
    let (network, keep_alive) = serve(five_seconds().max_connections(2));
    let mut busy = network.connect();
    let mut slow = network.connect();
    busy.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na")
        .await;
    slow.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    sleep(seconds(1)).await;

    let mut newcomer = network.connect();
    newcomer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(newcomer.is_open_after(seconds(100)).await);
    assert_eq!(keep_alive.stats().open, 2);

    busy.send("b").await;
    assert_eq!(busy.answer().await.unwrap().body, "got ab");
    let before = tokio::time::Instant::now();
    assert_eq!(newcomer.answer().await.unwrap().status(), "200");
    assert_eq!(before.elapsed(), seconds(0));
    assert_eq!(busy.end().await, seconds(0));
    assert_eq!(slow.answer().await.unwrap().body, "late");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_idle_connections_keeps_nobody_out() {
    let (network, keep_alive) = serve(five_seconds().max_connections(50));
    let flood: Vec<_> = (0..1_000).map(|_| network.connect()).collect();
    let mut newcomer = network.connect();
    assert_eq!(newcomer.get("/").await.status(), "200");
    let stats = keep_alive.stats();
    assert_eq!((stats.open, stats.closed.cap), (50, 951), "{stats}");
    drop(flood);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_became_idle_with_the_end_of_its_request_makes_room() {
    let policy = five_seconds().timeout(seconds(1_000)).max_connections(1);
    let (network, keep_alive) = serve(policy);
    let mut early = network.connect();
    // Refused before all of its body is read, which hyper does behind the response.
    let head = "POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n";
    early.send(&format!("{head}{}", "x".repeat(10_000))).await;
    assert_eq!(early.answer().await.unwrap().status(), "404");
    settle().await;
    assert_eq!(keep_alive.stats().idle, 1);

    let mut newcomer = network.connect();
    assert_eq!(newcomer.get("/").await.status(), "200");
    assert_eq!(early.end().await, seconds(0));
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_has_a_second_for_its_first_request() {
    let policy = five_seconds().timeout(seconds(1_000)).max_connections(1);
    let (network, _) = serve(policy);
    let mut new = network.connect();
    settle().await;
    let mut newcomer = network.connect();
    settle().await;
    assert_eq!(new.get("/").await.status(), "200");
    assert_eq!(new.end().await, seconds(0));
    assert_eq!(newcomer.get("/").await.status(), "200");
    let mut third = network.connect();
    assert_eq!(third.get("/").await.status(), "200");
    assert_eq!(newcomer.end().await, seconds(0));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_what_is_not_understood_keeps_others_out_no_longer_than_idle_ones() {
    let (network, keep_alive) = serve(five_seconds().max_connections(50));
    let mut flood = Vec::new();
    for _ in 0..50 {
        let mut client = network.connect();
        let blanks = " ".repeat(2_000);
        let head = format!("GET / HTTP/1.1\r\ncontent-length:{blanks}0\r\nhost: a");
        client.send(&head).await;
        flood.push(client);
    }
    settle().await;
    assert_eq!(keep_alive.stats().opaque, 50);
    let mut newcomer = network.connect();
    let before = tokio::time::Instant::now();
    assert_eq!(newcomer.get("/").await.status(), "200");
    assert!(before.elapsed() <= seconds(7), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_slow_heads_keeps_others_out_no_longer_than_their_time() {
    let (network, keep_alive) = serve(five_seconds().max_connections(50).slow_head(seconds(9)));
    let mut flood = Vec::new();
    for _ in 0..50 {
        let mut client = network.connect();
        client.send("GET / HT").await;
        flood.push(client);
    }
    let mut newcomer = network.connect();
    let before = tokio::time::Instant::now();
    assert_eq!(newcomer.get("/").await.status(), "200");
    assert_eq!(before.elapsed(), seconds(9));
    assert_eq!(keep_alive.stats().closed.slow_head, 50);
}
