//! A server on the kernel's TCP, whose idle timer goes by the test's clock.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::Timer;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::clock::ManualClock;

/// Answers each request with its path.
pub struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// One that keeps connections for good.
    pub async fn patient() -> Self {
        Self::start(None).await
    }

    /// One that has closed a connection when it was idle for `timeout`, and whose FIN a request always
    /// crosses on its way: it gets no answer, as on a network that is far.
    pub async fn with_idle_timeout(timeout: Duration, clock: &ManualClock) -> Self {
        Self::start(Some((timeout, clock.clone()))).await
    }

    async fn start(idle: Option<(Duration, ManualClock)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                let idle_since = Mutex::new(None);
                let idle = idle.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let is_closed = idle.as_ref().is_some_and(|(timeout, clock)| {
                        let mut since = idle_since.lock().unwrap();
                        let since: Option<Instant> = since.replace(clock.now());
                        since.is_some_and(|since| clock.now() - since >= *timeout)
                    });
                    let path = Bytes::from(request.uri().path().to_owned());
                    async move {
                        if is_closed {
                            return Err("closed");
                        }
                        Ok::<_, &'static str>(Response::new(Full::new(path)))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            connections,
        }
    }

    pub fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
