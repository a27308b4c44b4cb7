//! What a burst of requests takes that meets 10 000 expired connections in the pool, all at once.
//!
//! ```text
//! cargo bench -p cost --bench burst
//! ```
//!
//! That is how a client finds itself after its machine was suspended: the connections are still in the
//! pool, their deadlines are long past, and no timer has run. Each request is handed one after the
//! other of them, which hands it back unsent, until the pool has none of them left; then it opens a
//! connection. `cargo test --test footprint deadlines` has the same in small.
//!
//! * `suspended`: only the wall clock has moved on.
//! * `stopped`: both clocks have, as for a process that was stopped; the timers of all connections run
//!   out in the moment in which the requests come.
//! * `empty pool`: the same burst, and no connections; this is what it takes to open as many.
//!
//! Client and server share a thread, over in-memory links.
//!
//! It takes a minute, most of which is spent on filling the pool: for each request that wants a connection
//! the pool walks over all others that do. The time is that of the clock on the wall. Closing a connection
//! offers the processor to others, so that on a busy machine a burst takes many times as long as on an idle one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cost::support::client::{GuardedLegacy, HttpClient, exchange, get, guarded_legacy, plain};
use cost::support::idle::fill;
use cost::support::link::Link;
use cost::support::server::{LinkConnector, Server};
use cost::{is_trial, pairs, paused_runtime};
use http_keepalive::KeepAlive;
use tokio::task::JoinSet;

const URI: &str = "http://server.test/";

/// What happens between the last exchange and the burst.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    Nothing,
    Suspended,
    Stopped,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    took: Duration,
    failed: usize,
    opened: usize,
}

fn main() {
    let scale = if is_trial() { 100 } else { 1 };
    let pooled = 10_000 / scale;
    let mut table = pairs::table([
        "client",
        "in the pool",
        "before",
        "requests",
        "failed",
        "connections opened",
        "took",
    ]);
    for requests in [1_000 / scale, 1] {
        for (is_bare, pooled, before) in [
            (true, 0, Before::Nothing),
            (false, 0, Before::Nothing),
            (true, pooled, Before::Nothing),
            (false, pooled, Before::Nothing),
            (false, pooled, Before::Suspended),
            (false, pooled, Before::Stopped),
        ] {
            let mut runs: Vec<_> = (0..3)
                .map(|_| {
                    if is_bare {
                        bare(pooled, requests)
                    } else {
                        wrapped(pooled, requests, before)
                    }
                })
                .collect();
            runs.sort_unstable_by_key(|run| run.took);
            let median = runs[runs.len() / 2];
            assert!(runs.iter().all(|run| run.failed == 0), "{runs:?}");
            table.add_row([
                if is_bare { "bare" } else { "wrapped" }.to_string(),
                pooled.to_string(),
                format!("{before:?}").to_lowercase(),
                requests.to_string(),
                median.failed.to_string(),
                median.opened.to_string(),
                format!("{:.2} ms", median.took.as_secs_f64() * 1e3),
            ]);
        }
    }
    println!("{table}");
}

fn bare(pooled: usize, requests: usize) -> Burst {
    paused_runtime().block_on(async {
        let server = Server::builder().record(false).build();
        let client = plain(server.connector(Link::new()));
        fill(&client, URI, pooled).await;
        burst(&client, &server, requests, Before::Nothing, || {}).await
    })
}

fn wrapped(pooled: usize, requests: usize, before: Before) -> Burst {
    paused_runtime().block_on(async {
        let server = Server::builder().record(false).build();
        let suspended = Arc::<AtomicU64>::default();
        let clock = Arc::clone(&suspended);
        let keep_alive = KeepAlive::builder()
            .wall_clock(move || {
                SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed))
            })
            .build()
            .unwrap();
        let client: GuardedLegacy<LinkConnector> =
            guarded_legacy(&keep_alive, server.connector(Link::new()));
        fill(&client, URI, pooled).await;
        let suspend = || suspended.store(3_600, Ordering::Relaxed);
        let burst = burst(&client, &server, requests, before, suspend).await;
        let expired = if before == Before::Nothing { 0 } else { pooled };
        assert_eq!(keep_alive.stats().retired.idle_deadline, expired as u64);
        burst
    })
}

async fn burst<S>(
    client: &S,
    server: &Server,
    requests: usize,
    before: Before,
    suspend: impl FnOnce(),
) -> Burst
where
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    if server.connections() > 0 {
        for _ in 0..20 {
            // What the allocator puts off until somebody asks for memory again is not the burst's.
            exchange(client, get(URI)).await.unwrap();
        }
    }
    let connections = server.connections();
    if before == Before::Suspended {
        suspend();
    }
    let started = Instant::now();
    let mut burst = JoinSet::new();
    for _ in 0..requests {
        let client = client.clone();
        burst.spawn(async move { exchange(&client, get(URI)).await.is_err() });
    }
    if before == Before::Stopped {
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    let failed = burst.join_all().await.into_iter().filter(|failed| *failed);
    Burst {
        failed: failed.count(),
        took: started.elapsed(),
        opened: server.connections() - connections,
    }
}
