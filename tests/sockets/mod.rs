//! A server on real sockets that tells what happens at it.

#![allow(dead_code, reason = "each of those who include this uses a part of it")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    unnameable_types,
    reason = "this is not the library"
)]

mod read_ending;
pub mod server;
