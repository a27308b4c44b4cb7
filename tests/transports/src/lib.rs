//! Every transport a hyper user has, with and without http-keepalive: what the tests in `tests/`
//! share.
//!
//! [`scenario`] has the promises, made of each transport alike, with the control beside them. All of
//! it runs over real sockets; clocks are driven by hand, and tests wait for events at the server.

#![allow(
    missing_debug_implementations,
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::exhaustive_enums,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "../../support/client.rs"]
pub mod client;
#[path = "../../support/clock.rs"]
pub mod clock;
#[path = "../../support/errors.rs"]
pub mod errors;
pub mod proxy;
pub mod scenario;
#[path = "../../sockets/mod.rs"]
pub mod sockets;
pub mod tls;
