//! How long one typical exchange takes, bare and with this crate: a response of ten headers and 30
//! bytes.
//!
//! ```text
//! cargo bench -p cost --bench round_trip
//! ```
//!
//! The table has ratios, measured by turns in one run; criterion the times behind them. Client and
//! server share a thread. There are three networks:
//!
//! * `canned`: no server and no network at all, only a transport that has the answer. What is measured
//!   is the client, so that this crate's share is larger than in any use of it.
//! * `memory`: hyper's server at the other end of an in-memory link.
//! * `loopback`: hyper's server at the other end of a TCP connection.

use std::time::Instant;

use cost::canned::{Canned, CannedConnector, TYPICAL};
use cost::support::client::{HttpClient, exchange, guarded_legacy, plain};
use cost::support::link::Link;
use cost::support::loopback;
use cost::support::server::{Body, Server, full};
use cost::{budget, is_trial, pairs, runtime};
use criterion::Criterion;
use http::{Request, Response, Uri};
use http_body_util::Full;
use http_keepalive::{IdleAwareConnector, KeepAlive};
use hyper_util::client::legacy::connect::Connect;
use tokio::runtime::Runtime;
use tower::Layer;
use tower_service::Service;

const MODES: [&str; 4] = ["bare", "connector", "layer", "both"];

/// Makes so many exchanges.
type Repeated = Box<dyn Fn(&Runtime, u64)>;

/// A client of each mode, each with a connection of its own.
fn clients<C>(connector: C, uri: String) -> [Repeated; 4]
where
    C: Connect + Service<Uri> + Clone + Send + Sync + 'static,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let keep_alive = KeepAlive::default();
    let wrapped = keep_alive.connector(connector.clone());
    [
        repeated(plain(connector.clone()), uri.clone()),
        repeated(plain(wrapped), uri.clone()),
        repeated(
            keep_alive.layer().layer(plain(connector.clone())),
            uri.clone(),
        ),
        repeated(guarded_legacy(&keep_alive, connector), uri),
    ]
}

/// Makes a number of exchanges, one after another.
fn repeated<S: HttpClient + 'static>(client: S, uri: String) -> Repeated {
    let uri: Uri = uri.parse().unwrap();
    Box::new(move |runtime, times| {
        runtime.block_on(async {
            for _ in 0..times {
                let request = Request::get(uri.clone()).body(Full::default()).unwrap();
                let response = exchange(&client, request).await.unwrap();
                assert_eq!(response.body().len(), 30);
            }
        });
    })
}

/// With `content-length` and `date`, which hyper adds, it has ten headers.
fn answer() -> Response<Body> {
    let mut response = Response::builder();
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store, max-age=0"),
        ("etag", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        ("vary", "accept-encoding"),
        ("x-request-id", "7b1c2ad0-4f0a-4dbb-9a63-0c1f2f4c5e6d"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
        ("keep-alive", "timeout=75"),
    ] {
        response = response.header(name, value);
    }
    response
        .body(full("{\"status\":\"ok\",\"value\":12345}!"))
        .unwrap()
}

fn main() {
    let batch = if is_trial() { 10 } else { 500 };
    let runtime = runtime();
    let here = String::from("http://server.test/path");
    let server = Server::builder()
        .record(false)
        .handler(|_| async { answer() })
        .build();
    let address = runtime.block_on(loopback::serve(answer));
    let networks = [
        (
            "canned",
            clients(CannedConnector(Canned::whole(TYPICAL)), here.clone()),
        ),
        ("memory", clients(server.connector(Link::new()), here)),
        (
            "loopback",
            clients(loopback::connector(), format!("http://{address}/path")),
        ),
    ];

    let mut criterion = Criterion::default().configure_from_args();
    let mut table = pairs::table(["network", "client", "time", "of bare (95 % interval)"]);
    for (network, clients) in &networks {
        let mut turns = clients.each_ref().map(|client| || client(&runtime, batch));
        let mut contenders = turns.each_mut().map(|turn| turn as &mut dyn FnMut());
        let rounds = pairs::rounds(budget(20), &mut contenders);
        for (place, mode) in MODES.into_iter().enumerate() {
            let time = rounds.median(place).as_nanos() / u128::from(batch);
            let ratio = rounds.time_ratio(place);
            table.add_row([
                network.to_string(),
                mode.to_string(),
                format!("{time} ns"),
                ratio.to_string(),
            ]);
        }

        let mut group = criterion.benchmark_group(*network);
        for (client, mode) in clients.iter().zip(MODES) {
            group.bench_function(mode, |b| {
                b.iter_custom(|times| {
                    let started = Instant::now();
                    client(&runtime, times);
                    started.elapsed()
                });
            });
        }
        group.finish();
    }
    println!("\n{table}");
    criterion.final_summary();
}
