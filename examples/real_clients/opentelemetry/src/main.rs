//! OTLP exports over HTTP, as often as their server's idle timeout runs out, with and without http-keepalive: how many
//! are lost.
//!
//! ```text
//! cd examples/real_clients
//! cargo run -p with-opentelemetry
//! cargo run -p with-opentelemetry -- --json
//! ```
//!
//! [`client`] is what there is to copy, [`trial`] is what it is put through.

mod client;
mod counted;
mod trial;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    real_clients_common::main(trial::run).await
}
