//! How idle connections end.

use tokio::io::AsyncWriteExt;

use crate::run::{Run, items, kinds, seconds, steady};
use crate::server::{OK, Server, TIMEOUT, TIMEOUT_SECONDS, answer_until_idle};
use crate::together::together;

together! {
    servers_end_idle_connections_in_different_ways:
    a_server_that_closes_in_order_is_measured,
    a_server_counts_from_when_it_wrote_if_its_response_is_read_late,
    a_server_that_resets_is_measured,
    a_server_that_says_goodbye_by_a_response_is_measured,
    a_server_that_says_goodbye_by_other_bytes_is_measured,
    a_server_that_closes_at_random_has_no_timeout,
    nothing_is_found_of_a_server_that_keeps_connections_for_longer_than_they_are_watched,
    a_connection_that_stays_open_for_long_enough_is_what_was_asked_for,
    a_timeout_that_is_shorter_than_it_has_to_be_is_too_short,
}

/// A run at a server that sends these bytes at its timeout, and closes.
async fn after_saying(bytes: &'static str) -> Run {
    let server = Server::tcp(move |mut stream| async move {
        if answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await {
            let _ = stream.write_all(bytes.as_bytes()).await;
        }
    })
    .await;
    steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await
}

/// Checks that the timeout is found, from the two connections that are watched first.
fn is_found(run: &Run) {
    let address = run.address();
    let timeout = seconds(&address["timeout"]["seconds"]);
    let idle: Vec<_> = run
        .idle()
        .iter()
        .map(|idle| seconds(&idle["idle"]))
        .collect();
    assert_eq!(idle.len(), 2, "{run:?}");
    let least = idle.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(timeout, least, "{idle:?}");
    let open = seconds(&address["open_after"]);
    assert!(
        open > 0.0 && run.idle().iter().all(|idle| seconds(&idle["open"]) <= open),
        "{run:?}"
    );
    assert_eq!(address["error"], serde_json::Value::Null);
    run.concludes("answered");
}

async fn a_server_that_closes_in_order_is_measured() {
    let server = Server::closing().await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    is_found(&run);
    assert_eq!(kinds(&run), ["fin"]);
    let (target, address) = (run.target(), run.address());
    assert_eq!(run.report["version"], 1);
    assert_eq!(run.report["interrupted"], false);
    assert_eq!(target["url"], server.url());
    assert_eq!(address["address"], server.address.to_string());
    assert_eq!(address["response"]["status"], 200);
    assert_eq!(address["response"]["persistent"], true);
    for absent in ["tls", "hint", "hint_if_asked", "requests"] {
        assert!(address[absent].is_null(), "{absent}: {address}");
    }
    assert!(address["connecting"].is_number() && address["round_trip"].is_number());
    assert_eq!(items(&address["active"]).len(), 0);

    // The timeline.
    let connections = items(&address["connections"]);
    let purposes: Vec<_> = connections
        .iter()
        .map(|connection| &connection["purpose"])
        .collect();
    assert_eq!(purposes, ["watch", "watch_asked", "slow_reader"]);
    assert_eq!(target["connections_opened"], 3);
    for connection in connections {
        let exchange = &items(&connection["exchanges"])[0];
        assert_eq!(exchange["status"], 200);
        let times = [
            &connection["opened"],
            &exchange["sent"],
            &exchange["answered"],
            &connection["ended"],
        ];
        let times = times.map(seconds);
        assert!(
            times.is_sorted() && times[3] <= seconds(&target["elapsed"]),
            "{times:?}"
        );
    }
    let one_by_one = run.stderr.trim_end();
    assert_eq!(one_by_one.lines().count(), 1, "{one_by_one}");
    assert!(
        one_by_one.starts_with("127.0.0.1: at most 5 connections"),
        "{one_by_one}"
    );
}

