//! Requests per second on several threads over loopback: this crate to hyper-util's bare client.
//!
//! ```text
//! cargo bench -p cost --bench rate
//! ```
//!
//! The two clients take turns of a tenth of a second. Each pair of turns gives a ratio; the table has
//! their median, the worst and the best. Client and server share a runtime, and the server does nothing
//! but send canned bytes.

use cost::rates::{COLUMNS, Ratios, compare};
use cost::support::client::{HttpClient, exchange, guarded_legacy, own, plain};
use cost::support::exchanges::{COUNTED_DOWN, Kind, SMALL, Server};
use cost::support::loopback;
use cost::{is_trial, pairs};
use http_keepalive::{KeepAlive, KeepAlivePolicy};

fn main() {
    let pairs = if is_trial() { 1 } else { 100 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let [bare, median, worst, best] = COLUMNS;
    let mut table = pairs::table(["exchange", "tasks", "client", bare, median, worst, best]);
    for kind in [SMALL, COUNTED_DOWN] {
        for tasks in [1, 16, 200] {
            for client in [Against::Own, Against::Legacy] {
                let ratios = runtime.block_on(compare_clients(kind, tasks, pairs, client));
                let [bare, median, worst, best] = ratios.cells();
                table.add_row([
                    kind.name.to_string(),
                    tasks.to_string(),
                    format!("{client:?}"),
                    bare,
                    median,
                    worst,
                    best,
                ]);
            }
        }
    }
    println!("{table}");
}

/// What is compared with hyper-util's client as it comes.
#[derive(Clone, Copy, Debug)]
enum Against {
    /// This crate's own client.
    Own,
    /// hyper-util's with this crate's connector and layer.
    Legacy,
}

async fn compare_clients(kind: Kind, tasks: usize, pairs: usize, with: Against) -> Ratios {
    let server = Server::start(kind).await;
    let keep_alive = KeepAlive::new(KeepAlivePolicy::default()).unwrap();
    let bare = plain(loopback::connector());
    let bare = || worker(bare.clone(), server.clone());
    match with {
        Against::Own => {
            let own = own(&keep_alive, loopback::connector());
            compare(pairs, tasks, bare, || worker(own.clone(), server.clone())).await
        }
        Against::Legacy => {
            let both = guarded_legacy(&keep_alive, loopback::connector());
            compare(pairs, tasks, bare, || worker(both.clone(), server.clone())).await
        }
    }
}

/// Makes one request after the other.
fn worker<S>(
    client: S,
    server: Server,
) -> impl FnMut() -> futures_util::future::BoxFuture<'static, ()>
where
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    move || {
        let (client, request) = (client.clone(), server.request());
        Box::pin(async move {
            exchange(&client, request).await.unwrap();
        })
    }
}
