//! The crate `clickhouse` against a server that closes idle connections as ClickHouse does, with and without
//! http-keepalive: how many queries fail, and how many connections they need.
//!
//! ```text
//! cd examples/real_clients
//! cargo run -p with-clickhouse
//! cargo run -p with-clickhouse -- --json
//! ```
//!
//! [`client`] is what there is to copy, [`trial`] is what it is put through.

mod client;
mod trial;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    real_clients_common::main(trial::run).await
}
