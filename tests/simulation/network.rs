//! The network between the client and the server, as a connector for hyper-util's client.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, sleep_until};
use tower_service::Service;

use super::client_end::ClientEnd;
use super::draw::Draw;
use super::ledger::Ledger;
use super::origin::Origin;
use super::process::Process;
use super::world::World;
use crate::support::link::Queue;

/// Connects to the one server there is, whatever the address.
#[derive(Clone)]
pub struct Network {
    world: Arc<World>,
    process: Process,
    origin: Origin,
    ledger: Ledger,
    attempts: Arc<AtomicU64>,
    /// What the responses of all connections wait in, if they share one.
    queue: Queue,
}

impl Network {
    pub fn new(world: Arc<World>, process: Process, origin: Origin, ledger: Ledger) -> Self {
        Self {
            world,
            process,
            origin,
            ledger,
            attempts: Arc::default(),
            queue: Queue::default(),
        }
    }

    /// What the kernels and the server do, while the client may be frozen.
    async fn connect(self, connecting: Instant) -> Result<ClientEnd> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let mut draw = Draw::new(self.world.seed ^ (attempt << 32));
        let network = &self.world.network;
        let latest = network.latency + network.jitter;
        let round_trip = draw.time(network.latency, latest) + draw.time(network.latency, latest);
        while let Some(until) = self.ledger.held_until() {
            sleep_until(until).await;
        }
        // A relay on the client's side accepts at once.
        if round_trip > Duration::ZERO && !network.is_relayed {
            sleep(round_trip).await;
        }
        if self.origin.is_down() {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let link = network.link().seed(draw.seed());
        let (client, server) = if network.is_congested() {
            link.pair_behind(&self.queue)
        } else {
            link.pair()
        };
        let connection = self.ledger.accepted(client.line(), connecting);
        self.origin.accept(connection, server, draw);
        Ok(ClientEnd::new(
            client,
            connection,
            self.ledger,
            self.process,
        ))
    }
}

impl Service<Uri> for Network {
    type Response = TokioIo<ClientEnd>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = Instant::now();
        let ledger = self.ledger.clone();
        let connected = tokio::spawn(self.clone().connect(connecting));
        Box::pin(async move {
            let connected = connected
                .await
                .map_err(|_| Error::from(ErrorKind::TimedOut))?;
            if connected.is_err() {
                ledger.refused();
            }
            let end = connected?;
            ledger.connected(end.connection(), connecting);
            Ok(TokioIo::new(end))
        })
    }
}
