//! What one exchange costs, bare and wrapped, for a tool that counts instructions.
//!
//! ```text
//! cargo bench --bench exchange --no-run
//! valgrind --tool=callgrind target/release/deps/exchange-<hash> both 1000
//! valgrind --tool=callgrind target/release/deps/exchange-<hash> both 2000
//! ```
//!
//! The difference between the two counts is that of a thousand exchanges. Instead of `both` it may
//! be `connector`, `layer`, or `none`: hyper-util's client as it comes.
//!
//! | | instructions | more |
//! |---|---|---|
//! | `none` | 52 800 | |
//! | `connector` | 55 900 | 6.0 % |
//! | `layer` | 55 800 | 5.7 % |
//! | `both` | 56 800 | 7.6 % |
//!
//! Client and server together, x86-64, Rust 1.95. `layer` by itself asks the server for its hint with
//! every request, which costs both sides some 2 000; with its connector it asks once a connection.
//! Of the 4 000 of `both` about 900 move bytes through one more transport, 900 read clocks (before each
//! idle read of hyper's, with the first byte of the response, and with that of the request), 700 find the
//! hint and pass it on, 400 follow the head of the request, 400 put the response aside, and 300 put the
//! handle into its extensions. No timer is set. Up to 400 more or less are the allocator's: it depends on
//! how the heap happens to lie.
//!
//! The response is put aside because it is small, and the connection one of the 64 that have room for
//! that. To follow it at once costs some 1 700 more.
//!
//! Run by itself it makes a few exchanges in each mode, to show that it works.

#![allow(unreachable_pub, reason = "this is not the library")]

#[path = "../tests/support/mod.rs"]
mod support;

use support::typical::{Parts, exchanges};

const PARTS: [(&str, Parts); 4] = [
    ("none", Parts::None),
    ("connector", Parts::Connector),
    ("layer", Parts::Layer),
    ("both", Parts::Both),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let asked = match &args[..] {
        [name, times] => times.parse().ok().map(|times| (name.as_str(), times)),
        _ => None,
    };
    for (name, parts) in PARTS {
        match asked {
            Some((asked, times)) if asked == name => exchanges(parts, times),
            Some(_) => {}
            None => exchanges(parts, 100),
        }
    }
}
