//! How fast a response body of 1 GiB comes in, bare and with this crate.
//!
//! ```text
//! cargo bench -p cost --bench body
//! ```
//!
//! The client reads the body frame by frame and drops it. The table has the ratio of the throughputs,
//! measured by turns in one run, a GiB a turn, each on a connection of its own: where its buffers
//! happen to lie makes more of a difference than what is looked for here. criterion gives the
//! throughputs by themselves. Client and server share a thread, so that none of this crate's work can
//! hide behind the server's. A timer is pending all the while, as in any program that has a timeout:
//! for the first one tokio begins to look at the clock whenever it has nothing else to do.
//!
//! * `canned`: no server and no network, only a transport that copies the bytes out of a buffer.
//!   Nothing is faster, so that this crate's share is larger than in any use of it.
//! * `memory`: hyper's server at the other end of an in-memory link.
//! * `loopback`: hyper's server at the other end of a TCP connection.
//!
//! `sized` has a `Content-Length`, `chunked` has chunks of 16 KiB.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cost::canned::{Canned, CannedConnector};
use cost::repeated::Repeated;
use cost::support::client::{HttpClient, guarded_legacy, plain};
use cost::support::link::Link;
use cost::support::loopback;
use cost::support::server::{Body, Server};
use cost::{budget, is_trial, pairs, runtime};
use criterion::{Criterion, Throughput};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use http_keepalive::{IdleAwareConnector, KeepAlive};
use hyper_util::client::legacy::connect::Connect;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use tower_service::Service;

const MODES: [&str; 2] = ["bare", "wrapped"];

/// The size of a chunk.
const CHUNK: usize = 16 << 10;

/// How the body is framed.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Sized,
    Chunked,
}

impl Framing {
    fn canned(self, length: u64) -> Canned {
        match self {
            Self::Sized => Canned::sized(CHUNK, length / CHUNK as u64),
            Self::Chunked => Canned::chunked(CHUNK, length / CHUNK as u64),
        }
    }

    fn answer(self, length: u64) -> Response<Body> {
        let body = Repeated {
            piece: Bytes::from_static(&[b'x'; CHUNK]),
            pieces: length / CHUNK as u64,
            is_sized: matches!(self, Self::Sized),
        };
        Response::new(body.boxed())
    }
}

type Download = Box<dyn Fn(&Runtime)>;

/// Downloads with a client of each mode.
fn downloads<C>(connector: C, uri: &str, length: u64) -> [Download; 2]
where
    C: Connect + Service<Uri> + Clone + Send + Sync + 'static,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let uri: Uri = uri.parse().unwrap();
    let bare = connector.clone();
    [
        download(move || plain(bare.clone()), uri.clone(), length),
        download(
            move || guarded_legacy(&KeepAlive::default(), connector.clone()),
            uri,
            length,
        ),
    ]
}

/// Reads a body to its end, on a new connection.
fn download<S: HttpClient + 'static>(
    client: impl Fn() -> S + 'static,
    uri: Uri,
    length: u64,
) -> Download {
    Box::new(move |runtime| {
        runtime.block_on(async {
            let request = Request::get(uri.clone()).body(Full::default()).unwrap();
            let response = client().oneshot(request).await.unwrap();
            let mut body = response.into_body();
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.unwrap();
                read += frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            assert_eq!(read, length);
        });
    })
}

fn main() {
    let length = if is_trial() { 1 << 24 } else { 1 << 30 };
    let runtime = runtime();
    runtime.spawn(async { tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await });
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut table = pairs::table([
        "network",
        "framing",
        "bare",
        "wrapped",
        "wrapped / bare (95 % interval)",
    ]);
    for framing in [Framing::Sized, Framing::Chunked] {
        let here = "http://server.test/";
        let server = Server::builder()
            .record(false)
            .handler(move |_| async move { framing.answer(length) })
            .build();
        let answer = move || framing.answer(length);
        let address = runtime.block_on(loopback::serve(answer));
        let there = format!("http://{address}/");
        let canned = CannedConnector(framing.canned(length));
        let networks = [
            ("canned", downloads(canned, here, length)),
            (
                "memory",
                downloads(server.connector(Link::new()), here, length),
            ),
            ("loopback", downloads(loopback::connector(), &there, length)),
        ];
        for (network, downloads) in &networks {
            let mut turns = downloads.each_ref().map(|turn| || turn(&runtime));
            let mut contenders = turns.each_mut().map(|turn| turn as &mut dyn FnMut());
            let rounds = pairs::rounds(budget(20), &mut contenders);
            let speed = |place| {
                let gib = length as f64 / f64::from(1 << 30);
                let seconds = rounds.median(place).as_secs_f64();
                format!("{:.2} GiB/s", gib / seconds)
            };
            table.add_row([
                network.to_string(),
                format!("{framing:?}").to_lowercase(),
                speed(0),
                speed(1),
                rounds.speed_ratio(1).to_string(),
            ]);

            let name = format!("{network}/{framing:?}").to_lowercase();
            let mut group = criterion.benchmark_group(name);
            group.throughput(Throughput::Bytes(length));
            for (turn, mode) in downloads.iter().zip(MODES) {
                group.bench_function(mode, |b| {
                    b.iter_custom(|times| {
                        let started = Instant::now();
                        (0..times).for_each(|_| turn(&runtime));
                        started.elapsed()
                    });
                });
            }
            group.finish();
        }
    }
    println!("\n{table}");
    criterion.final_summary();
}
