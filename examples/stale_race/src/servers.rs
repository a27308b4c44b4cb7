//! Who accepts the connections of a link: a server, and where its timeout changes, its successor.
//!
//! It changes as by a rolling deploy that drains: from then on the successor accepts all connections,
//! and those there are stay with their server, and its timeout, until they end. So the change as such
//! loses no request, and each that is lost is lost to a timeout that its client did not know.

use tokio::time::Instant;

use crate::scenario::Scenario;
use crate::support::server::Server;

/// The servers of a run on a link.
#[derive(Clone, Debug)]
pub struct Servers {
    first: Server,
    successor: Option<(Instant, Server)>,
}

impl Servers {
    /// Those of a run that starts then.
    pub fn new(scenario: &Scenario, start: Instant) -> Self {
        Self {
            first: scenario.server(scenario.idle_timeout),
            successor: scenario
                .change
                .map(|change| (start + change.after, scenario.server(change.idle_timeout))),
        }
    }

    /// Who accepts a connection then.
    pub fn accepting(&self, at: Instant) -> &Server {
        match &self.successor {
            Some((change, successor)) if *change <= at => successor,
            _ => &self.first,
        }
    }

    /// How many connections they have accepted.
    pub fn connections(&self) -> u64 {
        let successor = self.successor.iter().map(|(_, server)| server);
        let accepted = successor.chain([&self.first]).map(Server::connections);
        accepted.sum::<usize>() as u64
    }
}
