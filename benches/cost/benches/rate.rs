//! Requests per second on several threads over loopback: this crate to hyper-util's bare client.
//!
//! ```text
//! cargo bench -p cost --bench rate
//! ```
//!
//! The two clients take turns of a tenth of a second. Each pair of turns gives a ratio; the table has
//! their median, the worst and the best. Client and server share a runtime, and the server does nothing
//! but send canned bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cost::support::client::{HttpClient, exchange, guarded, plain};
use cost::support::exchanges::{COUNTED_DOWN, Kind, SMALL, Server};
use cost::support::loopback;
use cost::{is_trial, pairs};
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use tokio::task::JoinSet;

fn main() {
    let pairs = if is_trial() { 1 } else { 150 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut table = pairs::table([
        "exchange",
        "tasks",
        "bare, per second",
        "median ratio",
        "worst",
        "best",
    ]);
    for kind in [SMALL, COUNTED_DOWN] {
        for tasks in [1, 16, 200] {
            let Ratios { bare, ratios } = runtime.block_on(compare(kind, tasks, pairs));
            table.add_row([
                kind.name.to_string(),
                tasks.to_string(),
                format!("{bare:.0}"),
                format!("{:.3}", ratios[ratios.len() / 2]),
                format!("{:.3}", ratios[0]),
                format!("{:.3}", ratios[ratios.len() - 1]),
            ]);
        }
    }
    println!("{table}");
}

/// What pairs of turns gave.
struct Ratios {
    /// Median rate of the bare client.
    bare: f64,
    /// Rates with this crate over rates of the bare client, sorted.
    ratios: Vec<f64>,
}

async fn compare(kind: Kind, tasks: usize, pairs: usize) -> Ratios {
    let server = Server::start(kind).await;
    let keep_alive = KeepAlive::new(KeepAlivePolicy::default()).unwrap();
    let bare = plain(loopback::connector());
    let both = guarded(&keep_alive, loopback::connector());
    // Opens the connections.
    rate(&bare, &server, tasks).await;
    rate(&both, &server, tasks).await;
    let mut rates = Vec::new();
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        let (of_bare, of_both) = if pair % 2 == 0 {
            let of_bare = rate(&bare, &server, tasks).await;
            (of_bare, rate(&both, &server, tasks).await)
        } else {
            let of_both = rate(&both, &server, tasks).await;
            (rate(&bare, &server, tasks).await, of_both)
        };
        rates.push(of_bare);
        ratios.push(of_both / of_bare);
    }
    rates.sort_unstable_by(f64::total_cmp);
    ratios.sort_unstable_by(f64::total_cmp);
    Ratios {
        bare: rates[pairs / 2],
        ratios,
    }
}

/// Exchanges per second of this many tasks, in one turn.
async fn rate<S>(client: &S, server: &Server, tasks: usize) -> f64
where
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    let is_over = Arc::<AtomicBool>::default();
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let (client, server, is_over) = (client.clone(), server.clone(), Arc::clone(&is_over));
        running.spawn(async move {
            let mut made = 0;
            while !is_over.load(Ordering::Relaxed) {
                exchange(&client, server.request()).await.unwrap();
                made += 1;
            }
            made
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    is_over.store(true, Ordering::Relaxed);
    let made: u32 = running.join_all().await.into_iter().sum();
    f64::from(made) / started.elapsed().as_secs_f64()
}
