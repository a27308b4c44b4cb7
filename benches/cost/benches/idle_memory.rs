//! What 50 000 idle connections take, in bytes on the heap: bare, and with this crate.
//!
//! ```text
//! cargo bench -p cost --bench idle_memory
//! ```
//!
//! Each connection has made an exchange and idles in hyper-util's pool, or in that of this crate's own client. There is no server and no
//! network, so that what is counted is the client's. Sizes are those that were asked of the
//! allocator, and do not depend on the machine's mood: `cargo test --test memory` holds them to
//! their bound.

use std::any::Any;

use cost::canned::{Canned, CannedConnector, TYPICAL};
use cost::support::client::{HttpClient, guarded_legacy, keep_alive, own, plain};
use cost::support::idle::fill_origins;
use cost::{is_trial, pairs, paused_runtime};
use http_keepalive::KeepAlivePolicy;
use tokio::runtime::Runtime;
use tower::Layer;

/// Opens connections, and gives what keeps them open.
type Open = fn(usize) -> (Runtime, Box<dyn Any>);

fn main() {
    let connections = if is_trial() { 500 } else { 50_000 };
    let modes: [(&str, Open); 5] = [
        ("bare", |connections| open(connections, plain(connector()))),
        ("connector", |connections| {
            let keep_alive = keep_alive(KeepAlivePolicy::default());
            open(connections, plain(keep_alive.connector(connector())))
        }),
        ("layer", |connections| {
            let keep_alive = keep_alive(KeepAlivePolicy::default());
            open(connections, keep_alive.layer().layer(plain(connector())))
        }),
        ("both", |connections| {
            let keep_alive = keep_alive(KeepAlivePolicy::default());
            open(connections, guarded_legacy(&keep_alive, connector()))
        }),
        ("own", |connections| {
            let keep_alive = keep_alive(KeepAlivePolicy::default());
            open(connections, own(&keep_alive, connector()))
        }),
    ];
    let mut table = pairs::table(["client", "bytes each", "allocations each", "on top of bare"]);
    let mut bare = None;
    for (mode, open) in modes {
        let mut kept = None;
        let counted = allocation_counter::measure(|| kept = Some(open(connections)));
        let bytes = counted.bytes_current as f64 / connections as f64;
        let allocations = counted.count_current as f64 / connections as f64;
        let more = bytes - *bare.get_or_insert(bytes);
        table.add_row([
            mode.to_string(),
            format!("{bytes:.0}"),
            format!("{allocations:.1}"),
            format!("{more:.0}"),
        ]);
    }
    println!("{connections} idle connections\n{table}");
}

fn connector() -> CannedConnector {
    CannedConnector(Canned::whole(TYPICAL))
}

fn open<S: HttpClient + 'static>(connections: usize, client: S) -> (Runtime, Box<dyn Any>) {
    let runtime = paused_runtime();
    runtime.block_on(fill_origins(&client, "server", connections));
    (runtime, Box::new(client))
}
