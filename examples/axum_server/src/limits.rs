//! Connections that end after so many requests, or at an age.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use http_keepalive::{ServerPolicy, ServerStats};
use tokio::task::JoinSet;

use crate::common::{Claim, Tally};
use crate::network::link_to;
use crate::ours;
use crate::plain::{self, Closes};
use crate::report::Trial;
use crate::support::client::plain as as_it_comes;
use crate::support::users::{Answer, Users};

const USERS: u32 = 40;

/// How many requests each user makes after the first.
const ROUNDS: u32 = 30;

const MAX_REQUESTS: u32 = 5;
const MAX_AGE: Duration = Duration::from_secs(1);

/// With a limit of requests.
pub async fn requests() -> Result<Trial, String> {
    let policy = ServerPolicy::default().max_requests(MAX_REQUESTS);
    let (control, ours, stats) = run(Closes::Requests(MAX_REQUESTS), policy).await?;
    let said = stats.last_responses.requests;
    Ok(trial("max_requests", &control, &ours, &stats, said))
}

/// With a limit of age.
pub async fn age() -> Result<Trial, String> {
    let policy = ServerPolicy::default().max_connection_age(MAX_AGE);
    let (control, ours, stats) = run(Closes::Age(MAX_AGE), policy).await?;
    let said = stats.last_responses.age;
    Ok(trial("max_connection_age", &control, &ours, &stats, said))
}

/// What became of the requests to both servers, and the numbers of the one with this crate.
async fn run(closes: Closes, policy: ServerPolicy) -> Result<(Tally, Tally, ServerStats), String> {
    let mut tasks = JoinSet::new();
    let control = plain::start(closes, None, &mut tasks).await?;
    let (ours, keep_alive) = ours::start(policy, &mut tasks).await?;

    let users = Arc::new(Users {
        target: Uri::from_static("http://server.test/"),
        methods: vec![Method::GET, Method::POST],
        users: USERS,
        rounds: ROUNDS,
        pause: Box::new(|user, round| {
            Duration::from_millis(u64::from(user * 31 + round * 17) % 100)
        }),
    });
    let watch = |_: &Answer| {};
    let (control, ours) = (link_to(control, &mut tasks), link_to(ours, &mut tasks));
    let control = users.visit(|_| as_it_comes(control.clone()), watch);
    let ours = users.visit(|_| as_it_comes(ours.clone()), watch);
    let (control, ours) = tokio::join!(control, ours);
    Ok((control, ours, keep_alive.stats()))
}

/// `said` is how many responses said `Connection: close` for the limit.
fn trial(
    name: &'static str,
    control: &Tally,
    ours: &Tally,
    stats: &ServerStats,
    said: u64,
) -> Trial {
    let closed = stats.closed;
    // A client may be the first to close a connection whose last response it has read.
    let by_server = closed.total() - closed.client;
    Trial {
        name,
        requests: ours.requests,
        lost_as_it_comes: control.failed,
        lost_with_this_crate: ours.failed,
        remark: format!("{said} connections were ended by `Connection: close`"),
        failures: ours.lines(name).collect(),
        claims: vec![
            Claim::new(
                format!("{name}: requests are lost without this crate"),
                control.failed > 0,
            ),
            Claim::new(format!("{name}: none is lost with it"), ours.failed == 0),
            Claim::new(
                format!("{name}: connections are ended, all of them by `Connection: close`"),
                said > 0 && by_server > 0 && by_server == closed.said && by_server <= said,
            ),
        ],
    }
}
