//! What this crate promises, a module for each kind of promise, in virtual time: over hyper-util's client, and then once
//! more over this crate's own.
//!
//! [`rig`] is about the network and the server that all others are tried on.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod blocked_writes;
mod bodies;
mod close_after_response;
mod deadline;
mod handle;
mod hints;
mod hop_by_hop;
mod layer;
mod learning;
mod lifetimes;
mod observer;
mod origins;
mod own;
mod passthrough;
mod policies;
mod pools;
mod provenance;
mod race;
mod reuse;
mod rig;
mod runtime;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use http_keepalive::KeepAlive;
use hyper_util::client::legacy::connect::HttpConnector;
use support::client::{EitherClient, VARIABLE, guarded, is_own};

/// The whole of this suite once more, in a process of its own.
#[test]
fn all_of_it_holds_over_the_own_client_too() {
    if is_own() {
        return;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.env(VARIABLE, "own");

    let output = again.output().unwrap();

    let [said, failed] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{said}\n{failed}");
    assert!(said.contains(OF_THE_CLIENT), "{said}");
}

/// The name of the test below, as it is told where it passes.
const OF_THE_CLIENT: &str = "test the_client_is_the_one_that_was_asked_for ... ok";

#[tokio::test]
async fn the_client_is_the_one_that_was_asked_for() {
    let client = guarded(&KeepAlive::default(), HttpConnector::new()).into_inner();
    let asked_for = std::env::var(VARIABLE);
    let is_own = asked_for.is_ok_and(|client| client == "own");
    assert_eq!(matches!(client, EitherClient::Own(_)), is_own);
}
