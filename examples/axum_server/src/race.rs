//! Clients that pause for about as long as the server keeps idle connections.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use http_keepalive::{KeepAlive, ServerPolicy, ServerStats};
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::common::{Claim, Tally};
use crate::network::{LATENCY, link_to};
use crate::ours;
use crate::plain::{self, Closes};
use crate::report::Trial;
use crate::support::client::{guarded, plain as as_it_comes, plain_with_idle_timeout};
use crate::support::users::{Answer, Users};
use crate::support::wire::WireConnector;

/// The idle timeout of both servers. One says it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How much longer the one that says it keeps idle connections.
const GRACE: Duration = Duration::from_secs(2);

/// How many requests each user makes after the first.
pub const ROUNDS: u32 = 8;

const SHORTEST: f64 = 0.5;
const LONGEST: f64 = 4.4;

/// Who makes the requests.
#[derive(Clone, Copy)]
enum Client {
    /// This crate's.
    ReadsHints,
    /// hyper-util's, with the server's timeout as that of its pool: what a client does that reads the hint, and
    /// counts from when it has received the response.
    WholeTimeout,
    /// hyper-util's as it comes, which keeps connections for 90 s.
    AsItComes,
}

impl Client {
    const ALL: [Self; 3] = [Self::ReadsHints, Self::WholeTimeout, Self::AsItComes];

    fn name(self) -> &'static str {
        match self {
            Self::ReadsHints => "race: a client that reads hints",
            Self::WholeTimeout => "race: a client that uses all of the timeout",
            Self::AsItComes => "race: a client that reads no hints",
        }
    }

    fn remark(self) -> &'static str {
        match self {
            Self::ReadsHints => "this crate's client",
            Self::WholeTimeout => "hyper-util's, with a `pool_idle_timeout` of the server's 2 s",
            Self::AsItComes => {
                "hyper-util's as it comes: the race is 2 s later, where pauses are rarer"
            }
        }
    }

    async fn visit(self, users: &Arc<Users>, to: &WireConnector, bar: &ProgressBar) -> Tally {
        let bar = bar.clone();
        let watch = move |_: &Answer| bar.inc(1);
        match self {
            // Each user is a process of its own: what one learned, others do not know.
            Self::ReadsHints => {
                let client = |_| guarded(&KeepAlive::default(), to.clone());
                users.visit(client, watch).await
            }
            Self::WholeTimeout => {
                let client = |_| plain_with_idle_timeout(to.clone(), TIMEOUT);
                users.visit(client, watch).await
            }
            Self::AsItComes => users.visit(|_| as_it_comes(to.clone()), watch).await,
        }
    }

    fn claims(self, control: &Tally, ours: &Tally) -> Vec<Claim> {
        let name = self.name();
        let at_most = match self {
            Self::ReadsHints | Self::WholeTimeout => 0,
            Self::AsItComes => control.failed,
        };
        vec![
            Claim::new(
                format!("{name}: requests are lost without this crate"),
                control.failed > 0,
            ),
            Claim::new(
                format!("{name}: at most {at_most} are lost with it"),
                ours.failed <= at_most,
            ),
        ]
    }
}

/// How many requests all users make.
pub fn requests(users: u32) -> u64 {
    let each = u64::from(ROUNDS) + 1;
    let sides_and_clients = 2 * Client::ALL.len() as u64;
    sides_and_clients * u64::from(users) * each
}

/// How long the slowest user takes.
pub fn longest(users: u32) -> Duration {
    let all = |user| {
        (0..=ROUNDS)
            .map(|round| pause(user, round) + 4 * LATENCY)
            .sum()
    };
    (0..users).map(all).max().unwrap_or_default()
}

/// All clients against both servers. Returns the numbers of the server with this crate, too.
pub async fn run(users: u32, bar: &ProgressBar) -> Result<(Vec<Trial>, ServerStats), String> {
    let mut tasks = JoinSet::new();
    let control = plain::start(Closes::Idle(TIMEOUT), None, &mut tasks).await?;

    let policy = ServerPolicy::new(TIMEOUT).grace(GRACE);
    let (ours, keep_alive) = ours::start(policy, &mut tasks).await?;

    let users = Arc::new(Users {
        target: Uri::from_static("http://server.test/"),
        methods: vec![Method::GET, Method::POST],
        users,
        rounds: ROUNDS,
        pause: Box::new(pause),
    });
    let control = link_to(control, &mut tasks);
    let ours = link_to(ours, &mut tasks);
    let (users, control, ours) = (&users, &control, &ours);
    let trial = |client: Client| async move {
        let control = client.visit(users, control, bar);
        let ours = client.visit(users, ours, bar);
        let (control, ours) = tokio::join!(control, ours);
        let claims = client.claims(&control, &ours);
        Trial {
            name: client.name(),
            requests: ours.requests,
            lost_as_it_comes: control.failed,
            lost_with_this_crate: ours.failed,
            remark: client.remark().to_owned(),
            failures: ours.lines(client.name()).collect(),
            claims,
        }
    };
    let mut trials = futures_util::future::join_all(Client::ALL.map(trial)).await;

    let stats = keep_alive.stats();
    let all = trials.iter().map(|trial| trial.requests).sum::<u64>();
    let lost = trials
        .iter()
        .map(|trial| trial.lost_with_this_crate)
        .sum::<u64>();
    let claims = [
        Claim::new(
            "nothing under this crate closes an idle connection",
            stats.closed.server == 0,
        ),
        Claim::new("idle connections are closed", stats.closed.idle_timeout > 0),
        Claim::new(
            "each request that was answered was counted",
            stats.requests >= all - lost,
        ),
        Claim::new("connections are reused", stats.accepted < stats.requests),
    ];
    if let Some(first) = trials.first_mut() {
        first.claims.extend(claims);
    }
    Ok((trials, stats))
}

/// Spread evenly on a logarithmic scale, as long pauses are rarer than short ones. The same for all clients and
/// both servers.
fn pause(user: u32, round: u32) -> Duration {
    /// Multiples of it are spread evenly between whole numbers.
    const GOLDEN_RATIO: f64 = 1.618_033_988_749_895;

    if round == 0 {
        // Not all at once.
        return Duration::from_millis(u64::from(user) * 7 % 500);
    }
    let nth = f64::from(user) * f64::from(ROUNDS) + f64::from(round);
    let seconds = SHORTEST * (LONGEST / SHORTEST).powf((nth * GOLDEN_RATIO).fract());
    Duration::from_secs_f64(seconds)
}
