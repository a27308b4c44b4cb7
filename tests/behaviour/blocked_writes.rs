//! A transport that does not take a request yet, or that breaks as it does.

use std::time::Duration;

use crate::support::client::{EitherError, exchange, get, keep_alive, post, unlayered};
use crate::support::gate::{Gate, Writes};
use crate::support::link::Link;
use crate::support::server::Server;
use http_keepalive::{ConnectionHandle, KeepAlivePolicy};
use tokio::time::sleep;

const URI: &str = "http://server.test/";

/// What the default policy gives a server that says nothing.
const REUSABLE: Duration = Duration::from_millis(4_500);

/// hyper has taken the request off its queue: to close the connection now would lose it.
#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_written_yet_is_not_lost_at_the_deadline() {
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = unlayered(&keep_alive, connector);
    exchange(&client, get(URI)).await.unwrap();
    sleep(REUSABLE - Duration::from_millis(100)).await;

    gate.set_writes(Writes::Wait);
    let waiting = tokio::spawn(async move { exchange(&client, post(URI, "waiting")).await });
    sleep(REUSABLE).await;
    assert!(gate.holds_a_write(), "the deadline passes meanwhile");
    gate.set_writes(Writes::Pass);

    waiting.await.unwrap().unwrap();
    assert_eq!(server.times_seen("waiting"), 1);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_written_yet_is_not_lost_when_its_connection_is_retired() {
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = unlayered(&keep_alive, connector);
    let first = exchange(&client, get(URI)).await.unwrap();
    let connection = first.extensions().get::<ConnectionHandle>().unwrap();

    gate.set_writes(Writes::Wait);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { exchange(&client, post(URI, "waiting")).await }
    });
    sleep(Duration::from_millis(1)).await;
    assert!(gate.holds_a_write());
    connection.retire();
    sleep(Duration::from_millis(1)).await;
    gate.set_writes(Writes::Pass);

    waiting.await.unwrap().unwrap();
    server.closed(1).await;
    assert_eq!(server.times_seen("waiting"), 1);
    assert_eq!(keep_alive.stats().retired.requested, 1);
}

/// The control: closing at the deadline does happen, to a connection that nothing is written on.
#[tokio::test(start_paused = true)]
async fn a_connection_that_nothing_is_written_on_closes_at_the_deadline_though_it_takes_no_writes()
{
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = unlayered(&keep_alive, connector);
    exchange(&client, get(URI)).await.unwrap();
    gate.set_writes(Writes::Wait);

    server.closed(1).await;

    assert_eq!(keep_alive.stats().retired.idle_deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_as_it_is_written_was_made_on_a_reused_connection() {
    let (server, gate) = (Server::builder().build(), Gate::default());
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let connector = gate.before(server.connector(Link::new()));
    let client = unlayered(&keep_alive, connector);
    exchange(&client, get(URI)).await.unwrap();
    sleep(Duration::from_secs(1)).await;

    gate.set_writes(Writes::Fail);
    let error = exchange(&client, post(URI, "broken")).await.unwrap_err();

    let error: &EitherError = error.downcast_ref().unwrap();
    let connection = error.connection().unwrap();
    assert!(connection.is_reused());
    assert_eq!(connection.requests(), 2);
    assert_eq!(connection.idle_before(), Some(Duration::from_secs(1)));
    assert_eq!(keep_alive.stats().stale_failures, 1);
}
