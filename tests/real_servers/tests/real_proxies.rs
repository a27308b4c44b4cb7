//! The promises behind real proxies: HTTP forward proxies, tunnels by CONNECT, and SOCKS 5, each before two origins (nginx).
//! Between the clients and the proxy is a relay that adds 40 ms of latency each way.
//!
//! Whose idle timer closes the client's connection is whose timeout counts: the forward proxy's in any case; of a tunnel the
//! shorter one of the proxy's and the origin's.
//!
//! ```text
//! tests/real_servers/install      # on Debian, as root: what is missing
//! cargo test --release -p real-servers --test real_proxies -- --ignored
//! ```
//!
//! A proxy that is not installed is skipped, and said so; where the variable `CI` is set, it is a failure. This is real
//! time: see `real_servers.rs`.

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
use http_keepalive::OriginSnapshot;
use real_servers::proxies::{Case, Closes};
use real_servers::proxy_trial::{Learner, Report, SHORT};
use real_servers::proxy_trials::{TRIALS, UNTIL_LEARNED};
use real_servers::route::Route;
use real_servers::trials::Outcome;

/// A case, and the report of its trial; nothing if a program is not installed, and need not be.
fn trial(route: Route, name: &str) -> Option<(&'static Case, &'static Report)> {
    let mut trials = TRIALS.iter();
    let is_it = |case: &Case| case.route == route && case.proxy.name == name;
    let (case, outcome) = trials.find(|(case, _)| is_it(case)).unwrap();
    Some((case, outcome.held()?))
}

/// All trials that could be held.
fn trials() -> impl Iterator<Item = (&'static Case, &'static Report)> {
    TRIALS.iter().filter_map(|(case, outcome)| match outcome {
        Outcome::Held(report) => Some((*case, &**report)),
        _ => None,
    })
}

/// What is promised behind every proxy.
fn loses_no_request(route: Route, name: &str) {
    let Some((case, report)) = trial(route, name) else {
        return;
    };

    let told = &report.told;
    assert_eq!(told.tally.failed, 0, "{told:?}");
    assert_eq!(told.seen.statuses, BTreeSet::from([StatusCode::OK]));
    assert_eq!(told.reused() > 0, case.closes != Closes::ProxyAtOnce);
    for learner in report.learners() {
        learns_of_who_closes(case, report, learner);
    }
    for learner in &report.shorten {
        learns_in_time(case, learner);
    }
}

/// What is observed is kept of the forward proxy, or else of each origin.
fn learns_of_who_closes(case: &Case, report: &Report, learner: &Learner) {
    let (proxies, others) = proxies_and_others(learner);
    assert_eq!(others.len(), 2, "{learner:?}");
    let closers = if case.route == Route::Forward {
        let proxy = format!("proxy://{}", report.proxy.authority().unwrap());
        let known: Vec<_> = proxies.iter().map(|it| it.origin.to_string()).collect();
        assert_eq!(known, [proxy]);
        assert!(others.iter().all(|known| known.evidence.is_empty()));
        assert!(others.iter().all(|known| known.bound == proxies[0].bound));
        proxies
    } else {
        assert!(proxies.is_empty(), "{learner:?}");
        others
    };

    if case.closes.is_exact() {
        let has_evidence = |known: &&OriginSnapshot| !known.evidence.is_empty();
        assert!(closers.iter().all(has_evidence), "{learner:?}");
    }
}

/// A client that asks one request at a time loses two at most until it knows the timeout.
fn learns_in_time(case: &Case, learner: &Learner) {
    let (proxies, others) = proxies_and_others(learner);
    let closers = if proxies.is_empty() {
        &others
    } else {
        &proxies
    };
    match case.closes {
        Closes::Proxy | Closes::Origin => {
            let is_bound = |known: &&OriginSnapshot| known.bound.is_some();
            assert!(closers.iter().all(is_bound), "{learner:?}");
        }
        Closes::ProxyAtOnce => assert_eq!(closers[0].requests, Some(1), "{learner:?}"),
        Closes::Nobody => assert_eq!(closers[0].bound, None, "{learner:?}"),
        // A timer that varies by more than the gaps between requests do is not one that can be learned.
        Closes::ProxyLoosely => return,
    }
    let allowed = UNTIL_LEARNED * closers.len() as u64;
    assert!(learner.record.tally.failed <= allowed, "{learner:?}");
    let statuses = &learner.record.seen.statuses;
    assert_eq!(statuses, &BTreeSet::from([StatusCode::OK]));
}

