//! Real servers, started here, and clients with and without http-keepalive: what `tests/` shares.

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

pub mod probes;
mod process;
pub mod proxies;
pub mod proxy_trial;
pub mod proxy_trials;
mod relay;
pub mod route;
pub mod servers;
#[path = "../../support/mod.rs"]
mod support;
pub mod trial;
pub mod trials;
