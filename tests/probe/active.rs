//! Requests on connections that were idle.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::run::{Run, items, seconds, steady};
use crate::server::{OK, Server, TIMEOUT_SECONDS, request, until_closed};
use crate::together::together;

together! {
    idle_connections_are_used:
    a_server_answers_on_connections_that_were_idle,
    requests_are_sent_before_and_after_the_timeout,
    a_connection_that_is_forgotten_is_searched_for,
}

/// The idle times of the requests with this result.
fn with_result(run: &Run, kind: &str) -> Vec<f64> {
    let active = items(&run.address()["active"]).iter();
    let matching = active.filter(|used| used["result"]["kind"] == kind);
    matching.map(|used| seconds(&used["idle"])).collect()
}

async fn a_server_answers_on_connections_that_were_idle() {
    let server = Server::patient().await;
    let arguments = [&*server.url(), "--active", "--max-wait", "0.5"];
    let run = steady(&arguments, |run| run.is_open_until(0.5)).await;

    let active = items(&run.address()["active"]);
    assert_eq!(active.len(), 2, "{run:?}");
    for used in active {
        assert_eq!(used["result"], json!({ "kind": "answered", "status": 200 }));
        assert!(seconds(&used["idle"]) >= 0.5);
    }
    assert_eq!(run.target()["connections_opened"], 2);
    run.concludes("nothing_found");
}

async fn requests_are_sent_before_and_after_the_timeout() {
    let server = Server::closing().await;
    let arguments = [&*server.url(), "--active"];
    // One comes in time, and one does not.
    let is_steady = |run: &Run| {
        let active = items(&run.address()["active"]);
        run.is_closed_after(TIMEOUT_SECONDS)
            && active.len() == 2
            && active[0]["result"]["kind"] == "answered"
            && active[1]["result"]["kind"] == "closed"
    };
    let run = steady(&arguments, is_steady).await;

    let active = items(&run.address()["active"]);
    let timeout = seconds(&run.address()["timeout"]["seconds"]);
    let idle = [0, 1].map(|place| seconds(&active[place]["idle"]));
    assert!(idle[0] < timeout && timeout < idle[1], "{idle:?}");
    run.concludes("answered");
}

/// As something in between does that forgets a connection: what is sent on it later is lost.
async fn a_connection_that_is_forgotten_is_searched_for() {
    const FORGOTTEN: Duration = Duration::from_millis(400);
    let server = Server::tcp(|mut stream| async move {
        // No later than the client's idle time begins.
        let mut answering = Instant::now();
        let mut is_first = true;
        while request(&mut stream).await.is_some() {
            if !is_first && answering.elapsed() >= FORGOTTEN {
                return until_closed(&mut stream).await;
            }
            is_first = false;
            answering = Instant::now();
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    })
    .await;
    let limits = |run: &Run| {
        let longest = with_result(run, "answered").into_iter().fold(0.0, f64::max);
        let shortest = with_result(run, "silence")
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        (longest, shortest)
    };
    // One of three requests that are sent after a quarter, a half, and three of an idle time is answered.
    let is_steady = |run: &Run| {
        let (longest, shortest) = limits(run);
        0.0 < longest && longest < shortest && shortest < 0.75
    };
    let arguments = [&*server.url(), "--active", "--max-wait", "1"];
    let run = steady(&arguments, is_steady).await;

    let (answered, silent) = (with_result(&run, "answered"), with_result(&run, "silence"));
    let active: &Value = &run.address()["active"];
    assert_eq!(
        answered.len() + silent.len(),
        items(active).len(),
        "{active}"
    );
    // What the server has counted is longer than the idle time on this side.
    let forgotten = FORGOTTEN.as_secs_f64();
    assert!(answered.iter().all(|idle| *idle < forgotten), "{active}");
    let (longest, shortest) = limits(&run);
    assert!(longest < forgotten && shortest - longest < 0.25, "{active}");
    assert_eq!(
        items(active).len(),
        2 + 9,
        "three rounds of three: {active}"
    );
    assert!(
        run.address()["timeout"].is_null(),
        "no connection was closed"
    );
    run.concludes("nothing_found");
}
