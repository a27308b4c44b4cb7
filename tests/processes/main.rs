//! Real sockets in real time, and a process that is stopped.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod minimal;
mod provenance;
mod real_sockets;
#[path = "../sockets/mod.rs"]
mod sockets;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
mod suspended;
#[path = "../support/tls.rs"]
mod tls;
