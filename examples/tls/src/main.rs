//! The quickstart over TLS: hyper-rustls around the link, this crate around hyper-rustls.
//!
//! ```text
//! cargo run --release -p tls
//! ```
//!
//! The order matters: this crate looks at HTTP, so it goes outside of TLS. The server, and the
//! certificate that it shows, are made on the spot.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

#[path = "../../common/mod.rs"]
mod common;
#[path = "../../../tests/support/handshake.rs"]
mod handshake;
#[path = "../../../tests/support/mod.rs"]
mod support;
#[path = "../../../tests/support/tls.rs"]
mod tls;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use http::{Method, Uri};
use hyper_rustls::HttpsConnectorBuilder;

use self::common::{Contest, Output, Pace};
use self::support::link::Link;
use self::support::server::Server;
use self::tls::Tls;

const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
const LATENCY: Duration = Duration::from_millis(40);

/// The quickstart over TLS.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    output: Output,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    args.output.tell(|| run(!args.output.json)).await
}

async fn run(show_progress: bool) -> Result<common::Report, String> {
    let tls = Tls::for_host("server.test");
    let server = Server::builder()
        .idle_timeout(IDLE_TIMEOUT)
        .hint(format!("timeout={}", IDLE_TIMEOUT.as_secs()))
        .record(false)
        .tls(tls.server)
        .build();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.client)
        .https_only()
        .enable_http1()
        .wrap_connector(server.connector(Link::new().latency(LATENCY)));

    let contest = Contest {
        target: Uri::from_static("https://server.test/"),
        methods: vec![Method::GET, Method::POST],
        pace: Pace::around(IDLE_TIMEOUT, LATENCY),
        users: 50,
        rounds: 8,
        show_progress,
    };
    contest.run(connector).await
}
