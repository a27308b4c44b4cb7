//! The same promises against real servers, each with an idle timeout of two seconds of its own kind,
//! behind a relay that adds 40 ms of latency each way.
//!
//! ```text
//! tests/real_servers/install      # on Debian, as root: what is missing
//! cargo test --release -p real-servers -- --ignored
//! ```
//!
//! A server that is not installed is skipped, and said so; where the variable `CI` is set, it is a
//! failure. All that is started ends with the tests, however they do.
//!
//! This is real time. No promise depends on how long anything takes; that a client *without* this
//! crate fails does, and is asked for in sum, of hundreds of requests in the round trip in which the
//! server closes.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;

use http::StatusCode;
use real_servers::servers::{IDLE_TIMEOUT, Says, Server};
use real_servers::trial::Report;
use real_servers::trials::{Outcome, TRIALS};

/// A server, and the report of its trial; nothing if it is not installed, and need not be.
fn trial(name: &str) -> Option<(&'static Server, &'static Report)> {
    let mut trials = TRIALS.iter();
    let (server, outcome) = trials.find(|(server, _)| server.name == name).unwrap();
    Some((server, outcome.held()?))
}

/// The reports of all trials that could be held.
fn reports() -> impl Iterator<Item = &'static Report> {
    TRIALS.iter().filter_map(|(_, outcome)| match outcome {
        Outcome::Held(report) => Some(&**report),
        _ => None,
    })
}

/// What is promised of every server.
fn loses_no_request(name: &str) {
    let Some((server, report)) = trial(name) else {
        return;
    };

    for client in report.promised(server) {
        assert_eq!(client.tally.failed, 0, "{client:?}");
        assert_eq!(client.seen.statuses, BTreeSet::from([StatusCode::OK]));
        assert!(client.reused() > 0, "{client:?}");
        let longest = client.seen.longest_idle;
        assert!(longest < Some(IDLE_TIMEOUT), "{client:?}");
    }

    let nothing = BTreeSet::from([None]);
    let timeout = BTreeSet::from([Some(IDLE_TIMEOUT)]);
    // The layer asks until it was answered on a connection.
    let once = BTreeSet::from([None, Some(IDLE_TIMEOUT)]);
    let (unasked, asked) = match server.says {
        Says::Nothing => (&nothing, &nothing),
        Says::WhenAsked => (&nothing, &once),
        Says::Always => (&timeout, &timeout),
    };
    assert_eq!(&report.plain.seen.timeouts, unasked);
    assert_eq!(&report.connector.seen.timeouts, unasked);
    assert_eq!(&report.both.seen.timeouts, asked, "the layer asks");
}

macro_rules! loses_no_request {
    ($($test:ident: $name:literal;)*) => {$(
        #[test]
        #[ignore = "needs the server: see tests/real_servers/install"]
        fn $test() {
            loses_no_request($name);
        }
    )*};
}

loses_no_request! {
    nginx_loses_no_request: "nginx";
    nginx_that_names_its_timeout_loses_no_request: "nginx, told to say it";
    apache_httpd_loses_no_request: "Apache httpd";
    lighttpd_loses_no_request: "lighttpd";
    haproxy_loses_no_request: "HAProxy";
    node_loses_no_request: "Node.js";
    go_loses_no_request: "Go net/http";
    tomcat_loses_no_request: "Tomcat";
    gunicorn_loses_no_request: "gunicorn (gthread)";
    uvicorn_loses_no_request: "uvicorn";
    hypercorn_loses_no_request: "hypercorn";
}

/// The control.
#[test]
#[ignore = "needs the servers: see tests/real_servers/install"]
fn without_this_crate_at_least_half_of_the_servers_lose_requests() {
    let (losing, others): (Vec<_>, Vec<_>) =
        reports().partition(|report| report.plain.tally.failed > 0);

    assert!(losing.len() >= others.len(), "{others:?}");
}

/// What the layer is for: to this crate's connector alone, Apache httpd is as silent as others.
#[test]
#[ignore = "needs the server: see tests/real_servers/install"]
fn apache_httpd_names_its_timeout_only_because_the_layer_asks() {
    let Some((_, report)) = trial("Apache httpd") else {
        return;
    };

    let Report {
        connector, both, ..
    } = report;
    assert_eq!(connector.seen.timeouts, BTreeSet::from([None]));
    assert!(connector.tally.failed > 0, "it expects 5 s, as of others");
    assert!(both.seen.timeouts.contains(&Some(IDLE_TIMEOUT)));
    assert_eq!(both.tally.failed, 0);
}

#[test]
#[ignore = "needs the servers: see tests/real_servers/install"]
fn no_server_is_left_running() {
    for Report { address, .. } in reports() {
        let is_gone = || TcpStream::connect(address).is_err();
        // Those that a server started end with it, but nobody waits for them.
        let soon = (0..500).any(|_| {
            is_gone() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(soon, "somebody listens on {address}");
    }
}
