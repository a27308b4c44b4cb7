//! Requests per second that axum's server answers on several threads over loopback: with this crate's listener and layer, to
//! `axum::serve` by itself, and to a server whose idle connections are closed by hyper's own timer. And with the least that
//! telling a timeout and following connections takes.
//!
//! ```text
//! cargo bench -p cost --bench serve_rate
//! ```
//!
//! The two servers take turns of a tenth of a second. Each pair of turns gives a ratio; the table has their median, the
//! worst and the best. Clients and servers share a runtime. A client does nothing but write canned bytes, and count those of
//! the response, so that the server's share of the time is large.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::routing::get;
use axum::{Router, ServiceExt};
use cost::rates::{COLUMNS, compare};
use cost::{is_trial, least, pairs};
use futures_util::future::BoxFuture;
use http_keepalive::{ServerKeepAlive, ServerPolicy};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const HOUR: Duration = Duration::from_secs(3_600);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n";

fn main() {
    let pairs = if is_trial() { 1 } else { 150 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let [bare, median, worst, best] = COLUMNS;
    let mut table = pairs::table(["to", "policy", "connections", bare, median, worst, best]);
    let timeout = ServerPolicy::default();
    let all_limits = timeout
        .max_requests(u32::MAX)
        .max_connection_age(HOUR)
        .age_grace(HOUR)
        .max_connections(10_000);
    for (to, control, name, policy) in [
        ("axum's serve", Control::Serve, "timeout", Some(timeout)),
        (
            "axum's serve",
            Control::Serve,
            "all limits",
            Some(all_limits),
        ),
        ("hyper's timer", Control::Timer, "timeout", Some(timeout)),
        ("axum's serve", Control::Serve, "the least", None),
    ] {
        for connections in [1, 16, 200] {
            let ratios = runtime.block_on(async {
                let bare = Connections::new(serve_control(control).await);
                let with = Connections::new(match policy {
                    Some(policy) => serve(policy).await,
                    None => serve_least().await,
                });
                compare(pairs, connections, || bare.worker(), || with.worker()).await
            });
            let [bare, median, worst, best] = ratios.cells();
            table.add_row([
                to.to_string(),
                name.to_string(),
                connections.to_string(),
                bare,
                median,
                worst,
                best,
            ]);
        }
    }
    println!("{table}");
}

fn app() -> Router {
    Router::new().route("/", get(|| async { "Hello, World!" }))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What is compared with.
#[derive(Clone, Copy)]
enum Control {
    /// Never closes an idle connection.
    Serve,
    /// hyper's `header_read_timeout`, which closes idle connections too.
    Timer,
}

async fn serve_control(control: Control) -> SocketAddr {
    let (listener, address) = listener().await;
    match control {
        Control::Serve => {
            tokio::spawn(async move { axum::serve(listener, app()).await });
        }
        Control::Timer => {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let service = TowerToHyperService::new(app());
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(HOUR);
                    let serving = server.serve_connection(TokioIo::new(stream), service);
                    tokio::spawn(async move { drop(serving.with_upgrades().await) });
                }
            });
        }
    }
    address
}

async fn serve(policy: ServerPolicy) -> SocketAddr {
    let (listener, address) = listener().await;
    let keep_alive = ServerKeepAlive::new(policy).unwrap();
    tokio::spawn(async move {
        axum::serve(
            keep_alive.listener(listener),
            keep_alive.make_service(app()),
        )
        .await
    });
    address
}

/// With the least that telling a timeout and following connections takes.
async fn serve_least() -> SocketAddr {
    let (listener, address) = listener().await;
    let app = least::server::Telling(app());
    let make_service = ServiceExt::<Request>::into_make_service(app);
    tokio::spawn(
        async move { axum::serve(least::server::Following(listener), make_service).await },
    );
    address
}

/// Connections to a server that are not in use. They stay open from turn to turn.
#[derive(Clone)]
struct Connections {
    server: SocketAddr,
    unused: Arc<std::sync::Mutex<Vec<TcpStream>>>,
}

impl Connections {
    fn new(server: SocketAddr) -> Self {
        Self {
            server,
            unused: Arc::default(),
        }
    }

    /// Makes one request after the other on a connection.
    fn worker(&self) -> impl FnMut() -> BoxFuture<'static, ()> + use<> {
        let user = Arc::new(Mutex::new(User {
            stream: None,
            connections: self.clone(),
        }));
        move || {
            let user = Arc::clone(&user);
            Box::pin(async move { user.lock().await.exchange().await })
        }
    }
}

/// Has a connection, and gives it back.
struct User {
    stream: Option<TcpStream>,
    connections: Connections,
}

impl User {
    async fn exchange(&mut self) {
        if self.stream.is_none() {
            let unused = self.connections.unused.lock().unwrap().pop();
            self.stream = Some(match unused {
                Some(stream) => stream,
                None => {
                    let stream = TcpStream::connect(self.connections.server).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    stream
                }
            });
        }
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let mut bytes = [0; 1_024];
        let mut read = 0;
        // The body is the end of the response.
        while !bytes[..read].ends_with(b"World!") {
            let more = stream.read(&mut bytes[read..]).await.unwrap();
            assert!(more > 0, "the connection ended");
            read += more;
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let unused = self.connections.unused.lock();
        unused.unwrap().extend(self.stream.take());
    }
}
