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
