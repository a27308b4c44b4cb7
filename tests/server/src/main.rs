//! A server that takes its listening socket as standard input, and drains when a line is written to its control
//! connection: for the test of a rolling restart.
//!
//! ```text
//! server two-phases|graceful|at-once CONTROL_PORT < socket
//! ```

#![allow(clippy::unwrap_used, reason = "a part of a test")]

use std::os::fd::AsFd;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http_keepalive::{ServerKeepAlive, ServerPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [way, port] = &arguments[..] else {
        panic!("expected two arguments, got {arguments:?}");
    };
    let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let socket = std::net::TcpListener::from(socket);
    socket.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(socket).unwrap();

    // Whoever started this process writes a byte when it is to end.
    let mut control = TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap()))
        .await
        .unwrap();
    control.write_all(b"r").await.unwrap();
    let terminated = async move {
        let _ = control.read(&mut [0]).await;
    };

    let app = Router::new().route("/", post(|| async { "done" }));
    let keep_alive = ServerKeepAlive::new(ServerPolicy::new(Duration::from_secs(2))).unwrap();
    match &way[..] {
        "two-phases" => {
            let drain = keep_alive.drain();
            axum::serve(keep_alive.listener(listener), keep_alive.make_service(app))
                .with_graceful_shutdown(async move {
                    terminated.await;
                    drain
                        .run(Duration::from_secs(1), Duration::from_secs(20))
                        .await;
                })
                .await
                .unwrap();
        }
        "graceful" => axum::serve(listener, app)
            .with_graceful_shutdown(terminated)
            .await
            .unwrap(),
        "at-once" => {
            tokio::select! {
                served = axum::serve(listener, app) => served.unwrap(),
                () = terminated => {}
            }
        }
        _ => panic!("expected `two-phases`, `graceful` or `at-once`, got `{way}`"),
    }
}
