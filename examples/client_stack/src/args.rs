//! The command line.

use clap::{Parser, value_parser};

use crate::common::Output;
use crate::trial::Trial;

/// A client of tower-http's layers over HTTPS, whose servers close idle connections, with and without
/// this crate.
#[derive(Debug, Parser)]
#[command(name = "client-stack")]
pub struct Args {
    /// Users of each stack
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=5_000))]
    users: u32,

    /// How often each user reads a story, comments, and looks at a picture
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=1_000))]
    rounds: u32,

    #[command(flatten)]
    pub output: Output,

    /// Write what the trace layer sees to stderr
    #[arg(long)]
    pub log: bool,
}

impl Args {
    pub fn trial(&self) -> Trial {
        Trial {
            users: self.users,
            rounds: self.rounds,
            shows_progress: !self.output.json && !self.log,
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
        for args in [["--users", "0"], ["--rounds", "0"], ["--rounds", "many"]] {
            let line = ["client-stack"].iter().chain(&args);
            assert!(Args::try_parse_from(line).is_err(), "{args:?}");
        }
    }
}
