//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, value_parser};

use crate::common::Output;
use crate::once::Once;
use crate::trial::Trial;

/// A terminal view of a client's connections while a load runs: until when each may be reused, and why
/// they close.
#[derive(Debug, Parser)]
#[command(name = "observe", mut_group("Output", |group| group.requires("once")))]
pub struct Args {
    /// Print the view once, as text, after some seconds of load
    #[arg(long)]
    once: bool,

    /// For how long the load runs before that
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u64).range(1..=3600), requires = "once")]
    seconds: u64,

    /// Users of each server, each with a client of their own
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=1000))]
    users: u32,

    /// Serve the metrics in Prometheus's text format
    #[arg(long, value_name = "ADDR")]
    pub prometheus: Option<SocketAddr>,

    #[command(flatten)]
    pub output: Output,
}

impl Args {
    /// The load that was asked for.
    pub fn trial(&self) -> Trial {
        Trial {
            users: self.users,
            has_metrics: self.prometheus.is_some(),
        }
    }

    /// The one view, if that was asked for.
    pub fn once(&self) -> Option<Once> {
        // What is told of a run is told of a run that ends.
        let is_told = self.once || self.output.json || self.output.check;
        is_told.then(|| Once {
            trial: self.trial(),
            after: Duration::from_secs(self.seconds),
        })
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
    fn the_view_is_live_unless_it_is_asked_for_once() {
        assert!(Args::parse_from(["observe"]).once().is_none());

        let once = ["observe", "--once", "--seconds", "3"];
        let once = Args::parse_from(once).once().unwrap();
        assert_eq!(once.after, Duration::from_secs(3));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            &["--users", "0"][..],
            &["--seconds", "3"],
            &["--once", "--seconds", "0"],
            &["--prometheus", "nowhere"],
            &["--json"],
            &["--check"],
        ] {
            let line = ["observe"].iter().chain(args);
            assert!(Args::try_parse_from(line).is_err(), "{args:?}");
        }
    }
}
