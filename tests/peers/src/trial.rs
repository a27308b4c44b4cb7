//! A trial: a client against each of the servers, over a link with latency.

use std::collections::BTreeMap;

use crate::gaps::{self, Gap, SHORT, UNHEEDED};
use crate::peers::{Client, Peer};
use crate::program::{OK, Report};
use crate::relay::Relay;
use crate::rust;
use crate::server::{Keeping, Server};

/// What became of a client with all servers.
#[derive(Debug)]
pub struct Trial {
    pub version: String,
    /// With a server that closes idle connections, and says nothing of that.
    pub control: Record,
    /// With a server of this crate.
    pub advertised: Record,
    /// With a server that executes the second request, and does not answer.
    pub unanswered: Record,
}

/// What became of the second request of each gap.
#[derive(Debug)]
pub struct Record(pub BTreeMap<Gap, Second>);

/// What became of a second request.
#[derive(Clone, Debug)]
pub struct Second {
    /// What the client says.
    pub error: Option<String>,
    /// How often the server executed it.
    pub executed: usize,
    /// Whether it was executed on the connection of the first request.
    pub is_reused: bool,
}

impl Record {
    /// The gaps whose second request failed.
    pub fn failed(&self) -> Vec<Gap> {
        self.gaps(|second| second.error.is_some())
    }

    /// The gaps whose second request was executed more than once.
    pub fn repeated(&self) -> Vec<Gap> {
        self.gaps(|second| second.executed > 1)
    }

    /// The gaps whose connection was reused.
    pub fn reused(&self) -> Vec<Gap> {
        self.gaps(|second| second.is_reused)
    }

    fn gaps(&self, which: impl Fn(&Second) -> bool) -> Vec<Gap> {
        let seconds = self.0.iter().filter(|(_, second)| which(second));
        seconds.map(|(&gap, _)| gap).collect()
    }
}

impl Trial {
    /// Whether the client gives connections up by the server's hint: it reuses them after short gaps, and not after one that
    /// is longer than the hint says, although the server keeps them open for that.
    pub fn honours_hints(&self) -> bool {
        let reused = self.advertised.reused();
        SHORT.iter().all(|gap| reused.contains(gap)) && !reused.contains(&UNHEEDED)
    }

    /// Whether the client sends a POST again by itself when the connection ends before the answer.
    pub fn repeats_posts(&self) -> bool {
        !self.unanswered.repeated().is_empty()
    }
}

/// Tries a client with all servers at once.
pub async fn hold(peer: &Peer) -> Result<Trial, String> {
    let gaps = gaps::all();
    let (control, advertised, unanswered) = tokio::try_join!(
        with(peer, Keeping::Control, &gaps),
        with(peer, Keeping::Advertised, &gaps),
        with(peer, Keeping::Unanswered, &SHORT),
    )?;
    let (version, control) = control;
    Ok(Trial {
        version,
        control,
        advertised: advertised.1,
        unanswered: unanswered.1,
    })
}

/// Returns the version of the client too.
async fn with(peer: &Peer, keeping: Keeping, gaps: &[Gap]) -> Result<(String, Record), String> {
    let server = Server::start(keeping).await;
    let server = server.map_err(|error| error.to_string())?;
    let relay = Relay::start(server.address(), gaps::LATENCY).await;
    let relay = relay.map_err(|error| error.to_string())?;
    let base = relay.uri().to_string();
    let base = base.trim_end_matches('/');

    let report = match &peer.client {
        Client::Guarded => rust::visit_guarded(base, &relay.connector(), gaps).await,
        Client::Plain => rust::visit_plain(base, &relay.connector(), gaps).await,
        Client::Program(program) => program.visit(base, gaps).await,
    };
    let Report {
        version,
        gaps: said,
    } = report?;

    let log = server.log();
    let seconds = gaps.iter().map(|&gap| {
        let first = log.times(gap, 1);
        if first != 1 {
            return Err(format!(
                "the first request of {gap} ms was executed {first} times"
            ));
        }
        let said = said.get(&gap);
        let said = said.ok_or_else(|| format!("the client says nothing of {gap} ms"))?;
        let second = Second {
            error: (said != OK).then(|| said.clone()),
            executed: log.times(gap, 2),
            is_reused: log.is_reused(gap),
        };
        Ok((gap, second))
    });
    let seconds = seconds.collect::<Result<_, String>>()?;
    Ok((version, Record(seconds)))
}
