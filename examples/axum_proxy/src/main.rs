//! A reverse proxy on axum, whose upstream closes idle connections: how many requests it answers with
//! 502, and how many connections it opens, with and without this crate.
//!
//! ```text
//! cargo run --release -p axum-proxy
//! cargo run --release -p axum-proxy -- --json
//! cargo run --release -p axum-proxy -- --upstream http://127.0.0.1:3000 --listen 127.0.0.1:8080
//! ```
//!
//! The first two run a trial ([`trial`]): an upstream in this process, hyper's own server, with an idle
//! timeout of two seconds that it names if it is asked, behind a link with 40 ms of latency each way;
//! before it the proxy, twice: once with hyper-util's client as it comes, and once with the same client
//! within this crate; before each of them the same users, who think for about as long as the upstream
//! waits, and then ask all at once, as a page does that fetches many things.
//!
//! The third is a proxy that works, until it is stopped ([`serve`]).
//!
//! # What a reverse proxy has to do, and where it is done
//!
//! | | |
//! |---|---|
//! | fields of the connection to the client are not passed on (RFC 9110 §7.6.1) | `strip_request_hop_by_hop`, first of all ([`proxy`]) |
//! | nor are those of the connection to the upstream | `KeepAliveLayer::strip_hop_by_hop` ([`clients`]) |
//! | whom a request came by is said: `Via`, `X-Forwarded-For`, `-Host`, `-Proto` | [`fields`] |
//! | bodies are streamed, in both directions | [`proxy`] |
//! | a WebSocket, or any other upgrade, becomes a tunnel | [`tunnel`] |
//! | an upstream that fails is a 502 and a line in the log | [`gateway`] |

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
mod clients;
#[path = "../../common/mod.rs"]
mod common;
mod fields;
mod gateway;
mod listener;
mod proxy;
mod report;
mod serve;
#[path = "../../../tests/support/mod.rs"]
mod support;
#[cfg(test)]
mod tests;
mod trial;
mod tunnel;

use std::process::ExitCode;

use http_keepalive::KeepAlive;

use self::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    match args.service() {
        Some(service) => serve::finish(service.run().await),
        None => {
            let run = || args.trial().run(KeepAlive::default());
            args.output.tell(run).await
        }
    }
}
