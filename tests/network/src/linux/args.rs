//! The command line.

use clap::{Parser, Subcommand, value_parser};

use super::scenario::Scenario;

/// HTTP clients over the kernel's TCP, through a link whose quality is known.
#[derive(Debug, Parser)]
#[command(name = "network")]
pub struct Args {
    /// Run this scenario; may be given several times. By default all are run
    #[arg(long = "scenario", value_enum, value_name = "NAME")]
    pub scenarios: Vec<Scenario>,

    /// Users of each client; of the scenario `slow` 16 at most
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..=1000))]
    pub users: u32,

    /// What gaps, loss and jitter are drawn from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,

    /// Fail if something that is to hold does not
    #[arg(long)]
    pub check: bool,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// One of the processes that this program starts
    #[command(hide = true)]
    Internal {
        /// The process that started it
        parent: u32,
        /// What it does, as JSON
        task: String,
    },
}
