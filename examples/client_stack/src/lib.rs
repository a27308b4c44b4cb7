//! A client as applications build it of tower-http's layers, over HTTPS, with and without this crate.
//!
//! [`stack`] is the stack itself, and what there is to copy; [`trial`] has it ask servers that close
//! idle connections. The tests in `tests/stack` hold what the crate's page `guide::client_stack` says
//! of the order of the layers.

#![allow(
    missing_debug_implementations,
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::exhaustive_enums,
    clippy::indexing_slicing,
    clippy::new_without_default,
    clippy::unwrap_used,
    unreachable_pub,
    unnameable_types,
    reason = "this is not the library"
)]

pub mod args;
pub mod authority;
pub mod clients;
#[path = "../../common/mod.rs"]
pub mod common;
#[path = "../../../tests/support/handshake.rs"]
mod handshake;
pub mod hosts;
pub mod origins;
pub mod report;
pub mod stack;
#[path = "../../../tests/support/mod.rs"]
pub mod support;
pub mod trial;
pub mod users;
