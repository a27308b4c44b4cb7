//! object_store against a server that closes idle connections as S3 does, with and without http-keepalive: how many
//! requests fail, and what its retries make of a request that was executed.
//!
//! ```text
//! cd examples/real_clients
//! cargo run -p with-object-store
//! cargo run -p with-object-store -- --json
//! ```
//!
//! [`client`] is what there is to copy, [`trial`] is what it is put through.

mod bucket;
mod client;
mod trial;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    real_clients_common::main(trial::run).await
}
