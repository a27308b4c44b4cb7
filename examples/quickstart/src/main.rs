//! The same requests through hyper-util's client as it comes and through this crate, side by side.
//!
//! ```text
//! cargo run --release -p quickstart
//! cargo run --release -p quickstart -- http://host:port/path --idle-timeout 5
//! cargo run --release -p quickstart -- --json
//! ```
//!
//! Without a URL it starts an HTTP/1.1 server in this process, hyper's own, with an idle timeout of
//! two seconds, and reaches it over a link with 40 ms of latency each way.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
#[path = "../../common/mod.rs"]
mod common;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use http::{Method, Uri};
use hyper_util::client::legacy::connect::HttpConnector;

use self::args::Args;
use self::common::{Contest, Pace};
use self::support::link::Link;
use self::support::server::Server;

/// The idle timeout of the server in this process.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The time bytes take from here to that server, and from there to here.
const LATENCY: Duration = Duration::from_millis(40);

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    args.output.tell(|| run(&args)).await
}

async fn run(args: &Args) -> Result<common::Report, String> {
    match &args.url {
        None => embedded(args).await,
        Some(url) => remote(args, url).await,
    }
}

/// Against the server in this process.
async fn embedded(args: &Args) -> Result<common::Report, String> {
    let server = Server::builder()
        .idle_timeout(IDLE_TIMEOUT)
        .hint(format!("timeout={}", IDLE_TIMEOUT.as_secs()))
        .record(false)
        .build();
    let target = Uri::from_static("http://server.test/");
    contest(args, target, IDLE_TIMEOUT, true)
        .run(server.connector(Link::new().latency(LATENCY)))
        .await
}

/// Against a server of the user's.
async fn remote(args: &Args, url: &Uri) -> Result<common::Report, String> {
    // That of many servers; who knows theirs says so.
    let idle_timeout = Duration::from_secs(5);
    contest(args, url.clone(), idle_timeout, args.post)
        .run(HttpConnector::new())
        .await
}

fn contest(args: &Args, target: Uri, idle_timeout: Duration, posts: bool) -> Contest {
    let mut methods = vec![Method::GET];
    methods.extend(posts.then_some(Method::POST));
    Contest {
        target,
        methods,
        pace: Pace::around(args.idle_timeout.unwrap_or(idle_timeout), LATENCY),
        users: args.users,
        rounds: args.rounds,
        show_progress: !args.output.json,
    }
}
