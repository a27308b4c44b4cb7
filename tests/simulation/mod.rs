//! Seeded runs over random worlds, in virtual time.
//!
//! A [`World`](world::World) follows from a seed: a network, a server, a client's policy, callers,
//! and what goes wrong. [`run()`] has real hyper and this crate live in it, with hyper-util's `Client` in
//! worlds of even seeds, and with this crate's own in those of odd ones,
//! against hyper's server or a scripted one. The [`Ledger`](ledger::Ledger) hears of everything that
//! both ends of each connection do, and holds it against what must not happen. Every failure is
//! given a cause; an idle timer that did what the client was told may not be one.
//!
//! All time is tokio's paused clock, which leaps to the next event: a minute of idle time costs
//! nothing. The network is `support::link`. turmoil 0.7 is made for such tests, and does not fit this one: its
//! connections have neither bandwidth nor a buffer in bytes (64 segments of any size), so that a
//! server cannot believe written what the client has not received, which is the case this crate is
//! there for; its time advances in ticks, each of which polls every host, where most of the time
//! here is idle; a message that is lost ends its connection, as nothing is sent again; and its
//! hosts cannot be frozen.

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

mod body;
mod caller;
mod client_end;
mod counts;
mod draw;
mod hyper_server;
mod ledger;
mod network;
mod origin;
mod pattern;
mod plan;
mod policy;
mod process;
mod run;
mod scripted_server;
mod server_end;
mod trouble;
mod world;
mod worlds;

#[allow(
    unused_imports,
    reason = "each of those who include this uses a part of it"
)]
pub use self::{
    counts::{Counts, Struck},
    ledger::Cause,
    run::{Outcome, Watched, run},
    worlds::run_all,
};
