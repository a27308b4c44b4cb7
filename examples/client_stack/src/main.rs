//! A client of tower-http's layers over HTTPS, whose servers close idle connections: how many requests
//! fail, and how many connections it opens, with and without this crate.
//!
//! ```text
//! cargo run --release -p client-stack
//! cargo run --release -p client-stack -- --json
//! cargo run --release -p client-stack -- --users 1 --rounds 1 --log
//! ```
//!
//! Two origins in this process, behind TLS and a link with 40 ms of latency each way. `news.test`
//! closes after 2 s, which it says if it is asked; its stories are at `store.test`, to which it
//! redirects, which compresses, closes after 5 s and says nothing. Users read a story and turn its
//! page, think until about when the first closes, comment, think until about when the second does, and
//! look at a picture. Once, each of them asks for something that takes longer than they wait.

#![allow(clippy::disallowed_methods, reason = "this is not the library")]

use std::process::ExitCode;

use client_stack::args::Args;
use client_stack::common;
use http_keepalive::KeepAlive;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    if args.log {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_writer(std::io::stderr)
            .init();
    }
    let run = async || Ok(args.trial().run(KeepAlive::default()).await);
    args.output.tell(run).await
}
