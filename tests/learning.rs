//! What clients find out about servers that say nothing, or not the truth: how long those keep idle
//! connections.
//!
//! In virtual time, with hyper-util's client. Each promise stands beside the same load without
//! learning, failing, or reconnecting where that was not needed.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "learning/mod.rs"]
mod learning;
mod support;
