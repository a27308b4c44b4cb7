//! Makes exchanges whose instructions `benches/instructions` counts.
//!
//! ```text
//! cargo bench -p cost --no-default-features --bench exchange --no-run
//! valgrind --tool=callgrind --toggle-collect='*counted*' target/release/deps/exchange-<hash> 0 both 1
//! ```
//!
//! The arguments are the kind of exchange, by its place among all of them; `none`, `connector`, `both`, `own`, which is
//! this crate's own client, `replay`, which is both within a retry, or `least`, which is the least that following a
//! connection takes; and a seed for the state of the heap. With `--parts` the program prints those that there are. Without
//! arguments it makes some exchanges of each kind and prints the names of the kinds.
//!
//! Client and server share a thread, and both are counted. The server is the same for every client
//! and does nothing but send canned bytes.

use cost::least;
use cost::support::client::{guarded_legacy, plain};
use cost::support::exchanges::{KINDS, Kind, Parts, exchanges, exchanges_of};
use cost::support::loopback;
use http_keepalive::{KeepAlive, ReplayPolicy};
use tower::retry::Retry;

const PARTS: [(&str, Parts); 4] = [
    ("none", Parts::None),
    ("connector", Parts::Connector),
    ("both", Parts::Both),
    ("own", Parts::Own),
];

/// Number of exchanges that are counted. The script divides by it.
const TIMES: usize = 1_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [flag] if flag == "--parts" => names().for_each(|name| println!("{name}")),
        [kind, name, seed] => {
            let kind = KINDS[kind.parse::<usize>().unwrap()];
            run(kind, name, TIMES, seed.parse().unwrap());
        }
        _ => {
            for kind in KINDS {
                names().for_each(|name| run(kind, name, 1, 0));
                println!("{}", kind.name);
            }
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    PARTS
        .iter()
        .map(|(name, _)| *name)
        .chain(["replay", "least"])
}

fn run(kind: Kind, name: &str, times: usize, seed: u64) {
    match PARTS.into_iter().find(|parts| parts.0 == name) {
        Some((_, parts)) => exchanges(kind, parts, times, seed, counted),
        None if name == "replay" => {
            let keep_alive = KeepAlive::default();
            let client = || {
                let client = guarded_legacy(&keep_alive, loopback::connector());
                Retry::new(ReplayPolicy::default(), client)
            };
            exchanges_of(kind, client, times, seed, counted);
        }
        None if name == "least" => {
            let connector = least::client::Connector::new(loopback::connector());
            let client = || least::client::Layered::new(plain(connector.clone()));
            exchanges_of(kind, client, times, seed, counted);
        }
        None => panic!("{name} is none of {:?}", names().collect::<Vec<_>>()),
    }
}

/// Only what happens in here is counted.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    run();
}
