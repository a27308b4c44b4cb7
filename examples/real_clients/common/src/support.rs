//! The parts of the crate's own test rig that are used here.

#![allow(dead_code, reason = "a part of each is used here")]

#[path = "../../../../tests/support/connector.rs"]
pub mod connector;
#[path = "../../../../tests/support/direction.rs"]
mod direction;
#[path = "../../../../tests/support/lateness.rs"]
pub mod lateness;
#[path = "../../../../tests/support/link.rs"]
pub mod link;
#[path = "../../../../tests/support/server.rs"]
pub mod server;
#[path = "../../../../tests/support/stream.rs"]
mod stream;
#[path = "../../../../tests/support/tally.rs"]
pub mod tally;
#[path = "../../../../tests/support/transit.rs"]
mod transit;
