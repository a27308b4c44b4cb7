//! HTTP clients of other languages against an axum server with this crate, and against the same server without it,
//! over a link that delays each direction by 100 ms.
//!
//! ```text
//! tests/peers/install             # on Debian, as root: what is missing
//! cargo test --release -p peers -- --ignored
//! ```
//!
//! A client that is not installed is skipped, and said so; where the variable `CI` is set, it is a failure.
//!
//! Each client sends a POST, waits, and sends another one, with dozens of waits at once. Most of the waits are such that
//! the second request meets the server's close on its way. This is real time. What is promised with this crate holds
//! with more than a second to spare. That the control fails takes one request of 13 that meets the close.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use peers::gaps::{GRACE, LONG, SHORT, TIMEOUT, UNHEEDED, around};
use peers::peers::Peer;
use peers::trial::{Record, Trial};
use peers::trials::{Outcome, TRIALS, tell};

/// A client, and its trial; nothing if it is not installed, and need not be.
fn trial(name: &str) -> Option<(&'static Peer, &'static Trial)> {
    let mut trials = TRIALS.iter();
    let (peer, outcome) = trials.find(|(peer, _)| peer.name == name).unwrap();
    match outcome {
        Outcome::Held(trial) => Some((peer, trial)),
        Outcome::Broken(why) => panic!("{why}"),
        Outcome::Missing(why) if std::env::var_os("CI").is_some() => panic!("{why}"),
        Outcome::Missing(why) => {
            tell(&format!("skipped: {why}"));
            None
        }
    }
}

/// What is promised of every client.
fn is_served(name: &str) {
    let Some((peer, trial)) = trial(name) else {
        return;
    };

    reuses_connections_and_repeats_nothing(&trial.control);
    reuses_connections_and_repeats_nothing(&trial.advertised);
    meets_the_close_of_the_control(trial);
    let honours = trial.honours_hints();
    assert_eq!(honours, peer.reads_hints, "not as known: {trial:?}");
    if honours {
        let failed = trial.advertised.failed();
        assert!(failed.is_empty(), "{failed:?}: {trial:?}");
    } else {
        loses_no_more_than_with_the_control(trial);
    }
}

fn reuses_connections_and_repeats_nothing(record: &Record) {
    let reused = record.reused();
    assert!(SHORT.iter().all(|gap| reused.contains(gap)), "{record:?}");
    assert!(!reused.contains(&LONG), "{record:?}");
    assert!(record.repeated().is_empty(), "{record:?}");
}

/// Loses requests around the close, and at no other time; none if the client repeats a POST that was not answered.
fn meets_the_close_of_the_control(trial: &Trial) {
    let failed = trial.control.failed();
    let close = around(TIMEOUT);
    assert!(failed.iter().all(|gap| close.contains(gap)), "{trial:?}");
    assert!(!trial.control.reused().contains(&UNHEEDED), "{trial:?}");
    assert!(!failed.is_empty() || trial.repeats_posts(), "{trial:?}");

    let unanswered = &trial.unanswered;
    let fails_unanswered = SHORT.iter().all(|gap| unanswered.failed().contains(gap));
    assert_ne!(fails_unanswered, trial.repeats_posts(), "{unanswered:?}");
}

/// For a client that reads no hint, the server only closes later.
fn loses_no_more_than_with_the_control(trial: &Trial) {
    let (lost, failed) = (trial.control.failed(), trial.advertised.failed());
    let close = around(TIMEOUT + GRACE);
    assert!(failed.iter().all(|gap| close.contains(gap)), "{trial:?}");
    assert!(failed.len() <= lost.len() + LATE, "{trial:?}");
}

/// By how many of 13 the failures with two servers may differ, as timers on a busy machine are late by tens of
/// milliseconds.
const LATE: usize = 4;

macro_rules! is_served {
    ($($test:ident: $name:literal;)*) => {$(
        #[test]
        #[ignore = "needs the client: see tests/peers/install"]
        fn $test() {
            is_served($name);
        }
    )*};
}

is_served! {
    http_keepalive_loses_nothing: "http-keepalive";
    hyper_util_loses_no_more_than_before: "hyper-util";
    node_loses_nothing: "Node.js http.Agent";
    undici_loses_nothing: "undici";
    go_loses_no_more_than_before: "Go net/http";
    httpx_loses_no_more_than_before: "httpx";
    aiohttp_loses_no_more_than_before: "aiohttp";
    curl_loses_no_more_than_before: "curl (libcurl)";
}
