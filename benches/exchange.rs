//! What one exchange costs, bare and wrapped, for a tool that counts instructions.
//!
//! ```text
//! benches/instructions                    all of the table, some minutes
//!
//! cargo bench --bench exchange --no-run   and by hand
//! valgrind --tool=callgrind target/release/deps/exchange-<hash> both memory 1000 1
//! valgrind --tool=callgrind target/release/deps/exchange-<hash> both memory 2000 1
//! ```
//!
//! The difference between the two counts is that of a thousand exchanges. Instead of `both` it may
//! be `connector`, `layer`, or `none`: hyper-util's client as it comes; instead of `memory`,
//! `loopback`. The last number is a seed: what an allocation costs depends on how the heap happens to
//! lie: several hundred instructions an exchange more or less, with this crate and without. So the program
//! takes memory for itself between its first exchanges, and gives some of it back, each seed other pieces,
//! and the table gives the means over 24 seeds.
//!
//! | | in memory | more | over loopback | more |
//! |---|---|---|---|---|
//! | `none` | 53 400 | | 56 800 | |
//! | `connector` | 55 700 | 4.1 % | 59 400 | 4.6 % |
//! | `layer` | 56 000 | 4.8 % | 59 600 | 4.9 % |
//! | `both` | 56 300 | 5.4 % | 59 900 | 5.5 % |
//!
//! Client and server together, x86-64, Rust 1.95. `layer` by itself asks the server for its hint with
//! every request, which costs both sides some 2 000; with its connector it asks once a connection.
//! Of the 3 000 of `both` about 900 move bytes through one more transport, 800 read clocks and compare
//! them (before each of hyper's four idle reads, with the first byte of the response, and with that of
//! the request), 500 find the hint and pass it on, 300 follow the request, 250 put the response aside, and
//! 300 put the handle into its extensions. No timer is set.
//!
//! The response is put aside because it is small, and the connection one of the 64 that have room for
//! that. To follow it and the request at once costs some 2 500 more.
//!
//! Run by itself it makes a few exchanges in each mode, to show that it works.

#![allow(unreachable_pub, reason = "this is not the library")]

#[path = "../tests/support/mod.rs"]
mod support;

use support::typical::{Over, Parts, exchanges};

const PARTS: [(&str, Parts); 4] = [
    ("none", Parts::None),
    ("connector", Parts::Connector),
    ("layer", Parts::Layer),
    ("both", Parts::Both),
];

const OVER: [(&str, Over); 2] = [("memory", Over::Memory), ("loopback", Over::Loopback)];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let asked = match args[..] {
        [parts, over, times, seed] => times
            .parse()
            .ok()
            .zip(seed.parse().ok())
            .map(|(times, seed)| (parts, over, times, seed)),
        _ => None,
    };
    for (parts_name, parts) in PARTS {
        for (over_name, over) in OVER {
            match asked {
                Some((asked_parts, asked_over, times, seed)) => {
                    if (asked_parts, asked_over) == (parts_name, over_name) {
                        exchanges(parts, over, times, seed);
                    }
                }
                None => exchanges(parts, over, 100, 0),
            }
        }
    }
}
