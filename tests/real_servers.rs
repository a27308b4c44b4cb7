//! The same promises against real servers, each with an idle timeout of two seconds of its own kind,
//! behind a relay that adds 40 ms of latency each way.
//!
//! ```text
//! tests/real_servers/install      # on Debian, as root: what is missing
//! cargo test --test real_servers -- --ignored
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

mod support;

/// What is in the folder of this name.
mod real_servers {
    pub mod process;
    pub mod relay;
    pub mod servers;
    pub mod trial;
    pub mod trials;
}

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use real_servers::servers::{IDLE_TIMEOUT, SERVERS, Says};
use real_servers::trial::{Record, Report};
use real_servers::trials::{Outcome, TRIALS, tell};

/// The report of a server's trial; nothing if it is not installed, and need not be.
fn report(name: &str) -> Option<&'static Report> {
    match &TRIALS[name] {
        Outcome::Held(report) => Some(report),
        Outcome::Broken(why) => panic!("{why}"),
        Outcome::Missing(how) if std::env::var_os("CI").is_some() => panic!("{how}"),
        Outcome::Missing(how) => {
            tell(&format!("skipped: {how}"));
            None
        }
    }
}

/// What is promised of all servers.
fn loses_no_request(name: &str) {
    let Some(report) = report(name) else { return };
    let server = SERVERS.iter().find(|server| server.name == name).unwrap();

    assert_eq!(report.both.seen.statuses, BTreeSet::from([StatusCode::OK]));
    assert_reuses_in_time(&report.both);
    if server.says == Says::Nothing {
        assert_reuses_in_time(&report.connector);
    }

    let (nothing, timeout) = (BTreeSet::from([None]), BTreeSet::from([Some(IDLE_TIMEOUT)]));
    let (unasked, asked) = match server.says {
        Says::Nothing => (&nothing, &nothing),
        Says::WhenAsked => (&nothing, &timeout),
        Says::Always => (&timeout, &timeout),
    };
    assert_eq!(
        &report.plain.seen.timeouts, unasked,
        "hyper-util asks nothing"
    );
    assert_eq!(
        &report.connector.seen.timeouts, unasked,
        "the connector asks nothing"
    );
    assert_eq!(&report.both.seen.timeouts, asked, "the layer asks");
}

fn assert_reuses_in_time(client: &Record) {
    assert_eq!(client.tally.failed, 0, "{client:?}");
    assert!(client.reused() > 0, "{client:?}");
    let longest = client.seen.longest_idle.unwrap_or(Duration::MAX);
    assert!(longest < IDLE_TIMEOUT, "{client:?}");
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
fn and_without_this_crate_at_least_half_of_them_do() {
    let reports: Vec<_> = SERVERS.iter().filter_map(|it| report(it.name)).collect();

    let failing = reports
        .iter()
        .filter(|it| it.plain.tally.failed > 0)
        .count();

    assert!(2 * failing >= reports.len(), "{failing} of {reports:?}");
}

/// What the layer is for: to this crate's connector alone, such a server is as silent as others.
#[test]
#[ignore = "needs the server: see tests/real_servers/install"]
fn apache_httpd_names_its_timeout_only_because_the_layer_asks() {
    let Some(report) = report("Apache httpd") else {
        return;
    };

    assert_eq!(report.connector.seen.timeouts, BTreeSet::from([None]));
    assert!(
        report.connector.tally.failed > 0,
        "it knows no better than 5 s"
    );
    assert_eq!(
        report.both.seen.timeouts,
        BTreeSet::from([Some(IDLE_TIMEOUT)])
    );
    assert_eq!(report.both.tally.failed, 0);
}
