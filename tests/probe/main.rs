//! The program `http-keepalive-probe`, run as a process against servers on real sockets.
//!
//! A server here does what a script says, with short idle timeouts. A run that the machine has held up is repeated:
//! see [`run::steady`].

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod active;
mod arguments;
mod ends;
mod errors;
mod hints;
mod hostile;
#[cfg(unix)]
mod interrupt;
mod proxies;
mod requests;
mod routes;
mod run;
mod server;
#[cfg(unix)]
mod stopped;
#[path = "../support/tls.rs"]
mod tls;
mod tls_ends;
mod together;
