//! What this crate promises, a module for each kind of promise, in virtual time.
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
