//! What the tracker finds, held against a table of cases, against hyper itself, and against chance.
//!
//! * `cases` is the table: a request, its response, what the tracker makes of them and what hyper
//!   does. `tests/differential.rs` runs the same cases through this crate's connector.
//! * `table` runs every case in every order and splitting; `sequences` puts several on one
//!   connection.
//! * `differential` runs the same cases through hyper's client, driven by `rig`, with the tracker
//!   looking on.
//! * `random` makes up exchanges, and bytes that are none.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets into test data, where a panic is a failed test"
)]

mod cases;
mod differential;
mod follower;
mod random;
mod rig;
mod sequences;
mod table;

use self::follower::Outcome;
use super::OpaqueReason;
use super::head::{MAX_HEAD, MAX_LINE};
