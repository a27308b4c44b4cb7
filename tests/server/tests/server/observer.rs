//! What an observer is told, and the numbers.

use std::sync::{Arc, Mutex};

use http_keepalive::{
    LastResponse, ServerCloseCause, ServerEvent, ServerEventKind, ServerKeepAlive,
};
use tokio::time::sleep;

use super::support::{five_seconds, seconds, serve, serve_with, settle};

#[tokio::test(start_paused = true)]
async fn it_is_told_of_a_connection_from_its_beginning_to_its_end() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let keep_alive = ServerKeepAlive::with_observer(
        five_seconds().max_requests(2),
        move |event: &ServerEvent| teller.lock().unwrap().push((event.connection, event.kind)),
    )
    .unwrap();
    let network = serve_with(&keep_alive);
    let mut client = network.connect();
    settle().await;
    client.get("/").await;
    sleep(seconds(3)).await;
    client.get("/").await;
    client.end().await;
    settle().await;

    let told = told.lock().unwrap();
    let texts: Vec<_> = told
        .iter()
        .map(|(id, kind)| format!("{id} {kind:?}"))
        .collect();
    assert_eq!(
        texts,
        [
            "1 Accepted",
            "1 RequestBegun { idle_before: 1ms }",
            "1 ResponseEnded",
            "1 RequestBegun { idle_before: 3s }",
            "1 SaidClose { reason: Requests }",
            "1 ResponseEnded",
            "1 Closed { cause: Said, idle: Some(0ns), age: 3.001s, requests: 2 }",
        ]
    );
    assert!(matches!(
        told[4].1,
        ServerEventKind::SaidClose {
            reason: LastResponse::Requests,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_observer_harms_no_connection() {
    let keep_alive = ServerKeepAlive::with_observer(five_seconds(), |event: &ServerEvent| {
        panic!("told of {event:?}");
    })
    .unwrap();
    let mut client = serve_with(&keep_alive).connect();
    assert_eq!(client.get("/").await.status(), "200");
    assert_eq!(client.end().await, seconds(7));
    assert_eq!(keep_alive.stats().closed.idle_timeout, 1);
}

#[tokio::test(start_paused = true)]
async fn the_numbers_are_a_table() {
    let (network, keep_alive) = serve(five_seconds());
    let mut client = network.connect();
    client.get("/").await;
    client.get("/").await;
    assert_eq!(
        keep_alive.stats().to_string(),
        "connections accepted                           1\n  open                                         1\n    \
         idle                                       1\nrequests                                       2"
    );
    client.end().await;
    let stats = keep_alive.stats();
    assert_eq!(
        stats.to_string(),
        "connections accepted                           1\n  ended                                        1\n    \
         idle timeout                               1\nrequests                                       2"
    );
    assert_eq!(ServerCloseCause::IdleTimeout.to_string(), "idle timeout");
}

#[tokio::test(start_paused = true)]
async fn a_connection_knows_itself() {
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let (client, server) = tokio::io::duplex(64);
    let stream = keep_alive.admit(server).await;
    sleep(seconds(3)).await;
    let connection = stream.connection().clone();
    assert_eq!((connection.id(), connection.requests()), (1, 0));
    assert_eq!(connection.age(), seconds(3));
    drop((client, stream));
    assert_eq!(keep_alive.stats().open, 0);
}
