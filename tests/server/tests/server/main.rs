//! A server on axum or hyper, in virtual time: what its clients are told, and when it closes.
//!
//! Clients and server are connected by pipes in memory, since real sockets do not go with a paused clock.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod cap;
mod drain;
mod hyper_server;
mod idle;
mod limits;
mod observer;
mod open;
mod said;
mod support;
