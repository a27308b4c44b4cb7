//! The command line.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser;

/// Random worlds in virtual time: clients, servers, networks, and what goes wrong
#[derive(Debug, Parser)]
#[command(name = "simulate")]
pub struct Args {
    /// How many worlds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub seeds: u64,

    /// The first one
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    pub first_seed: u64,

    /// Only this world, with all that happens in it on stderr
    #[arg(long, conflicts_with = "seeds")]
    pub seed: Option<u64>,

    /// How many worlds at a time; as many as there are cores unless given
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// The same worlds with hyper-util's client as it comes, too
    #[arg(long)]
    pub control: bool,

    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Reads the command line; what is wrong with it is said in one line.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if !error.use_stderr() {
                // `--help`, which is no error.
                print!("{error}");
                return ExitCode::SUCCESS;
            }
            let text = error.to_string();
            eprintln!("{}", text.lines().next().unwrap_or("error: bad arguments"));
            ExitCode::from(2)
        })
    }

    /// How many worlds at a time.
    pub fn jobs(&self) -> usize {
        let cores = || available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(cores, usize::from)
    }

    /// The worlds.
    pub fn worlds(&self) -> std::ops::Range<u64> {
        match self.seed {
            Some(seed) => seed..seed.saturating_add(1),
            None => self.first_seed..self.first_seed.saturating_add(self.seeds),
        }
    }
}
