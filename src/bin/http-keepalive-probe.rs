//! Measures how long a server keeps idle connections: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    http_keepalive::run_probe()
}
