//! The proxy as a service of its own.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use http::uri::Authority;
use http_keepalive::{KeepAlive, KeepAlivePolicy, Stats};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpListener;

use crate::clients::guarded;
use crate::proxy::Proxy;

/// How long connecting may take. The system's own patience is minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy for one upstream.
#[derive(Debug)]
pub struct Service {
    pub upstream: Authority,
    pub listen: SocketAddr,
    /// The idle timeout of an upstream that names none.
    pub max_idle: Duration,
}

impl Service {
    /// Serves until Ctrl-C; gives the numbers of the connections to the upstream.
    pub async fn run(self) -> Result<Stats, String> {
        let policy = KeepAlivePolicy::default().max_idle(self.max_idle);
        let keep_alive = KeepAlive::new(policy).map_err(|error| error.to_string())?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = guarded(&keep_alive, connector);

        let listening = TcpListener::bind(self.listen).await;
        let listener =
            listening.map_err(|error| format!("cannot listen on {}: {error}", self.listen))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .init();
        println!("http://{address} stands for http://{}", self.upstream);

        let router = Proxy::new(client, self.upstream).router();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::select! {
            served = axum::serve(listener, service).into_future() => {
                served.map_err(|error| error.to_string())?;
            }
            stopped = tokio::signal::ctrl_c() => {
                stopped.map_err(|error| error.to_string())?;
            }
        }
        Ok(keep_alive.stats())
    }
}

/// Tells how it ended, in one line.
pub fn finish(ended: Result<Stats, String>) -> ExitCode {
    match ended {
        Ok(stats) => {
            println!(
                "{} connections to the upstream, reused {} times, {} stale",
                stats.opened, stats.reused, stats.stale_failures
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
