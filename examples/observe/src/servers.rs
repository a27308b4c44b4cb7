//! Servers in this process, each over a link of its own, that can be stopped and started.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_service::Service;

use crate::support::link::{Link, LinkEnd};

/// What a server does, and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub host: &'static str,
    pub idle_timeout: Duration,
    /// Whether each response names the timeout.
    pub is_hinting: bool,
    /// The time bytes take to the server, and back.
    pub latency: Duration,
}

/// One that is quick to close, one that is far, and one that does not say its timeout. A client expects 5 s of
/// the last by default.
pub const SITES: [Site; 3] = [
    Site {
        host: "quick.test",
        idle_timeout: Duration::from_secs(2),
        is_hinting: true,
        latency: Duration::from_millis(50),
    },
    Site {
        host: "far.test",
        idle_timeout: Duration::from_secs(4),
        is_hinting: true,
        latency: Duration::from_millis(150),
    },
    Site {
        host: "silent.test",
        idle_timeout: Duration::from_secs(6),
        is_hinting: false,
        latency: Duration::from_millis(20),
    },
];

impl Site {
    /// As [`http_keepalive::Origin`] is displayed.
    pub fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        let mut response = Response::builder();
        if self.is_hinting {
            let hint = format!("timeout={}", self.idle_timeout.as_secs());
            response = response.header("keep-alive", hint);
        }
        let response = response.body(Full::from("ok"));
        response.unwrap_or_else(|_| unreachable!("a number is the value of a field"))
    }
}

/// The servers. Clones are the same ones; as a connector, they are found by host.
#[derive(Clone, Debug)]
pub struct Servers(Arc<[Server]>);

impl Servers {
    /// All of them run.
    pub fn start(sites: &[Site]) -> Self {
        let start = |&site| Server {
            site,
            connections: Mutex::new(Some(JoinSet::new())),
        };
        Self(sites.iter().map(start).collect())
    }

    pub fn all(&self) -> &[Server] {
        &self.0
    }
}

/// One server.
#[derive(Debug)]
pub struct Server {
    pub site: Site,
    /// Those that are open; `None` while the server is stopped.
    connections: Mutex<Option<JoinSet<()>>>,
}

impl Server {
    pub fn is_running(&self) -> bool {
        self.connections().is_some()
    }

    /// Stops it as a crash does: all connections close at once, whatever is under way on them, and none is
    /// accepted. Or starts it.
    pub fn toggle(&self) {
        let mut connections = self.connections();
        *connections = match *connections {
            Some(_) => None,
            None => Some(JoinSet::new()),
        };
    }

    fn connections(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self) -> io::Result<LinkEnd> {
        let mut connections = self.connections();
        let Some(connections) = &mut *connections else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        // Those that have ended.
        while connections.try_join_next().is_some() {}
        let (client, end) = Link::new().latency(self.site.latency).pair();
        connections.spawn(serve(self.site, end));
        Ok(client)
    }
}

async fn serve(site: Site, end: LinkEnd) {
    let service =
        service_fn(move |_: Request<Incoming>| async move { Ok::<_, Infallible>(site.answer()) });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(site.idle_timeout)
        .serve_connection(TokioIo::new(end), service);
    // Its errors are the idle timeout, and clients that close.
    drop(serving.await);
}

impl Connection for LinkEnd {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Service<Uri> for Servers {
    type Response = TokioIo<LinkEnd>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Takes a round trip, as TCP's handshake does.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let servers = self.clone();
        Box::pin(async move {
            let mut all = servers.all().iter();
            let server = all
                .find(|server| uri.host() == Some(server.site.host))
                .ok_or(io::ErrorKind::NotFound)?;
            sleep(server.site.latency * 2).await;
            server.accept().map(TokioIo::new)
        })
    }
}
