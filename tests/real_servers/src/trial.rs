//! A trial: a server, and three clients whose users ask it in the moments around its idle timeout.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAliveHint, KeepAlivePolicy};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::process::{HTTP, Process, ask};
use super::relay::{FarConnector, Relay};
use super::servers::{IDLE_TIMEOUT, Says, Server};
use crate::support::client::{HttpClient, guarded, plain};
use crate::support::lateness::Lateness;
use crate::support::tally::Tally;
use crate::support::users::{Answer, Opened, Users};

/// The time from the clients to the server, and from there to them.
pub const LATENCY: Duration = Duration::from_millis(40);

/// How many users each client has.
pub const USERS: u32 = 20;
/// How many requests each of them makes after the first.
pub const ROUNDS: u32 = 14;

/// How long a server may take to close an idle connection.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a trial.
#[derive(Debug)]
pub struct Report {
    /// Where the server listened.
    pub address: SocketAddr,
    /// After how long the server closed an idle connection.
    pub closed_after: Duration,
    /// hyper-util's client as it comes.
    pub plain: Record,
    /// The same with this crate's connector alone, which does not know what the server says.
    pub connector: Record,
    /// The same with this crate's connector and layer.
    pub both: Record,
    /// How late this machine was meanwhile.
    pub late: Duration,
}

impl Report {
    /// The clients that are to lose nothing: those of this crate that can know the timeout.
    pub fn promised(&self, server: &Server) -> Vec<&Record> {
        match server.says {
            Says::Nothing => vec![&self.connector, &self.both],
            Says::WhenAsked | Says::Always => vec![&self.both],
        }
    }
}

/// What a client went through.
#[derive(Debug)]
pub struct Record {
    pub tally: Tally,
    pub opened: u64,
    pub seen: Seen,
}

impl Record {
    pub fn reused(&self) -> u64 {
        self.tally.requests.saturating_sub(self.opened)
    }
}

/// What a client saw in the responses.
#[derive(Debug, Default)]
pub struct Seen {
    pub statuses: BTreeSet<StatusCode>,
    /// The timeouts that the server named, and `None` if it did not.
    pub timeouts: BTreeSet<Option<Duration>>,
    /// The longest idle time of a connection that was reused, where this crate tells.
    pub longest_idle: Option<Duration>,
}

impl Seen {
    pub fn look(&mut self, response: &Response<Bytes>) {
        self.statuses.insert(response.status());
        let hint = KeepAliveHint::from_headers(response.headers());
        self.timeouts.insert(hint.and_then(|hint| hint.timeout()));
        let connection = response.extensions().get::<ConnectionHandle>();
        let reused = connection.filter(|connection| connection.is_reused());
        let idle = reused.and_then(ConnectionHandle::idle_before);
        self.longest_idle = self.longest_idle.max(idle);
    }
}

/// Tries the clients with a server that runs.
pub async fn hold(server: &Server, process: &mut Process) -> Result<Report, String> {
    let address = process.address();
    let closed_after = closed_after(address).await?;
    let relay = Relay::start(address, LATENCY).await;
    let relay = relay.map_err(|error| error.to_string())?;
    let lateness = Lateness::watch();

    let users = Arc::new(Users {
        target: relay.uri(),
        methods: vec![Method::GET, Method::POST],
        users: USERS,
        rounds: ROUNDS,
        pause: Box::new(move |user, round| pause(closed_after, closed_after, user, round)),
    });
    let policy = policy(server);
    let connector = relay.connector();
    let (plain, connector, both) = tokio::join!(
        plain_client(&users, &connector),
        connector_alone(&users, &connector, policy),
        connector_and_layer(&users, &connector, policy),
    );
    process.check()?;
    Ok(Report {
        address,
        closed_after,
        plain,
        connector,
        both,
        late: lateness.worst(),
    })
}

/// As the manual has it: the timeout of a server that says nothing has to be known.
fn policy(server: &Server) -> KeepAlivePolicy {
    match server.says {
        Says::Nothing => KeepAlivePolicy::default().max_idle(IDLE_TIMEOUT),
        Says::WhenAsked | Says::Always => KeepAlivePolicy::default(),
    }
}

/// How long a user thinks before the connection is closed, which happens between `earliest` and `latest`: mostly from
/// three round trips before that to one after it, and else for anything from a tenth of that to a fifth more. The same
/// for every client. They do not all come at once.
pub fn pause(earliest: Duration, latest: Duration, user: u32, round: u32) -> Duration {
    if round == 0 {
        return latest * user / USERS;
    }
    let round_trip = 2 * LATENCY;
    let step = (user * 7 + round * 13) % 32;
    if (user + round) % 3 == 0 {
        latest / 10 + latest / 10 * 11 * step / 32
    } else {
        let spread = latest.saturating_sub(earliest) + 4 * round_trip;
        earliest.saturating_sub(3 * round_trip) + spread * step / 32
    }
}

async fn plain_client(users: &Arc<Users>, connector: &FarConnector) -> Record {
    let opened = Opened::default();
    let client = |_| plain(opened.count(connector.clone()));
    record(users, client, &opened).await
}

async fn connector_alone(
    users: &Arc<Users>,
    connector: &FarConnector,
    policy: KeepAlivePolicy,
) -> Record {
    let (opened, keep_alive) = (Opened::default(), keep_alive(policy));
    let client = |_| plain(keep_alive.connector(opened.count(connector.clone())));
    record(users, client, &opened).await
}

async fn connector_and_layer(
    users: &Arc<Users>,
    connector: &FarConnector,
    policy: KeepAlivePolicy,
) -> Record {
    let (opened, keep_alive) = (Opened::default(), keep_alive(policy));
    let client = |_| guarded(&keep_alive, opened.count(connector.clone()));
    record(users, client, &opened).await
}

/// With the clocks of the machine.
pub fn keep_alive(policy: KeepAlivePolicy) -> KeepAlive {
    KeepAlive::new(policy).unwrap()
}

pub async fn record<S>(users: &Arc<Users>, client: impl Fn(u32) -> S, opened: &Opened) -> Record
where
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watcher = Arc::clone(&seen);
    let watch = move |answer: &Answer| {
        if let Ok(response) = answer {
            watcher.lock().unwrap().look(response);
        }
    };
    let tally = users.visit(client, watch).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    Record {
        tally,
        opened: opened.get(),
        seen,
    }
}

/// Makes one request straight to the server, and waits until it closes the connection.
async fn closed_after(server: SocketAddr) -> Result<Duration, String> {
    match timeout(PATIENCE, idle_close(server)).await {
        Ok(closed) => closed.map_err(|error| error.to_string()),
        Err(_) => Err(format!("an idle connection is open after {PATIENCE:?}")),
    }
}

async fn idle_close(server: SocketAddr) -> io::Result<Duration> {
    let mut connection = ask(server, HTTP).await?;
    let mut last_read = Instant::now();
    while connection.read(&mut [0; 4096]).await? > 0 {
        last_read = Instant::now();
    }
    Ok(last_read.elapsed())
}
