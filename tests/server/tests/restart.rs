//! A rolling restart under load: a new process takes the listening socket over, the old one ends.
//!
//! All users are hyper-util's client as it comes, on a link of 50 ms each way, with connections that are idle for less than
//! the server's timeout. So what fails, fails for the restart.

#![cfg(unix)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const DELAY: Duration = Duration::from_millis(50);
const USERS: usize = 60;
const RESTARTS: usize = 2;

/// A process that serves, and how to tell it to end.
struct Process {
    child: Child,
    control: TcpStream,
}

impl Process {
    /// Returns once it listens.
    async fn start(way: &str, socket: &std::net::TcpListener) -> Self {
        let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_server"))
            .arg(way)
            .arg(control.local_addr().unwrap().port().to_string())
            .stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())))
            .spawn()
            .unwrap();
        let (mut control, _) = control.accept().await.unwrap();
        control.read_exact(&mut [0]).await.unwrap();
        Self { child, control }
    }

    /// Returns once it has ended.
    async fn end(mut self) {
        self.control.write_all(b"e").await.unwrap();
        let status = tokio::task::spawn_blocking(move || self.child.wait()).await;
        assert!(status.unwrap().unwrap().success());
    }
}

/// Forwards connections to a server, each byte and the end of the connection later.
async fn relay(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(to).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(forward(from_client, to_server));
            tokio::spawn(forward(from_server, to_client));
        }
    });
    address
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (sender, mut arriving) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((at, bytes)) = arriving.recv().await {
            sleep_until(at).await;
            let bytes: Vec<u8> = bytes;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                let _ = to.shutdown().await;
                return;
            }
        }
    });
    loop {
        let mut bytes = vec![0; 4_096];
        let read = from.read(&mut bytes).await.unwrap_or(0);
        bytes.truncate(read);
        if sender.send((Instant::now() + DELAY, bytes)).is_err() || read == 0 {
            return;
        }
    }
}

/// Requests that were made, and that failed.
#[derive(Debug)]
struct Made {
    requests: usize,
    lost: usize,
}

/// Restarts a server some times, while users make requests.
async fn restart(way: &str) -> Made {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut process = Process::start(way, &socket).await;
    let address = relay(socket.local_addr().unwrap()).await;

    let is_over = Arc::<AtomicBool>::default();
    let (requests, lost) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let mut users = JoinSet::new();
    for user in 0..USERS {
        let (is_over, requests, lost) = (is_over.clone(), requests.clone(), lost.clone());
        users.spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http::<String>();
            let mut gap = Duration::from_millis(100 + 10 * user as u64);
            while !is_over.load(Ordering::Relaxed) {
                let request = http::Request::post(format!("http://{address}/"));
                let answered = client.request(request.body(String::from("one")).unwrap());
                let is_answered = match answered.await {
                    Ok(response) => response.into_body().collect().await.is_ok(),
                    Err(_) => false,
                };
                requests.fetch_add(1, Ordering::Relaxed);
                lost.fetch_add((!is_answered).into(), Ordering::Relaxed);
                sleep(gap).await;
                gap = gap.mul_f64(1.1).min(Duration::from_millis(900));
            }
        });
    }
    sleep(Duration::from_secs(1)).await;
    for _ in 0..RESTARTS {
        let next = Process::start(way, &socket).await;
        std::mem::replace(&mut process, next).end().await;
        sleep(Duration::from_secs(1)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    users.join_all().await;
    process.end().await;
    Made {
        requests: requests.load(Ordering::Relaxed),
        lost: lost.load(Ordering::Relaxed),
    }
}

#[tokio::test]
async fn in_two_phases_no_request_is_lost() {
    let made = restart("two-phases").await;
    println!("two phases: {made:?}");
    assert_eq!(made.lost, 0, "{made:?}");
    assert!(made.requests > USERS * RESTARTS * 2, "{made:?}");
}

#[tokio::test]
async fn with_axums_graceful_shutdown_alone_some_are() {
    let made = restart("graceful").await;
    println!("axum's graceful shutdown: {made:?}");
    assert!(made.lost > 0, "{made:?}");
}

#[tokio::test]
async fn without_any_more_are() {
    let made = restart("at-once").await;
    println!("at once: {made:?}");
    assert!(made.lost > 0, "{made:?}");
}
