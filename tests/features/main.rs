//! What each feature adds, and what the public types can do with and without them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod autotraits;
mod clients;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "metrics")]
mod metrics;
// With what is written down of them.
#[cfg(feature = "serde")]
#[path = "../behaviour/origins.rs"]
mod origins;
mod provenance;
#[cfg(feature = "rustls")]
mod ready;
#[cfg(feature = "replay")]
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "rustls")]
#[path = "../sockets/mod.rs"]
mod sockets;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tls.rs"]
mod tls;
