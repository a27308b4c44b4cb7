//! What the programs have in common: their command line, and their test.

use std::process::ExitCode;

use clap::Parser;
use tokio_rustls::rustls::crypto::ring;

use crate::args;
use crate::output::Output;
use crate::summary::Report;

/// A client of others against a server that closes idle connections, with and without http-keepalive.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    output: Output,
}

/// Runs a trial as the command line says.
pub async fn main<F: Future<Output = Result<Report, String>>>(trial: impl Fn() -> F) -> ExitCode {
    install_crypto();
    match args::read::<Args>() {
        Ok(args) => args.output.tell(trial).await,
        Err(exit) => exit,
    }
}

/// Whether a trial holds what it claims: the program with `--check`.
pub async fn passes_its_check<F: Future<Output = Result<Report, String>>>(
    trial: impl Fn() -> F,
) -> bool {
    install_crypto();
    let output = Output {
        json: false,
        check: true,
    };
    output.tell(trial).await == ExitCode::SUCCESS
}

/// object_store does not build with a reqwest that has no TLS, and what one package enables, all have that are built
/// with it. No program here speaks TLS, but reqwest refuses to be made without cryptography.
pub fn install_crypto() {
    // An error says that there is one already.
    drop(ring::default_provider().install_default());
}
