//! Limits of requests on a connection.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::run::{Run, items, seconds, steady};
use crate::server::{OK, Server, TIMEOUT, TIMEOUT_SECONDS, request};
use crate::together::together;

together! {
    limits_of_requests_are_found:
    a_limit_that_is_announced,
    a_limit_that_is_not_announced,
    no_limit_below_what_is_tried,
    requests_are_not_counted_unless_that_is_asked_for,
}

/// How many requests a server takes on a connection.
const LIMIT: usize = 3;

/// A run at a server that takes so many requests on a connection, and says so with the last response, or does not.
async fn measured(limit: usize, is_announced: bool) -> Run {
    let server = Server::tcp(move |mut stream| async move {
        for number in 1..=limit {
            let Ok(Some(_)) = tokio::time::timeout(TIMEOUT, request(&mut stream)).await else {
                return;
            };
            let fields = if is_announced && number == limit {
                "Connection: close\r\n"
            } else {
                ""
            };
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok");
            let _ = stream.write_all(response.as_bytes()).await;
        }
    })
    .await;
    let arguments = [&*server.url(), "--requests", "5"];
    let is_steady = |run: &Run| run.is_closed_after(TIMEOUT_SECONDS) && is_quick(run);
    steady(&arguments, is_steady).await
}

/// Whether requests follow each other without an idle time.
fn is_quick(run: &Run) -> bool {
    let connections = items(&run.address()["connections"]).iter();
    let mut pairs = connections.flat_map(|connection| items(&connection["exchanges"]).windows(2));
    pairs.all(|two| seconds(&two[1]["sent"]) - seconds(&two[0]["answered"]) < 0.05)
}

/// How many requests were answered on each of the connections that were opened for that.
fn counted(run: &Run) -> Vec<usize> {
    let connections = items(&run.address()["connections"]).iter();
    let counting = connections.filter(|connection| connection["purpose"] == "requests");
    let answered = |exchange: &&serde_json::Value| exchange["status"] == 200;
    counting
        .map(|connection| {
            items(&connection["exchanges"])
                .iter()
                .filter(answered)
                .count()
        })
        .collect()
}

async fn a_limit_that_is_announced() {
    let run = measured(LIMIT, true).await;

    let expected = json!({ "answered": LIMIT, "limit": LIMIT, "announced": true });
    assert_eq!(run.address()["requests"], expected);
    assert_eq!(counted(&run), [LIMIT], "once is enough");
    run.concludes("answered");
}

async fn a_limit_that_is_not_announced() {
    let run = measured(LIMIT, false).await;

    let expected = json!({ "answered": LIMIT, "limit": LIMIT, "announced": false });
    assert_eq!(run.address()["requests"], expected);
    assert_eq!(counted(&run), [LIMIT, LIMIT], "once may be an accident");
    assert!(
        run.address()["timeout"]["seconds"].is_number(),
        "the timeout is another thing"
    );
    run.concludes("answered");
}

async fn no_limit_below_what_is_tried() {
    let run = measured(100, false).await;

    let expected = json!({ "answered": 5, "limit": null, "announced": false });
    assert_eq!(run.address()["requests"], expected);
    assert_eq!(counted(&run), [5]);
    assert_eq!(run.report["options"]["requests"], 5);
}

async fn requests_are_not_counted_unless_that_is_asked_for() {
    let server = Server::tcp(|mut stream| async move {
        crate::server::answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await;
    })
    .await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    assert!(run.address()["requests"].is_null());
    assert_eq!(counted(&run), [] as [usize; 0]);
}
