//! A client that meets a server.

use std::time::Duration;

use http_keepalive::KeepAlive;
use tokio::time::sleep;

use crate::host::Host;
use crate::report::ClientReport;
use crate::support::tally::Tally;

/// What passes between a response and the next request.
#[derive(Clone, Copy, Debug)]
pub enum Pause {
    /// A moment, in which the client's pool gets the connection back.
    Short,
    /// So much time.
    For(Duration),
    /// The time until every connection has been closed, by the server or by the client.
    UntilClosed,
}

/// Short pauses, and such in which the server closes, in turn.
pub const PAUSES: [Pause; 4] = [
    Pause::Short,
    Pause::UntilClosed,
    Pause::Short,
    Pause::UntilClosed,
];

/// Makes an exchange, and another after each of the pauses.
pub async fn visit(
    name: &'static str,
    host: &Host,
    keep_alive: Option<&KeepAlive>,
    pauses: &[Pause],
    exchange: impl AsyncFn() -> Result<(), String>,
) -> ClientReport {
    let mut tally = Tally::default();
    for pause in [&Pause::Short].into_iter().chain(pauses) {
        match *pause {
            Pause::Short => sleep(SHORT).await,
            Pause::For(time) => sleep(time).await,
            Pause::UntilClosed => host.closed().await,
        }
        tally.count(exchange().await);
    }
    ClientReport::of(name, host, keep_alive, tally)
}

impl ClientReport {
    /// Of a client that alone has talked to the host.
    pub fn of(
        name: &'static str,
        host: &Host,
        keep_alive: Option<&KeepAlive>,
        tally: Tally,
    ) -> Self {
        let connections = host.server().connections() as u64;
        let arrived = host.server().requests().len() as u64;
        let retired = keep_alive.map(|keep_alive| keep_alive.stats().retired);
        Self {
            name,
            connections,
            reused: arrived.saturating_sub(connections),
            retired: retired.unwrap_or_default(),
            tally,
        }
    }
}

const SHORT: Duration = Duration::from_millis(100);
