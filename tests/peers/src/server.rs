//! The servers: the same router in three ways.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Path, State};
use axum::routing::post;
use axum::serve::IncomingStream;
use axum::{Extension, Router};
use bytes::Bytes;
use http_keepalive::{IdleListener, ServerKeepAlive, ServerPolicy};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use crate::gaps::{Gap, TIMEOUT};
use crate::log::{Log, Visit};

/// How a server treats its connections.
#[derive(Clone, Copy, Debug)]
pub enum Keeping {
    /// The control: hyper closes idle connections after [`TIMEOUT`], and says nothing of that.
    Control,
    /// With this crate: the server advertises [`TIMEOUT`].
    Advertised,
    /// Executes the second request of a connection, and closes it without an answer.
    Unanswered,
}

/// A server that runs, until this is dropped.
pub struct Server {
    address: SocketAddr,
    log: Log,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    pub async fn start(keeping: Keeping) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let log = Log::default();
        let router = Router::new().route("/{gap}/{visit}", post(execute));
        let router = router.with_state(log.clone());
        let task = match keeping {
            Keeping::Control => tokio::spawn(with_hyper(listener, router, u32::MAX)),
            Keeping::Advertised => tokio::spawn(with_this_crate(listener, router)),
            Keeping::Unanswered => tokio::spawn(with_hyper(listener, router, 1)),
        };
        Ok(Self { address, log, task })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log(&self) -> &Log {
        &self.log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn execute(
    State(log): State<Log>,
    ConnectInfo(Client(connection)): ConnectInfo<Client>,
    Path((gap, visit)): Path<(Gap, Visit)>,
    _: Bytes,
) -> &'static str {
    log.executed(gap, visit, connection);
    "done\n"
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Client(SocketAddr);

impl Connected<IncomingStream<'_, IdleListener<TcpListener>>> for Client {
    fn connect_info(stream: IncomingStream<'_, IdleListener<TcpListener>>) -> Self {
        Self(*stream.remote_addr())
    }
}

async fn with_this_crate(listener: TcpListener, router: Router) -> io::Result<()> {
    let policy = ServerPolicy::new(TIMEOUT).grace(crate::gaps::GRACE);
    let keep_alive = ServerKeepAlive::new(policy).map_err(io::Error::other)?;
    let listener = keep_alive.listener(listener);
    let router = router.into_make_service_with_connect_info::<Client>();
    axum::serve(listener, keep_alive.make_service(router)).await
}

/// Each connection gets that many answers, and ends at the request after.
async fn with_hyper(listener: TcpListener, router: Router, answers: u32) -> io::Result<()> {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = listener.accept().await?;
        let router = router.clone().layer(Extension(ConnectInfo(Client(client))));
        connections.spawn(serve(stream, router, answers));
    }
}

async fn serve(stream: TcpStream, router: Router, answers: u32) {
    let asked = AtomicU32::new(0);
    let service = service_fn(|request| {
        let is_answered = asked.fetch_add(1, Ordering::Relaxed) < answers;
        let executed = router.clone().oneshot(request);
        async move {
            let Ok(response) = executed.await;
            // An error of the service ends the connection.
            is_answered
                .then_some(response)
                .ok_or(io::ErrorKind::ConnectionAborted)
                .map_err(io::Error::from)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // How a connection ends, the clients tell.
    drop(served);
}
