//! Twice as many idle connections as are allowed.

use std::net::SocketAddr;

use futures_util::future::join_all;
use http_keepalive::ServerPolicy;
use tokio::task::JoinSet;

use crate::by_hand::Connection;
use crate::common::Claim;
use crate::ours;
use crate::plain::{self, Closes};
use crate::report::Trial;

/// How many connections are allowed.
const PLACES: usize = 20;

/// What became of the connections to one server.
struct Outcome {
    /// Those that were idle when others came.
    first: Vec<Connection>,
    /// Those others.
    newcomers: Vec<Connection>,
    answered: usize,
}

impl Outcome {
    const REQUESTS: usize = 2 * PLACES;

    fn lost(&self) -> u64 {
        (Self::REQUESTS - self.answered) as u64
    }
}

/// Both servers, side by side.
pub async fn run() -> Result<Trial, String> {
    let mut tasks = JoinSet::new();
    let control = plain::start(Closes::Never, Some(PLACES), &mut tasks).await?;
    let policy = ServerPolicy::default().max_connections(PLACES);
    let (ours, keep_alive) = ours::start(policy, &mut tasks).await?;

    let (control, ours) = tokio::join!(visit(control), visit(ours));
    let (control, mut ours) = (control?, ours?);

    let ended = join_all(ours.first.iter_mut().map(Connection::ends)).await;
    let ended = ended.into_iter().filter(|&ended| ended).count();
    let again = join_all(ours.newcomers.iter_mut().map(Connection::ask)).await;
    let are_kept = again.into_iter().all(|is_answered| is_answered);
    Ok(Trial {
        name: "max_connections: as many again",
        requests: Outcome::REQUESTS as u64,
        lost_as_it_comes: control.lost(),
        lost_with_this_crate: ours.lost(),
        remark: format!("the {ended} that had been idle for longest were closed"),
        failures: Vec::new(),
        claims: vec![
            Claim::new(
                "max_connections: all newcomers wait in vain without this crate",
                control.lost() == PLACES as u64,
            ),
            Claim::new(
                "max_connections: all are answered with it",
                ours.lost() == 0,
            ),
            Claim::new(
                "max_connections: those idle for longest are closed, and no other",
                ended == PLACES && are_kept && keep_alive.stats().closed.cap == PLACES as u64,
            ),
        ],
    })
}

/// Opens as many connections as are allowed, one after another, and as many again, together.
async fn visit(address: SocketAddr) -> Result<Outcome, String> {
    let mut outcome = Outcome {
        first: Vec::new(),
        newcomers: Vec::new(),
        answered: 0,
    };
    for _ in 0..PLACES {
        let mut connection = Connection::open(address).await?;
        outcome.answered += usize::from(connection.ask().await);
        outcome.first.push(connection);
    }
    let newcomers = (0..PLACES).map(|_| async {
        let mut connection = Connection::open(address).await?;
        let is_answered = connection.ask().await;
        Ok::<_, String>((connection, is_answered))
    });
    for newcomer in join_all(newcomers).await {
        let (connection, is_answered) = newcomer?;
        outcome.answered += usize::from(is_answered);
        outcome.newcomers.push(connection);
    }
    Ok(outcome)
}
