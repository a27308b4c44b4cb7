//! Requests per second that `axum::serve` answers on several threads over loopback: with this crate's listener and layer, to
//! without.
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

use axum::Router;
use axum::routing::get;
use cost::rates::{COLUMNS, compare};
use cost::{is_trial, pairs};
use futures_util::future::BoxFuture;
use http_keepalive::{ServerKeepAlive, ServerPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n";

fn main() {
    let pairs = if is_trial() { 1 } else { 150 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let [bare, median, worst, best] = COLUMNS;
    let mut table = pairs::table(["policy", "connections", bare, median, worst, best]);
    for (name, policy) in [
        ("timeout", ServerPolicy::default()),
        (
            "all limits",
            ServerPolicy::default()
                .max_requests(u32::MAX)
                .max_connection_age(std::time::Duration::from_secs(3_600))
                .age_grace(std::time::Duration::from_secs(3_600))
                .max_connections(10_000),
        ),
    ] {
        for connections in [1, 16, 200] {
            let ratios = runtime.block_on(async {
                let bare = Connections::new(serve_plainly().await);
                let with = Connections::new(serve(policy).await);
                compare(pairs, connections, || bare.worker(), || with.worker()).await
            });
            let [bare, median, worst, best] = ratios.cells();
            table.add_row([
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

async fn serve_plainly() -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move { axum::serve(listener, app()).await });
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
