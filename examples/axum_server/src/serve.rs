//! A server to copy. It needs axum, tokio and this crate with the feature `server`, and no other file of this
//! example.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http_keepalive::{ServerKeepAlive, ServerPolicy, ServerStats};
use tokio::net::TcpListener;

/// How long load balancers may take to learn that this server is about to go.
const ACCEPTING: Duration = Duration::from_secs(10);

/// The longest wait for connections after that: the policy's timeout and grace, 67 s, and the longest response.
const THEN_AT_MOST: Duration = Duration::from_secs(80);

/// Serves until a signal to stop, then drains. A second signal ends all connections at once.
pub async fn run(address: SocketAddr) -> Result<ServerStats, String> {
    let policy = ServerPolicy::default();
    let keep_alive = ServerKeepAlive::new(policy).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("listening on http://{address}");

    let app = Router::new().route("/", get(|| async { "hello\n" }));
    let drain = keep_alive.drain();
    axum::serve(keep_alive.listener(listener), keep_alive.make_service(app))
        .with_graceful_shutdown(async move {
            told_to_stop().await;
            println!("draining");
            tokio::select! {
                () = drain.run(ACCEPTING, THEN_AT_MOST) => {}
                () = told_to_stop() => drain.cut(),
            }
        })
        .await
        .map_err(|error| error.to_string())?;
    Ok(keep_alive.stats())
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn told_to_stop() {
    // An error means that no signal can come.
    drop(tokio::signal::ctrl_c().await);
}

/// Prints what the server did, or in one line why it did not start.
pub fn finish(ended: Result<ServerStats, String>) -> ExitCode {
    match ended {
        Ok(stats) => {
            println!("{stats}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
