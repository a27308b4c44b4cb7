//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum, value_parser};

use crate::clients::ClientName;
use crate::common::Output;
use crate::gaps::Gaps;
use crate::race::Race;
use crate::scenario::{Change, LinkName, Scenario};

/// HTTP clients against a server that closes idle connections, behind six links.
#[derive(Debug, Parser)]
#[command(name = "stale-race")]
pub struct Args {
    /// The server's idle timeout T
    #[arg(long, value_name = "SECONDS", default_value_t = 8, value_parser = value_parser!(u64).range(2..=600))]
    idle_timeout: u64,

    /// The server does not say its timeout (`Keep-Alive: timeout=T`) on any link
    #[arg(long)]
    no_hint: bool,

    /// Users, each with a client of their own on each link
    #[arg(long, default_value_t = 150, value_parser = value_parser!(u32).range(1..=10_000))]
    users: u32,

    /// Requests of each user after the first, at gaps from 0.1 T to 1.2 T
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=10_000))]
    rounds: u32,

    /// The links to run on
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = LinkName::value_variants().to_vec())]
    links: Vec<LinkName>,

    /// The clients to run
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = ClientName::value_variants().to_vec())]
    clients: Vec<ClientName>,

    /// The latency of all links but `fast`, each way
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 50, value_parser = value_parser!(u64).range(1..=10_000))]
    latency: u64,

    /// The length of responses over the link `slow`
    #[arg(long, value_name = "BYTES", default_value_t = 400_000, value_parser = value_parser!(u32).range(1..=8_000_000))]
    body: u32,

    /// The bandwidth of each connection of the link `slow`, from the server to the client
    #[arg(long, value_name = "BYTES/S", default_value_t = 200_000, value_parser = value_parser!(u64).range(1_000..))]
    bandwidth: u64,

    /// What the gaps are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    pub output: Output,

    /// Draw the failures against the gap
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// The length of a response's body on the link `shared`.
const SHARED_BODY: usize = 100_000;

impl Args {
    /// The race that was asked for.
    pub fn race(&self) -> Race {
        let idle_timeout = Duration::from_secs(self.idle_timeout);
        let gaps = idle_timeout / 10..idle_timeout * 12 / 10;
        let gaps = Gaps::new(self.users, self.rounds, gaps, self.seed);
        // Where the slowest user, who arrives last, is half through.
        let middle = (idle_timeout + gaps.longest()) / 2;
        let links = self.links.iter();
        Race {
            scenarios: links.map(|&link| self.scenario(link, middle)).collect(),
            clients: self.clients.clone(),
            gaps,
            shows_progress: !self.output.json,
        }
    }

    fn scenario(&self, link: LinkName, middle: Duration) -> Scenario {
        let idle_timeout = Duration::from_secs(self.idle_timeout);
        let latency = Duration::from_millis(self.latency);
        // Nine tenths of what the users would need who wait for no queue, so that one builds up.
        let shared = self.users as u64 * SHARED_BODY as u64 * 9 / 10 * 100 / 65 / self.idle_timeout;
        let (latency, bandwidth, body) = match link {
            LinkName::Fast => (Duration::ZERO, None, 2),
            LinkName::Far | LinkName::Silent | LinkName::Changing => (latency, None, 2),
            LinkName::Slow => (latency, Some(self.bandwidth), self.body as usize),
            LinkName::Shared => (latency, Some(shared.max(1)), SHARED_BODY),
        };
        let is_told = !matches!(link, LinkName::Silent | LinkName::Changing);
        Scenario {
            link,
            latency,
            bandwidth,
            is_shared: link == LinkName::Shared,
            body,
            idle_timeout,
            is_hinting: is_told && !self.no_hint,
            is_told,
            change: (link == LinkName::Changing).then_some(Change {
                after: middle,
                idle_timeout: idle_timeout / 2,
            }),
        }
    }
}

/// What a choice is called on the command line, and in JSON.
pub fn name(choice: &impl ValueEnum) -> String {
    let value = choice.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
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
    fn by_default_all_clients_run_on_all_links() {
        let race = Args::parse_from(["stale-race"]).race();
        assert_eq!(race.clients, ClientName::value_variants());
        let links: Vec<_> = race
            .scenarios
            .iter()
            .map(|scenario| scenario.link)
            .collect();
        assert_eq!(links, LinkName::value_variants());
    }

    #[test]
    fn nobody_is_told_the_timeout_on_the_links_silent_and_changing() {
        for scenario in Args::parse_from(["stale-race"]).race().scenarios {
            let is_secret = matches!(scenario.link, LinkName::Silent | LinkName::Changing);
            assert_eq!(scenario.is_hinting, !is_secret, "{scenario}");
            assert_eq!(scenario.is_told, !is_secret, "{scenario}");
        }
    }

    #[test]
    fn the_timeout_is_halved_on_the_link_changing_and_on_no_other() {
        for scenario in Args::parse_from(["stale-race"]).race().scenarios {
            let timeouts: Vec<_> = scenario.idle_timeouts().map(|t| t.as_secs()).collect();
            let expected: &[u64] = match scenario.link {
                LinkName::Changing => &[8, 4],
                _ => &[8],
            };
            assert_eq!(timeouts, expected, "{scenario}");
        }
    }
}
