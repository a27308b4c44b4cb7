//! The server with this crate.

use std::net::SocketAddr;

use http_keepalive::{ServerKeepAlive, ServerPolicy};
use tokio::task::JoinSet;

use crate::plain;

/// Starts it, as a task of its own.
pub async fn start(
    policy: ServerPolicy,
    tasks: &mut JoinSet<()>,
) -> Result<(SocketAddr, ServerKeepAlive), String> {
    let keep_alive = ServerKeepAlive::new(policy).map_err(|error| error.to_string())?;
    let (listener, address) = plain::listen().await?;
    let serving = axum::serve(
        keep_alive.listener(listener),
        keep_alive.make_service(plain::app()),
    );
    // Ends with the task only.
    tasks.spawn(async move { drop(serving.await) });
    Ok((address, keep_alive))
}
