//! Users of one client, on all threads of the runtime.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use http_keepalive::KeepAlive;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt};

/// When a request that is neither answered nor failed is given up on: the test then fails.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Runs a test on two, four and eight threads.
pub fn on_several_threads<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for threads in [2, 4, 8] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    }
}

/// An HTTP client that several tasks share.
pub trait HttpClient:
    Service<
        Request<Empty<Bytes>>,
        Response = Response<hyper::body::Incoming>,
        Error = Error,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> HttpClient for S where
    S: Service<
            Request<Empty<Bytes>>,
            Response = Response<hyper::body::Incoming>,
            Error = Error,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// hyper-util's client with both halves of this crate.
pub fn guarded(keep_alive: &KeepAlive) -> impl HttpClient {
    let connector = keep_alive.connector(HttpConnector::new());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    keep_alive.layer().layer(client)
}

/// The control: hyper-util's client as it comes.
pub fn plain() -> impl HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Makes one request, and reads its response to the end.
pub async fn get(client: &impl HttpClient, uri: Uri) -> Result<Response<Bytes>, Error> {
    let request = Request::get(uri).body(Empty::new()).unwrap();
    let response = tokio::time::timeout(WATCHDOG, client.clone().oneshot(request)).await;
    let response = response.expect("a request was neither answered nor failed")?;
    let (head, body) = response.into_parts();
    let body = tokio::time::timeout(WATCHDOG, body.collect()).await;
    let body = body.expect("a response did not end").unwrap();
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Runs so many users to the end.
pub async fn all<F>(users: usize, user: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running: JoinSet<_> = (0..users).map(user).collect();
    while let Some(done) = running.join_next().await {
        if let Err(error) = done {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// Waits until no thread of the runtime is at work. A task that is between two steps when the clock is moved
/// is one whose thread stood still for all that time: no client can do anything about that.
pub fn at_rest() {
    let metrics = tokio::runtime::Handle::current().metrics();
    // Odd while the thread is parked.
    let is_at_work = |worker| metrics.worker_park_unpark_count(worker) % 2 == 0;
    while (0..metrics.num_workers()).any(is_at_work) {
        std::thread::yield_now();
    }
}

/// So many users make a request each, at once. Returns how many fail.
pub async fn round(client: &impl HttpClient, users: usize, uri: &Uri) -> usize {
    let failed = Arc::<AtomicUsize>::default();
    all(users, |_| {
        let (client, uri, failed) = (client.clone(), uri.clone(), Arc::clone(&failed));
        async move {
            if get(&client, uri).await.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
    .await;
    failed.load(Ordering::Relaxed)
}
