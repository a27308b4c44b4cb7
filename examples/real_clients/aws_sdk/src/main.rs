//! The AWS SDK against a service that closes idle connections, with and without http-keepalive: how many requests fail,
//! and what the SDK's retries make of a message that was sent.
//!
//! ```text
//! cd examples/real_clients
//! cargo run -p with-aws-sdk
//! cargo run -p with-aws-sdk -- --json
//! ```
//!
//! [`client`] is what there is to copy, [`trial`] is what it is put through.

mod client;
mod queue;
mod trial;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    real_clients_common::main(trial::run).await
}
