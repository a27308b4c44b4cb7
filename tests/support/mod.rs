//! What tests, examples and benches share: a network and a server in the same process, and clients
//! with and without this crate.

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

pub mod client;
pub mod clock;
pub mod connector;
pub mod deadline_work;
mod direction;
pub mod errors;
pub mod exchanges;
pub mod gate;
pub mod idle;
pub mod lateness;
pub mod link;
pub mod loopback;
pub mod outcome;
pub mod own;
pub mod server;
mod stream;
pub mod tally;
mod transit;
pub mod users;
pub mod wire;
