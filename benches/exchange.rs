//! Makes exchanges whose instructions `benches/instructions` counts.
//!
//! ```text
//! cargo bench --bench exchange --no-run
//! valgrind --tool=callgrind --toggle-collect='*counted*' target/release/deps/exchange-<hash> 0 both 1
//! ```
//!
//! The arguments are the kind of exchange, by its place among all of them; `none`, `connector`, or
//! `both`; and a seed for the state of the heap. Without them the program makes some exchanges of each
//! kind and prints the names of the kinds.
//!
//! Client and server share a thread, and both are counted. The server is the same for every client
//! and does nothing but send canned bytes.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "this is not the library"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use support::exchanges::{KINDS, Parts, exchanges};

const PARTS: [(&str, Parts); 3] = [
    ("none", Parts::None),
    ("connector", Parts::Connector),
    ("both", Parts::Both),
];

/// Number of exchanges that are counted. The script divides by it.
const TIMES: usize = 1_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, name, seed] = &args[..] {
        let kind = KINDS[kind.parse::<usize>().unwrap()];
        let (_, parts) = PARTS.into_iter().find(|parts| parts.0 == name).unwrap();
        exchanges(kind, parts, TIMES, seed.parse().unwrap(), counted);
        return;
    }
    for kind in KINDS {
        for (_, parts) in PARTS {
            exchanges(kind, parts, 1, 0, counted);
        }
        println!("{}", kind.name);
    }
}

/// Only what happens in here is counted.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    run();
}
