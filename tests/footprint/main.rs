//! What connections cost: allocations, memory, and the work at their deadlines.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod allocations;
mod deadlines;
mod memory;
#[cfg(feature = "replay")]
mod replay;
#[path = "../support/mod.rs"]
mod support;