fn proxies_and_others(learner: &Learner) -> (Vec<&OriginSnapshot>, Vec<&OriginSnapshot>) {
    let is_proxy = |known: &&OriginSnapshot| known.origin.scheme() == "proxy";
    learner.origins.iter().partition(is_proxy)
}

macro_rules! loses_no_request {
    ($($test:ident: $route:ident, $name:literal;)*) => {$(
        #[test]
        #[ignore = "needs the proxy: see tests/real_servers/install"]
        fn $test() {
            loses_no_request(Route::$route, $name);
        }
    )*};
}

loses_no_request! {
    behind_squid_no_request_is_lost: Forward, "squid closes";
    behind_squid_the_timeout_of_the_origin_is_no_matter: Forward, "squid, origin closes";
    behind_apache_httpd_no_request_is_lost: Forward, "Apache httpd closes";
    behind_tinyproxy_which_closes_behind_each_response_no_request_is_lost: Forward, "tinyproxy closes at once";
    through_a_tunnel_that_tinyproxy_closes_no_request_is_lost: Tunnel, "tinyproxy closes";
    through_a_tunnel_that_squid_closes_no_request_is_lost: Tunnel, "squid closes";
    through_a_tunnel_that_the_origin_closes_no_request_is_lost: Tunnel, "tinyproxy, origin closes";
    through_socks_that_dante_closes_no_request_is_lost: Socks, "dante closes";
    through_socks_that_the_origin_closes_no_request_is_lost: Socks, "microsocks, origin closes";
}

/// The control.
#[test]
#[ignore = "needs the proxies: see tests/real_servers/install"]
fn without_this_crate_requests_are_lost_behind_at_least_half_of_the_proxies() {
    let has_race = |closes| !matches!(closes, Closes::Nobody | Closes::ProxyAtOnce);
    let closed = trials().filter(|(case, _)| has_race(case.closes));
    let (losing, others): (Vec<_>, Vec<_>) = closed
        .map(|(_, report)| report)
        .partition(|report| report.plain.tally.failed > 0);

    assert!(losing.len() >= others.len(), "{others:?}");
    let lost = |learners: &[Learner]| learners.iter().map(|each| each.record.tally.failed).sum();
    let sum = |lost: &dyn Fn(&Report) -> u64| trials().map(|(_, report)| lost(report)).sum::<u64>();
    let (never, shorten) = (sum(&|it| lost(&it.never)), sum(&|it| lost(&it.shorten)));
    assert!(never >= shorten, "{never}, {shorten}");
}

/// A connection to a forward proxy outlives the origin's timeout: it is not the origin's.
#[test]
#[ignore = "needs the proxy: see tests/real_servers/install"]
fn behind_squid_connections_are_reused_for_longer_than_the_origin_keeps_its_own() {
    let Some((case, report)) = trial(Route::Forward, "squid, origin closes") else {
        return;
    };

    let told = &report.told;
    assert!(told.seen.longest_idle > Some(case.origin_idle), "{told:?}");
}

#[test]
#[ignore = "needs the proxies: see tests/real_servers/install"]
fn a_longer_timeout_is_found_of_a_proxy_and_of_origins_behind_one() {
    for (_, report) in trials().filter(|(case, _)| case.closes.is_exact()) {
        let longest = report.full.iter().map(|each| each.record.seen.longest_idle);
        assert!(longest.max().flatten() > Some(SHORT), "{:?}", report.full);
    }
}

#[test]
#[ignore = "needs the proxies: see tests/real_servers/install"]
fn no_proxy_is_left_running() {
    for address in trials().flat_map(|(_, report)| &report.addresses) {
        let is_gone = || TcpStream::connect(address).is_err();
        let soon = (0..500).any(|_| {
            is_gone() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(soon, "somebody listens on {address}");
    }
}
