//! What the page `guide::client_stack` says of the order of the layers, in virtual time over links in
//! this process; each promise beside what happens without this crate, or in another order.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod bodies;
mod errors;
mod order;
mod page;
mod race;
mod redirects;
mod retries;
mod rig;
mod timeouts;
