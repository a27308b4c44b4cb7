//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, value_parser};
use http::Uri;
use http::uri::Authority;

use crate::common::Output;
use crate::common::args::seconds;
use crate::serve::Service;
use crate::trial::Trial;

/// A reverse proxy on axum whose upstream closes idle connections: a trial, or with --upstream a proxy
/// that works.
#[derive(Debug, Parser)]
#[command(name = "axum-proxy")]
pub struct Args {
    /// Be a proxy for this server, http://host:port, until stopped
    #[arg(long, value_name = "URL", value_parser = authority, conflicts_with_all = TRIAL)]
    upstream: Option<Authority>,

    /// Where that proxy listens
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        requires = "upstream"
    )]
    listen: SocketAddr,

    /// The idle timeout that the upstream is expected to have where it names none
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5", requires = "upstream")]
    max_idle: Duration,

    #[command(flatten)]
    pub output: Output,

    /// Users of each proxy
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=10_000))]
    users: u32,

    /// Requests of each user after the first
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=10_000))]
    rounds: u32,

    /// The upstream's idle timeout, around which users think
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    idle_timeout: Duration,
}

/// What belongs to the trial alone.
const TRIAL: [&str; 5] = ["json", "check", "users", "rounds", "idle_timeout"];

impl Args {
    /// The proxy that was asked for, if one was.
    pub fn service(&self) -> Option<Service> {
        let upstream = self.upstream.clone()?;
        Some(Service {
            upstream,
            listen: self.listen,
            max_idle: self.max_idle,
        })
    }

    /// The trial, if none was.
    pub fn trial(&self) -> Trial {
        Trial {
            users: self.users,
            rounds: self.rounds,
            idle_timeout: self.idle_timeout,
            shows_progress: !self.output.json,
        }
    }
}

fn authority(text: &str) -> Result<Authority, String> {
    let expected = "expected http://host:port";
    let url: Uri = text
        .parse()
        .map_err(|error| format!("{error}, {expected}"))?;
    let parts = url.into_parts();
    let is_bare = parts.path_and_query.is_none_or(|path| path == "/");
    match (
        parts.scheme.as_ref().map(|scheme| scheme.as_str()),
        parts.authority,
    ) {
        (Some("http"), Some(authority)) if is_bare && !authority.host().is_empty() => Ok(authority),
        _ => Err(expected.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_program_is_a_trial_unless_it_names_an_upstream() {
        let trial = Args::parse_from(["axum-proxy"]);
        assert!(trial.service().is_none());

        let proxy = ["axum-proxy", "--upstream", "http://127.0.0.1:3000"];
        let service = Args::parse_from(proxy).service().unwrap();
        assert_eq!(service.upstream, "127.0.0.1:3000");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            &["--upstream", "ftp://host/"][..],
            &["--upstream", "http://host/path"],
            &["--upstream", "host:80"],
            &["--upstream", "http://host", "--listen", "nowhere"],
            &["--upstream", "http://host", "--users", "3"],
            &["--listen", "127.0.0.1:8080"],
            &["--users", "0"],
        ] {
            let line = ["axum-proxy"].iter().chain(args);
            assert!(Args::try_parse_from(line).is_err(), "{args:?}");
        }
    }
}
