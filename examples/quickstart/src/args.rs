//! The command line.

use std::time::Duration;

use clap::Parser;
use http::Uri;

use super::common::Output;
use super::common::args::seconds;

/// The same requests through hyper-util's client as it comes and through http-keepalive.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
pub struct Args {
    /// A server of yours, http://host:port/path; without it, one is started in this process
    #[arg(value_parser = url)]
    pub url: Option<Uri>,

    #[command(flatten)]
    pub output: Output,

    /// Users, each with a client of their own
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub users: u32,

    /// Requests of each user after the first
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,

    /// The server's idle timeout in seconds, around which requests are paced
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub idle_timeout: Option<Duration>,

    /// Send POST requests to your server too, each with the body `hello`
    #[arg(long, requires = "url")]
    pub post: bool,
}

fn url(text: &str) -> Result<Uri, String> {
    let expected = "expected http://host:port/path";
    let url: Uri = text
        .parse()
        .map_err(|error| format!("{error}, {expected}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(url),
        (Some("https"), _) => Err(format!("{expected}; for TLS see the example `tls`")),
        _ => Err(expected.to_owned()),
    }
}
