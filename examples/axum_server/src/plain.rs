//! The controls: servers on axum and hyper as they come.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;

/// How long after its last response a server closes a connection that reached its limit of requests.
const HOUSEKEEPING: Duration = Duration::from_millis(20);

/// The application of all servers: reads the request, and answers `ok`.
pub fn app() -> Router {
    Router::new().fallback(|_: Bytes| async { "ok" })
}

/// A listener on loopback, and its address.
pub async fn listen() -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(|error| format!("cannot listen: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, address))
}

/// When a server closes a connection without a word.
#[derive(Clone, Copy, Debug)]
pub enum Closes {
    /// Never.
    Never,
    /// After it was idle for so long: hyper's `header_read_timeout`.
    Idle(Duration),
    /// Once it has served so many requests, and is idle.
    Requests(u32),
    /// Once it is so old, if it is idle then: hyper's graceful shutdown of one connection.
    Age(Duration),
}

/// Starts hyper's server, which runs until `tasks` is dropped.
///
/// `places` is how many connections it serves at once. It accepts the next one when there is a place.
pub async fn start(
    closes: Closes,
    places: Option<usize>,
    tasks: &mut JoinSet<()>,
) -> Result<SocketAddr, String> {
    let (listener, address) = listen().await?;
    let places = Arc::new(Semaphore::new(places.unwrap_or(Semaphore::MAX_PERMITS)));
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                break;
            };
            connections.spawn(async move {
                serve(stream, closes).await;
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream, closes: Closes) {
    let served = Arc::new(Served::default());
    let (app, counted) = (app(), Arc::clone(&served));
    let service = service_fn(move |request| {
        counted.add_one();
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.oneshot(request).await.unwrap_or_default()) }
    });
    let idle = match closes {
        Closes::Idle(timeout) => Some(timeout),
        _ => None,
    };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    tokio::select! {
        // Its errors are the idle timeout, and clients that close.
        _ = &mut serving => return,
        () = limit(closes, &served) => {}
    }
    // Closes at once if the connection is idle.
    serving.as_mut().graceful_shutdown();
    drop(serving.await);
}

/// Waits until the connection has reached its limit.
async fn limit(closes: Closes, served: &Served) {
    match closes {
        Closes::Requests(most) => {
            served.wait_for(most).await;
            sleep(HOUSEKEEPING).await;
        }
        Closes::Age(age) => sleep(age).await,
        Closes::Never | Closes::Idle(_) => pending().await,
    }
}

/// How many requests a connection has served.
#[derive(Default)]
struct Served {
    requests: AtomicU32,
    changed: Notify,
}

impl Served {
    fn add_one(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        // Kept for the one who waits, if it does not wait now.
        self.changed.notify_one();
    }

    async fn wait_for(&self, requests: u32) {
        while self.requests.load(Ordering::SeqCst) < requests {
            self.changed.notified().await;
        }
    }
}
