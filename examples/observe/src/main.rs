//! A terminal view of a client's connections while a load runs: until when each may be reused, and why they
//! close.
//!
//! ```text
//! cargo run --release -p observe
//! cargo run --release -p observe -- --once
//! cargo run --release -p observe -- --prometheus 127.0.0.1:9000
//! ```
//!
//! Three servers in this process ([`servers`]), hyper's own, with different idle timeouts and networks; users
//! who think for about as long as the servers wait ([`load`]); a client with this crate, whose events a board
//! collects ([`board`]), and the view that is drawn of it ([`view`], [`screen`]).
//!
//! `1` to `3` stop a server and start it again, `p` pauses the load, `q` quits.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
mod board;
#[allow(
    clippy::manual_is_multiple_of,
    reason = "others who include it are built with an older Rust"
)]
#[path = "../../common/mod.rs"]
mod common;
mod counts;
mod load;
mod once;
mod prometheus;
mod report;
mod screen;
mod servers;
#[path = "../../../tests/support/mod.rs"]
mod support;
mod terminal;
#[cfg(test)]
mod tests;
mod trial;
mod view;

use std::process::ExitCode;

use self::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    if let Some(address) = args.prometheus
        && let Err(error) = prometheus::install(address)
    {
        return fail(&error);
    }
    match args.once() {
        Some(once) => args.output.tell(|| once.run()).await,
        None => match terminal::show(&args.trial()).await {
            Ok(stats) => {
                println!("{stats}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error),
        },
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
