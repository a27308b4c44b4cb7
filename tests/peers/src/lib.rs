//! HTTP clients of other languages, run here against servers with and without http-keepalive: what `tests/` shares.

#![cfg(unix)]
#![allow(
    missing_debug_implementations,
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::exhaustive_enums,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "these are tests"
)]

pub mod gaps;
mod log;
pub mod peers;
mod program;
#[path = "../../real_servers/src/relay.rs"]
mod relay;
mod rust;
mod server;
#[path = "../../support/mod.rs"]
mod support;
mod table;
pub mod trial;
pub mod trials;
