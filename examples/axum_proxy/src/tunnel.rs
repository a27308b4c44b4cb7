//! What becomes of a connection when both ends of it have agreed to speak something else.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tracing::debug;

/// Passes bytes on, in both directions, until both ends have closed or one has failed.
pub async fn join(downstream: OnUpgrade, upstream: OnUpgrade) {
    let ends = tokio::try_join!(downstream, upstream);
    let (downstream, upstream) = match ends {
        Ok(ends) => ends,
        Err(error) => return debug!(%error, "an upgrade came to nothing"),
    };
    let (mut downstream, mut upstream) = (TokioIo::new(downstream), TokioIo::new(upstream));
    if let Err(error) = copy_bidirectional(&mut downstream, &mut upstream).await {
        debug!(%error, "a tunnel broke");
    }
}
