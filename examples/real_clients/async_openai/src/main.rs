//! async-openai against a server that closes idle connections as vLLM's does, and whose answers are streamed for longer
//! than that takes, with and without http-keepalive: how many questions get no answer.
//!
//! ```text
//! cd examples/real_clients
//! cargo run -p with-async-openai
//! cargo run -p with-async-openai -- --json
//! ```
//!
//! [`client`] is what there is to copy, [`trial`] is what it is put through.

mod client;
mod model;
mod trial;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    real_clients_common::main(trial::run).await
}
