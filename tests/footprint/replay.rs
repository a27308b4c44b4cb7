//! What a request costs that might be sent again, and is not.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use http_keepalive::{KeepAlive, ReplayPolicy};
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use tower::retry::{Policy, Retry};

use crate::support::client::guarded_legacy;
use crate::support::exchanges::{KINDS, Kind, Parts, exchanges, exchanges_of};
use crate::support::loopback;

fn allocations(run: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(run).count_total
}

/// Of a thousand exchanges with the policy.
fn with_policy(kind: Kind) -> u64 {
    let keep_alive = KeepAlive::default();
    let policy = ReplayPolicy::default();
    let client = || {
        let client = guarded_legacy(&keep_alive, loopback::connector());
        Retry::new(policy.clone(), client)
    };
    exchanges_of(kind, client, 1_000, 1, allocations)
}

/// Requests of these exchanges have no header fields.
#[test]
fn the_policy_takes_no_allocation_for_what_is_not_sent_again() {
    for kind in KINDS {
        let without = exchanges(kind, Parts::Both, 1_000, 1, allocations);
        let more = with_policy(kind).saturating_sub(without);
        assert!(more <= 10, "{}: {more}", kind.name);
    }
}

/// Each of the two that a `HeaderMap` takes, and none for values, the URI, and the body, which are shared.
#[test]
fn a_clone_of_a_request_takes_two_allocations() {
    let mut policy = ReplayPolicy::default();
    for body in [0, 1 << 20] {
        let mut request = Request::post("http://server.test/path?query");
        for number in 0..12 {
            request = request.header(format!("x-field-{number}"), "a value");
        }
        let body = Full::<Bytes>::from(vec![b'x'; body]);
        let request = request.body(body).unwrap();
        let mut clone = None;
        // `Bytes` and custom names are shared from their first clone on.
        drop(request.clone());
        let count = allocation_counter::measure(|| {
            clone =
                Policy::<_, http::Response<Incoming>, Error>::clone_request(&mut policy, &request);
        });
        assert!(clone.is_some());
        assert_eq!(count.count_total, 2);
    }
}
