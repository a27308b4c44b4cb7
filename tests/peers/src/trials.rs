//! All trials, and what became of them.

use std::io::Write;
use std::sync::LazyLock;

use crate::peers::{Client, PEERS, Peer};
use crate::table;
use crate::trial::{self, Trial};

/// What became of a client's trial.
#[derive(Debug)]
pub enum Outcome {
    Held(Box<Trial>),
    /// The client is not installed; how to have it.
    Missing(String),
    /// There is nothing to report; why.
    Broken(String),
}

/// What became of all of them. The first who asks has them held; all tests share them.
pub static TRIALS: LazyLock<Vec<(&Peer, Outcome)>> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcomes = runtime.block_on(hold_all());
    tell(&table::requests(&outcomes));
    tell(&table::errors(&outcomes));
    outcomes
});

/// One after another, for a busy machine is late.
async fn hold_all() -> Vec<(&'static Peer, Outcome)> {
    let mut outcomes = Vec::new();
    for peer in &PEERS {
        outcomes.push((peer, outcome(peer).await));
    }
    outcomes
}

async fn outcome(peer: &Peer) -> Outcome {
    let name = peer.name;
    if let Client::Program(program) = &peer.client {
        if !program.is_installed().await {
            return Outcome::Missing(format!("{name} is not installed: see tests/peers/install"));
        }
        if let Err(why) = program.build().await {
            return Outcome::Broken(format!("{name}: {why}"));
        }
    }
    match trial::hold(peer).await {
        Ok(trial) => Outcome::Held(Box::new(trial)),
        Err(why) => Outcome::Broken(format!("{name}: {why}")),
    }
}

/// Tells people, who would not see what a test prints that passes.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
