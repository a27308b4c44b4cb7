//! Runs the program of a client, and reads what it reports.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use crate::gaps::Gap;

/// A client's program.
pub struct Program {
    /// Succeeds if the client is installed.
    pub probe: &'static [&'static str],
    /// Builds the program; empty if there is nothing to build.
    pub build: &'static [&'static str],
    /// Visits a URL with the gaps that follow.
    pub command: &'static [&'static str],
}

/// What a client reports, as a line of JSON.
#[derive(Debug, Deserialize)]
pub struct Report {
    pub version: String,
    /// What became of the second request of each gap: [`OK`], or the error.
    pub gaps: BTreeMap<Gap, String>,
}

/// What became of a request that was answered.
pub const OK: &str = "ok";

/// Where the clients' programs are.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Where `install` puts what Debian does not have.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers");

/// How long a program may run: far longer than the longest gap.
const PATIENCE: Duration = Duration::from_secs(120);

impl Program {
    pub async fn is_installed(&self) -> bool {
        run(self.probe, &[]).await.is_ok()
    }

    pub async fn build(&self) -> Result<(), String> {
        if !self.build.is_empty() {
            run(self.build, &[]).await?;
        }
        Ok(())
    }

    pub async fn visit(&self, base: &str, gaps: &[Gap]) -> Result<Report, String> {
        let mut arguments = vec![base.to_owned()];
        arguments.extend(gaps.iter().map(Gap::to_string));
        let output = run(self.command, &arguments).await?;
        let line = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&line).map_err(|error| format!("{error} in: {line}"))
    }
}

async fn run(command: &[&str], arguments: &[String]) -> Result<Output, String> {
    let mut command = command
        .iter()
        .map(|text| text.replace("@INSTALLED@", INSTALLED));
    let program = command.next().unwrap_or_default();
    let running = Command::new(&program)
        .args(command)
        .args(arguments)
        .current_dir(CLIENTS)
        .env("NODE_PATH", format!("{INSTALLED}/node_modules"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GOCACHE", format!("{INSTALLED}/go"))
        .env("GOPROXY", "off")
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(PATIENCE, running).await {
        Ok(output) => output.map_err(|error| format!("{program} does not run: {error}"))?,
        Err(_) => return Err(format!("{program} still runs after {PATIENCE:?}")),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} failed ({}): {said}", output.status));
    }
    Ok(output)
}
