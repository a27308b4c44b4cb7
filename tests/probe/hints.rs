//! What servers say of their timeouts, and whether they keep connections at all.

use std::time::Duration;

use serde_json::json;

use crate::run::{probe, steady};
use crate::server::{OK, Server, TIMEOUT, TIMEOUT_SECONDS, answer_until_idle, asks};
use crate::together::together;

together! {
    hints_are_compared_with_what_servers_do:
    a_hint_that_is_kept,
    a_hint_that_is_given_only_if_it_is_asked_for,
    a_hint_that_is_not_kept,
    a_hint_in_a_response_that_cannot_be_understood_as_one_is_none,
    a_server_that_announces_each_close_keeps_no_connection,
    a_server_that_has_to_keep_connections_and_announces_each_close_is_too_short,
    a_server_of_http_1_0_ends_its_responses_by_closing,
    a_server_of_http_1_0_keeps_connections_if_it_is_asked_to,
    a_server_that_closes_behind_each_response_without_a_word_has_a_limit_of_one_request,
}

/// Like [`OK`], with fields.
fn with(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok")
}

/// A server that answers by what a request's head says.
async fn server(timeout: Duration, answer: fn(&str) -> String) -> Server {
    Server::tcp(move |mut stream| async move {
        answer_until_idle(&mut stream, timeout, answer).await;
    })
    .await
}

async fn a_hint_that_is_kept() {
    let second = Duration::from_secs(1);
    let server = server(second, |_| with("Keep-Alive: timeout=1, max=100\r\n")).await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(1.0)).await;

    let address = run.address();
    let hint = json!({ "timeout": 1.0, "max": 100, "contradicted": false });
    assert_eq!(
        (&address["hint"], &address["hint_if_asked"]),
        (&hint, &hint)
    );
    assert_eq!(address["hint_contradicted"], false);
    assert!(address["timeout"]["seconds"].is_number(), "{run:?}");
    run.concludes("answered");
}

async fn a_hint_that_is_given_only_if_it_is_asked_for() {
    let server = server(TIMEOUT, |head| {
        let hint = "Connection: keep-alive\r\nKeep-Alive: timeout=0\r\n";
        if asks(head) {
            with(hint)
        } else {
            OK.to_owned()
        }
    })
    .await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    assert!(run.address()["hint"].is_null(), "{run:?}");
    assert_eq!(
        run.address()["hint_if_asked"],
        json!({ "timeout": 0.0, "max": null, "contradicted": false })
    );
    assert_eq!(run.address()["hint_contradicted"], false);
    run.concludes("answered");
}

async fn a_hint_that_is_not_kept() {
    let server = server(TIMEOUT, |_| with("Keep-Alive: timeout=60\r\n")).await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    assert_eq!(run.address()["hint"]["timeout"], 60.0);
    assert_eq!(run.address()["hint_contradicted"], true);
    run.concludes("too_short");
}

async fn a_hint_in_a_response_that_cannot_be_understood_as_one_is_none() {
    let server = server(TIMEOUT, |_| with("Keep-Alive: timeout=soon\r\n")).await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    let hint = &run.address()["hint"];
    assert!(hint.is_null() || hint["timeout"].is_null(), "{run:?}");
    assert_eq!(run.address()["hint_contradicted"], false);
}

async fn a_server_that_announces_each_close_keeps_no_connection() {
    let server = Server::once(with("Connection: close\r\n")).await;
    let run = probe(&[&server.url(), "--active", "--requests", "5"]).await;

    let address = run.address();
    assert_eq!(address["response"]["status"], 200);
    assert_eq!(address["response"]["persistent"], false);
    assert_eq!(address["idle"], json!([]));
    assert_eq!(address["active"], json!([]));
    assert!(
        address["timeout"].is_null() && address["slow_reader"].is_null(),
        "{run:?}"
    );
    assert_eq!(
        address["requests"],
        json!({ "answered": 1, "limit": 1, "announced": true })
    );
    run.concludes("answered");
}

async fn a_server_that_has_to_keep_connections_and_announces_each_close_is_too_short() {
    let server = Server::once(with("Connection: close\r\n")).await;
    let run = probe(&[&server.url(), "--at-least", "1"]).await;

    assert_eq!(run.address()["response"]["persistent"], false);
    run.concludes("too_short");
}

async fn a_server_of_http_1_0_ends_its_responses_by_closing() {
    let server = Server::once("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall that there is").await;
    let run = probe(&[&server.url()]).await;

    assert_eq!(run.address()["response"]["status"], 200);
    assert_eq!(run.address()["response"]["server"], "old");
    assert_eq!(run.address()["response"]["persistent"], false);
    assert_eq!(run.address()["idle"], json!([]));
    run.concludes("answered");
}

async fn a_server_of_http_1_0_keeps_connections_if_it_is_asked_to() {
    let server = Server::tcp(|mut stream| async move {
        let Some(head) = crate::server::request(&mut stream).await else {
            return;
        };
        let fields = if asks(&head) {
            "Connection: keep-alive\r\nKeep-Alive: timeout=0\r\n"
        } else {
            ""
        };
        let response = format!("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok");
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, response.as_bytes()).await;
        if asks(&head) {
            let _ = tokio::time::timeout(TIMEOUT, crate::server::until_closed(&mut stream)).await;
        }
    })
    .await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    let address = run.address();
    assert_eq!(address["response"]["persistent"], true);
    assert!(
        address["slow_reader"].is_object(),
        "it is asked further on: {run:?}"
    );
    assert_eq!(
        address["hint_if_asked"],
        json!({ "timeout": 0.0, "max": null, "contradicted": false })
    );
    assert!(address["hint"].is_null());
    assert!(address["timeout"]["seconds"].is_number(), "{run:?}");
    assert!(
        run.idle().iter().all(|idle| idle["connection"] != 1),
        "{run:?}"
    );
    run.concludes("answered");
}

async fn a_server_that_closes_behind_each_response_without_a_word_has_a_limit_of_one_request() {
    let server = Server::once(OK).await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(0.0)).await;

    let address = run.address();
    assert!(
        address["timeout"].is_null(),
        "that is no idle timer: {run:?}"
    );
    assert_eq!(
        address["requests"],
        json!({ "answered": 1, "limit": 1, "announced": false })
    );
    assert_eq!(run.idle().len(), 2);
    run.concludes("answered");
}
