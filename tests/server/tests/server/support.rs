//! A server behind pipes, and a client that writes bytes.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{any, get};
use axum::serve::Listener;
use http_keepalive::{ServerKeepAlive, ServerPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// The policy of most tests: clients are told five seconds, and get seven.
pub(crate) fn five_seconds() -> ServerPolicy {
    ServerPolicy::new(seconds(5))
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Connects clients to a server in the same process.
#[derive(Clone)]
pub(crate) struct Network {
    clients: mpsc::UnboundedSender<DuplexStream>,
}

/// The server's end of it.
pub(crate) struct Pipes {
    accepted: mpsc::UnboundedReceiver<DuplexStream>,
}

pub(crate) fn network() -> (Network, Pipes) {
    let (clients, accepted) = mpsc::unbounded_channel();
    (Network { clients }, Pipes { accepted })
}

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.accepted.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Network {
    /// Fails if nobody listens.
    pub(crate) fn try_connect(&self) -> Option<DuplexStream> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        self.clients.send(server).ok()?;
        Some(client)
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = self.try_connect().unwrap();
        Client {
            stream,
            read: String::new(),
        }
    }
}

/// The application: answers at `/`, after an hour at `/slow`, and in pieces at `/stream`.
pub(crate) fn app() -> Router {
    Router::new()
        .route(
            "/",
            any(|body: String| async move { format!("got {body}") }),
        )
        .route(
            "/slow",
            get(|| async {
                sleep(seconds(3_600)).await;
                "late"
            }),
        )
        .route("/stream", get(in_pieces))
        .route(
            "/hang",
            any(|request: Request| async move {
                std::future::pending::<()>().await;
                drop(request);
            }),
        )
        .route(
            "/own",
            get(|| async { ([("keep-alive", "timeout=20")], "own") }),
        )
        .route(
            "/last",
            get(|| async { ([("connection", "close")], "last") }),
        )
        .route("/upgrade", get(upgrade))
}

/// A response whose body has a pause of a minute.
async fn in_pieces() -> Response {
    let (pieces, body) = tokio::io::duplex(64);
    tokio::spawn(async move {
        let mut pieces = pieces;
        pieces.write_all(b"one").await.unwrap();
        sleep(seconds(60)).await;
        pieces.write_all(b"two").await.unwrap();
    });
    Response::new(Body::new(Pieces { body }))
}

struct Pieces {
    body: DuplexStream,
}

impl axum::body::HttpBody for Pieces {
    type Data = bytes::Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, io::Error>>> {
        let mut read = Box::pin(async {
            let mut bytes = [0; 8];
            let read = self.body.read(&mut bytes).await?;
            Ok((read > 0).then(|| bytes::Bytes::copy_from_slice(&bytes[..read])))
        });
        read.as_mut().poll(cx).map(|read| {
            read.transpose()
                .map(|read| read.map(hyper::body::Frame::data))
        })
    }
}

/// Switches to a protocol that echoes.
async fn upgrade(request: Request) -> Response {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(upgraded);
        let mut bytes = [0; 64];
        while let Ok(read @ 1..) = io.read(&mut bytes).await {
            io.write_all(&bytes[..read]).await.unwrap();
        }
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Body::empty())
        .unwrap()
}

/// Serves the application with this policy.
pub(crate) fn serve(policy: ServerPolicy) -> (Network, ServerKeepAlive) {
    let keep_alive = ServerKeepAlive::new(policy).unwrap();
    (serve_with(&keep_alive), keep_alive)
}

pub(crate) fn serve_with(keep_alive: &ServerKeepAlive) -> Network {
    let (network, pipes) = network();
    let listener = keep_alive.listener(pipes);
    let app = keep_alive.make_service(app());
    tokio::spawn(async move { axum::serve(listener, app).await });
    network
}

/// A control: the same application without this crate.
pub(crate) fn serve_plainly() -> Network {
    let (network, pipes) = network();
    tokio::spawn(async move { axum::serve(pipes, app()).await });
    network
}

/// A client that writes bytes, and reads responses with a `Content-Length`.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    read: String,
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Sends a request and reads its response.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        self.answer().await.unwrap()
    }

    /// Switches to the protocol that echoes.
    pub(crate) async fn upgrade(&mut self) -> Answer {
        self.send(
            "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
        )
        .await;
        self.answer().await.unwrap()
    }

    /// Reads a response; `None` if the connection ends.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((head, behind)) = self.read.split_once("\r\n\r\n") {
                let head = head.to_owned() + "\r\n";
                let length = value(&head, "content-length").map_or(0, |it| it.parse().unwrap());
                if behind.len() >= length {
                    let body = behind[..length].to_owned();
                    self.read = behind[length..].to_owned();
                    return Some(Answer { head, body });
                }
            }
            if self.read_more().await == 0 {
                return None;
            }
        }
    }

    /// Reads what there is. Returns how much; nothing is the end of the connection.
    pub(crate) async fn read_more(&mut self) -> usize {
        let mut bytes = [0; 1_024];
        let read = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.read += std::str::from_utf8(&bytes[..read]).unwrap();
        read
    }

    /// Waits until the connection ends. Returns how long that took.
    pub(crate) async fn end(&mut self) -> Duration {
        let before = Instant::now();
        while self.read_more().await > 0 {}
        before.elapsed()
    }

    /// Whether the connection is still open after this time.
    pub(crate) async fn is_open_after(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.end()).await.is_err()
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        value(&self.head, name)
    }
}

/// All values of a field.
fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.split("\r\n").filter_map(|line| {
        let (field, value) = line.split_once(": ")?;
        field.eq_ignore_ascii_case(name).then_some(value)
    });
    let value = values.next();
    assert_eq!(values.next(), None, "several fields {name}");
    value
}

/// Lets all that can go on go on.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// For `tower::service_fn`.
pub(crate) type Served<T> = Result<T, Infallible>;
