//! A client's process: its users, and what became of their requests.

use std::collections::BTreeMap;
use std::iter;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use http_keepalive::KeepAlive;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::gaps::Gaps;
use super::host::{CLIENT, SERVER};
use super::scenario::{ClientName, Scenario, Setting};
use super::servers::{LARGE, LARGE_PATH, SERVERS, SMALL, SMALL_PATH, Server};
use super::support::client::{HttpClient, get, guarded, plain, post};
use super::support::lateness::Lateness;
use super::support::tally::{Tally, answer};
use super::support::users::Opened;

/// Standard output has this line before the requests during which the process is to be stopped.
pub const SENDING: &str = "sending";

/// How long servers may take until they answer.
const START: Duration = Duration::from_secs(20);

/// What one client's process does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Plan {
    pub scenario: Scenario,
    pub client: ClientName,
    pub users: u32,
    pub seed: u64,
}

/// What became of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Outcome {
    pub requests: u64,
    pub lost: u64,
    /// The requests that the unluckiest user lost.
    pub lost_of_one_user: u64,
    /// By server, requests and those lost.
    pub servers: BTreeMap<String, [u64; 2]>,
    pub connections: u64,
    /// The connections of a client that knows everything; `None` where that cannot be computed.
    pub fewest: Option<u64>,
    /// How often each error was the cause.
    pub failures: BTreeMap<String, u64>,
    /// Each request that was lost.
    pub losses: Vec<Loss>,
    /// By how many seconds the latest timer was late. Zero in a process that was stopped.
    pub late: f64,
}

impl Outcome {
    /// The losses that took longer than so many seconds.
    pub fn losses_over(&self, seconds: f64) -> u64 {
        self.losses
            .iter()
            .filter(|loss| loss.took > seconds)
            .count() as u64
    }
}

/// A request that was lost, and what was before it; times in seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Loss {
    pub user: u32,
    /// The user's number of this request, from 0.
    pub request: u64,
    /// How long the exchange before it took.
    pub exchange: f64,
    /// From the end of that exchange until this request.
    pub gap: f64,
    /// From this request until it failed.
    pub took: f64,
}

/// An exchange of one user; the response's length.
type Client = BoxCloneSyncService<Request<Full<Bytes>>, usize, BoxError>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs a plan, and says what became of it in the last line of standard output.
pub async fn run(plan: &Plan) -> Result<(), String> {
    let setting = plan.scenario.setting();
    for server in SERVERS {
        wait_for(server, &setting).await?;
    }
    let lateness = Lateness::watch();
    let opened = Opened::default();
    let idle_timeout = setting.idle_timeout;
    let timer = setting.timer();
    let range = timer / 10..timer * 12 / 10;
    let gaps = Gaps::new(plan.users, setting.rounds, range, plan.seed);
    let shared = keep_alive(plan.client, &setting)?;
    let barrier = Arc::new(Barrier::new(plan.users as usize));

    let mut users = JoinSet::new();
    for (number, gaps) in (0..plan.users).zip(gaps.users()) {
        // Where something has to be learned, each user stands for a process.
        let keep_alive = match setting.forgets {
            Some(_) => keep_alive(plan.client, &setting)?,
            None => shared.clone(),
        };
        let user = User::new(number, setting, client(keep_alive.as_ref(), &opened));
        let arrival = idle_timeout * number / plan.users;
        if setting.is_stopped {
            let gaps = short_gaps(setting, plan.seed ^ u64::from(number));
            users.spawn(user.be_stopped(gaps, Arc::clone(&barrier)));
        } else {
            users.spawn(user.visit(arrival, gaps.to_vec()));
        }
    }

    let mut tally = Tally::default();
    let mut outcome = Outcome::default();
    for (server, of_user, losses) in users.join_all().await {
        outcome.losses.extend(losses);
        outcome.lost_of_one_user = outcome.lost_of_one_user.max(of_user.failed);
        let of_server = outcome.servers.entry(server.name.to_owned()).or_default();
        of_server[0] += of_user.requests;
        of_server[1] += of_user.failed;
        tally = tally.merge(of_user);
    }
    outcome.requests = tally.requests;
    outcome.lost = tally.failed;
    outcome.failures = tally.failures;
    outcome.connections = opened.get();
    outcome.fewest = setting.reusable().map(|reusable| fewest(&gaps, reusable));
    if !setting.is_stopped {
        outcome.late = lateness.worst().as_secs_f64();
    }
    let line = serde_json::to_string(&outcome).map_err(|error| error.to_string())?;
    println!("{line}");
    Ok(())
}

/// One for each user, and one for each gap that is too long.
fn fewest(gaps: &Gaps, reusable: Duration) -> u64 {
    let too_long = |gaps: &[Duration]| gaps.iter().filter(|&&gap| gap >= reusable).count() as u64;
    gaps.users().map(|gaps| 1 + too_long(gaps)).sum()
}