async fn a_server_counts_from_when_it_wrote_if_its_response_is_read_late() {
    let server = Server::closing().await;
    let run = steady(&[&server.url()], |run| {
        run.is_closed_after(TIMEOUT_SECONDS)
            && items(&run.address()["connections"])
                .iter()
                .all(|one| one["end"]["kind"] == "fin")
    })
    .await;

    let timeout = seconds(&run.address()["timeout"]["seconds"]);
    let slow_reader = &run.address()["slow_reader"];
    let unread = seconds(&slow_reader["unread"]);
    assert!(
        (unread - 0.75 * timeout).abs() < 1e-3,
        "{slow_reader} {timeout}"
    );
    let sum = seconds(&slow_reader["idle"]) + seconds(&slow_reader["cut_by"]);
    assert!((sum - timeout).abs() < 1e-3, "{slow_reader} {timeout}");
}

async fn a_server_that_resets_is_measured() {
    let server = Server::tcp(|mut stream| async move {
        if answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await {
            stream.set_zero_linger().unwrap();
        }
    })
    .await;
    let run = steady(&[&server.url()], |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    is_found(&run);
    assert_eq!(kinds(&run), ["reset"]);
}

async fn a_server_that_says_goodbye_by_a_response_is_measured() {
    let goodbye = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let run = after_saying(goodbye).await;

    is_found(&run);
    assert_eq!(kinds(&run), ["response"]);
    assert!(
        run.idle().iter().all(|idle| idle["end"]["status"] == 408),
        "{run:?}"
    );
}

async fn a_server_that_says_goodbye_by_other_bytes_is_measured() {
    let run = after_saying("so long\r\n").await;

    is_found(&run);
    assert_eq!(kinds(&run), ["bytes"]);
}

async fn a_server_that_closes_at_random_has_no_timeout() {
    // Each connection is kept for another time, and none for as long as another one.
    let kept = std::sync::atomic::AtomicU32::new(1);
    let server = Server::tcp(move |mut stream| {
        let timeout = TIMEOUT * kept.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            answer_until_idle(&mut stream, timeout, |_| OK.to_owned()).await;
        }
    })
    .await;
    // Far enough from each other.
    let is_steady = |run: &Run| {
        let idle: Vec<_> = run
            .idle()
            .iter()
            .map(|idle| seconds(&idle["idle"]))
            .collect();
        idle.windows(2)
            .all(|two| two[1] - two[0] > 0.75 * TIMEOUT_SECONDS)
    };
    let run = steady(&[&server.url()], is_steady).await;

    assert!(run.address()["timeout"].is_null(), "{run:?}");
    assert!((2..=4).contains(&run.idle().len()), "{run:?}");
    run.concludes("nothing_found");
}

async fn nothing_is_found_of_a_server_that_keeps_connections_for_longer_than_they_are_watched() {
    let server = Server::patient().await;
    let arguments = [&*server.url(), "--max-wait", "0.5"];
    let run = steady(&arguments, |run| run.is_open_until(0.5)).await;

    assert_eq!(kinds(&run), ["open"]);
    assert!(run.address()["timeout"].is_null());
    assert!(run.address()["slow_reader"].is_null());
    assert!(seconds(&run.address()["open_after"]) >= 0.5);
    assert_eq!(run.report["options"]["max_wait"], 0.5);
    run.concludes("nothing_found");
}

async fn a_connection_that_stays_open_for_long_enough_is_what_was_asked_for() {
    let server = Server::patient().await;
    let arguments = [&*server.url(), "--max-wait", "0.6", "--at-least", "0.5s"];
    let run = steady(&arguments, |run| run.is_open_until(0.6)).await;

    assert!(seconds(&run.address()["open_after"]) >= 0.5);
    assert_eq!(run.report["options"]["at_least"], 0.5);
    run.concludes("answered");
}

async fn a_timeout_that_is_shorter_than_it_has_to_be_is_too_short() {
    let server = Server::closing().await;
    let arguments = [&*server.url(), "--at-least", "1"];
    let run = steady(&arguments, |run| run.is_closed_after(TIMEOUT_SECONDS)).await;

    is_timed(&run);
    run.concludes("too_short");
}

fn is_timed(run: &Run) {
    assert!(run.address()["timeout"]["seconds"].is_number(), "{run:?}");
}
