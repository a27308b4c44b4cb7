//! What all tests share: clients with and without this crate, and what became of their requests.

#![allow(dead_code, reason = "a part of it is used here")]
#![allow(clippy::unwrap_used, reason = "this is not the library")]

#[path = "../../../support/client.rs"]
pub mod client;
#[path = "../../../support/lateness.rs"]
pub mod lateness;
#[path = "../../../support/tally.rs"]
pub mod tally;
#[path = "../../../support/users.rs"]
pub mod users;
