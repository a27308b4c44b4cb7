//! A client whose events are counted, and a server that the test is.

use std::time::Duration;

use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy, MetricsObserver};
use hyper_util::client::legacy::connect::Connected;
use metrics_util::debugging::DebuggingRecorder;
use tokio::time::sleep;

use crate::recorded::Recorded;
use crate::support::client::{Guarded, builder, exchange, get, guarded};
use crate::support::link::Link;
use crate::support::wire::{FarEnds, Peer, WireConnector, wires};

pub const URI: &str = "http://server.test/";

pub const SECOND: Duration = Duration::from_secs(1);

/// From one end to the other.
pub const ONE_WAY: Duration = Duration::from_millis(10);

/// Runs a test in virtual time, on one thread: there the recorder is that of all that is spawned, too.
pub fn recorded(test: impl AsyncFnOnce(Recorded)) {
    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(test(Recorded::by(&recorder)));
    });
}

/// For virtual time.
pub fn keep_alive(policy: KeepAlivePolicy) -> KeepAlive {
    let builder = builder().policy(policy).observer(MetricsObserver::new());
    builder.build().unwrap()
}

/// One connection after another, each with the test as its server.
pub struct Rig {
    pub recorded: Recorded,
    pub keep_alive: KeepAlive,
    pub client: Guarded<WireConnector>,
    pub ends: FarEnds,
    /// That of the last response.
    pub connection: Option<ConnectionHandle>,
}

impl Rig {
    pub fn new(recorded: Recorded, policy: KeepAlivePolicy) -> Self {
        let keep_alive = keep_alive(policy);
        let (connector, ends) = wires(Link::new().latency(ONE_WAY), Connected::new);
        let client = guarded(&keep_alive, connector);
        Self {
            recorded,
            keep_alive,
            client,
            ends,
            connection: None,
        }
    }

    /// The far end of a connection that has served one request, and was idle for a second.
    pub async fn used(&mut self) -> Peer {
        self.used_with("").await
    }

    /// The same, whose response had further fields.
    pub async fn used_with(&mut self, fields: &str) -> Peer {
        let (answer, peer) = tokio::join!(exchange(&self.client, get(URI)), async {
            let mut peer = self.ends.peer().await;
            peer.serve(fields).await;
            peer
        });
        self.connection = answer.unwrap().extensions_mut().remove();
        sleep(SECOND).await;
        peer
    }
}
