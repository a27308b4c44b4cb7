//! Clients that send the head of a request byte by byte, and take all places that a server has.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http_keepalive::ServerPolicy;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::by_hand::{Connection, PATIENCE};
use crate::common::Claim;
use crate::ours;
use crate::plain::{self, Closes};
use crate::report::Trial;

/// How many connections are allowed; all are slow.
const PLACES: usize = 10;

/// How many requests others make, each on a connection of its own.
const OTHERS: usize = 10;

/// The time from one byte of a slow head to the next.
const PAUSE: Duration = Duration::from_millis(50);

/// After how long the server with this crate closes them.
const SLOW_HEAD: Duration = Duration::from_secs(1);

/// Both servers, side by side.
pub async fn run() -> Result<Trial, String> {
    let mut tasks = JoinSet::new();
    let control = plain::start(Closes::Never, Some(PLACES), &mut tasks).await?;
    let policy = ServerPolicy::default()
        .max_connections(PLACES)
        .slow_head(SLOW_HEAD);
    let (ours, keep_alive) = ours::start(policy, &mut tasks).await?;

    let (control, ours) = tokio::join!(visit(control), visit(ours));
    let ((control_closed, control_lost), (closed, lost)) = (control?, ours?);
    Ok(Trial {
        name: "slow_head: heads that never end",
        requests: OTHERS as u64,
        lost_as_it_comes: control_lost,
        lost_with_this_crate: lost,
        remark: format!(
            "{closed} of {PLACES} slow connections were closed; as it comes {control_closed}"
        ),
        failures: Vec::new(),
        claims: vec![
            Claim::new(
                "slow_head: without this crate no slow connection is closed, and nobody else is answered",
                control_closed == 0 && control_lost == OTHERS as u64,
            ),
            Claim::new(
                "slow_head: with it all slow connections are closed for that",
                closed == PLACES && keep_alive.stats().closed.slow_head == PLACES as u64,
            ),
            Claim::new("slow_head: all others are answered", lost == 0),
        ],
    })
}

/// Returns how many slow connections were closed, and how many requests of others were lost.
async fn visit(address: SocketAddr) -> Result<(usize, u64), String> {
    let mut slow = Vec::new();
    for _ in 0..PLACES {
        let mut connection = Connection::open(address).await?;
        // Now, or the connection would be an idle one, which may be closed to make room.
        connection.begin().await?;
        slow.push(connection);
    }
    let mut dawdling = JoinSet::new();
    for connection in slow {
        dawdling.spawn(connection.dawdle(PAUSE));
    }
    let mut closed = 0;
    let closing = timeout(PATIENCE, async {
        while dawdling.join_next().await.is_some() {
            closed += 1;
        }
    });
    let others = join_all((0..OTHERS).map(|_| async {
        let mut connection = Connection::open(address).await?;
        Ok::<_, String>(connection.ask().await)
    }));
    // That the time is over is no error: some are open then.
    let (_, others) = tokio::join!(closing, others);
    let mut lost = 0;
    for answered in others {
        lost += u64::from(!answered?);
    }
    Ok((closed, lost))
}
