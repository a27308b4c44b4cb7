//! What an idle connection costs in bytes on the heap, counted.

use std::any::Any;

use crate::support::client::{HttpClient, guarded_legacy, keep_alive, own, plain};
use crate::support::exchanges::Parts;
use crate::support::idle::fill;
use crate::support::link::Link;
use crate::support::server::Server;
use tokio::runtime::Runtime;
use tower::Layer;

/// The bytes of one connection that made an exchange and idles in the client's pool, both ends of it
/// and the link between them. What is there once only does not count.
fn bytes_per_connection(parts: Parts) -> f64 {
    const FEW: u32 = 256;
    const MANY: u32 = 1_280;
    let live = |connections| {
        let mut kept = None;
        let counted = allocation_counter::measure(|| kept = Some(open(parts, connections)));
        counted.bytes_current
    };
    (live(MANY) - live(FEW)) as f64 / f64::from(MANY - FEW)
}

fn open(parts: Parts, connections: u32) -> (Runtime, Box<dyn Any>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let client = runtime.block_on(async {
        let server = Server::builder().hint("timeout=75").record(false).build();
        let connector = server.connector(Link::new());
        let keep_alive = keep_alive(Default::default());
        let client = match parts {
            Parts::None => filled(plain(connector), connections).await,
            Parts::Connector => filled(plain(keep_alive.connector(connector)), connections).await,
            Parts::Layer => filled(keep_alive.layer().layer(plain(connector)), connections).await,
            Parts::Both => filled(guarded_legacy(&keep_alive, connector), connections).await,
            Parts::Own => filled(own(&keep_alive, connector), connections).await,
        };
        assert_eq!(server.open(), connections as usize);
        client
    });
    (runtime, client)
}

async fn filled<S: HttpClient + 'static>(client: S, connections: u32) -> Box<dyn Any> {
    fill(&client, "http://server.test/", connections as usize).await;
    Box::new(client)
}

#[test]
fn an_idle_connection_takes_at_most_512_bytes_more_than_a_bare_one() {
    let bare = bytes_per_connection(Parts::None);

    for parts in [Parts::Connector, Parts::Layer, Parts::Both] {
        let more = bytes_per_connection(parts) - bare;
        assert!(
            more <= 512.0,
            "{parts:?}: {more:.0} bytes on top of {bare:.0}"
        );
    }
}

#[test]
fn an_idle_connection_of_the_own_client_takes_at_most_256_bytes_more_than_one_of_hyper_utils() {
    let legacy = bytes_per_connection(Parts::Both);

    let own = bytes_per_connection(Parts::Own);

    println!("hyper-util's {legacy:.0}, own {own:.0}");
    assert!(own <= legacy + 256.0, "{own:.0} bytes, not {legacy:.0}");
}
