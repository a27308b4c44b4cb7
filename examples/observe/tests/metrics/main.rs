//! What `MetricsObserver` counts, against a recorder that can be read.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod names;
mod numbers;
mod open;
mod origins;
mod recorded;
mod rig;
#[path = "../../../../tests/support/mod.rs"]
mod support;
