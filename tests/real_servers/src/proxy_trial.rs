//! A trial of a proxy: clients who ask origins behind it in the moments in which their connections are closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use http::{Method, Uri};
use http_keepalive::{KeepAlivePolicy, Learn, OriginSnapshot};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tower::{BoxError, ServiceExt};

use super::process::Process;
use super::proxies::{Case, Closes};
use super::relay::Relay;
use super::route::{Connector, Route};
use super::trial::{LATENCY, PATIENCE, ROUNDS, Record, Seen, USERS, keep_alive, pause, record};
use crate::support::client::{HttpClient, exchange, get, guarded, plain, post};
use crate::support::lateness::Lateness;
use crate::support::tally::{Tally, answer};
use crate::support::users::{Opened, Users};

/// How many clients learn by themselves, of each kind.
const LEARNERS: u32 = 4;

/// On how many connections the idle timeout is measured.
const MEASURED: u32 = 8;

/// How long a client expects connections to stay open that is to learn that they do for longer.
pub const SHORT: Duration = Duration::from_secs(1);

/// The processes of a trial.
pub struct Processes {
    pub proxy: Process,
    pub origins: Vec<Process>,
}

impl Processes {
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let origins = self.origins.iter();
        origins.chain([&self.proxy]).map(Process::address).collect()
    }

    fn check(&mut self) -> Result<(), String> {
        self.proxy.check()?;
        self.origins.iter_mut().try_for_each(Process::check)
    }
}

/// What became of a trial.
#[derive(Debug)]
pub struct Report {
    /// Where all listened.
    pub addresses: Vec<SocketAddr>,
    /// Where the clients found the proxy.
    pub proxy: Uri,
    /// After how long idle connections were closed: the soonest and the latest; `None` if nobody did.
    pub closed_after: Option<(Duration, Duration)>,
    /// hyper-util's client as it comes.
    pub plain: Record,
    /// The same with this crate, told what to expect.
    pub told: Record,
    /// Clients of this crate that expect 5 s, and learn better. They have the connector alone: they do not ask.
    pub shorten: Vec<Learner>,
    /// Those that expect [`SHORT`], and learn better with `Learn::Full`.
    pub full: Vec<Learner>,
    /// The control of those: hyper-util's client, doing the same.
    pub never: Vec<Learner>,
    /// How late this machine was meanwhile.
    pub late: Duration,
}

/// A client that asks all origins in turn, and what it knows at the end.
#[derive(Debug)]
pub struct Learner {
    pub record: Record,
    pub origins: Vec<OriginSnapshot>,
}

/// Tries the clients with a proxy that runs.
pub async fn hold(case: &Case, processes: &mut Processes) -> Result<Report, String> {
    let relay = Relay::start(processes.proxy.address(), LATENCY).await;
    let relay = relay.map_err(|error| error.to_string())?;
    let connector = case.route.connector(relay.uri(), relay.connector());
    let targets: Vec<Uri> = processes.origins.iter().map(uri).collect();
    let closed_after = closed_after(case, &connector, &targets[0]).await?;
    // Where nobody closes the client's connection, the moments in which the proxy's is closed.
    let (earliest, latest) = closed_after.unwrap_or((case.origin_idle, case.origin_idle));
    let lateness = Lateness::watch();

    let users = Arc::new(Users {
        target: targets[0].clone(),
        methods: vec![Method::GET, Method::POST],
        users: USERS,
        rounds: ROUNDS,
        pause: Box::new(move |user, round| pause(earliest, latest, user, round)),
    });
    let visits = Visits {
        // Less is promised of the others, which take longer.
        rounds: if case.closes.is_exact() {
            2 * ROUNDS
        } else {
            ROUNDS
        },
        connector: &connector,
        targets: &targets,
        closing: (earliest, latest),
    };
    let policy = KeepAlivePolicy::default();
    let full = policy
        .max_idle(SHORT)
        .learn(Learn::Full)
        .safety_margin(Duration::from_millis(100));
    let (plain, told, shorten, full, never) = tokio::join!(
        plain_client(&users, &connector),
        told_client(&users, &connector, (case.told)()),
        join_all((0..LEARNERS).map(|n| visits.learner(n, policy, 1))),
        // A connection is left open only where another one was answered since.
        join_all((0..LEARNERS).map(|n| visits.learner(n, full, 2))),
        join_all((0..LEARNERS).map(|n| visits.plain(n))),
    );
    processes.check()?;
    Ok(Report {
        addresses: processes.addresses(),
        proxy: relay.uri(),
        closed_after,
        plain,
        told,
        shorten,
        full,
        never,
        late: lateness.worst(),
    })
}

