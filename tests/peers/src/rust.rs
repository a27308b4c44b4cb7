//! The clients in Rust: hyper-util's with and without this crate.

use std::time::Duration;

use futures_util::future::try_join_all;
use http::StatusCode;
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use tokio::time::sleep;

use crate::gaps::Gap;
use crate::program::{OK, Report};
use crate::relay::FarConnector;
use crate::support::client::{HttpClient, exchange, guarded, plain, post};
use crate::support::errors::texts;

/// With this crate's connector and layer. Of a server that gives no hint, the client expects more than this one keeps: what
/// helps is the hint alone.
pub async fn visit_guarded(
    base: &str,
    connector: &FarConnector,
    gaps: &[Gap],
) -> Result<Report, String> {
    let policy = KeepAlivePolicy::default().max_idle(Duration::from_secs(60));
    let open = || {
        let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
        Ok(guarded(&keep_alive, connector.clone()))
    };
    visit_all("http-keepalive", base, open, gaps).await
}

/// As it comes. Its pool keeps idle connections for 90 s.
pub async fn visit_plain(
    base: &str,
    connector: &FarConnector,
    gaps: &[Gap],
) -> Result<Report, String> {
    let open = || Ok(plain(connector.clone()));
    visit_all("hyper-util", base, open, gaps).await
}

/// Each gap has a client of its own. The starts are spread, so that the machine is not late at the gaps' ends.
async fn visit_all<S: HttpClient>(
    package: &str,
    base: &str,
    open: impl Fn() -> Result<S, String>,
    gaps: &[Gap],
) -> Result<Report, String> {
    let visits = gaps.iter().zip(0..).map(async |(&gap, index)| {
        sleep(Duration::from_millis(40) * index).await;
        let client = open()?;
        let uri = |visit| format!("{base}/{gap}/{visit}");
        let first = ask(&client, &uri(1)).await;
        first.map_err(|error| format!("the first request: {error}"))?;
        sleep(Duration::from_millis(gap)).await;
        let second = ask(&client, &uri(2)).await;
        let became = second.map_or_else(|error| error, |()| OK.to_owned());
        Ok::<_, String>((gap, became))
    });
    Ok(Report {
        version: version(package),
        gaps: try_join_all(visits).await?.into_iter().collect(),
    })
}

async fn ask<S: HttpClient>(client: &S, uri: &str) -> Result<(), String> {
    match exchange(client, post(uri, "")).await {
        Ok(response) if response.status() == StatusCode::OK => Ok(()),
        Ok(response) => Err(format!("status {}", response.status())),
        Err(error) => Err(texts(&*error).join(": ")),
    }
}

/// The version of a package in the lock file.
fn version(package: &str) -> String {
    let lock = include_str!("../../../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"");
    let version = lock
        .split_once(&name)
        .and_then(|(_, rest)| rest.split_once('"'));
    version
        .map(|(version, _)| version.to_owned())
        .unwrap_or_default()
}
