//! A server on axum that says how long it keeps idle connections, and keeps its word: how many requests it
//! loses, with and without this crate.
//!
//! ```text
//! cargo run --release -p axum-server
//! cargo run --release -p axum-server -- --json
//! cargo run --release -p axum-server -- --listen 127.0.0.1:3000
//! ```
//!
//! The first two run trials. The third is a server to copy ([`serve`]): Ctrl-C or SIGTERM drains it.
//!
//! # The trials
//!
//! Servers listen on loopback sockets in this process. Clients reach them through links that delay each
//! direction by 40 ms ([`network`]). Each trial runs twice, side by side, with the same requests: once against
//! a server as it comes ([`plain`]), and once against a server with this crate.
//!
//! | trial | as it comes | with this crate |
//! |---|---|---|
//! | three kinds of clients, which pause for 0.5 s to 4.4 s ([`race`]) | closes what was idle for 2 s, and says nothing | says 2 s, and closes 2 s after that |
//! | three restarts under load ([`drain`]) | axum's graceful shutdown | a drain, then axum's graceful shutdown |
//! | a limit of requests, and of age ([`limits`]) | closes an idle connection that reached the limit | the last response says `Connection: close` |
//! | twice as many idle connections as allowed ([`cap`]) | accepts no more | closes those that were idle for longest |
//! | request heads that never end ([`slow_heads`]) | waits for them | closes them after a second |
//!
//! A client that reads no hint meets the race at any server that closes idle connections. With this crate the
//! race comes [grace](http_keepalive::ServerPolicy::grace) later, and long pauses are rarer than short ones.
//!
//! A run takes twenty seconds.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
mod by_hand;
mod cap;
#[path = "../../common/mod.rs"]
mod common;
mod drain;
mod limits;
mod network;
mod ours;
mod plain;
mod race;
mod report;
mod serve;
mod slow_heads;
#[path = "../../../tests/support/mod.rs"]
mod support;
mod trials;

use std::process::ExitCode;

use self::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    match args.listen {
        Some(address) => serve::finish(serve::run(address).await),
        None => {
            let trials = args.trials();
            args.output.tell(|| trials.run()).await
        }
    }
}