async fn plain_client(users: &Arc<Users>, connector: &Connector) -> Record {
    let opened = Opened::default();
    let client = |_| plain(opened.count(connector.clone()));
    record(users, client, &opened).await
}

async fn told_client(users: &Arc<Users>, connector: &Connector, policy: KeepAlivePolicy) -> Record {
    let (opened, keep_alive) = (Opened::default(), keep_alive(policy));
    let client = |_| guarded(&keep_alive, opened.count(connector.clone()));
    record(users, client, &opened).await
}

/// What learners do.
struct Visits<'a> {
    rounds: u32,
    connector: &'a Connector,
    targets: &'a [Uri],
    closing: (Duration, Duration),
}

impl Visits<'_> {
    async fn learner(&self, n: u32, policy: KeepAlivePolicy, at_once: u32) -> Learner {
        let (opened, keep_alive) = (Opened::default(), keep_alive(policy));
        let client = plain(keep_alive.connector(opened.count(self.connector.clone())));
        let record = self.visit(n, &client, &opened, at_once).await;
        Learner {
            record,
            origins: keep_alive.origins(),
        }
    }

    async fn plain(&self, n: u32) -> Learner {
        let opened = Opened::default();
        let client = plain(opened.count(self.connector.clone()));
        let record = self.visit(n, &client, &opened, 1).await;
        Learner {
            record,
            origins: Vec::new(),
        }
    }

    /// Asks all targets, one after another, with so many requests at once, and waits; then again.
    async fn visit<S: HttpClient>(
        &self,
        n: u32,
        client: &S,
        opened: &Opened,
        at_once: u32,
    ) -> Record {
        let (earliest, latest) = self.closing;
        let (mut tally, mut seen) = (Tally::default(), Seen::default());
        for round in 0..=self.rounds {
            sleep(pause(earliest, latest, n, round)).await;
            for target in self.targets {
                let target = target.to_string();
                let asked = (0..at_once).map(|turn| {
                    let request = if (round + turn) % 2 == 0 {
                        get(&target)
                    } else {
                        post(&target, "")
                    };
                    answer(exchange(client, request), PATIENCE)
                });
                for answer in join_all(asked).await {
                    if let Ok(response) = &answer {
                        seen.look(response);
                    }
                    tally.count(answer.map(drop));
                }
            }
        }
        Record {
            tally,
            opened: opened.get(),
            seen,
        }
    }
}

fn uri(process: &Process) -> Uri {
    let uri = format!("http://{}/", process.address());
    uri.parse().expect("an address makes a URI")
}

/// Makes a request on each of some connections, and waits until they are closed.
async fn closed_after(
    case: &Case,
    connector: &Connector,
    target: &Uri,
) -> Result<Option<(Duration, Duration)>, String> {
    if case.closes == Closes::Nobody {
        return Ok(None);
    }
    let measured = (0..MEASURED).map(async |n| {
        // Not all in one second, as some count seconds.
        sleep(Duration::from_millis(137) * n).await;
        idle_close(case.route, connector.clone(), target).await
    });
    let measured = timeout(PATIENCE, try_join_all(measured)).await;
    let measured =
        measured.map_err(|_| format!("an idle connection is open after {PATIENCE:?}"))?;
    let measured = measured.map_err(|error| error.to_string())?;
    let (soonest, latest) = (measured.iter().min(), measured.iter().max());
    Ok(soonest.copied().zip(latest.copied()))
}

async fn idle_close(
    route: Route,
    connector: Connector,
    target: &Uri,
) -> Result<Duration, BoxError> {
    let mut connection = TokioIo::new(connector.oneshot(target.clone()).await?);
    connection.write_all(route.get(target).as_bytes()).await?;
    let mut last_read = None;
    while connection.read(&mut [0; 4096]).await? > 0 {
        last_read = Some(Instant::now());
    }
    let last_read = last_read.ok_or("closed without an answer")?;
    Ok(last_read.elapsed())
}
