//! The client's pool, with its threads in many orders: shuttle chooses at each lock which of them goes on.
//!
//! ```text
//! cargo test -p handover                       some hundred orders of each model
//! ORDERS=1000000 cargo test --release -p handover
//! cargo test -p handover -- a_word             those models whose names have the word
//! ```
//!
//! The sources of the pool are compiled as they are, over locks of shuttle's, and with hyper's real connections. What the
//! pool uses of the rest of the crate is in `stubs`. A wake that is lost leaves everybody waiting, which shuttle reports
//! as a deadlock.

#![allow(clippy::duplicate_mod, reason = "there are models of the driver alone")]

// In the place of both.
extern crate handover as std;
extern crate handover as tokio;

mod driving;
mod exchanges;
mod queue;
mod stubs;
mod world;

// Once more, for models of it alone.
#[allow(clippy::duplicate_mod, reason = "the pool's is private")]
#[path = "../../../../src/pool/driver.rs"]
mod driver;
#[allow(
    dead_code,
    unused_imports,
    reason = "not all of its interface is used here"
)]
#[path = "../../../../src/pool/mod.rs"]
mod pool;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use connection::ClientError;
use pool::{Client, PoolStats};
use stubs::KeepAlive;
// What the pool knows the rest of the crate by.
use stubs::{client, clock, connect, connection, executor, keep_alive, origin};

/// A name, and what is run in each order.
type Model = (&'static str, fn());

fn main() {
    let orders = std::env::var("ORDERS").map_or(200, |orders| orders.parse().unwrap());
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut config = Config::new();
    // Without optimization the pool needs more than the default.
    config.stack_size = 1 << 18;
    let models = [driving::MODELS, exchanges::MODELS, queue::MODELS].concat();
    for (name, model) in models {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        println!("{name}");
        // Any thread goes on; and, to find what needs few changes of threads, one has to be kept back.
        Runner::new(RandomScheduler::new(orders), config.clone()).run(model);
        Runner::new(PctScheduler::new(3, orders), config.clone()).run(model);
    }
}
