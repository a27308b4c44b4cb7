//! The command line.

use std::net::SocketAddr;

use clap::{Parser, value_parser};

use crate::common::Output;
use crate::trials::Trials;

/// A server on axum that says how long it keeps idle connections: trials, or with --listen a server.
#[derive(Debug, Parser)]
#[command(name = "axum-server")]
pub struct Args {
    /// Be a server at this address until Ctrl-C or SIGTERM, then drain
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["json", "check", "users"])]
    pub listen: Option<SocketAddr>,

    #[command(flatten)]
    pub output: Output,

    /// Users of each kind of client
    #[arg(long, default_value_t = 150, value_parser = value_parser!(u32).range(10..=2_000))]
    users: u32,
}

impl Args {
    /// The trials that were asked for.
    pub fn trials(&self) -> Trials {
        Trials {
            users: self.users,
            shows_progress: !self.output.json,
        }
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
    fn what_makes_no_sense_is_refused() {
        for args in [
            &["--listen", "nowhere"][..],
            &["--listen", "127.0.0.1:0", "--check"],
            &["--users", "0"],
        ] {
            let line = ["axum-server"].iter().chain(args);
            assert!(Args::try_parse_from(line).is_err(), "{args:?}");
        }
    }
}