/// The gaps after a stop: nine of ten within two round trips, the others across T.
fn short_gaps(setting: Setting, seed: u64) -> Vec<Duration> {
    let mut random = StdRng::seed_from_u64(seed);
    let gap = iter::repeat_with(|| {
        let longest = if random.random_bool(0.9) {
            setting.quality.delay * 4
        } else {
            setting.idle_timeout
        };
        longest.mul_f64(random.random())
    });
    gap.take(setting.rounds as usize).collect()
}

fn keep_alive(client: ClientName, setting: &Setting) -> Result<Option<KeepAlive>, String> {
    let policy = client.policy(setting);
    let keep_alive = policy.map(KeepAlive::new).transpose();
    keep_alive.map_err(|error| error.to_string())
}

fn client(keep_alive: Option<&KeepAlive>, opened: &Opened) -> Client {
    let connector = opened.count(HttpConnector::new());
    match keep_alive {
        Some(keep_alive) => boxed(guarded(keep_alive, connector)),
        None => boxed(plain(connector)),
    }
}

fn boxed<S>(client: S) -> Client
where
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    let client = client.map_err(BoxError::from).and_then(length);
    BoxCloneSyncService::new(client)
}

/// Reads a response to its end.
async fn length(response: Response<Incoming>) -> Result<usize, BoxError> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    match head.status {
        StatusCode::OK => Ok(body.len()),
        status => Err(format!("status {status}").into()),
    }
}

/// Returns when a server answers.
async fn wait_for(server: Server, setting: &Setting) -> Result<(), String> {
    let attempts = async {
        loop {
            let client = boxed(plain(HttpConnector::new()));
            let request = get(&uri(server, SMALL_PATH, setting));
            let patience = Duration::from_secs(3);
            match answer(client.oneshot(request), patience).await {
                Ok(_) => break,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let attempts = tokio::time::timeout(START, attempts).await;
    attempts.map_err(|_| format!("{} does not answer", server.name))
}

/// The relay, if there is one, listens on the server's ports, at the client's host.
fn uri(server: Server, path: &str, setting: &Setting) -> String {
    let address: Ipv4Addr = if setting.has_relay { CLIENT } else { SERVER };
    format!("http://{address}:{}{path}", server.port)
}

/// Somebody who makes requests, one after another.
struct User {
    number: u32,
    client: Client,
    server: Server,
    setting: Setting,
    tally: Tally,
    losses: Vec<Loss>,
    /// When the latest exchange began and ended.
    latest: Option<(Instant, Instant)>,
}

/// What became of a user.
type Visit = (Server, Tally, Vec<Loss>);

impl User {
    fn new(number: u32, setting: Setting, client: Client) -> Self {
        Self {
            number,
            client,
            server: SERVERS[number as usize % SERVERS.len()],
            setting,
            tally: Tally::default(),
            losses: Vec::new(),
            latest: None,
        }
    }

    /// A request at once, and one after each gap, whatever became of the one before.
    async fn visit(mut self, arrival: Duration, gaps: Vec<Duration>) -> Visit {
        for wait in iter::once(arrival).chain(gaps) {
            sleep(wait).await;
            self.ask().await;
        }
        self.leave()
    }

    /// In each round a request to have a connection, one during which this process is stopped, and one
    /// after a gap. All users send the first two together, so nobody is connecting at the stop.
    async fn be_stopped(mut self, gaps: Vec<Duration>, barrier: Arc<Barrier>) -> Visit {
        for gap in gaps {
            barrier.wait().await;
            self.ask().await;
            if barrier.wait().await.is_leader() {
                println!("{SENDING}");
            }
            barrier.wait().await;
            self.ask().await;
            sleep(gap).await;
            self.ask().await;
        }
        self.leave()
    }

    fn leave(self) -> Visit {
        (self.server, self.tally, self.losses)
    }

    /// Makes a request, and counts what becomes of it.
    async fn ask(&mut self) {
        let start = Instant::now();
        let outcome = self.exchange().await;
        if let (Err(_), Some((asked, answered))) = (&outcome, self.latest) {
            self.losses.push(Loss {
                user: self.number,
                request: self.tally.requests,
                exchange: (answered - asked).as_secs_f64(),
                gap: (start - answered).as_secs_f64(),
                took: start.elapsed().as_secs_f64(),
            });
        }
        self.latest = Some((start, Instant::now()));
        self.tally.count(outcome);
    }

    async fn exchange(&self) -> Result<(), String> {
        let (path, expected) = if self.setting.is_large {
            (LARGE_PATH, LARGE)
        } else {
            (SMALL_PATH, SMALL.len())
        };
        let uri = uri(self.server, path, &self.setting);
        let turn = self.tally.requests;
        // Each server has both kinds in every turn.
        let request = if (u64::from(self.number / 2) + turn) % 2 == 0 {
            get(&uri)
        } else {
            post(&uri, format!("{}-{turn}", self.number))
        };
        let response = self.client.clone().oneshot(request);
        let length = answer(response, self.setting.patience).await?;
        if length == expected {
            Ok(())
        } else {
            Err(format!("a body of {length} bytes, not {expected}"))
        }
    }
}
