//! What the program `http-keepalive-probe` finds out of real servers, each with an idle timeout of four seconds of its
//! own kind, and of nginx behind HAProxy, whose timeout it is that a client meets.
//!
//! ```text
//! tests/real_servers/install      # on Debian, as root: what is missing
//! cargo build --release --features cli --bin http-keepalive-probe
//! cargo test --release -p real-servers --test real_probe -- --ignored --nocapture
//! ```
//!
//! A server that is not installed is skipped, and said so, and all are if the program is not built; where the variable
//! `CI` is set, that is a failure. All are measured at once, in less than half a minute.
//!
//! This is real time, and here a time decides: that is what is measured. Where what was measured is not what is
//! configured, and timers of this machine were late, it is measured once more; if they were late again, the failure says
//! so.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

use real_servers::probes::{Case, Measured, TRIALS};

/// A case, and what was measured; nothing if a program is not installed, and need not be.
fn trial(name: &str) -> Option<(&'static Case, &'static Measured)> {
    let mut trials = TRIALS.iter();
    let (case, outcome) = trials.find(|(case, _)| case.name == name).unwrap();
    Some((case, outcome.held()?))
}

/// What is to be found of every server.
fn is_measured(name: &str) {
    let Some((case, measured)) = trial(name) else {
        return;
    };
    case.check(measured).unwrap();
    tells_by_its_exit_status(case, measured);
}

/// 2 if the server closes sooner than it says, else 0, as all of them close.
fn tells_by_its_exit_status(case: &Case, measured: &Measured) {
    let (exit_status, outcome) = if case.hint_contradicted {
        (2, "too_short")
    } else {
        (0, "answered")
    };
    assert_eq!(measured.exit_status, Some(exit_status), "{measured:?}");
    assert_eq!(measured.outcome, outcome, "{measured:?}");
}

macro_rules! is_measured {
    ($($test:ident: $name:literal;)*) => {$(
        #[test]
        #[ignore = "needs the server: see tests/real_servers/install"]
        fn $test() {
            is_measured($name);
        }
    )*};
}

is_measured! {
    the_timeout_of_nginx_is_measured: "nginx";
    the_timeout_that_nginx_names_is_measured: "nginx, told to say it";
    the_timeout_of_apache_httpd_is_measured_and_asked_for: "Apache httpd";
    the_timeout_of_lighttpd_is_measured_to_the_second_to_which_it_is_kept: "lighttpd";
    the_timeout_of_haproxy_is_measured: "HAProxy";
    the_timeout_that_node_names_is_measured: "Node.js";
    the_timeout_of_go_is_measured: "Go net/http";
    the_timeout_of_tomcat_is_measured_to_the_second_to_which_it_is_kept_and_asked_for: "Tomcat";
    the_timeout_of_gunicorn_is_measured_to_the_second_to_which_it_is_kept: "gunicorn (gthread)";
    the_timeout_of_uvicorn_is_measured: "uvicorn";
    the_timeout_of_hypercorn_is_measured: "hypercorn";
    of_nginx_behind_haproxy_the_timeout_of_haproxy_is_measured: "nginx behind HAProxy";
    haproxy_that_passes_on_a_longer_timeout_than_its_own_is_contradicted: "nginx that says it, behind HAProxy";
}
