//! Restarts under load: the next server takes the same listening socket, then the one before it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use http_keepalive::{ServerKeepAlive, ServerPolicy, ServerStats};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::common::{Claim, Tally};
use crate::network::link_to;
use crate::plain;
use crate::report::Trial;
use crate::support::client::plain as as_it_comes;
use crate::support::users::{Answer, Users};

const USERS: u32 = 60;

/// How many requests each user makes after the first.
const ROUNDS: u32 = 40;

const RESTARTS: usize = 3;

/// The time from one restart to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a server that drains accepts connections.
const ACCEPTING: Duration = Duration::from_millis(500);

/// The longest wait for its connections after that.
const THEN_AT_MOST: Duration = Duration::from_secs(15);

/// Restarts without this crate, and with it.
pub async fn run() -> Result<Trial, String> {
    let (control, ours) = tokio::join!(restart(|| Ok(None)), restart(|| keep_alive().map(Some)));
    let (control, _) = control?;
    let (ours, servers) = ours?;

    let said = |stats: &ServerStats| stats.last_responses.drain;
    let all_said: u64 = servers.iter().map(said).sum();
    let has_drained = |stats: &ServerStats| {
        let closed = stats.closed;
        let unannounced = closed.total() - closed.said - closed.client - closed.idle_timeout;
        said(stats) > 0 && stats.open == 0 && unannounced == 0
    };
    Ok(Trial {
        name: "drain: restarts under load",
        requests: ours.requests,
        lost_as_it_comes: control.failed,
        lost_with_this_crate: ours.failed,
        remark: format!(
            "{RESTARTS} restarts; {all_said} connections were ended by `Connection: close`"
        ),
        failures: ours.lines("drain").collect(),
        claims: vec![
            Claim::new(
                "drain: requests are lost by axum's graceful shutdown alone",
                control.failed > 0,
            ),
            Claim::new("drain: none is lost with this crate", ours.failed == 0),
            Claim::new(
                "drain: each server drains, and cuts no connection",
                servers.len() == RESTARTS && servers.iter().all(has_drained),
            ),
        ],
    })
}

/// Its timeout is far above what users pause, so that the drain alone ends connections.
fn keep_alive() -> Result<ServerKeepAlive, String> {
    let policy = ServerPolicy::new(Duration::from_secs(5));
    ServerKeepAlive::new(policy).map_err(|error| error.to_string())
}

/// What became of requests during the restarts, and the numbers of each server that was stopped, if it is one with
/// this crate.
async fn restart(
    keep_alive: impl Fn() -> Result<Option<ServerKeepAlive>, String>,
) -> Result<(Tally, Vec<ServerStats>), String> {
    let (socket, address) = socket().map_err(|error| format!("cannot listen: {error}"))?;
    let mut server = Server::start(&socket, keep_alive()?)?;
    let users = tokio::spawn(visit(address));

    let mut stopped = Vec::new();
    for _ in 0..RESTARTS {
        sleep(PERIOD).await;
        // Both accept from the kernel's one queue until the old one has stopped.
        let next = Server::start(&socket, keep_alive()?)?;
        stopped.push(std::mem::replace(&mut server, next).stop());
    }
    let tally = users.await.map_err(|error| error.to_string())?;

    let mut stats = Vec::new();
    for server in stopped {
        stats.extend(server.await.map_err(|error| error.to_string())?);
    }
    Ok((tally, stats))
}

/// A socket that all servers listen on, one after another.
fn socket() -> std::io::Result<(std::net::TcpListener, SocketAddr)> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Users with hyper-util's client as it comes.
async fn visit(address: SocketAddr) -> Tally {
    let users = Arc::new(Users {
        target: Uri::from_static("http://server.test/"),
        methods: vec![Method::GET, Method::POST],
        users: USERS,
        rounds: ROUNDS,
        pause: Box::new(|user, round| {
            Duration::from_millis(u64::from(user * 31 + round * 17) % 100)
        }),
    });
    let mut tasks = JoinSet::new();
    let connector = link_to(address, &mut tasks);
    let watch = |_: &Answer| {};
    users.visit(|_| as_it_comes(connector.clone()), watch).await
}

/// axum's server, until it is stopped.
struct Server {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Option<ServerStats>>,
}

impl Server {
    /// On the socket; with this crate, if `keep_alive` is given.
    fn start(
        socket: &std::net::TcpListener,
        keep_alive: Option<ServerKeepAlive>,
    ) -> Result<Self, String> {
        let listener = socket.try_clone().and_then(TcpListener::from_std);
        let listener = listener.map_err(|error| format!("cannot listen: {error}"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            // A sender that is gone is a trial that has ended.
            drop(stopped.await);
        };
        let serving = match keep_alive {
            None => tokio::spawn(async move {
                let serving = axum::serve(listener, plain::app());
                drop(serving.with_graceful_shutdown(stopped).await);
                None
            }),
            Some(keep_alive) => tokio::spawn(async move {
                let drain = keep_alive.drain();
                let serving = axum::serve(
                    keep_alive.listener(listener),
                    keep_alive.make_service(plain::app()),
                );
                let drained = async move {
                    stopped.await;
                    drain.run(ACCEPTING, THEN_AT_MOST).await;
                };
                drop(serving.with_graceful_shutdown(drained).await);
                Some(keep_alive.stats())
            }),
        };
        Ok(Self { stop, serving })
    }

    /// Tells it to stop. Its numbers come once it has.
    fn stop(self) -> JoinHandle<Option<ServerStats>> {
        drop(self.stop);
        self.serving
    }
}
